//go:build integration

package haproxycfg_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/haproxycfg"
)

// claim has these databases and no others say that they are the source, and waits until HAProxy knows.
func (s *server) claim(t *testing.T, list ...string) {
	t.Helper()
	s.Root(t, "echo '"+strings.Join(list, " ")+"' >/var/tmp/source.new; mv /var/tmp/source.new /var/tmp/source")
	require.Eventually(t, func() bool {
		all, err := s.Servers(t.Context(), "database")
		require.NoError(t, err)
		return !slices.ContainsFunc(all, func(st haproxycfg.Stat) bool { return st.Usable() != slices.Contains(list, st.Addr.String()) })
	}, 30*time.Second, 50*time.Millisecond)
}

// client is an application's connection, and the database that it leads to.
type client struct {
	net.Conn
	r  *bufio.Reader
	to string
}

func (s *server) connect(t *testing.T, port string) *client {
	t.Helper()
	k := s.dial(t, port)
	k.greet()
	return k
}

func (s *server) dial(t *testing.T, port string) *client {
	t.Helper()
	c, err := s.Machine.Host.Dial(t.Context(), "tcp", "127.0.0.1:"+port)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	return &client{Conn: c, r: bufio.NewReader(c)}
}

// greet reads the database's first words.
func (k *client) greet() {
	line, _ := k.r.ReadString('\n')
	k.to = strings.TrimSpace(line)
}

// says tells whether the connection is there still.
func (k *client) says(word string) bool {
	fmt.Fprintln(k, word)
	line, err := k.r.ReadString('\n')
	return err == nil && line == word+"\n"
}

func databaseServes(t *testing.T, s *server, c haproxycfg.Config, _ *authority) {
	const first, second = "127.0.1.51:3306", "127.0.2.51:3306"
	s.claim(t, first)
	k := s.connect(t, "3306")
	require.Equal(t, first, k.to)
	require.True(t, k.says("write"))

	s.claim(t, second)
	require.False(t, k.says("write"), "who writes to the old source is cut off")
	k = s.connect(t, "3306")
	require.Equal(t, second, k.to, "and finds the new one without being told")

	s.claim(t, first, second)
	for range 20 {
		require.Equal(t, second, s.connect(t, "3306").to, "an old source that comes back takes nothing from the new one")
	}
	require.True(t, k.says("write"))
	s.Root(t, "echo 127.0.3.51:3306 "+first+" "+second+" >/var/tmp/source; systemd-run --quiet --unit third /opt/app 127.0.3.51:3306")
	defer s.Root(t, "systemctl stop third")
	s.reachable(t, addr("127.0.3.51:3307"))
	third := haproxycfg.Server{Name: "db-3", Addr: addr("127.0.3.51:3306")}
	require.NoError(t, s.Join(t.Context(), c.Databases[0].Backend(), third))
	s.claim(t, first, second, "127.0.3.51:3306")
	require.Equal(t, second, s.connect(t, "3306").to)

	s.claim(t, first, "127.0.3.51:3306")
	require.False(t, k.says("write"))
	for range 20 {
		require.Equal(t, first, s.connect(t, "3306").to, "of several that are left the first")
	}
	silences(t, s, c)
}

// silences gives each kind of section a time-out of its own that differs from the others.
func silences(t *testing.T, s *server, c haproxycfg.Config) {
	const short, long = 2 * time.Second, time.Hour
	for i, idle := range []time.Duration{long, short} {
		tcp := haproxycfg.Backend{Name: fmt.Sprintf("tcp-%d", i), Mode: haproxycfg.TCP, Timeout: idle, Servers: c.Databases[0].Servers[:1]}
		queue := haproxycfg.Backend{Name: fmt.Sprintf("queue-%d", i), Mode: haproxycfg.TCP, Timeout: long, Servers: slices.Clone(tcp.Servers)}
		queue.Servers[0].MaxConn = 1
		c.Backends = append(c.Backends, tcp, queue)
		for n, b := range []haproxycfg.Backend{tcp, queue} {
			c.Frontends = append(c.Frontends, haproxycfg.Frontend{Name: "to-" + b.Name, Mode: haproxycfg.TCP, Backend: b.Name,
				Binds: []haproxycfg.Bind{{Addr: addr(fmt.Sprintf("127.0.0.1:%d", 3320+10*n+i))}}})
		}
		d := c.Databases[0]
		d.Name, d.Bind, d.IdleTimeout = fmt.Sprintf("database-%d", i), addr(fmt.Sprintf("127.0.0.1:%d", 3310+i)), idle
		c.Databases = append(c.Databases, d)
	}
	for _, others := range []time.Duration{short, long} {
		c.Timeouts = haproxycfg.Timeouts{Client: others, Server: others, Tunnel: others, Queue: long}
		s.reload(t, c)
		lasting := []*client{s.connect(t, "3310"), s.connect(t, "3320"), s.connect(t, "3330")}
		waiting := s.dial(t, "3330")
		for _, port := range []string{"3311", "3321"} {
			k := s.connect(t, port)
			require.True(t, k.says("write"))
			_, err := k.r.ReadString('\n')
			require.ErrorIs(t, err, io.EOF, "closed after its own two seconds, others %v", others)
		}
		time.Sleep(2 * short) // silence is what is tried here
		for i, k := range lasting {
			require.True(t, k.says("write"), "%d is as good as ever, others %v", i, others)
		}
		lasting[2].Close()
		waiting.greet()
		require.Equal(t, "127.0.1.51:3306", waiting.to, "a place in the queue is kept too")
	}
}
