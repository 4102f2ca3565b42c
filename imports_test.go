package siteblocks

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var pure = []string{"haproxycfg", "apachecfg", "autoscale"}

const module = "github.com/siteblocks/siteblocks/"

var blocks = []string{"haproxycfg", "apachecfg", "mysqlrepl", "s3backup", "codedeploy", "autoscale", "ec2x"}

var verbs = []string{"site/operate", "site/agent", "site/lease", "ec2x/local"}

// TestImports holds the rules by which the packages stand on each other: see CONTRIBUTING.md.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		pkg, own := strings.CutPrefix(words[0], module)
		if !own {
			continue
		}
		for _, imported := range words[1:] {
			require.Empty(t, breaks(pkg, imported), "%s imports %s", pkg, imported)
		}
	}
}

// breaks returns the rule that an import breaks, or "".
func breaks(pkg, imported string) string {
	other, own := strings.CutPrefix(imported, module)
	top, otherTop := first(pkg), first(other)
	switch {
	case pkg == "ec2x/sshx" && (own || strings.Contains(imported, "aws")):
		return "sshx stands alone"
	case pkg == "site/traffic" && (own || strings.Contains(first(imported), ".")):
		return "site/traffic stands alone, so that tests of every package can use it"
	case slices.Contains(pure, top) && !own && strings.Contains(first(imported), ".") && !strings.HasSuffix(pkg, "test"):
		return "a pure block uses the standard library only"
	case strings.HasPrefix(imported, "github.com/stretchr/testify") || strings.HasPrefix(imported, "github.com/testcontainers"):
		if !strings.HasSuffix(pkg, "test") {
			return "test libraries stay in tests and in the packages named …test"
		}
	case !own || top == "examples":
		return ""
	case otherTop == "examples":
		return "nothing imports the examples"
	case other == "site/cli":
		return "only programs import site/cli"
	case pkg == "site" && slices.Contains(verbs, other):
		return "site is values and pure functions; what acts stands on it"
	case pkg == "site/agent" && other == "site/operate":
		return "the agent does not know the operator"
	case slices.Contains(blocks, top) && otherTop == "site":
		return "a block does not know site"
	case slices.Contains(blocks, top) && top != otherTop && other != "ec2x/sshx":
		return "a block imports no other block; of ec2x only sshx"
	}
	return ""
}

func first(path string) string {
	top, _, _ := strings.Cut(path, "/")
	return top
}

func TestBreaks(t *testing.T) {
	for _, bad := range [][2]string{
		{"ec2x/sshx", "github.com/aws/aws-sdk-go-v2/aws"},
		{"site/traffic", module + "site"},
		{"haproxycfg", "golang.org/x/crypto/ssh"},
		{"codedeploy", module + "ec2x"},
		{"autoscale/sim", module + "haproxycfg"},
		{"s3backup", module + "site/lease"},
		{"site", module + "examples/allinone"},
		{"mysqlrepl", "github.com/stretchr/testify/require"},
		{"site", module + "site/operate"},
		{"site/agent", module + "site/operate"},
		{"site/operate", module + "site/cli"},
	} {
		require.NotEmpty(t, breaks(bad[0], bad[1]), "%s imports %s", bad[0], bad[1])
	}
	for _, good := range [][2]string{
		{"site", module + "haproxycfg"},
		{"site/operate", module + "site/agent"},
		{"site/cli", module + "site/operate"},
		{"examples/allinone", module + "site/cli"},
		{"codedeploy", module + "ec2x/sshx"},
		{"autoscale/sim", module + "autoscale"},
		{"ec2x/local", module + "ec2x"},
		{"apachecfg", "net/netip"},
		{"autoscale/autoscaletest", "github.com/stretchr/testify/require"},
	} {
		require.Empty(t, breaks(good[0], good[1]), "%s imports %s", good[0], good[1])
	}
}
