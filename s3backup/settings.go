package s3backup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// variable is one of a session's variables, as SHOW VARIABLES prints it.
type variable struct{ name, value string }

// settings are what the session of a dump, a measurement or a restore needs. A server's own are made for applications:
// they end a statement after a second, or a session that waits for the store, and refuse what is in the tables already.
var settings = []variable{
	{"autocommit", "ON"}, {"tx_read_only", "OFF"}, {"transaction_read_only", "OFF"},
	// How long something may take, or a session be idle: for a stalled store, a day.
	{"idle_transaction_timeout", "0"},
	{"idle_readonly_transaction_timeout", "0"}, {"idle_write_transaction_timeout", "0"}, {"wait_timeout", "86400"},
	{"net_read_timeout", "86400"}, {"net_write_timeout", "86400"}, {"lock_wait_timeout", "86400"}, {"innodb_lock_wait_timeout", "600"},
	// What is read is read whole, and printed as every other server prints it.
	{"sql_mode", ""}, {"sql_safe_updates", "OFF"},
	{"sql_auto_is_null", "OFF"}, {"sql_quote_show_create", "ON"},
	// What was in the tables is put back as it was.
	{"foreign_key_checks", "OFF"}, {"check_constraint_checks", "OFF"}, {"innodb_strict_mode", "OFF"}, {"enforce_storage_engine", ""},
	{"sql_require_primary_key", "OFF"}, {"sql_generate_invisible_primary_key", "OFF"}, {"explicit_defaults_for_timestamp", "ON"},
}

// assignment is the part of a SET SESSION statement.
func (v variable) assignment() string {
	switch {
	case v.name == "enforce_storage_engine":
		return v.name + " = NULL"
	case v.value == "":
		return v.name + " = ''"
	}
	return v.name + " = " + v.value
}

// settle gives a session the settings it needs, as far as its server knows them. An account that may not change one
// goes on with the server's.
func settle(ctx context.Context, a asker) error {
	// Even to ask is a statement that may be refused or ended. Each server knows what the other takes for a comment.
	const first = "SET SESSION sql_big_selects = ON, sql_select_limit = 18446744073709551615 /*M!100100 , max_statement_time = 0 */ /*!80000 , max_execution_time = 0 */"
	if _, err := a.query(ctx, first); err != nil {
		return fmt.Errorf("s3backup: set the session's limits: %w", err)
	}
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = "'" + s.name + "'"
	}
	rows, err := a.query(ctx, "SHOW SESSION VARIABLES WHERE Variable_name IN ("+strings.Join(names, ", ")+")")
	if err != nil {
		return fmt.Errorf("s3backup: ask for the session's settings: %w", err)
	}
	has := map[string]string{}
	for _, row := range rows {
		has[row[0]] = row[1]
	}
	for _, s := range settings {
		value, known := has[s.name]
		if !known || value == s.value {
			continue
		}
		_, err := a.query(ctx, "SET SESSION "+s.assignment())
		var refused *mysql.MySQLError
		if errors.As(err, &refused) && refused.Number == 1227 { // access denied
			continue
		}
		if err != nil {
			return fmt.Errorf("s3backup: set the session's %s: %w", s.name, err)
		}
	}
	return nil
}
