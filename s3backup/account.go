package s3backup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// accountPrefix begins the names of accounts that exist only while a backup is loaded.
const accountPrefix = "s3backup_load_"

// passwordHead begins the accounts' passwords. It has what servers may be told to ask for of a password: several letters of
// each case, digits and other characters. What makes it hard to guess comes after it.
const passwordHead = "Aa1-Bb2_Cc3+Dd4."

// account is one that may do nothing but load a backup: all rights on the databases that are loaded, and none elsewhere.
// Whoever runs a script that came from outside is not root.
type account struct {
	root   *session // that made it
	server Server   // as the account
	quoted string
	reads  bool // it may read everywhere
}

// newAccount makes an account with rights on some databases, which need not be there yet. A login that may not make
// accounts, or give rights, loads by itself.
func (s *session) newAccount(ctx context.Context, server Server, databases []string, emit func(Event)) (*account, error) {
	host, err := one(ctx, s, "SELECT SUBSTRING_INDEX(USER(), '@', -1)", 0)
	if err != nil {
		return nil, fmt.Errorf("s3backup: make an account to load with: %w", err)
	}
	a := &account{root: s, server: server}
	a.server.User, a.server.Password = accountPrefix+strings.ToLower(rand.Text()[:8]), Secret(passwordHead+rand.Text())
	a.quoted = quoteName(a.server.User) + "@" + quoteName(host)
	err = s.unlogged(ctx, "CREATE USER "+a.quoted+" IDENTIFIED BY '"+string(a.server.Password)+"'")
	if err == nil {
		err = a.start(ctx, databases)
	}
	if err == nil {
		return a, nil
	}
	if !denied(err) {
		return nil, errors.Join(fmt.Errorf("s3backup: make an account to load with: %w", err), s.dropAccounts(ctx))
	}
	emit(Note{Warning: true, Text: fmt.Sprintf("%q may not make an account to load with, and does it with all the rights that it has itself", server.user())})
	a.server, a.quoted = server, ""
	return a, s.dropAccounts(ctx)
}

// start gives the rights that loading tables and rows takes.
func (a *account) start(ctx context.Context, databases []string) error {
	rights := []string{"REFERENCES"} // for foreign keys to databases that are not loaded
	if a.root.origin.Flavor == "mysql" {
		rights = append(rights, "SESSION_VARIABLES_ADMIN")
	}
	readOnly, err := one(ctx, a.root, "SELECT @@GLOBAL.read_only", 0)
	if err != nil {
		return err
	}
	if readOnly == "1" {
		rights = append(rights, map[string]string{"mariadb": "READ ONLY ADMIN", "mysql": connectionAdmin["mysql"]}[a.root.origin.Flavor])
	}
	begins, err := a.root.initConnect(ctx)
	if err != nil {
		return err
	}
	// What the server begins the sessions of others with may write where this account may not, which would end the session.
	if admin := connectionAdmin[a.root.origin.Flavor]; begins && !slices.Contains(rights, admin) {
		rights = append(rights, admin)
	}
	return a.allow(ctx, databases, rights...)
}

// open opens the account's session.
func (a *account) open(ctx context.Context) (*session, error) { return a.server.loading(ctx) }

// connectionAdmin is the right whose holder's sessions do not begin with init_connect.
var connectionAdmin = map[string]string{"mariadb": "CONNECTION ADMIN", "mysql": "CONNECTION_ADMIN"}

// initConnect reports a server that begins sessions with statements of its own, and that can spare an account these.
func (s *session) initConnect(ctx context.Context) (bool, error) {
	text, err := one(ctx, s, "SELECT @@GLOBAL.init_connect", 0)
	if err != nil || strings.TrimSpace(text) == "" {
		return false, err
	}
	known, err := s.query(ctx, "SHOW PRIVILEGES")
	return slices.ContainsFunc(known, func(row []string) bool {
		return strings.EqualFold(row[0], connectionAdmin[s.origin.Flavor])
	}), err
}

// awaitLoad waits for the last statement of a load that was killed.
func (s *session) awaitLoad(ctx context.Context) (string, error) {
	got, err := one(ctx, s, fmt.Sprintf("SELECT GET_LOCK(%s, %.0f)", loadLock, restoreWait.Seconds()), 0)
	if err == nil && got == "1" {
		_, err = one(ctx, s, "SELECT RELEASE_LOCK("+loadLock+")", 0)
	}
	return got, err
}

// allow gives rights: all on some databases, and more that are not bound to one.
func (a *account) allow(ctx context.Context, databases []string, everywhere ...string) error {
	if a.quoted == "" {
		return nil
	}
	statements := a.root.grantAll(ctx, databases, a.quoted)
	if len(everywhere) > 0 {
		statements = append(statements, "GRANT "+strings.Join(everywhere, ", ")+" ON *.* TO "+a.quoted)
	}
	return a.root.unlogged(ctx, statements...)
}

