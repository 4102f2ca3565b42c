package cli

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/site/operate"
)

func TestStatusSaysFirstWhetherTheSiteIsWell(t *testing.T) {
	st := operate.Status{Site: "shop", URL: "http://shop.localhost/", Well: true, Answer: "ok", Servers: []operate.ServerStatus{{Name: "web-1", State: "running"}}}
	var out strings.Builder
	printStatus(&out, st)
	require.True(t, strings.HasPrefix(out.String(), "shop  http://shop.localhost/  well\n\nSERVER"), &out)

	st.Well, st.Problems = false, []string{"visitors: two\nlines\n", "web-1: 1 of 4 processes (8003): not running; see logs, run up"}
	out.Reset()
	printStatus(&out, st)
	require.True(t, strings.HasPrefix(out.String(), "shop  http://shop.localhost/  NOT WELL:\n"+
		"  visitors: two\n    lines\n  web-1: 1 of 4 processes (8003): not running; see logs, run up\n\nSERVER"), &out)
}
