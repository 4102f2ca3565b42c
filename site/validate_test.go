package site_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/site"
)

// What would fail later, on the server, is refused at once and by the field's name.
func TestWhatWouldFailLaterIsRefusedByName(t *testing.T) {
	env := func(k, v string) func(*site.Site) {
		return func(s *site.Site) { s.App.Env = map[string]string{k: v} }
	}
	for name, c := range map[string]struct {
		edit func(*site.Site)
		want string
	}{
		"the database's own schema":        {func(s *site.Site) { s.Name = "mysql" }, `Name: "mysql" is also the database's:`},
		"another one":                      {func(s *site.Site) { s.Name = "sys" }, `Name: "sys"`},
		"with a dash":                      {func(s *site.Site) { s.Name = "information-schema" }, `Name: "information-schema"`},
		"and another":                      {func(s *site.Site) { s.Name = "performance-schema" }, `Name: "performance-schema"`},
		"Debian's web folder":              {func(s *site.Site) { s.Name = "html" }, `Name: "html"`},
		"Debian's site":                    {func(s *site.Site) { s.Name = "default-ssl" }, `Name: "default-ssl"`},
		"too long a name":                  {func(s *site.Site) { s.Name = strings.Repeat("x", 32) }, `Name: "xxx`},
		"MySQL where there is none":        {func(s *site.Site) { s.Database.Engine = "mysql" }, "Database.Engine: mysqlrepl: debian-13 has no package of MySQL"},
		"MySQL on Debian 12":               {func(s *site.Site) { s.Image, s.Database.Engine = "debian-12", "mysql" }, "Database.Engine: mysqlrepl: debian-12"},
		"the database's port":              {func(s *site.Site) { s.App.Port = 3306 }, `App.Port: "3306" and the 4 processes from there on would take 3306`},
		"a range that reaches it":          {func(s *site.Site) { s.App.Port = 3303 }, `App.Port: "3303"`},
		"the listener's port":              {func(s *site.Site) { s.App.Port = 3307 }, "App.Port:"},
		"a low port":                       {func(s *site.Site) { s.App.Port = 443 }, "App.Port:"},
		"too high ports":                   {func(s *site.Site) { s.App.Port = 65533 }, "App.Port:"},
		"the maintenance switch":           {func(s *site.Site) { s.App.LinkedDirs = []string{"maintenance"} }, "App.LinkedDirs[0]:"},
		"below it":                         {func(s *site.Site) { s.App.LinkedFiles = []string{"maintenance/x"} }, "App.LinkedFiles[0]:"},
		"a linked path that leads out":     {func(s *site.Site) { s.App.LinkedDirs = []string{"a/../../b"} }, "App.LinkedDirs[0]:"},
		"a linked path twice":              {func(s *site.Site) { s.App.LinkedDirs = []string{"log", "log"} }, "App.LinkedDirs"},
		"what install itself writes":       {func(s *site.Site) { s.App.LinkedFiles = []string{"REVISION"} }, `App.LinkedDirs and App.LinkedFiles: codedeploy: target: linked path "REVISION" is reserved`},
		"the start page as health":         {func(s *site.Site) { s.App.Health = "/" }, `App.Health: "/"`},
		"a health path that ends in /":     {func(s *site.Site) { s.App.Health = "/up/" }, "App.Health:"},
		"two slashes":                      {func(s *site.Site) { s.App.Health = "//up" }, "App.Health:"},
		"a health path that leads up":      {func(s *site.Site) { s.App.Health = "/up/../x" }, "App.Health:"},
		"a hidden health path":             {func(s *site.Site) { s.App.Health = "/.up" }, "App.Health:"},
		"a query":                          {func(s *site.Site) { s.App.Health = "/up?x=1" }, "App.Health:"},
		"broken UTF-8":                     {env("A", "x\xff"), "App.Env[A]:"},
		"a noncharacter":                   {env("A", "x\uffff"), "App.Env[A]:"},
		"a NUL":                            {env("A", "x\x00y"), "App.Env[A]:"},
		"a new line":                       {env("A", "x\ny"), "App.Env[A]:"},
		"too long a value":                 {env("A", strings.Repeat("x", 200_000)), "App.Env[A]:"},
		"broken UTF-8 as a key":            {env("A\xff", "x"), "App.Env:"},
		"an empty key":                     {env("", "x"), "App.Env:"},
		"a key with =":                     {env("A=B", "x"), "App.Env:"},
		"the site's variable":              {env("SITE_RELEASE", "x"), `App.Env: "SITE_RELEASE" is set`},
		"systemd's variable":               {env("INVOCATION_ID", "x"), `App.Env: "INVOCATION_ID" is set`},
		"broken UTF-8 in a command":        {func(s *site.Site) { s.App.Build = "echo \xff" }, "App.Build:"},
		"an alias twice":                   {func(s *site.Site) { s.Aliases = []string{"a.example", "a.example"} }, "Aliases[1]:"},
		"the domain as an alias":           {func(s *site.Site) { s.Aliases = []string{s.Domain} }, "Aliases[0]:"},
		"the local cloud's name as well":   {func(s *site.Site) { s.Aliases = []string{"shop.localhost"} }, "Aliases[0]:"},
		"a wildcard":                       {func(s *site.Site) { s.Aliases = []string{"*.example"} }, "Aliases[0]:"},
		"a domain that is a number":        {func(s *site.Site) { s.Domain = "shop.0x7f" }, "Domain:"},
		"no instance type":                 {func(s *site.Site) { s.Type = "t3.small; reboot" }, "Type:"},
		"a folder that Apache cannot name": {func(s *site.Site) { s.Web.PageCache = "my cache" }, "Web.PageCache:"},
		"a folder that leads out":          {func(s *site.Site) { s.Web.PageCache = "../cache" }, "Web.PageCache:"},
		"a body without end":               {func(s *site.Site) { s.Web.MaxBody = 1 << 62 }, "Web.MaxBody:"},
		"too little memory":                {func(s *site.Site) { s.App.Memory = 1 << 20 }, "App.Memory:"},
		"negative memory":                  {func(s *site.Site) { s.App.Memory = -1 }, "App.Memory:"},
	} {
		t.Run(name, func(t *testing.T) {
			s := shop(t)
			c.edit(&s)
			require.ErrorContains(t, s.Validate(), "site: "+c.want)
		})
	}
}

