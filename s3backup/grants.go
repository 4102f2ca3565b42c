package s3backup

import (
	"context"
	"fmt"
	"strings"
)

// grantKind marks rights on a routine among a database's objects. The server takes them away when the routine is dropped;
// rights on tables and columns go by name and stay.
const grantKind = "GRANT"

// grants lists the rights on a database's routines, each as what gives it again.
func (s *session) grants(ctx context.Context, database string) ([]schemaObject, error) {
	rows, err := s.query(ctx, "SELECT User, Host, Routine_type, Routine_name, Proc_priv FROM mysql.procs_priv WHERE Db = "+quoteText(database)+" ORDER BY 1, 2, 3, 4")
	if err != nil {
		return nil, fmt.Errorf("s3backup: list rights on routines of %q: %w", database, err)
	}
	var all []schemaObject
	for _, row := range rows {
		account := quoteName(row[0])
		if row[1] != "" || s.origin.Flavor != "mariadb" { // without a host it is a role
			account += "@" + quoteName(row[1])
		}
		var rights []string
		option := ""
		for _, right := range strings.Split(row[4], ",") {
			if right == "Grant" {
				option = " WITH GRANT OPTION"
			} else {
				rights = append(rights, strings.ToUpper(right))
			}
		}
		if len(rights) == 0 {
			rights = []string{"USAGE"}
		}
		all = append(all, schemaObject{
			kind: grantKind, database: database, name: shorten(row[3], 64),
			create: "GRANT " + strings.Join(rights, ", ") + " ON " + row[2] + " " + quoteName(database) + "." + quoteName(row[3]) + " TO " + account + option,
		})
	}
	return all, nil
}
