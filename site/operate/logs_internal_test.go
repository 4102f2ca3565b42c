package operate

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLogsWithoutHealthChecks(t *testing.T) {
	said := 0
	app := func(pid, message string) string {
		said++
		return fmt.Sprintf(`{"__REALTIME_TIMESTAMP":"%d","_SYSTEMD_UNIT":"app@8001.service","_PID":"%s","MESSAGE":%s}`, 1764590400000000+said*1e6, pid, message)
	}
	one, two := "[0f8fad5b-d9cb-469f-a165-70867728950e]", "[7c9e6679-7425-40de-944b-e07fc1f90ae7]"
	log := strings.Join([]string{
		app("7", `"Started GET \"/up\" for 127.0.0.1 at 2026-12-01"`),
		app("7", `"Started GET \"/upper?x=1\" for 192.0.2.1 at 2026-12-01"`),
		app("7", `"Processing by HealthController#up as HTML"`),
		app("7", `"Completed 200 OK in 1ms"`),
		app("7", `"Processing by UpperController#show as HTML"`),
		app("7", `"Completed 200 OK in 9ms"`),
		app("8", `"I, [2026-12-01T12:00:00.1 #8]  INFO -- : Started HEAD \"/up\" for 127.0.0.1"`),
		app("8", `"I, [2026-12-01T12:00:00.1 #8]  INFO -- : Processing by HealthController#up as HTML"`),
		app("8", `"I, [2026-12-01T12:00:00.1 #8]  INFO -- : Completed 200 OK in 1ms"`),
		app("9", `"`+one+` Started GET \"/up\" for 127.0.0.1"`),
		app("9", `"`+two+` Started POST \"/up\" for 192.0.2.1"`),
		app("9", `"`+one+` Completed 200 OK in 1ms"`),
		app("9", `"`+two+` Completed 200 OK in 2ms"`),
		app("6", `"[web-1] [`+one[1:]+` Started GET \"/up\" for 127.0.0.1"`),
		app("6", `"[web-1] [`+one[1:]+` Processing by HealthController#up as HTML"`),
		app("6", `"[web-1] Started GET \"/up\" for 127.0.0.1"`),
		app("6", `"[web-1] Completed 200 OK in 1ms"`),
		app("9", `"GET /up 200 1.2 ms"`),
		app("9", `[98,97,100,255]`),
		`{"__REALTIME_TIMESTAMP":"1764590401000000","_SYSTEMD_UNIT":"init.scope","UNIT":"apache2.service","_PID":"1","MESSAGE":"Started apache2.service"}`,
		`192.0.2.1 - - [01/Dec/2025:13:00:00 +0100] "GET /up HTTP/1.1" 200 2 "-" "monitor"`,
		`192.0.2.1 - ada [01/Dec/2025:13:00:00 +0100] "GET /entries?page=2 HTTP/1.1" 200 512 "-" "curl"`,
		`192.0.2.1 - - [01/Dec/2025:13:00:00 +0100] "GET / HTTP/1.1" 200 2 "-" "siteblocks" shop.localhost 1033 -`,
		`127.0.0.1 - - [01/Dec/2025:13:00:00 +0100] "GET /balancer-manager?xml=1 HTTP/1.1" 200 2 "-" "curl/8" - 1033 -`,
		`192.0.2.1 - - [01/Dec/2025:13:00:00 +0100] "GET /balancer-manager HTTP/1.1" 404 2 "-" "curl/8" - 1033 -`,
		app("9", `"two\nlines \u001b[2J"`),
		"this is no line of either", "",
	}, "\n")
	var out bytes.Buffer
	r := &logReader{health: newHealthLines("/up"), to: &out}
	lines := &lineWriter{line: r.line}
	for i := range len(log) {
		_, err := lines.Write([]byte{log[i]}) // in pieces, as they come from a connection
		require.NoError(t, err)
	}
	var texts []string
	for line := range strings.Lines(out.String()) {
		_, text, _ := strings.Cut(strings.TrimSpace(line), "Z ")
		texts = append(texts, text)
	}
	require.Equal(t, []string{
		`app@8001 Started GET "/upper?x=1" for 192.0.2.1 at 2026-12-01`,
		"app@8001 Processing by UpperController#show as HTML",
		"app@8001 Completed 200 OK in 9ms",
		"app@8001 " + two + ` Started POST "/up" for 192.0.2.1`,
		"app@8001 " + two + " Completed 200 OK in 2ms",
		"app@8001 bad�",
		"apache2 Started apache2.service",
		`visitor 192.0.2.1 "GET /entries?page=2 HTTP/1.1" 200 512 "-" "curl"`,
		`visitor 192.0.2.1 "GET /balancer-manager HTTP/1.1" 404 2 "-" "curl/8" - 1033 -`,
		`app@8001 two\x0alines \x1b[2J`,
	}, texts)
	require.Contains(t, out.String(), "2025-12-01T12:00:00Z visitor", "times are UTC")

	out.Reset()
	r = &logReader{health: newHealthLines("/up"), to: &out, all: true}
	_, err := (&lineWriter{line: r.line}).Write([]byte(log))
	require.NoError(t, err)
	require.Len(t, strings.Split(strings.TrimSpace(out.String()), "\n"), 26)
}
