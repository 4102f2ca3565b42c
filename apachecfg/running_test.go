//go:build integration

package apachecfg_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/apachecfg"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site/traffic"
)

func mustURL(t *testing.T, s string) *url.URL {
	u, err := url.Parse(s)
	require.NoError(t, err)
	return u
}

// quoting sends values through the real Apache that would break out if anything could.
func quoting(t *testing.T, s *server) {
	site := smallest()
	site.Headers = map[string]string{}
	const alphabet = "abnrt \"\\${}%'<>#;=&`\t!()[]|,:?*^~\xc3\xa9"
	random := make([]byte, 32)
	for i := range 60 {
		_, err := rand.Read(random)
		require.NoError(t, err)
		value := "x"
		for _, b := range random[:3+i%29] {
			value += string(alphabet[int(b)%len(alphabet)])
		}
		site.Headers[fmt.Sprintf("X-Quote-%d", i)] = strings.ReplaceAll(value, "\t", " ") + "x"
	}
	for i, value := range []string{"${PATH}", "$${HOME}", `\${PATH}`, `"`, `\`, `\"`, `a\\`, "%{PATH}e", "%%", "%D", "$1",
		`" "expr=true`, "${" + apachecfg.Dollar + "}", `x" env=y`, "\\\\${APACHE_LOG_DIR}\\", "xexpr=abc", "\"expr=abc", `\expr=%{REMOTE_ADDR}`, "expr", "early", "env=x"} {
		site.Headers[fmt.Sprintf("X-Edge-%d", i)] = value
	}
	site = s.serve(t, site)
	a := s.get(t, fmt.Sprintf("http://%s:%d/robots.txt", site.Host, site.HTTP.PublicPort))
	for name, want := range site.Headers {
		require.Equal(t, []string{want}, a.Header.Values(name), "%s %s", name, hex.EncodeToString([]byte(want)))
	}
}

// preflight shows that nothing which Apache would die of reaches it.
func preflight(t *testing.T, s *server) {
	site := s.serve(t, allInOne())
	up := fmt.Sprintf("http://%s:%d/up", site.Host, site.HTTP.PublicPort)
	refused := func(broken apachecfg.Site, want string) {
		t.Helper()
		require.ErrorContains(t, apachecfg.Reload(t.Context(), s.Host, broken), want)
		require.Equal(t, http.StatusOK, s.get(t, up).StatusCode, "the site serves on")
	}
	s.Root(t, "echo '<VirtualHost' >>"+apachecfg.ConfigPath("shop"))
	refused(site, "Apache refuses the configuration")
	s.write(t, site)

	busy := site
	busy.Loopback.Port = 999
	s.Root(t, "systemd-run --quiet --unit busy /opt/app 999")
	s.write(t, busy)
	require.Eventually(t, func() bool {
		c, err := s.Host.Dial(t.Context(), "tcp", "127.0.0.1:999")
		if err == nil {
			c.Close()
		}
		return err == nil
	}, 10*time.Second, 50*time.Millisecond)
	refused(busy, "port 999 is taken by another program")
	s.Root(t, "systemctl stop busy")

	secure := s.published(allInOneHTTPS())
	s.certificate(t, secure)
	s.Root(t, "openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "+secure.HTTPS.Key)
	s.write(t, secure)
	refused(secure, "does not belong to certificate")
	other := secure
	other.Aliases = []string{"other.example"}
	s.certificate(t, secure)
	s.write(t, other)
	refused(other, "other.example")

	s.write(t, site)
	require.NoError(t, apachecfg.Reload(t.Context(), s.Host, site))
	s.Root(t, "systemctl stop apache2")
	require.NoError(t, apachecfg.Reload(t.Context(), s.Host, site), "it starts one that is stopped")
	require.Equal(t, http.StatusOK, s.get(t, up).StatusCode)
}

// naive is what one writes first.
const naive = `Listen 80
<Proxy "balancer://shop">
    BalancerMember "http://127.0.0.1:3001"
    BalancerMember "http://127.0.0.1:3002"
    BalancerMember "http://127.0.0.1:3003"
    BalancerMember "http://127.0.0.1:3004"
</Proxy>
<VirtualHost *:80>
    ProxyPreserveHost On
    ProxyPass "/" "balancer://shop/"
</VirtualHost>
`

// visitors ask for a page that takes 20 ms.
func visitors(s *server) traffic.Load {
	return traffic.Load{Target: traffic.Target{Addr: s.Port(80), Host: "shop.localhost"}, Path: "/x?ms=20", Clients: 20, Rate: 300}
}

// during puts load on the server while the work runs.
func during(t *testing.T, l traffic.Load, work func()) traffic.Report {
	t.Helper()
	report, err := l.During(t.Context(), work)
	require.NoError(t, err)
	t.Log(report)
	return report
}

