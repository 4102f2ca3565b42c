package site_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/provision"
)

func shop(t *testing.T) site.Site {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.ru"), nil, 0o644))
	return site.AllInOne("shop", "www.shop.example", site.Rails(dir))
}

func TestValidateReportsEveryMistakeByItsField(t *testing.T) {
	s := shop(t)
	require.NoError(t, errors.Join(s.Validate(), s.ValidateFiles()))

	s.Name = "Shop"
	s.Domain = "www.shop.example\nServerAlias *"
	s.Aliases = []string{"shop.example", "shop.example", "10.0.0.1"}
	s.Image = "arch"
	s.Database.Engine = "oracle"
	s.App.Source = "/no/such/folder"
	s.App.Command = "puma\nExecStart=/bin/sh"
	s.App.Port = 65534
	s.App.Health = "up"
	s.App.Packages = []string{"rails; rm -rf /"}
	s.App.Env = map[string]string{"PORT": "1", "A B": "x", "OK": "two\nlines"}
	s.App.LinkedDirs = []string{"../../etc"}
	s.Web.HTTPS = site.HTTPS{Mode: "perhaps", CertFile: "/no/such.pem", HSTS: -1}
	s.Web.MaxBody = -1
	err := errors.Join(s.Validate(), s.ValidateFiles())
	for _, field := range []string{
		"site: Name:", "site: Domain:", "site: Aliases[1]:", "site: Aliases[2]:", "site: Image:", "site: Database.Engine:", "site: App.Source:", "site: App.Command:",
		"site: App.Port:", "site: App.Health:", "site: App.Packages[0]:", `site: App.Env: "PORT"`, `site: App.Env: "A B"`, "site: App.Env[OK]:", "site: App.LinkedDirs[0]:",
		"site: Web.HTTPS.Mode:", "site: Web.HTTPS:", "site: Web.HTTPS.CertFile:", "site: Web.HTTPS.HSTS:", "site: Web.MaxBody:",
	} {
		require.ErrorContains(t, err, field)
	}
}

func TestLinkedPathsWithinOthersAreRefused(t *testing.T) {
	s := shop(t)
	s.App.LinkedDirs, s.App.LinkedFiles = []string{"log", "config"}, []string{"config/master.key"}
	require.ErrorContains(t, s.Validate(), `site: App.LinkedDirs and App.LinkedFiles: codedeploy: target: linked path "config/master.key" lies within linked path "config"`)
}

func TestDomainsThatAreNone(t *testing.T) {
	for _, domain := range []string{"", "shop", "a..b", "-a.example", "a.example.", "shop.example:80", "SHOP.example", "a b.example", "*.example", "192.0.2.1", strings.Repeat("a.", 130) + "example"} {
		s := shop(t)
		s.Domain = domain
		require.ErrorContains(t, s.Validate(), "site: Domain:", "%q", domain)
	}
}

func TestRenderIsPureAndShowsNoSecret(t *testing.T) {
	s := shop(t)
	first, err := s.Render("web-1")
	require.NoError(t, err)
	again, err := s.Render("web-1")
	require.NoError(t, err)
	require.Equal(t, text(first), text(again))
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", first, first, first), "mysql2://")

	_, err = s.Render("web-9")
	require.ErrorIs(t, err, site.ErrUnknownServer)
}

func TestApacheServesWhatTheApplicationWritesFromWhereItLies(t *testing.T) {
	s := shop(t)
	s.Web.HTTPS = site.HTTPS{Mode: site.HTTPSRedirect, HSTS: 24 * time.Hour}
	files, err := s.Render("web-1")
	require.NoError(t, err)
	for _, want := range []string{
		`Alias "/system/" "/var/www/shop/shared/public/system/"`, `<Directory "/var/www/shop/shared/public/cache">`, "Listen 127.0.0.1:89\n",
		`Strict-Transport-Security "max-age=86400"`, `Include "/etc/siteblocks/balancer.secret.conf"`, "==> /etc/siteblocks/balancer.secret.conf\n",
	} {
		require.Contains(t, text(files), want)
	}
}

func text(files []provision.File) string {
	var b strings.Builder
	for _, f := range files {
		fmt.Fprintf(&b, "==> %s\n%s\n", f.Path, f.Content)
	}
	return b.String()
}

func TestDiagramIsWellFormed(t *testing.T) {
	s := shop(t)
	s.App.Processes = 6
	svg, err := s.Diagram()
	require.NoError(t, err)
	require.Contains(t, svg, "2 processes more")
	require.Contains(t, svg, "a backup every 10 min")
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

// What a process is asked with, is what a visitor's request carries on the cloud in question.
func TestTheAgentKnowsTheHostOfVisitors(t *testing.T) {
	s := shop(t)
	s.Web.HTTPS.Mode = site.HTTPSRedirect
	published := map[uint16]netip.AddrPort{80: netip.MustParseAddrPort("127.0.0.1:8080"), 443: netip.MustParseAddrPort("127.0.0.1:8443")}
	for want, server := range map[string]ec2x.Server{"www.shop.example": {}, "shop.localhost:8443": {Published: published}} {
		server.Name, server.Roles = "web-1", []string{site.RoleWeb, site.RoleApp, site.RoleDB}
		state, err := s.HostState("web-1", site.Inputs{Servers: []ec2x.Server{server}})
		require.NoError(t, err)
		i := slices.IndexFunc(state.Steps, func(step provision.Step) bool {
			f, ok := step.(provision.File)
			return ok && f.Path == "/etc/siteblocks/agent.json"
		})
		var config site.AgentConfig
		require.NoError(t, json.Unmarshal([]byte(state.Steps[i].(provision.File).Secret), &config))
		require.Equal(t, want, config.Host)
	}
}
