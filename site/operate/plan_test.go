package operate_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/operate"
)

func shop(t *testing.T) site.Site {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.ru"), nil, 0o644))
	return site.AllInOne("shop", "www.shop.example", site.Rails(dir))
}

func TestPlanWithoutACloudIsThatOfANewSite(t *testing.T) {
	p, err := operate.Operator{Site: shop(t)}.Plan(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, p.Assumed)
	require.Equal(t, "web-1", p.Launch[0].Name)
	require.Contains(t, strings.Join(p.Hosts[0].Steps, "\n"), "configuration apache2")
	require.False(t, p.Empty())
	require.Contains(t, p.String(), "launch web-1 (web, app, db)\n\nweb-1\n  install ")
	require.Contains(t, p.String(), "\ndeploy ")
	data, err := json.Marshal(p)
	require.NoError(t, err)
	for _, field := range []string{`"assumed":`, `"launch":[{"name":"web-1","roles":["web","app","db"],"ports":[80]}]`, `"steps":["install `, `"deploy":`} {
		require.Contains(t, string(data), field)
	}
}

func TestPlanOfASourceThatCannotBePacked(t *testing.T) {
	for _, app := range []site.App{{Source: t.TempDir()}, {Source: filepath.Join(t.TempDir(), "gone")}, {Source: shop(t).App.Source, Revision: "no-such-branch"}} {
		s := shop(t)
		s.App.Source, s.App.Revision = app.Source, app.Revision
		_, err := operate.Operator{Site: s}.Plan(t.Context())
		require.ErrorContains(t, err, "App.Source", app)
	}
}
