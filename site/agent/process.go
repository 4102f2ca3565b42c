package agent

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
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
	Died    int    `json:"died"`            // how often it was started again by itself since it was started last
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
	unit, err := os.ReadFile(layout.AppUnitFile)
	if err != nil {
		return nil, fmt.Errorf("site: processes: %w", err)
	}
	var out bytes.Buffer
	script := "set -- " + strings.Join(words, " ") + "\nstarted=" + sshx.Quote(layout.Started) + "\n" + processesScript
	if err := (sshx.Local{}).Run(ctx, sshx.Script{Text: script, Root: true, Stdout: &out}); err != nil {
		return nil, fmt.Errorf("site: processes: %w", err)
	}
	return parseProcesses(out.String(), string(unit), ports)
}

// startLine is what the unit writes down: the invocation, the release's folder and the configuration's digest.
var startLine = regexp.MustCompile(`^([0-9a-f]{32}) /(?:[A-Za-z0-9_.-]+/)*releases/([0-9]{14}) ([0-9a-f]+)$`)

// parseProcesses reads what processes.sh says: lines NAME=value, a blank one after each process.
func parseProcesses(out, unit string, ports []uint16) ([]Process, error) {
	var all []Process
	for block := range strings.SplitSeq(strings.TrimSpace(out), "\n\n") {
		said := map[string]string{}
		for line := range strings.Lines(block) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			said[name] = value
		}
		p := Process{Running: said["ActiveState"] == "active"}
		if _, err := fmt.Sscan(said["Port"], &p.Port); err != nil {
			return nil, fmt.Errorf("site: processes: port %q: %w", said["Port"], err)
		}
		p.Died, _ = strconv.Atoi(said["NRestarts"])
		p.Extra = !slices.Contains(ports, p.Port)
		if f := startLine.FindStringSubmatch(said["Started"]); f != nil && f[1] == said["InvocationID"] {
			p.Release, p.Fresh = f[2], strings.Contains(unit, " "+f[3]+"\" >"+layout.Started+"/")
		}
		all = append(all, p)
	}
	return all, nil
}