// killEach kills the processes one after the other under load; systemd starts each again after a second.
func killEach(t *testing.T, s *server, l traffic.Load) traffic.Report {
	t.Helper()
	return during(t, l, func() {
		for _, p := range processes() {
			s.Root(t, fmt.Sprintf("sleep 1.5; systemctl kill -s KILL app@%d; sleep 1.5", p.Port()))
		}
	})
}

func killed(t *testing.T, s *server) {
	load := visitors(s)
	s.Put(t, apachecfg.ConfigPath("shop"), 0o644, []byte(naive))
	s.Root(t, "systemctl reload apache2; sleep 1")
	plain := killEach(t, s, load)
	t.Logf("naive: %d of %d GETs failed", plain.Failures("GET"), plain.Total("GET"))
	require.NotZero(t, plain.Failures("GET"), "else the test shows nothing")

	s.serve(t, allInOne())
	s.Root(t, ":>/var/tmp/posts; sleep 1")
	load.PostEvery = 10
	ours := killEach(t, s, load)
	t.Logf("ours: %d of %d GETs failed, %d of %d POSTs", ours.Failures("GET"), ours.Total("GET"), ours.Failures("POST"), ours.Total("POST"))
	require.Greater(t, ours.Good["GET"], 1500)
	for f := range ours.Failed {
		require.Equal(t, "POST status 502", f.String(), "no GET fails, and a POST that is lost is answered, never cut, so that no browser repeats it")
	}
	once(t, s, ours)
}

// inFlight kills the very process that is answering, under the second request of a keep-alive connection.
func inFlight(t *testing.T, s *server) {
	b := apachecfg.NewBalancer(s.Host, s.serve(t, allInOne()))
	for _, tt := range []struct {
		method, body string
		want         int
	}{
		{http.MethodGet, "", http.StatusOK},
		{http.MethodHead, "", http.StatusOK},
		{http.MethodPost, "once", http.StatusBadGateway},
		{http.MethodGet, "with a body", http.StatusBadGateway},
		{http.MethodPut, "", http.StatusBadGateway},
	} {
		t.Run(tt.method+" "+tt.body, func(t *testing.T) {
			c, err := traffic.NewClient(visitors(s).Target)
			require.NoError(t, err)
			defer c.Close()
			first := c.Ask(t.Context(), http.MethodGet, "/x", "")
			require.Equal(t, http.StatusOK, first.Status, first.Err)
			before := elected(t, b)
			takes := "2000"
			if tt.want != http.StatusOK {
				takes = "20000" // nothing but its death ends it
			}
			done := make(chan traffic.Outcome)
			go func() { done <- c.Ask(t.Context(), tt.method, "/x?ms="+takes, tt.body) }()
			member := chosen(t, b, before)
			s.Root(t, fmt.Sprintf("systemctl kill -s KILL app@%d", member.Port()))
			second := <-done
			require.Empty(t, second.Kind, second.Err)
			require.True(t, second.Reused)
			require.Equal(t, tt.want, second.Status)
			require.NoError(t, reachable(t.Context(), s, member))
		})
	}
}

// elected is how often each member was chosen.
func elected(t *testing.T, b *apachecfg.Balancer) map[netip.AddrPort]int {
	t.Helper()
	members, err := b.Members(t.Context())
	require.NoError(t, err)
	count := map[netip.AddrPort]int{}
	for _, m := range members {
		count[m.Addr] = m.Elected
	}
	return count
}

// chosen waits for the one member that was chosen since. (Apache's count of those that are busy is not exact.)
func chosen(t *testing.T, b *apachecfg.Balancer, before map[netip.AddrPort]int) netip.AddrPort {
	t.Helper()
	var found []netip.AddrPort
	require.Eventually(t, func() bool {
		found = nil
		for addr, n := range elected(t, b) {
			if n > before[addr] {
				found = append(found, addr)
			}
		}
		return len(found) == 1
	}, time.Minute, 20*time.Millisecond)
	return found[0]
}

// killedChild shows that a count which stays does not keep a member from being drained: nobody counts down for a child
// of Apache that was killed.
func killedChild(t *testing.T, s *server) {
	b := apachecfg.NewBalancer(s.Host, s.serve(t, allInOne()))
	c, err := traffic.NewClient(visitors(s).Target)
	require.NoError(t, err)
	defer c.Close()
	before := elected(t, b)
	done := make(chan traffic.Outcome)
	go func() { done <- c.Ask(t.Context(), http.MethodPost, "/x?ms=20000", "once") }()
	member := chosen(t, b, before)
	s.Root(t, `pkill -KILL -P "$(cat /run/apache2/apache2.pid)"`)
	require.NotEmpty(t, (<-done).Kind)
	members, err := b.Members(t.Context())
	require.NoError(t, err)
	require.Equal(t, []netip.AddrPort{member}, addresses(members, func(m apachecfg.Member) bool { return m.Busy > 0 }))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, b.Drain(ctx, member))
	require.NoError(t, b.Ready(ctx, member))
}

