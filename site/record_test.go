package site_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/provision"
)

func TestASiteThatDiffersOnTheServerIsNamedByItsFields(t *testing.T) {
	operators := site.AllInOne("shop", "www.shop.example", site.Rails("./shop"))
	for field, change := range map[string]func(*site.Site){
		"Domain":             func(s *site.Site) { s.Domain = "shop.example" },
		"Aliases":            func(s *site.Site) { s.Aliases = []string{"shop.example"} },
		"Image":              func(s *site.Site) { s.Image = "debian-12" },
		"App.Migrate":        func(s *site.Site) { s.App.Migrate = "" },
		"App.Build":          func(s *site.Site) { s.App.Build = "make" },
		"App.Processes":      func(s *site.Site) { s.App.Processes = 5 },
		"App.LinkedDirs":     func(s *site.Site) { s.App.LinkedDirs = append(s.App.LinkedDirs, "uploads") },
		"App.LinkedFiles":    func(s *site.Site) { s.App.LinkedFiles = []string{"config/master.key"} },
		"App.Env[RAILS_ENV]": func(s *site.Site) { s.App.Env["RAILS_ENV"] = "staging" },
		"App.Env[EXTRA]":     func(s *site.Site) { s.App.Env["EXTRA"] = "{} <&> 'x'" },
		"App.BootTimeout":    func(s *site.Site) { s.App.BootTimeout = time.Hour },
		"Web.MaxBody":        func(s *site.Site) { s.Web.MaxBody = 1 },
		"Web.HTTPS.Mode":     func(s *site.Site) { s.Web.HTTPS.Mode = site.HTTPSRedirect },
		"Backup.Every":       func(s *site.Site) { s.Backup.Every = time.Hour },
		"Backup.Keep.Daily":  func(s *site.Site) { s.Backup.Keep.Daily = 3 },
		"Database.Engine":    func(s *site.Site) { s.Database.Engine = "mysql" },
	} {
		servers := site.AllInOne("shop", "www.shop.example", site.Rails("./shop"))
		change(&servers)
		require.ErrorContains(t, servers.CheckRecord(operators.Record()), " "+field+" is ", field)
		require.ErrorContains(t, operators.CheckRecord(servers.Record()), " "+field+" is ", field)
	}
}

func TestWhatMeansTheSameIsTheSameRecord(t *testing.T) {
	operators := site.AllInOne("shop", "www.shop.example", site.Rails("./shop"))
	servers := site.AllInOne("shop", "www.shop.example", site.Rails("/somewhere/else"))
	servers.App.Revision = "main"
	servers.Web.HTTPS.CertFile, servers.Web.HTTPS.KeyFile = "/home/ada/cert.pem", "/home/ada/key.pem"
	servers.App.Processes, servers.App.Port, servers.App.Health, servers.App.BootTimeout = 4, 8001, "/up", time.Minute
	servers.Web.PageCache, servers.Web.MaxBody = "cache", 64<<20
	servers.Backup.Every, servers.Image, servers.Database.Engine = 10*time.Minute, "debian-13", "mariadb"
	servers.Aliases, servers.App.LinkedFiles = []string{}, []string{}
	require.NoError(t, servers.CheckRecord(operators.Record()))
	require.Equal(t, string(operators.Record()), string(servers.Record()))
	require.NotContains(t, string(servers.Record()), "ada")

	require.Error(t, operators.CheckRecord([]byte("not JSON")))
	require.Error(t, operators.CheckRecord([]byte("{}")))
}

// The record is no secret, whose words would be taken out of every output; program and record are both checked.
func TestServersGetTheRecordInAFileOfItsOwn(t *testing.T) {
	s := shop(t)
	state, err := s.HostState("web-1", site.Inputs{Servers: []ec2x.Server{{Name: "web-1", Roles: []string{site.RoleWeb, site.RoleApp, site.RoleDB}}}})
	require.NoError(t, err)
	checked := 0
	for _, step := range state.Steps {
		f, ok := step.(provision.File)
		if !ok {
			continue
		}
		require.NotContains(t, string(f.Secret), "LinkedDirs", f.Path)
		if f.Path == "/etc/siteblocks/site.json" {
			require.Equal(t, string(s.Record()), f.Content)
		}
		if _, encoded, found := strings.Cut(f.Check, "agent version "); found {
			encoded, _, _ = strings.Cut(encoded, " ")
			record, err := base64.StdEncoding.DecodeString(encoded)
			require.NoError(t, err)
			require.Equal(t, string(s.Record()), string(record))
			checked++
		}
	}
	require.Equal(t, 2, checked)
}

func TestRecordHoldsNoValueOfTheEnvironment(t *testing.T) {
	s := site.AllInOne("shop", "www.shop.example", site.Rails("."))
	s.App.Env = map[string]string{"API_KEY": "8f3c-secret"}
	require.NotContains(t, string(s.Record()), "8f3c-secret")
	require.Equal(t, "8f3c-secret", s.App.Env["API_KEY"], "the Site itself keeps it")
	other := s
	other.App.Env = map[string]string{"API_KEY": "5e1d-other"}
	err := other.CheckRecord(s.Record())
	require.ErrorContains(t, err, "App.Env[API_KEY]")
	require.NotContains(t, err.Error(), "5e1d-other")
}
