package operate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/site/agent"
)

func TestStatusNamesWhatKeepsASiteFromBeingWell(t *testing.T) {
	well := func() Status {
		r := agent.Report{Release: "20261201120000", Database: "ok", Apache: "ok"}
		for port := uint16(8001); port <= 8004; port++ {
			r.Processes = append(r.Processes, agent.Process{Port: port, Running: true, Release: r.Release, Fresh: true, Apache: "Init Ok", Usable: true})
		}
		return Status{
			Site: "shop", URL: "http://shop.localhost/", Answer: "ok", Front: "200 OK", Release: r.Release,
			Servers: []ServerStatus{{Name: "web-1", State: "running", Release: r.Release, Report: &r}},
		}
	}
	require.Empty(t, well().problems())
	for _, tt := range []struct {
		name   string
		change func(*Status, *ServerStatus, *agent.Report)
		want   []string // each within a problem of its own, in order
	}{
		{"missing", func(_ *Status, v *ServerStatus, _ *agent.Report) { v.State, v.Report = "missing", nil }, []string{"web-1: it is missing; run up"}},
		{"stopped", func(_ *Status, v *ServerStatus, _ *agent.Report) { v.State, v.Report = "stopped", nil }, []string{"web-1: it is stopped; run up"}},
		{"no agent", func(_ *Status, v *ServerStatus, _ *agent.Report) { v.Report, v.Error = nil, "its agent is not there" }, []string{"web-1: its agent is not there"}},
		{"no answer", func(s *Status, _ *ServerStatus, _ *agent.Report) { s.Answer, s.Front = "connection refused", "" }, []string{"visitors: connection refused"}},
		{"maintenance", func(s *Status, _ *ServerStatus, r *agent.Report) {
			r.Maintenance, s.Front = true, "503 Service Unavailable"
		}, []string{"maintenance is on: visitors get 503 Service Unavailable; maintenance off"}},
		{"maintenance by another's hand", func(s *Status, _ *ServerStatus, _ *agent.Report) { s.Front = "503 Service Unavailable" }, []string{"visitors get 503 Service Unavailable at http://shop.localhost/"}},
		{"a front page that moves on", func(s *Status, _ *ServerStatus, _ *agent.Report) { s.Front = "302 Found" }, nil},
		{"all drained", func(_ *Status, _ *ServerStatus, r *agent.Report) {
			for i := range r.Processes {
				r.Processes[i].Apache, r.Processes[i].Usable = "Init Dis Ok", false
			}
		}, []string{"web-1: 4 of 4 processes (8001 8002 8003 8004): drained"}},
		{"one failed", func(_ *Status, _ *ServerStatus, r *agent.Report) {
			r.Processes[1].Apache, r.Processes[1].Usable = "Init HcFl", false
		}, []string{"web-1: 1 of 4 processes (8002): not healthy to Apache"}},
		{"one dead", func(_ *Status, _ *ServerStatus, r *agent.Report) { r.Processes[1] = agent.Process{Port: 8002} }, []string{"1 of 4 processes (8002): not running"}},
		{"mixed releases", func(_ *Status, _ *ServerStatus, r *agent.Report) { r.Processes[2].Release = "20261130120000" }, []string{
			"1 of 4 processes (8003): another release or configuration than the current one (20261130120000 on 8003, 20261201120000 on 8001 8002 8004)"}},
		{"old configuration", func(_ *Status, _ *ServerStatus, r *agent.Report) { r.Processes[2].Fresh = false }, []string{"(8003): another release or configuration"}},
		{"another's release on the disk", func(_ *Status, _ *ServerStatus, r *agent.Report) { r.Release = "20261201130000" }, []string{
			"its current release is 20261201130000, the site's is 20261201120000", "(8001 8002 8003 8004): another release"}},
		{"left over", func(_ *Status, _ *ServerStatus, r *agent.Report) { r.Processes[3].Extra = true }, []string{"1 of 4 processes (8004): left from other ports"}},
		{"Apache and the database are down", func(_ *Status, _ *ServerStatus, r *agent.Report) {
			r.Apache, r.Database = "connection refused", "no socket"
		}, []string{"database: no socket", "Apache: connection refused"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := well()
			tt.change(&s, &s.Servers[0], s.Servers[0].Report)
			got := s.problems()
			require.Len(t, got, len(tt.want), strings.Join(got, "\n"))
			for i, want := range tt.want {
				require.Contains(t, got[i], want)
			}
		})
	}
}
