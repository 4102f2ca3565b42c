package mysqlrepl

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// As MariaDB 11.8 shows them: file, position, type, info.
const relayLog = `relaylog.000001|4|Format_desc|Server ver: 11.8.9-MariaDB
relaylog.000001|256|Rotate|relaylog.000002;pos=4
relaylog.000002|4|Format_desc|Server ver: 11.8.9-MariaDB
relaylog.000002|552|Gtid_list|[]
relaylog.000002|621|Gtid|GTID 0-1-7
relaylog.000002|663|Query|CREATE TABLE shop.t (id INT)
relaylog.000002|1744|Gtid|BEGIN GTID 0-1-8
relaylog.000002|1790|Write_rows_v1|table_id: 18 flags: STMT_END_F
relaylog.000002|1800|Xid|COMMIT /* xid=44 */
relaylog.000002|1976|Gtid|BEGIN GTID 0-2-9
relaylog.000002|2811|Write_rows_v1|table_id: 18 flags: STMT_END_F
relaylog.000002|2857|Query|COMMIT
relaylog.000002|3116|Gtid|BEGIN GTID 0-2-10 cid=7
relaylog.000002|3267|Write_rows_v1|table_id: 18 flags: STMT_END_F`

func TestRelayReaderFindsWhatWasNotApplied(t *testing.T) {
	for executed, want := range map[string]relayed{
		"":              {"relaylog.000002", 621, mariaDBGTIDs{last: map[origin]uint64{{0, 1}: 8, {0, 2}: 9}}},
		"0-1-7":         {"relaylog.000002", 1744, mariaDBGTIDs{last: map[origin]uint64{{0, 1}: 8, {0, 2}: 9}}},
		"0-1-8":         {"relaylog.000002", 1976, mariaDBGTIDs{last: map[origin]uint64{{0, 2}: 9}}},
		"0-2-9":         {"relaylog.000002", 3116, nil}, // broken off: nothing whole is left
		"0-3-12,1-1-50": {},
	} {
		set, err := parseMariaDB(executed)
		require.NoError(t, err)
		r := relayReader{executed: set.(mariaDBGTIDs).newest()}
		for line := range strings.Lines(relayLog) {
			f := strings.SplitN(strings.TrimSpace(line), "|", 4)
			require.NoError(t, r.event(fieldsOf{
				"Log_name": {String: f[0], Valid: true}, "Pos": {String: f[1], Valid: true}, "Event_type": {String: f[2], Valid: true}, "Info": {String: f[3], Valid: true},
			}))
		}
		require.Equal(t, want, r.found, executed)
		require.Equal(t, "relaylog.000003", r.next())
	}
	r := relayReader{}
	require.Empty(t, r.next())
	require.Error(t, r.event(fieldsOf{"Event_type": sql.NullString{String: "Gtid"}, "Info": sql.NullString{String: "something else"}}))
}
