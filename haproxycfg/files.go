package haproxycfg

import (
	"io/fs"
	"slices"
	"strings"
)

// Paths on the server, as Debian's package has them.
const (
	ConfigPath = "/etc/haproxy/haproxy.cfg"

	// GoodPath is the configuration that was loaded last, which Reload goes back to.
	GoodPath = "/etc/haproxy/haproxy.cfg.good"

	// SocketPath is where Runtime talks to the running process.
	SocketPath = "/run/haproxy/admin.sock"

	// StatePath carries what is known of the servers over a reload. It holds something during one only: read at a
	// start weeks later it would bring back what was drained then.
	StatePath = "/var/lib/haproxy/server-state"

	// Unit is HAProxy's systemd unit.
	Unit = "haproxy.service"

	masterPath = "/run/haproxy-master.sock"
)

// CheckCommand is HAProxy's own check of the file at ConfigPath, for whoever lays it down by other means than Reload.
// Preflight finds more.
const CheckCommand = "haproxy -c -f " + ConfigPath

// File is a file of the configuration, owned by root.
type File struct {
	Path    string
	Mode    fs.FileMode
	Content []byte
}

// Files are all files that the configuration needs on the server: itself, first, and StatePath that it reads, with nothing in
// it but the format's version.
// Reload and Apply write them by themselves.
func Files(c Config) ([]File, error) {
	conf, err := Render(c)
	if err != nil {
		return nil, err
	}
	return []File{{Path: ConfigPath, Mode: 0o644, Content: conf}, {Path: StatePath, Mode: 0o644, Content: []byte("1\n")}}, nil
}

// Packages are the Debian packages that the configuration needs.
func Packages() []string { return []string{"haproxy"} }

// Sources of the words that Raw lines may begin with: the tables "Keywords matrix" and "Global parameters" of
// https://docs.haproxy.org/2.6/configuration.html. A section's keyword is not among them, so that no line ends
// its section.
var (
	rawGlobal = strings.Fields(`ca-base cpu-map crt-base h1-case-adjust httpclient.ssl.ca-file localpeer log log-send-hostname
		log-tag lua-load lua-load-per-thread lua-prepend-path maxcompcpuusage maxcomprate maxconnrate maxpipes maxsessrate
		maxsslconn maxsslrate maxzlibmem nbthread no node description issuers-chain-path setenv presetenv resetenv
		unsetenv set-var set-var-fmt spread-checks ssl-default-bind-ciphers ssl-default-bind-ciphersuites
		ssl-default-bind-curves ssl-default-bind-options ssl-default-server-ciphers ssl-default-server-ciphersuites
		ssl-default-server-options ssl-dh-param-file ssl-engine ssl-mode-async stats thread-group thread-groups
		ulimit-n unix-bind strict-limits busy-polling close-spread-time grace max-spread-checks noepoll nopoll nosplice`)

	rawProxy = strings.Fields(`acl compression declare description email-alert errorfile errorfiles errorloc errorloc302
		errorloc303 filter http-after-response http-request http-response id log log-format log-format-sd log-tag no
		option rate-limit stick-table tcp-request timeout unique-id-format unique-id-header capture monitor
		monitor-uri maxconn backlog http-error`)

	rawServers = strings.Fields(`balance cookie dynamic-cookie-key fullconn hash-type hash-balance-factor http-check http-reuse
		http-send-name-header load-server-state-from-file max-keep-alive-queue persist retries retry-on server-state-file-name
		source stick tcp-check tcp-response transparent use-server default-server external-check redirect force-persist
		ignore-persist stats`)

	rawFrontend = append(slices.Clone(rawProxy), "use_backend", "default_backend", "redirect", "stats", "force-persist")
	rawBackend  = append(slices.Clone(rawProxy), rawServers...)
)
