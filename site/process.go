package site

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/siteblocks/siteblocks/codedeploy"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

const (
	releasesPrefix = "releases/"
	keepReleases   = 5
)

// target is where releases lie on a host of the site.
func (s Site) target(h sshx.Host) codedeploy.Target {
	return codedeploy.Target{
		Host: h, Root: s.root(), Owner: deployUser, Group: deployUser, Keep: keepReleases,
		LinkedDirs: s.App.LinkedDirs, LinkedFiles: s.App.LinkedFiles, Writable: appUser,
	}
}

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
	ports := a.Site.App.ports()
	words := make([]string, len(ports))
	for i, p := range ports {
		words[i] = fmt.Sprint(p)
	}
	var out bytes.Buffer
	script := "set -- " + strings.Join(words, " ") + "\nunit=" + sshx.Quote(appUnitPath) + "\n" + processesScript
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

// ServerReport is what a server's agent says of it.
type ServerReport struct {
	Release     string    `json:"release"` // current on the disk
	Processes   []Process `json:"processes,omitempty"`
	Maintenance bool      `json:"maintenance"`
	Database    string    `json:"database,omitempty"` // "ok", or what is wrong
	Apache      string    `json:"apache,omitempty"`   // "ok", or why its balancer cannot be asked
	DiskFree    int64     `json:"disk_free_bytes"`
	Load        string    `json:"load"` // of 1, 5 and 15 minutes
}

// Report looks at this server.
func (a Agent) Report(ctx context.Context) (ServerReport, error) {
	var out bytes.Buffer
	script := "df -B1 --output=avail / | tail -n 1 | tr -d ' '\ncut -d' ' -f1-3 /proc/loadavg\ntest -e " + sshx.Quote(a.Site.maintenanceFlag()) + " && echo on || echo off\n"
	if err := (sshx.Local{}).Run(ctx, sshx.Script{Text: script, Stdout: &out}); err != nil {
		return ServerReport{}, fmt.Errorf("site: report: %w", err)
	}
	f := strings.Split(out.String(), "\n")
	r := ServerReport{Load: f[1], Maintenance: f[2] == "on", Database: "ok", Apache: "ok"}
	if _, err := fmt.Sscan(f[0], &r.DiskFree); err != nil {
		return r, fmt.Errorf("site: report: free space %q: %w", f[0], err)
	}
	if err := a.Database(ctx, true); err != nil {
		r.Database = err.Error()
	}
	var err error
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

// agent runs a verb of the agent on a server and hands its events on; answer, if not nil, is its last line's value.
func (o Operator) agent(ctx context.Context, h sshx.Host, answer any, words ...string) error {
	out := &eventReader{o: o, answer: answer}
	command := "exec " + agentPath + " agent"
	for _, w := range words {
		command += " " + sshx.Quote(w)
	}
	err := h.Run(ctx, sshx.Script{Text: command, Root: true, Stdout: &lineWriter{line: out.line}})
	if err == nil {
		err = out.err
	}
	return err
}

// eventReader takes the agent's output apart: a JSON value a line, an Event or {"answer": …}.
type eventReader struct {
	o      Operator
	answer any
	err    error
}

func (r *eventReader) line(line []byte) error {
	var v struct {
		Event
		Answer json.RawMessage `json:"answer"`
	}
	if err := json.Unmarshal(line, &v); err != nil {
		r.err = fmt.Errorf("site: agent said %q: %w", line, err)
		return nil
	}
	if v.Answer == nil {
		r.o.emit(v.Event)
	} else if r.answer != nil {
		r.err = json.Unmarshal(v.Answer, r.answer)
	}
	return nil
}
