package mysqlrepl

import (
	"fmt"
	"path"
	"strings"
)

// ServerTLS names the files of a server's certificate, as the server reads them: absolute, readable by its user. All
// three are given or none. Once they are, no connection over TCP is accepted without TLS.
type ServerTLS struct {
	CA   string // the authority's certificate, PEM
	Cert string // the server's certificate, PEM; it names the host by which the other server reaches this one
	Key  string // the certificate's key, PEM, mode 0600 or less
}

// IsZero reports whether no file is named.
func (s ServerTLS) IsZero() bool { return s == ServerTLS{} }

func (s ServerTLS) validate() (errs []error) {
	if s.IsZero() {
		return nil
	}
	for _, file := range []struct{ what, name string }{{"CA", s.CA}, {"certificate", s.Cert}, {"key", s.Key}} {
		if !path.IsAbs(file.name) || strings.ContainsFunc(file.name, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`"'#;\`, r) }) {
			errs = append(errs, fmt.Errorf("mysqlrepl: config: TLS %s %q is not an absolute path without spaces, quotes, # and ;", file.what, file.name))
		}
	}
	return errs
}

const (
	// applyWorkers is how many transactions a replica applies at once.
	applyWorkers = 4
	// netTimeoutSeconds is how long a replica's connection may be silent before it is given up. Heartbeats come
	// several times a second.
	netTimeoutSeconds = 4
)

func (c Config) replication(f *file) {
	if !c.Replicated {
		return
	}
	n, _ := notationOf(c.Version.Flavor) // Validate has refused any other flavor
	n.configReplication(f)
}

func (c Config) encryption(f *file) {
	if c.TLS.IsZero() {
		return
	}
	f.why("Who connects over TCP does so with TLS, and can check this certificate.")
	f.set("ssl_ca", c.TLS.CA)
	f.set("ssl_cert", c.TLS.Cert)
	f.set("ssl_key", c.TLS.Key)
	f.set("tls_version", "TLSv1.2,TLSv1.3")
	f.set("require_secure_transport", "ON")
}
