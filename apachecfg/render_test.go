package apachecfg_test

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/apachecfg"
)

var update = flag.Bool("update", false, "write the golden files")

func processes() []netip.AddrPort {
	var list []netip.AddrPort
	for port := uint16(3001); port <= 3004; port++ {
		list = append(list, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port))
	}
	return list
}

// allInOne is one server on HTTP with everything that does not need a certificate.
func allInOne() apachecfg.Site {
	return apachecfg.Site{
		Name:        "shop",
		Host:        "shop.localhost",
		Aliases:     []string{"www.shop.localhost", "old.shop.localhost"},
		HTTP:        apachecfg.HTTP{Port: 80},
		Root:        "/srv/shop/current/public",
		Immutable:   []string{"/assets/"},
		CachedPages: []string{"/srv/shop/current/public/cache"},
		HealthPath:  "/up",
		Maintenance: apachecfg.Maintenance{Flag: "/srv/shop/shared/maintenance", Page: "/srv/shop/shared/maintenance.html"},
		App:         apachecfg.App{Processes: processes()},
		Loopback:    apachecfg.Loopback{Port: 88, SecretFile: "/etc/apache2/shop.secret"},
	}
}

func allInOneHTTPS() apachecfg.Site {
	s := allInOne()
	s.HTTP.RedirectToHTTPS = true
	s.HTTPS = apachecfg.HTTPS{Port: 443, Certificate: "/etc/ssl/shop.pem", Key: "/etc/ssl/private/shop.key",
		HSTS: 365 * 24 * time.Hour}
	return s
}

func frontEnd() apachecfg.Site {
	s := allInOneHTTPS()
	s.App = apachecfg.App{Proxy: netip.MustParseAddrPort("127.0.0.1:8000")}
	s.Loopback.SecretFile = ""
	return s
}

func smallest() apachecfg.Site {
	return apachecfg.Site{
		Name: "shop",
		Host: "www.shop.example",
		HTTP: apachecfg.HTTP{Port: 80},
		Root: "/srv/shop/current/public",
		App:  apachecfg.App{Processes: processes()[:1]},
	}
}

var golden = map[string]func() apachecfg.Site{
	"smallest": smallest, "allinone-http": allInOne, "allinone-https": allInOneHTTPS, "frontend": frontEnd,
}

func TestGolden(t *testing.T) {
	for name, site := range golden {
		t.Run(name, func(t *testing.T) {
			got, err := apachecfg.Render(site())
			require.NoError(t, err)
			path := filepath.Join("testdata", name+".conf")
			if *update {
				require.NoError(t, os.WriteFile(path, got, 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
			require.False(t, apachecfg.Edited(got))
			require.True(t, apachecfg.Edited(append(got, '\n')))
		})
	}
}
