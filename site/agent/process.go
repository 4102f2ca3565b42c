package agent

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site/internal/layout"
)

// Process is one of the application's processes on a server.
type Process struct {
	Port    uint16 `json:"port"`
	Running bool   `json:"running"`
	Release string `json:"release"`         // that it runs; empty where it does not
	Apache  string `json:"apache"`          // how Apache's balancer has it, in its words such as "Init Ok"; empty where it has not
	Usable  bool   `json:"usable"`          // it gets new requests
	Fresh   bool   `json:"fresh"`           // it runs with the unit and the environment that are on the disk
	Extra   bool   `json:"extra,omitempty"` // it runs, but none of the site's processes has this port; Up ends it
}

//go:embed processes.sh
var processesScript string

// Processes tells what each of the application's processes on this server runs: those of the site, and those that run
// since an earlier one had other ports.
func (a Agent) Processes(ctx context.Context) ([]Process, error) {
	ports := a.Site.App.Ports()
	words := make([]string, len(ports))
	for i, p := range ports {
		words[i] = fmt.Sprint(p)
	}
	var out bytes.Buffer
	script := "set -- " + strings.Join(words, " ") + "\nunit=" + sshx.Quote(layout.AppUnitFile) + "\n" + processesScript
	if err := (sshx.Local{}).Run(ctx, sshx.Script{Text: script, Root: true, Stdout: &out}); err != nil {
		return nil, fmt.Errorf("site: processes: %w", err)
	}
	var all []Process
	for line := range strings.Lines(out.String()) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) != 4 {
			return nil, fmt.Errorf("site: processes: unexpected line %q", line)
		}
		p := Process{Running: f[1] == "active", Fresh: f[3] == "fresh"}
		if _, err := fmt.Sscan(f[0], &p.Port); err != nil {
			return nil, fmt.Errorf("site: processes: port %q: %w", f[0], err)
		}
		p.Extra = !slices.Contains(ports, p.Port)
		if f[2] != "" {
			p.Release = path.Base(f[2])
		}
		all = append(all, p)
	}
	return all, nil
}
