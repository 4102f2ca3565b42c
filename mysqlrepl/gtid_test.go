package mysqlrepl_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/mysqlrepl"
)

const (
	uuidA = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	uuidB = "5fb6c9b2-71ca-11e1-9e33-c80aa9429562"
)

func gtids(t testing.TB, flavor mysqlrepl.Flavor, text string) mysqlrepl.GTIDs {
	t.Helper()
	set, err := mysqlrepl.ParseGTIDs(flavor, text)
	require.NoError(t, err)
	return set
}

func TestGTIDs(t *testing.T) {
	for _, c := range []struct {
		flavor       mysqlrepl.Flavor
		a, b         string
		contains     bool
		minus, union string
		count        uint64
	}{
		{mysqlrepl.MariaDB, "0-1-14", "", true, "0-1-14", "0-1-14", 14},
		{mysqlrepl.MariaDB, "0-1-14", "0-1-12", true, "0-1-14", "0-1-14", 2},
		{mysqlrepl.MariaDB, "0-1-12", "0-1-14", false, "", "0-1-14", 0},
		{mysqlrepl.MariaDB, "0-1-14,0-2-20", "0-2-20", true, "", "0-1-14,0-2-20", 0}, // whoever has 20 has all before
		{mysqlrepl.MariaDB, "0-1-16", "0-1-14,0-2-15", false, "0-1-16", "0-2-15,0-1-16", 2},
		{mysqlrepl.MariaDB, "0-1-14,0-2-15", "0-1-16", false, "0-2-15", "0-2-15,0-1-16", 1},
		{mysqlrepl.MariaDB, "0-1-14,1-1-3", "0-1-14", true, "1-1-3", "0-1-14,1-1-3", 3},
		{mysqlrepl.MariaDB, "0-1-14", "1-1-1", false, "0-1-14", "0-1-14,1-1-1", 14},
		{mysqlrepl.MySQL, uuidA + ":1-5:7", uuidA + ":2-3", true, uuidA + ":1:4-5:7", uuidA + ":1-5:7", 4},
		{mysqlrepl.MySQL, uuidA + ":1-5", uuidB + ":1", false, uuidA + ":1-5", uuidA + ":1-5," + uuidB + ":1", 5},
		{mysqlrepl.MySQL, uuidA + ":1-5:6-9", uuidA + ":1-9", true, "", uuidA + ":1-9", 0},
		{mysqlrepl.MySQL, uuidA + ":tag:1-5:9", uuidA + ":1-5", false, uuidA + ":tag:1-5:9", uuidA + ":1-5," + uuidA + ":tag:1-5:9", 6},
		{mysqlrepl.MySQL, "", uuidA + ":1", false, "", uuidA + ":1", 0},
	} {
		a, b := gtids(t, c.flavor, c.a), gtids(t, c.flavor, c.b)
		require.Equal(t, c.contains, a.Contains(b), "%s contains %s", c.a, c.b)
		require.Equal(t, c.minus, a.Minus(b).String(), "%s minus %s", c.a, c.b)
		require.Equal(t, c.union, a.Union(b).String(), "%s and %s", c.a, c.b)
		require.Equal(t, c.count, a.Minus(b).Count(), "%s minus %s", c.a, c.b)
	}
}

func TestGTIDsOfTwoFlavorsHaveNothingInCommon(t *testing.T) {
	a, b := gtids(t, mysqlrepl.MariaDB, "0-1-1"), gtids(t, mysqlrepl.MySQL, uuidA+":1")
	for _, pair := range [][2]mysqlrepl.GTIDs{{a, b}, {b, a}} {
		require.False(t, pair[0].Contains(pair[1]))
		require.Equal(t, pair[0], pair[0].Minus(pair[1]))
		require.Equal(t, pair[0], pair[0].Union(pair[1]))
		require.True(t, pair[0].Contains(gtids(t, mysqlrepl.MySQL, "")))
	}
}

func TestParseGTIDsRefuses(t *testing.T) {
	for flavor, texts := range map[mysqlrepl.Flavor][]string{
		mysqlrepl.MariaDB: {"0-1", "a-1-1", "0-1-1-1", "0-4294967296-1", "0-1-18446744073709551616"},
		mysqlrepl.MySQL:   {"x:1", uuidA, uuidA + ":", uuidA + ":0", uuidA + ":5-3", uuidA + ":1-2-3", uuidA + ":9223372036854775807"},
		"oracle":          {""},
	} {
		for _, text := range texts {
			_, err := mysqlrepl.ParseGTIDs(flavor, text)
			require.Error(t, err, text)
		}
	}
}

// FuzzGTIDs holds the laws of sets, whatever the two sets are.
func FuzzGTIDs(f *testing.F) {
	f.Add("0-1-14,0-2-20", "0-1-15", uint8(0))
	f.Add(uuidA+":1-5:7,"+uuidB+":3", uuidA+":2-6", uint8(1))
	f.Add(uuidA+":tag:1-5:9", uuidA+":1-5:tag:2", uint8(1))
	f.Fuzz(func(t *testing.T, x, y string, which uint8) {
		flavor := []mysqlrepl.Flavor{mysqlrepl.MariaDB, mysqlrepl.MySQL}[which%2]
		a, err := mysqlrepl.ParseGTIDs(flavor, x)
		if err != nil {
			return
		}
		b, err := mysqlrepl.ParseGTIDs(flavor, y)
		if err != nil {
			return
		}
		require.Equal(t, a.String(), gtids(t, flavor, a.String()).String(), "what is printed can be read")
		both := a.Union(b)
		require.Equal(t, both.String(), b.Union(a).String())
		require.True(t, a.Contains(a) && both.Contains(a.Minus(b)))
		require.Equal(t, a.Contains(b), b.Minus(a).IsEmpty(), "%s, %s", a, b)
		require.True(t, a.Minus(a).IsEmpty())
		require.LessOrEqual(t, a.Minus(b).Count(), a.Count())
		if flavor == mysqlrepl.MySQL {
			require.True(t, both.Contains(a) && both.Contains(b))
			require.Equal(t, both.Count(), a.Count()+b.Minus(a).Count())
			require.Equal(t, a.String(), a.Minus(b).Union(a).String())
		}
	})
}
