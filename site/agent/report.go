package agent

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site/internal/layout"
)

// Report is what a server's agent says of it.
type Report struct {
	Release     string    `json:"release"` // current on the disk
	Processes   []Process `json:"processes,omitempty"`
	Maintenance bool      `json:"maintenance"`
	Restoring   bool      `json:"restoring,omitempty"` // a restore has stopped the application and did not come to its end
	Database    string    `json:"database,omitempty"`  // "ok", or what is wrong
	Apache      string    `json:"apache,omitempty"`    // "ok", or why its balancer cannot be asked
	DiskFree    int64     `json:"disk_free_bytes"`
	Load        string    `json:"load"` // of 1, 5 and 15 minutes
}

// Report looks at this server.
func (a Agent) Report(ctx context.Context) (Report, error) {
	var out bytes.Buffer
	script := "df -B1 --output=avail / | tail -n 1 | tr -d ' '\ncut -d' ' -f1-3 /proc/loadavg\ntest -e " + sshx.Quote(layout.Maintenance) + " && echo on || echo off\n"
	if err := (sshx.Local{}).Run(ctx, sshx.Script{Text: script, Stdout: &out}); err != nil {
		return Report{}, fmt.Errorf("site: report: %w", err)
	}
	f := strings.Split(out.String(), "\n")
	r := Report{Load: f[1], Maintenance: f[2] == "on", Database: "ok", Apache: "ok"}
	if _, err := fmt.Sscan(f[0], &r.DiskFree); err != nil {
		return r, fmt.Errorf("site: report: free space %q: %w", f[0], err)
	}
	_, err := os.Stat(layout.Restoring)
	r.Restoring = err == nil
	if err := a.Database(ctx, true); err != nil {
		r.Database = err.Error()
	}
	if r.Release, err = a.target().Current(ctx); err != nil {
		return r, err
	}
	if r.Processes, err = a.Processes(ctx); err != nil {
		return r, err
	}
	members, err := a.balancer().Members(ctx)
	if err != nil {
		r.Apache = err.Error()
	}
	for _, m := range members {
		for i := range r.Processes {
			if p := &r.Processes[i]; loopback(p.Port) == m.Addr {
				p.Apache, p.Usable = m.Status, m.Usable()
			}
		}
	}
	return r, nil
}