// once checks that every acknowledged POST reached a process exactly once, and no other one twice.
func once(t *testing.T, s *server, r traffic.Report) {
	t.Helper()
	count := map[string]int{}
	for _, id := range strings.Fields(s.Root(t, "cat /var/tmp/posts")) {
		count[id]++
		require.Equal(t, 1, count[id], "POST %s", id)
	}
	for _, id := range r.Acknowledged {
		require.Equal(t, 1, count[id], "POST %s", id)
	}
}

func rolling(t *testing.T, s *server) {
	site := s.serve(t, allInOne())
	b := apachecfg.NewBalancer(s.Host, site)
	s.Root(t, ":>/var/tmp/posts; sleep 1")
	load := visitors(s)
	load.PostEvery = 2
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	drained := during(t, load, func() {
		for range 3 {
			for _, member := range processes() {
				require.NoError(t, b.Without(ctx, member, func(ctx context.Context) error { return restart(ctx, s, member) }))
			}
		}
	})
	require.Empty(t, drained.Failed)
	require.Greater(t, drained.Good["POST"], 100)
	once(t, s, drained)

	t.Run("plain", func(t *testing.T) {
		s.Root(t, ":>/var/tmp/posts")
		plain := during(t, load, func() {
			for range 3 {
				for _, member := range processes() {
					require.NoError(t, restart(ctx, s, member))
				}
			}
		})
		for f := range plain.Failed {
			require.Regexp(t, "^(GET|POST) status 50[23]$", f.String(), "only draining promises that none fails, but each is answered")
		}
		once(t, s, plain)
	})
	t.Run("switches", func(t *testing.T) { switches(t, s, b) })
}

// restart does what a deploy does: restart the process and wait until it answers.
func restart(ctx context.Context, s *server, member netip.AddrPort) error {
	script := fmt.Sprintf("systemctl restart app@%d", member.Port())
	if err := s.Host.Run(ctx, sshx.Script{Text: script, Root: true}); err != nil {
		return err
	}
	return reachable(ctx, s, member)
}

func reachable(ctx context.Context, s *server, member netip.AddrPort) error {
	for {
		c, err := s.Host.Dial(ctx, "tcp", member.String())
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func switches(t *testing.T, s *server, b *apachecfg.Balancer) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	all := processes()
	require.Eventually(t, func() bool {
		members, err := b.Members(ctx)
		require.NoError(t, err)
		return slices.Equal(all, addresses(members, apachecfg.Member.Usable))
	}, 10*time.Second, 100*time.Millisecond)

	require.NoError(t, b.Drain(ctx, all[0]))
	require.NoError(t, b.Drain(ctx, all[1]))
	require.NoError(t, b.Drain(ctx, all[2]))
	require.ErrorIs(t, b.Drain(ctx, all[3]), apachecfg.ErrOnlyMember)
	members, err := b.Members(ctx)
	require.NoError(t, err)
	require.Equal(t, all[:3], addresses(members, apachecfg.Member.Drained))
	for _, a := range all[:3] {
		require.NoError(t, b.Ready(ctx, a))
	}
	require.ErrorContains(t, b.Drain(ctx, netip.MustParseAddrPort("127.0.0.1:9")), "no such member")

	before := elected(t, b)
	slow := make(chan int, 1)
	go func() {
		res, err := s.client().Get(fmt.Sprintf("http://shop.localhost:%d/x?ms=3000", s.Port(80).Port()))
		if err != nil {
			slow <- 0
			return
		}
		slow <- res.StatusCode
	}()
	busy := chosen(t, b, before)
	short, stop := context.WithTimeout(ctx, 500*time.Millisecond)
	defer stop()
	err = b.Drain(short, busy)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, " requests")
	require.NoError(t, b.Drain(ctx, busy), "it waits for the slow one")
	require.Equal(t, http.StatusOK, <-slow)
	require.NoError(t, b.Ready(ctx, busy))

	wrong := &apachecfg.Balancer{Host: s.Host, Name: "shop", Port: 88, SecretFile: "/root/wrong"}
	s.Root(t, "printf wrong >/root/wrong")
	_, err = wrong.Members(ctx)
	require.ErrorContains(t, err, "403")
}

func addresses(members []apachecfg.Member, which func(apachecfg.Member) bool) []netip.AddrPort {
	var list []netip.AddrPort
	for _, m := range slices.DeleteFunc(slices.Clone(members), func(m apachecfg.Member) bool { return !which(m) }) {
		list = append(list, m.Addr)
	}
	return list
}
