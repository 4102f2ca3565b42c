package s3backup

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBeyond(t *testing.T) {
	databases := []string{"shop", "a_b"}
	for _, grant := range []string{
		"GRANT USAGE ON *.* TO `app`@`localhost` IDENTIFIED BY PASSWORD '*00'", "GRANT ALL PRIVILEGES ON `shop`.* TO `app`@`localhost` WITH GRANT OPTION", "GRANT SELECT ON `a\\_b`.* TO `app`@`%`",
		"GRANT SELECT (`x`), INSERT ON `shop`.`t` TO `app`@`localhost`", "GRANT EXECUTE ON PROCEDURE `shop`.`p` TO `app`@`localhost`",
	} {
		require.False(t, beyond(grant, databases), grant)
	}
	for _, grant := range []string{
		"GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost`", "GRANT USAGE ON *.* TO `app`@`localhost` WITH GRANT OPTION", "GRANT FILE ON *.* TO `app`@`localhost`", "GRANT SELECT ON `mysql`.* TO `app`@`localhost`",
		"GRANT SELECT ON `shop%`.* TO `app`@`localhost`", "GRANT `admin` TO `app`@`localhost`", "GRANT PROXY ON ''@'%' TO 'root'@'localhost' WITH GRANT OPTION", "GRANT SELECT ON `mysql`.`user` TO `app`@`localhost`",
		"GRANT SET USER ON *.* TO `app`@`localhost`", "GRANT EXECUTE ON FUNCTION `other`.`f` TO `app`@`localhost`",
	} {
		require.True(t, beyond(grant, databases), grant)
	}
}

func TestAccountOf(t *testing.T) {
	for text, want := range map[string]string{
		"`root`@`localhost`": "root@localhost", `"a"@"%"`: "a@%", "`a``@``b`@`c`": "a`@`b@c", "`role`": "role", "``@`localhost`": "@localhost",
	} {
		require.Equal(t, want, accountOf(text))
	}
}

// TestLoaderKeepsToItsDatabases: neither a database that the manifest does not name, nor one object twice.
func TestLoaderKeepsToItsDatabases(t *testing.T) {
	l := &loader{fresh: map[string]string{"shop": "shop_sbnew_000001"}, database: "shop"}
	for _, kind := range []kind{use, create, alter} {
		require.ErrorIs(t, l.run(t.Context(), statement{kind: kind, name: "mysql"}), ErrCorrupt)
	}
	made := statement{kind: body, made: object{kind: "PROCEDURE", name: "p", definer: "root@localhost"}}
	require.NoError(t, l.run(t.Context(), made))
	made.made.name = "P"
	require.ErrorIs(t, l.run(t.Context(), made), ErrScript)
	made.made.kind = "FUNCTION"
	require.NoError(t, l.run(t.Context(), made))
	require.Len(t, l.later, 2)
}

func TestLoadRefusesDatabasesOfTheServer(t *testing.T) {
	for _, name := range []string{"mysql", "MySQL", "sys", "shop_sbold_012345", "sbold-0123456789abcdef-012345"} {
		err := Store{}.load(t.Context(), Manifest{Kind: "sql", Databases: []string{"shop", name}}, &loader{}, "restore")
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
}
