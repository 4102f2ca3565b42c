package operate_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/site/operate"
)

func TestStatusSaysFirstWhetherTheSiteIsWell(t *testing.T) {
	st := operate.Status{Site: "shop", URL: "http://shop.localhost/", Well: true, Answer: "ok", Servers: []operate.ServerStatus{{Name: "web-1", State: "running"}}}
	out := st.String()
	require.True(t, strings.HasPrefix(out, "shop  http://shop.localhost/  well\n\nSERVER"), out)

	st.Well, st.Problems = false, []string{"visitors: two\nlines\n", "web-1: 1 of 4 processes (8003): not running; see logs, run up"}
	out = st.String()
	require.True(t, strings.HasPrefix(out, "shop  http://shop.localhost/  NOT WELL:\n"+
		"  visitors: two\n    lines\n  web-1: 1 of 4 processes (8003): not running; see logs, run up\n\nSERVER"), out)
}
