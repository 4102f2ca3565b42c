// Package localtest gives tests real servers: bare Debian containers that boot systemd and sshd, and a real S3
// server, all of them gone when the test ends.
//
//	func TestNginx(t *testing.T) {
//		m := localtest.Server(t, localtest.Options{Packages: []string{"nginx"}, Ports: []uint16{80}})
//		require.NoError(t, m.Host.Run(t.Context(), sshx.Script{Text: "systemctl start nginx", Root: true}))
//		res, err := http.Get("http://" + m.Port(80).String())
//		…
//	}
//
// Images are built at first need and kept, so that the second test starts at once. Where no Docker engine
// answers, tests are skipped, or fail under CI=true. What a killed test left behind is removed by
// local.Sweep with the label Label.
package localtest

import (
	"context"
	"crypto/rand"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"

	"github.com/siteblocks/siteblocks/ec2x/local/internal/engine"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// Label marks every container, network and volume that this package makes, as "siteblocks.test=localtest".
const Label = "siteblocks.test"

// bootTimeout bounds how long a server may take from its start to its first answer over SSH.
const bootTimeout = 3 * time.Minute

// Options say what server a test needs. The zero value is a bare Debian 13.
type Options struct {
	Name     string   // host name, and its name for other servers of the same Network; zero is "server"
	Image    string   // as ec2x.Spec.Image; zero is Debian 13
	Packages []string // Debian packages that are there from the start, baked into a kept image
	Ports    []uint16 // TCP ports published on 127.0.0.1, see Machine.Port

	// Network is the name of a network made by Network, on which servers find each other by Name.
	// Zero is Docker's default network, without names.
	Network string

	// SmallDisk is the size in bytes of a file system of its own at /mnt/small, for tests of a full disk. Zero is none.
	SmallDisk int64
}

// Machine is a running server.
type Machine struct {
	Host      *sshx.Client // over SSH as user "admin", who has password-less sudo
	Target    sshx.Target  // how Host was dialled, for tests that dial themselves
	Container testcontainers.Container
	Private   netip.Addr // address for other containers; not reachable from the test itself everywhere

	engine  *engine.Engine
	network string
	ports   map[uint16]netip.AddrPort
}

// Docker skips the test where no Docker engine answers, or fails it under CI=true.
func Docker(t testing.TB) { dial(t) }

var setEnv = sync.OnceFunc(func() {
	// The reaper is an image of its own, which no registry may be there to give; cleaning up is done by the tests
	// and by label. The host is named, as guessing it takes a minute and fails inside a sandbox.
	for name, value := range map[string]string{"TESTCONTAINERS_RYUK_DISABLED": "true", "TESTCONTAINERS_HOST_OVERRIDE": "localhost"} {
		if _, ok := os.LookupEnv(name); !ok {
			_ = os.Setenv(name, value)
		}
	}
})

func dial(t testing.TB) *engine.Engine {
	t.Helper()
	setEnv()
	e, err := engine.Dial(context.Background(), engine.Options{Progress: func(step, detail string) { t.Logf("%s: %s", step, detail) }})
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// Network makes a network that is removed when the test ends, and returns its name.
func Network(t testing.TB) string {
	t.Helper()
	e := dial(t)
	name := "sb-test-" + strings.ToLower(rand.Text()[:10])
	_, err := e.NetworkCreate(t.Context(), name, client.NetworkCreateOptions{
		Driver: "bridge", Labels: map[string]string{Label: "localtest"},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_, err := e.NetworkRemove(ctx, name, client.NetworkRemoveOptions{})
		require.NoError(t, err)
	})
	return name
}

// Server boots a server and waits until it answers over SSH. It is removed when the test ends.
func Server(t testing.TB, o Options) *Machine {
	t.Helper()
	if o.Name == "" {
		o.Name = "server"
	}
	e := dial(t)
	image, err := e.ServerImage(t.Context(), o.Image, o.Packages...)
	require.NoError(t, err)
	hostKey, hostPub := sshx.NewKey()
	userKey, userPub := sshx.NewKey()
	m := &Machine{engine: e, network: o.Network}
	m.Container, err = testcontainers.Run(t.Context(), image, m.options(o, hostKey, hostPub, userPub)...)
	testcontainers.CleanupContainer(t, m.Container, testcontainers.StopTimeout(0))
	require.NoError(t, err)
	m.Target = sshx.Target{Name: o.Name, User: "admin", Key: userKey, HostKey: hostPub, Wait: bootTimeout}
	m.reach(t)
	return m
}

func (m *Machine) options(o Options, hostKey, hostPub, userPub string) []testcontainers.ContainerCustomizer {
	exposed := []string{"22/tcp"}
	for _, p := range o.Ports {
		exposed = append(exposed, strconv.Itoa(int(p))+"/tcp")
	}
	files := []engine.File{
		{Path: "/etc/ssh/ssh_host_ed25519_key", Mode: 0o600, Data: []byte(hostKey)},
		{Path: "/etc/ssh/ssh_host_ed25519_key.pub", Mode: 0o644, Data: []byte(hostPub + "\n")},
		{Path: "/home/admin/.ssh", Mode: 0o700 | fs.ModeDir, UID: 1000, GID: 1000},
		{Path: "/home/admin/.ssh/authorized_keys", Mode: 0o600, UID: 1000, GID: 1000, Data: []byte(userPub + "\n")},
	}
	return []testcontainers.ContainerCustomizer{
		testcontainers.WithExposedPorts(exposed...),
		testcontainers.WithLabels(map[string]string{Label: "localtest"}),
		testcontainers.WithConfigModifier(func(c *container.Config) { c.Hostname = o.Name }),
		testcontainers.WithEndpointSettingsModifier(func(s map[string]*network.EndpointSettings) {
			if o.Network != "" {
				s[o.Network] = &network.EndpointSettings{Aliases: []string{o.Name}}
			}
		}),
		testcontainers.WithHostConfigModifier(func(hc *container.HostConfig) {
			m.engine.Systemd(hc)
			hc.PortBindings = loopback(exposed)
			if o.Network != "" {
				hc.NetworkMode = container.NetworkMode(o.Network)
			}
			if o.SmallDisk > 0 {
				hc.Tmpfs["/mnt/small"] = "rw,mode=1777,size=" + strconv.FormatInt(o.SmallDisk, 10)
			}
		}),
		testcontainers.WithAdditionalLifecycleHooks(testcontainers.ContainerLifecycleHooks{
			PostCreates: []testcontainers.ContainerHook{func(ctx context.Context, c testcontainers.Container) error {
				return m.engine.Put(ctx, c.GetContainerID(), files...)
			}},
		}),
	}
}

func loopback(ports []string) network.PortMap {
	m := network.PortMap{}
	for _, p := range ports {
		m[network.MustParsePort(p)] = []network.PortBinding{{HostIP: netip.MustParseAddr("127.0.0.1")}}
	}
	return m
}

// reach finds out where the container's ports and its own address are, which change when it is started again, and
// dials it there.
func (m *Machine) reach(t testing.TB) {
	t.Helper()
	info, err := m.Container.Inspect(t.Context())
	require.NoError(t, err)
	m.ports = map[uint16]netip.AddrPort{}
	for port, bindings := range info.NetworkSettings.Ports {
		for _, b := range bindings {
			n, err := strconv.ParseUint(b.HostPort, 10, 16)
			require.NoError(t, err)
			m.ports[port.Num()] = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(n))
		}
	}
	for name, n := range info.NetworkSettings.Networks {
		if m.network == "" || name == m.network {
			m.Private = n.IPAddress
		}
	}
	m.Target.Addr = m.Port(22).String()
	host, err := sshx.Dial(t.Context(), m.Target)
	require.NoError(t, err)
	t.Cleanup(func() { _ = host.Close() })
	m.Host = host
}

// Port is where a published port is reached from the test.
func (m *Machine) Port(port uint16) netip.AddrPort { return m.ports[port] }
