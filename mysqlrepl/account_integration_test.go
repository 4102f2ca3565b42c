//go:build integration

package mysqlrepl_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/mysqlrepl"
)

func exec1(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

func TestEnsure(t *testing.T) {
	flavors(t, func(t *testing.T, s *server, flavor mysqlrepl.Flavor) {
		ctx := t.Context()
		account := mysqlrepl.Account{Name: "shop", Database: "shop_prod", Password: "correct horse 'battery'"}
		login := func(a mysqlrepl.Account) (*sql.DB, error) {
			return mysqlrepl.Open(ctx, s.dial, mysqlrepl.Address{Socket: socket}, mysqlrepl.Login{User: a.Name, Password: a.Password, Database: a.Database})
		}
		_, err := login(account)
		require.Error(t, err)

		changes, err := mysqlrepl.Ensure(ctx, s.db, account)
		require.NoError(t, err)
		require.Equal(t, []string{`create database "shop_prod"`, "create account 'shop'@'localhost'"}, changes[:2])
		require.Len(t, changes, 3)
		changes, err = mysqlrepl.Ensure(ctx, s.db, account)
		require.NoError(t, err)
		require.Empty(t, changes, "the second run changes nothing")

		app, err := login(account)
		require.NoError(t, err)
		exec1(t, app, "CREATE TABLE entries (id INT PRIMARY KEY AUTO_INCREMENT, name TEXT)", "CREATE INDEX n ON entries (name(10))",
			"INSERT INTO entries (name) VALUES ('a')", "ALTER TABLE entries ADD COLUMN n INT", "CREATE VIEW v AS SELECT * FROM entries",
			"UPDATE entries SET n = 1", "DROP VIEW v", "DELETE FROM entries")
		// The database's name holds a wildcard of GRANT; it must not be one.
		exec1(t, s.db, "CREATE DATABASE shopXprod", "CREATE TABLE shopXprod.secret (id INT)")
		for _, refused := range []string{
			"SELECT * FROM shopXprod.secret", "CREATE DATABASE other", "SELECT * FROM mysql.user", "CREATE USER x", "SET GLOBAL read_only = 0",
			"GRANT SELECT ON shop_prod.* TO 'shop'@'localhost'",
		} {
			_, err := app.ExecContext(ctx, refused)
			require.Error(t, err, refused)
		}
		require.NoError(t, app.Close())

		surplus(t, s.db, flavor)
		found, err := mysqlrepl.Check(ctx, s.db, account)
		require.NoError(t, err)
		for _, part := range []string{
			"revoke FILE on *.*", "revoke SUPER on *.*", "revoke PROCESS on *.*", "revoke GRANT OPTION on *.*", "revoke DROP on `shopXprod`.*",
			"revoke SELECT on `shopXprod`.`secret`", "revoke UPDATE (`id`) on `shopXprod`.`secret`", "revoke ALL PRIVILEGES on PROCEDURE `shopXprod`.`p`",
			"revoke 'boss'", "revoke PROXY on 'root'@'localhost'", "drop account 'shop'@'%'", "grant INDEX on `shop\\_prod`.*",
			"log in as intended: it has a demand for TLS (ANY), limits of its own, a lock",
		} {
			require.Contains(t, strings.Join(found, "\n"), part)
		}
		if flavor == mysqlrepl.MariaDB {
			require.Contains(t, found, "revoke SELECT, GRANT OPTION ON `shopXprod`.* from everybody")
			require.Contains(t, found, "revoke FILE ON *.* from everybody")
		} else {
			require.Contains(t, found, "discard the old password of 'shop'@'localhost'")
		}
		again, err := mysqlrepl.Check(ctx, s.db, account)
		require.NoError(t, err)
		require.Equal(t, found, again, "a check changes nothing")
		changes, err = mysqlrepl.Ensure(ctx, s.db, account)
		require.NoError(t, err)
		require.Equal(t, found, changes)
		changes, err = mysqlrepl.Check(ctx, s.db, account)
		require.NoError(t, err)
		require.Empty(t, changes)
		app, err = login(account)
		require.NoError(t, err)
		for _, refused := range []string{"SELECT * FROM shopXprod.secret", "CREATE DATABASE other", "SET GLOBAL read_only = 0", "DROP DATABASE shopXprod"} {
			_, err := app.ExecContext(ctx, refused)
			require.Error(t, err, refused)
		}
		require.NoError(t, app.Close())

		old := account
		account.Password = "another-secret-of-shop"
		changes, err = mysqlrepl.Ensure(ctx, s.db, account)
		require.NoError(t, err)
		require.Equal(t, []string{"change the password of 'shop'@'localhost'"}, changes)
		_, err = login(old)
		require.Error(t, err)
		app, err = login(account)
		require.NoError(t, err)
		require.NoError(t, app.Close())
	})
}

// surplus gives the account what it must not have, at every level that servers know.
func surplus(t *testing.T, db *sql.DB, flavor mysqlrepl.Flavor) {
	exec1(t, db, "GRANT RELOAD, PROCESS ON *.* TO 'shop'@'localhost' WITH GRANT OPTION", "GRANT ALL ON shopXprod.* TO 'shop'@'localhost'",
		"GRANT SELECT ON shopXprod.secret TO 'shop'@'localhost'", "GRANT UPDATE (id) ON shopXprod.secret TO 'shop'@'localhost'",
		"CREATE PROCEDURE shopXprod.p() SELECT 1", "GRANT EXECUTE ON PROCEDURE shopXprod.p TO 'shop'@'localhost'",
		"REVOKE INDEX ON `shop\\_prod`.* FROM 'shop'@'localhost'", "CREATE ROLE boss", "GRANT boss TO 'shop'@'localhost'")
	exec1(t, db, "GRANT FILE, SUPER ON *.* TO 'shop'@'localhost'", "CREATE USER 'shop'@'%' IDENTIFIED BY 'another-way-in'", "GRANT ALL ON *.* TO 'shop'@'%'",
		"GRANT PROXY ON 'root'@'localhost' TO 'shop'@'localhost'", "ALTER USER 'shop'@'localhost' REQUIRE SSL WITH MAX_USER_CONNECTIONS 3 ACCOUNT LOCK")
	if flavor == mysqlrepl.MySQL {
		exec1(t, db, "ALTER USER 'shop'@'localhost' IDENTIFIED BY 'an-older-password' RETAIN CURRENT PASSWORD", "GRANT SYSTEM_VARIABLES_ADMIN ON *.* TO 'shop'@'localhost'")
		return
	}
	exec1(t, db, "GRANT READ_ONLY ADMIN, SUPER ON *.* TO 'shop'@'localhost'", "GRANT FILE ON *.* TO PUBLIC",
		"GRANT SELECT ON shopXprod.* TO PUBLIC WITH GRANT OPTION")
}

func TestDetectStopsWithItsContext(t *testing.T) {
	s := startServer(t, mysqlrepl.MariaDB)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := mysqlrepl.Detect(ctx, s.db)
	require.ErrorIs(t, err, context.Canceled)
}
