package site_test

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/provision"
)

var update = flag.Bool("update", false, "write the golden files")

// TestHostStates holds the state of a host of each role, and of one that has them all, byte for byte.
func TestHostStates(t *testing.T) {
	local := map[uint16]netip.AddrPort{80: netip.MustParseAddrPort("127.0.0.1:8080"), 443: netip.MustParseAddrPort("127.0.0.1:8443")}
	plain, secure := goldenSite(), goldenSite()
	secure.Web.HTTPS = site.HTTPS{Mode: site.HTTPSRedirect, HSTS: 24 * time.Hour}
	mysql := goldenSite()
	mysql.Image, mysql.Database.Engine = "ubuntu-24.04", "mysql"
	for name, c := range map[string]struct {
		site      site.Site
		roles     []string
		published map[uint16]netip.AddrPort
	}{
		"web":              {plain, []string{site.RoleWeb}, nil},
		"web-https":        {secure, []string{site.RoleWeb}, nil},
		"app":              {plain, []string{site.RoleApp}, nil},
		"db":               {plain, []string{site.RoleDB}, nil},
		"db-mysql":         {mysql, []string{site.RoleDB}, nil},
		"all-in-one":       {plain, []string{site.RoleWeb, site.RoleApp, site.RoleDB}, nil},
		"all-in-one-local": {secure, []string{site.RoleWeb, site.RoleApp, site.RoleDB}, local},
	} {
		server := ec2x.Server{
			Name: "web-1", Roles: c.roles, Arch: "amd64", Published: c.published,
			Private: netip.MustParseAddr("10.0.0.10"), Public: netip.MustParseAddr("192.0.2.10"),
		}
		state, err := c.site.HostState("web-1", goldenInputs(server))
		require.NoError(t, err)
		golden(t, name, stateText(state))
	}
}

func goldenSite() site.Site {
	app := site.Rails("./shop")
	app.Env["GREETING"] = "it's 100% \"free\""
	app.LinkedFiles = []string{"config/master.key"}
	s := site.AllInOne("my-shop", "www.shop.example", app)
	s.Aliases = []string{"shop.example"}
	return s
}

func goldenInputs(servers ...ec2x.Server) site.Inputs {
	return site.Inputs{
		Servers: servers,
		Secrets: site.Secrets{
			OperatorKey: "operator-key", OperatorPublic: "operator-public", DatabasePassword: "database-password",
			SecretKeyBase: "secret-key-base", BalancerSecret: "balancer-secret", BackupKey: "backup-key",
			Authority: site.Authority{Cert: "authority-cert", Key: "authority-key"}, Certificate: site.Certificate{Cert: "site-cert\n", Key: "site-key\n"},
		},
		Storage: ec2x.Storage{
			Bucket: "bucket", Region: "us-east-1", Endpoint: "http://127.0.0.1:1", ServerEndpoint: "http://10.0.0.2:7070",
		},
		Agent: provision.Blob{SHA256: strings.Repeat("0", 64), Size: 1},
	}
}

// stateText writes a state out, secrets included: those of the test are none.
func stateText(state provision.State) string {
	var b strings.Builder
	for _, step := range state.Steps {
		fmt.Fprintf(&b, "%s\n", strings.TrimPrefix(fmt.Sprintf("%T", step), "provision."))
		switch step := step.(type) {
		case provision.File:
			fileText(&b, step)
		case provision.Config:
			files := step.Files
			step.Files = nil
			fmt.Fprintf(&b, "  %+v\n", step)
			for _, f := range files {
				fileText(&b, f)
			}
		default:
			fmt.Fprintf(&b, "  %+v\n", step)
		}
	}
	return b.String()
}

func fileText(b *strings.Builder, f provision.File) {
	content := f.Content + string(f.Secret)
	if f.Blob.SHA256 != "" {
		content = "(blob " + f.Blob.SHA256 + ")"
	}
	fmt.Fprintf(b, "  %s owner=%q group=%q mode=%#o secret=%t keys=%t check=%q\n", f.Path, f.Owner, f.Group, f.Mode, f.Secret != "", f.SecretKeys, f.Check)
	for line := range strings.Lines(content) {
		fmt.Fprintf(b, "    | %s\n", strings.TrimSuffix(line, "\n"))
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "state", name+".txt")
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, name)
}