func TestMySQLWhereTheImageHasIt(t *testing.T) {
	s := shop(t)
	s.Image, s.Database.Engine = "ubuntu-24.04", "mysql"
	require.NoError(t, s.Validate())
}

// What passes Validate is laid down, and nothing of it leaves its line.
func FuzzWhatPassesIsRendered(f *testing.F) {
	for _, text := range []string{"shop", "mysql", "a b", "x\ny", "%h $HOME \\", "\"'", "up/..", "\xff", "\uffff", "public/cache", "[Service]\nUser=root"} {
		f.Add(text, text, text, uint16(8001), int64(0))
	}
	lines := map[string]int{}
	s := site.AllInOne("shop", "www.shop.example", site.Rails("."))
	usual, err := s.Render("web-1")
	require.NoError(f, err)
	for _, file := range usual {
		lines[file.Path] = strings.Count(file.Content, "\n")
	}
	f.Fuzz(func(t *testing.T, name, text, linked string, port uint16, size int64) {
		s := site.AllInOne("shop", "www.shop.example", site.Rails(t.TempDir()))
		s.App.Port, s.Web.MaxBody, s.App.Memory = port, size, size
		s.App.Command, s.App.Migrate, s.App.Env["EXTRA"], s.App.Env[name] = text, text, text, text
		s.App.LinkedDirs, s.Web.PageCache = append(s.App.LinkedDirs, linked), linked
		if s.Validate() != nil {
			return
		}
		files, err := s.Render("web-1")
		require.NoError(t, err)
		for _, file := range files {
			if strings.HasSuffix(file.Path, ".service") {
				require.Equal(t, lines[file.Path], strings.Count(file.Content, "\n"), file.Path)
			}
			if file.Path == "/etc/siteblocks/app.env" {
				for line := range strings.Lines(string(file.Secret)) {
					require.Regexp(t, `^[A-Za-z_][A-Za-z0-9_]*="([^"\\]|\\.)*"\n$`, line)
				}
			}
		}
		require.NotContains(t, fmt.Sprint(files), "mysql2://")
	})
}
