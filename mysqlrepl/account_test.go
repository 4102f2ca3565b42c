package mysqlrepl_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/mysqlrepl"
)

func TestAccountReportsEveryMistake(t *testing.T) {
	account := mysqlrepl.Account{Name: "root'@'%", Database: "mysql", Password: "short\\", Host: "a b"}
	require.EqualError(t, account.Validate(), `mysqlrepl: account "root'@'%": name is not [A-Za-z0-9_.-]{1,32}
mysqlrepl: account "root'@'%": host "a b" is not a name, an address or a pattern
mysqlrepl: account "root'@'%": database "mysql" belongs to the server itself
mysqlrepl: account "root'@'%": password has fewer than 12 characters
mysqlrepl: account "root'@'%": password: mysqlrepl: text holds a control character, a backslash or broken UTF-8`)
	for _, name := range []string{"root", "mysql.sys", "mariadb.sys", ""} {
		require.Error(t, mysqlrepl.Account{Name: name, Database: "shop", Password: "0123456789ab"}.Validate(), name)
	}
	require.NoError(t, mysqlrepl.Account{Name: "shop", Database: "we`ird d%b_", Password: "it's a 'quoted' one"}.Validate())
}

func TestQuoteName(t *testing.T) {
	quoted, err := mysqlrepl.QuoteName("a`b; DROP")
	require.NoError(t, err)
	require.Equal(t, "`a``b; DROP`", quoted)
	for _, name := range []string{"", "nul\x00", "space ", strings.Repeat("x", 65)} {
		_, err := mysqlrepl.QuoteName(name)
		require.Error(t, err)
	}
}

func TestSecretNeverPrints(t *testing.T) {
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "login", mysqlrepl.Login{User: "u", Password: "hunter2hunter2"}, "p", mysqlrepl.Secret("hunter2hunter2"))
	encoded, err := json.Marshal(mysqlrepl.Account{Password: "hunter2hunter2"})
	require.NoError(t, err)
	all := log.String() + string(encoded) + fmt.Sprintf("%v %+v %#v %s", mysqlrepl.Account{Password: "hunter2hunter2"}, mysqlrepl.Login{Password: "hunter2hunter2"}, mysqlrepl.Account{Password: "hunter2hunter2"}, mysqlrepl.Secret("hunter2hunter2"))
	require.NotContains(t, all, "hunter2")
	require.Contains(t, all, "REDACTED")
}

func TestOpenWantsOneAddress(t *testing.T) {
	_, err := mysqlrepl.Open(t.Context(), nil, mysqlrepl.Address{}, mysqlrepl.Login{})
	require.ErrorContains(t, err, "either a socket or a TCP address")
	_, err = mysqlrepl.Open(t.Context(), nil, mysqlrepl.Address{Socket: t.TempDir() + "/none.sock"}, mysqlrepl.Login{User: "root"})
	require.ErrorContains(t, err, "no such file or directory")
}
