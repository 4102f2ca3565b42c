package cli

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/site"
)

// invoke runs the site's program with these arguments on a machine where no Docker answers.
func invoke(t *testing.T, change func(*site.Site), args ...string) (status int, stdout, stderr string) {
	t.Helper()
	t.Setenv("DOCKER_HOST", "unix:///no/such/docker.sock")
	s := site.AllInOne("shop", "www.shop.example", site.Rails(t.TempDir()))
	if change != nil {
		change(&s)
	}
	var out, errout bytes.Buffer
	status = run(t.Context(), s, args, strings.NewReader(""), &out, &errout)
	return status, out.String(), errout.String()
}

func TestWithoutDocker(t *testing.T) {
	for _, verb := range []string{"up", "status", "deploy", "rollback", "releases", "down", "logs"} {
		status, stdout, stderr := invoke(t, nil, verb)
		require.Equal(t, 1, status, verb)
		require.Empty(t, stdout, verb)
		require.Contains(t, stderr, "no Docker engine answers", verb)
		require.Contains(t, stderr, "/no/such/docker.sock", verb)
	}
	status, plan, _ := invoke(t, nil, "plan")
	require.Zero(t, status)
	require.Contains(t, plan, "no Docker engine answers")
	require.Contains(t, plan, "launch web-1 (web, app, db)")
	require.Contains(t, plan, "configuration apache2")

	status, files, _ := invoke(t, nil, "render", "web-1")
	require.Zero(t, status)
	require.Contains(t, files, "==> /etc/apache2/sites-available/shop.conf\n")
	require.Contains(t, files, "==> /etc/siteblocks/app.env (secret)\n")

	status, svg, _ := invoke(t, nil, "diagram")
	require.Zero(t, status)
	require.NoError(t, xml.Unmarshal([]byte(svg), new(struct{ XMLName xml.Name })))

	status, plan, _ = invoke(t, nil, "plan", "-json")
	require.Zero(t, status)
	require.True(t, json.Valid([]byte(plan)))
}

func TestWrongArguments(t *testing.T) {
	for _, args := range [][]string{{"upp"}, {"maintenance"}, {"maintenance", "perhaps"}, {"ssh"}, {"render"}, {"up", "-no-such-flag"}, {"agent"}} {
		status, stdout, stderr := invoke(t, nil, args...)
		require.Equal(t, 2, status, args)
		require.Empty(t, stdout, args)
		require.NotEmpty(t, stderr, args)
	}
	status, _, stderr := invoke(t, nil, "render", "web-9")
	require.Equal(t, 1, status)
	require.Contains(t, stderr, `"web-9"`)
	status, stdout, _ := invoke(t, nil)
	require.Zero(t, status, "without arguments it says what it can do")
	for _, v := range verbs() {
		require.Contains(t, stdout, "  "+v.name+" ")
	}
}

func TestWrongSiteIsNamedByItsFields(t *testing.T) {
	status, _, stderr := invoke(t, func(s *site.Site) {
		s.Domain = "www.shop.example\nServerAlias *"
		s.App.Port = 65534
	}, "plan")
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "site: Domain:")
	require.Contains(t, stderr, "site: App.Port:")
}