// grantAll gives the statements that give an account all rights on some databases.
func (s *session) grantAll(ctx context.Context, databases []string, account string) (statements []string) {
	literal := s.literalGrants(ctx)
	for _, name := range databases {
		if !literal {
			name = grantPattern(name)
		}
		statements = append(statements, "GRANT ALL PRIVILEGES ON "+quoteName(name)+".* TO "+account)
	}
	return statements
}

// define lets the account make what runs with the rights of others, under the databases' own names. Who those others are
// was looked at before: see checkDefiners.
func (a *account) define(ctx context.Context, databases []string, later []delayed) error {
	rights := []string{"SET USER"}
	if a.root.origin.Flavor == "mysql" {
		rights = []string{"SET_ANY_DEFINER", "ALLOW_NONEXISTENT_DEFINER", "SYSTEM_USER"}
		if old := strings.HasPrefix(a.root.origin.Version, "8.0."); old {
			rights = []string{"SET_USER_ID", "SYSTEM_USER"}
		}
	}
	logged := slices.ContainsFunc(later, func(d delayed) bool {
		return d.kind == body && slices.Contains([]string{"TRIGGER", "FUNCTION", "PACKAGE", "PACKAGE BODY"}, d.made.kind)
	})
	if logged && a.root.binlog {
		trust, err := one(ctx, a.root, "SELECT @@GLOBAL.log_bin_trust_function_creators", 0)
		if err != nil {
			return fmt.Errorf("s3backup: restore: %w", err)
		}
		if trust == "0" {
			rights = append(rights, "SUPER") // what the server asks for to make a function that the binary log will hold
		}
	}
	if err := a.allow(ctx, databases, rights...); err != nil {
		return fmt.Errorf("s3backup: restore: allow views, triggers, routines and events to be made: %w", err)
	}
	return nil
}

// finish makes what was kept for after the tables, as the account and in a session of its own.
func (a *account) finish(ctx context.Context, m Manifest, later []delayed) error {
	if len(later) == 0 {
		return nil
	}
	if err := a.define(ctx, m.Databases, later); err != nil {
		return err
	}
	longest := 0
	for _, d := range later {
		longest = max(longest, len(d.text))
	}
	open, err := a.root.roomy(ctx, int64(longest), a.open)
	if err != nil {
		return err
	}
	defer open.Close()
	for _, d := range later {
		err := open.exec(ctx, d.text)
		if denied(err) && d.kind == body && d.made.kind == "VIEW" && !a.reads {
			// Views may show tables of databases that are not restored. Making one shows nothing.
			a.reads = true
			if err = a.allow(ctx, nil, "SELECT", "EXECUTE"); err == nil {
				err = open.exec(ctx, d.text)
			}
		}
		if err != nil {
			return fmt.Errorf("s3backup: restore %s: %w: at %q%s", m.ID, err, excerpt([]byte(d.text)), remedy(err))
		}
	}
	return nil
}

// remedy says what to do about an account that is not there. Accounts are not in a backup, and a view upon a view of such
// an account cannot be made.
func remedy(err error) string {
	var refused *mysql.MySQLError
	if errors.As(err, &refused) && refused.Number == 1449 {
		return "; make that account, locked if nobody is to use it (CREATE USER … ACCOUNT LOCK), and try again"
	}
	return ""
}

// dropAccounts removes the accounts of loads that have ended, or were killed.
func (s *session) dropAccounts(ctx context.Context) error {
	rows, err := s.query(ctx, "SELECT User, Host FROM mysql.user WHERE LEFT(User, "+fmt.Sprint(len(accountPrefix))+") = '"+accountPrefix+"'")
	if denied(err) {
		return nil // and so it could not have made one
	}
	if err != nil {
		return fmt.Errorf("s3backup: restore: list accounts: %w", err)
	}
	for _, row := range rows {
		if err := s.unlogged(ctx, "DROP USER "+quoteName(row[0])+"@"+quoteName(row[1])); err != nil {
			return fmt.Errorf("s3backup: restore: drop the account %q, left by a restore: %w", row[0], err)
		}
	}
	return nil
}

// unlogged runs statements that no replica is to repeat.
func (s *session) unlogged(ctx context.Context, statements ...string) error {
	if err := s.exec(ctx, "SET SESSION sql_log_bin = 0"); err != nil {
		return err
	}
	for _, text := range statements {
		if err := s.exec(ctx, text); err != nil {
			return errors.Join(err, s.exec(ctx, "SET SESSION sql_log_bin = 1"))
		}
	}
	return s.exec(ctx, "SET SESSION sql_log_bin = 1")
}

// denied reports an error for lack of rights.
func denied(err error) bool {
	var refused *mysql.MySQLError
	return errors.As(err, &refused) && slices.Contains([]uint16{1044, 1045, 1142, 1143, 1227, 1370}, refused.Number)
}
