package operate

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/siteblocks/siteblocks/s3backup"
	"github.com/siteblocks/siteblocks/site/agent"
)

// String is the site on one screen, as a person reads it.
func (s Status) String() string {
	w := &strings.Builder{}
	state := "well"
	if !s.Well {
		state = "NOT WELL:"
	}
	fmt.Fprintf(w, "%s  %s\n", strings.TrimSpace(s.Site+"  "+s.URL), state)
	for _, p := range s.Problems {
		fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(strings.TrimSpace(p), "\n", "\n    "))
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SERVER\tROLES\tADDRESS\tSTATE\tRELEASE\tPROCESSES\tDATABASE\tDISK FREE\tLOAD\tUP")
	for _, v := range s.Servers {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s", v.Name, strings.Join(v.Roles, ","), address(v.Address), v.State, orDash(v.Release))
		if r := v.Report; r != nil {
			state := fmt.Sprintf("%d of %d", running(r.Processes), len(r.Processes))
			if r.Maintenance {
				state += ", maintenance"
			}
			fmt.Fprintf(t, "\t%s\t%s\t%.1f GiB\t%s\t%s", state, r.Database, float64(r.DiskFree)/(1<<30), r.Load, v.Uptime)
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush()
	s.Backups.print(w)
	return w.String()
}

func running(all []agent.Process) (n int) {
	for _, p := range all {
		if p.Running {
			n++
		}
	}
	return n
}

// address is one that may not be known.
func address(a netip.Addr) string {
	if !a.IsValid() {
		return "-"
	}
	return a.String()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// print writes the part of the screen about backups; nil has none.
func (b *BackupStatus) print(w io.Writer) {
	switch {
	case b == nil:
		return
	case b.Count == 0:
		fmt.Fprintln(w, "\nbackups: none yet")
	default:
		verified := "none was verified"
		if !b.Verified.IsZero() {
			verified = "verified that of " + b.Verified.Local().Format(time.DateTime)
		}
		fmt.Fprintf(w, "\nbackups: %d, %s; last %s ago, in %.1f s; %s\n", b.Count, s3backup.Size(b.Bytes), time.Duration(b.AgeSeconds)*time.Second, b.TookSeconds, verified)
	}
	if b.Prunable > 0 {
		fmt.Fprintf(w, "backup prune -delete would delete %d of them\n", b.Prunable)
	}
	for _, warning := range b.Warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
}
