package mysqlrepl

import (
	"context"
	"fmt"
	"slices"
)

// The views leave out what is granted on routines and as roles; those have tables of their own.
var grantQueries = []struct {
	text   string
	flavor Flavor // zero is both
}{
	{"SELECT PRIVILEGE_TYPE, IS_GRANTABLE, '', '', '' FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = ?", ""},
	{"SELECT PRIVILEGE_TYPE, IS_GRANTABLE, TABLE_SCHEMA, '', '' FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE = ?", ""},
	{"SELECT PRIVILEGE_TYPE, IS_GRANTABLE, TABLE_SCHEMA, TABLE_NAME, '' FROM information_schema.TABLE_PRIVILEGES WHERE GRANTEE = ?", ""},
	{"SELECT PRIVILEGE_TYPE, IS_GRANTABLE, TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMN_PRIVILEGES WHERE GRANTEE = ?", ""},
	{"SELECT CONCAT('ALL PRIVILEGES ON ', Routine_type), 'NO', Db, Routine_name, '' FROM mysql.procs_priv WHERE CONCAT(QUOTE(User), '@', QUOTE(Host)) = ?", ""},
	{"SELECT 'PROXY', 'NO', Proxied_host, Proxied_user, '' FROM mysql.proxies_priv WHERE CONCAT(QUOTE(User), '@', QUOTE(Host)) = ?", ""},
	{"SELECT 'ROLE', 'NO', '', Role, '' FROM mysql.roles_mapping WHERE CONCAT(QUOTE(User), '@', QUOTE(Host)) = ?", MariaDB},
	{"SELECT 'ROLE', 'NO', FROM_HOST, FROM_USER, '' FROM mysql.role_edges WHERE CONCAT(QUOTE(TO_USER), '@', QUOTE(TO_HOST)) = ?", MySQL},
}

// granted lists what the account holds, in a stable order. USAGE is what an account without privileges has.
func (e *ensurer) granted(ctx context.Context) ([]grant, error) {
	var all []grant
	for _, query := range grantQueries {
		if query.flavor != "" && query.flavor != e.version.Flavor {
			continue
		}
		some, err := e.query(ctx, query.text)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b grant) int {
		return slices.Compare([]string{a.on, a.privilege}, []string{b.on, b.privilege})
	})
	return slices.Compact(all), nil
}

func (e *ensurer) query(ctx context.Context, text string) ([]grant, error) {
	rows, err := e.conn.QueryContext(ctx, text, e.who())
	if err != nil {
		return nil, fmt.Errorf("list privileges: %w", err)
	}
	defer rows.Close()
	var all []grant
	for rows.Next() {
		var privilege, grantable, schema, table, column string
		if err := rows.Scan(&privilege, &grantable, &schema, &table, &column); err != nil {
			return nil, fmt.Errorf("list privileges: %w", err)
		}
		g, err := stated(privilege, schema, table, column)
		if err != nil {
			return nil, err
		}
		if privilege != "USAGE" {
			all = append(all, g)
		}
		if grantable == "YES" {
			all = append(all, grant{"GRANT OPTION", g.on})
		}
	}
	return all, rows.Err()
}

// stated puts a row of the server's tables into the words of REVOKE.
func stated(privilege, schema, table, column string) (grant, error) {
	const routine = "ALL PRIVILEGES ON "
	if privilege == "ROLE" {
		name, err := quoteText(table)
		if schema != "" {
			name += "@'" + schema + "'"
		}
		return grant{name, ""}, err
	}
	if privilege == "PROXY" {
		user, err := quoteText(table)
		if err != nil {
			return grant{}, err
		}
		host, err := quoteText(schema)
		return grant{privilege, user + "@" + host}, err
	}
	on := "*.*"
	if schema != "" {
		// The view states a database as the pattern that was granted, which is what REVOKE must repeat.
		name, err := QuoteName(schema)
		if err != nil {
			return grant{}, err
		}
		on = name + ".*"
	}
	if table != "" {
		s, err := QuoteName(schema)
		if err != nil {
			return grant{}, err
		}
		name, err := QuoteName(table)
		if err != nil {
			return grant{}, err
		}
		on = s + "." + name
	}
	if column != "" {
		name, err := QuoteName(column)
		if err != nil {
			return grant{}, err
		}
		privilege += " (" + name + ")"
	}
	if len(privilege) > len(routine) && privilege[:len(routine)] == routine {
		return grant{"ALL PRIVILEGES", privilege[len(routine):] + " " + on}, nil
	}
	return grant{privilege, on}, nil
}
