package s3backup

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestNamesOfARestore(t *testing.T) {
	long := strings.Repeat("ü_", 32)
	databases := []string{"shop", "a_sbold_012345", long}
	for _, database := range append(databases, noDatabase) {
		for _, kind := range []string{"new", "old", "kept"} {
			name := temporary(kind, database, "0a1b2c")
			require.NotContains(t, name, "_")
			require.LessOrEqual(t, utf8.RuneCountInString(name), longestName)
			found, as := leftOf(name, append(databases, noDatabase))
			require.Equal(t, [2]string{database, kind}, [2]string{found, as})
			_, as = leftOf(name, []string{"other"})
			require.Empty(t, as)
		}
	}
	require.Equal(t, "shop_sbkept_0a1b2c", keptName("shop", "0a1b2c"))
	require.Equal(t, temporary("kept", long, "0a1b2c"), keptName(long, "0a1b2c"))
	for name, want := range map[string][2]string{
		"shop_sbnew_012345": {"shop", "new"}, "shop_sbold_012345": {"shop", "old"}, "shop_sbkept_012345": {"shop", "kept"}, "a_sbold_012345_sbnew_abcdef": {"a_sbold_012345", "new"},
		"shop": {}, "other_sbold_012345": {}, "_sbold_012345": {}, "shop_sbold_01234": {}, "sbold-0123456789abcdef-012345": {}, "sbold--012345": {},
	} {
		database, kind := leftOf(name, databases)
		require.Equal(t, want, [2]string{database, kind}, name)
	}
}

func TestGrantPattern(t *testing.T) {
	long := "a_" + strings.Repeat("x", 60) + "_z"
	for name, want := range map[string]string{
		"shop": "shop", `a_b%c\d`: `a\_b\%c\\d`, long: long, long[:63]: `a\_` + strings.Repeat("x", 60) + "_",
	} {
		pattern := grantPattern(name)
		require.Equal(t, want, pattern)
		require.True(t, matches(pattern, name), name)
	}
	require.False(t, matches(grantPattern("a_b"), "axb"))
	require.False(t, matches(grantPattern("a.b"), "axb"))
	require.True(t, matches(grantPattern(long), strings.ReplaceAll(long, "_", "ü")))
	require.False(t, matches(grantPattern(long), long+"z"))
}
