package mysqlrepl

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Account is an application's account and its database. It may read, write and migrate that one database and
// nothing else.
type Account struct {
	Name     string // [A-Za-z0-9_.-]{1,32}
	Database string // created with the server's character set where it is missing
	Password Secret // at least 12 characters, no backslash and no control character
	Host     string // from where it may come; zero is "localhost": the socket, and loopback
}

// privileges are what an application and its migrations need of their own database. No GRANT OPTION, nothing global.
var privileges = []string{
	"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES", "CREATE TEMPORARY TABLES",
	"LOCK TABLES", "EXECUTE", "CREATE VIEW", "SHOW VIEW", "CREATE ROUTINE", "ALTER ROUTINE", "TRIGGER",
}

var (
	accountName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,32}$`)
	accountHost = regexp.MustCompile(`^[A-Za-z0-9_.:%-]{1,60}$`)
)

// Validate reports every mistake at once.
func (a Account) Validate() error {
	var errs []error
	if !accountName.MatchString(a.Name) {
		errs = append(errs, fmt.Errorf("mysqlrepl: account %q: name is not [A-Za-z0-9_.-]{1,32}", a.Name))
	}
	if slices.Contains([]string{"root", "mysql", "mariadb.sys", "debian-sys-maint"}, a.Name) || strings.HasPrefix(a.Name, "mysql.") {
		errs = append(errs, fmt.Errorf("mysqlrepl: account %q: the name belongs to the server itself", a.Name))
	}
	if !accountHost.MatchString(a.host()) {
		errs = append(errs, fmt.Errorf("mysqlrepl: account %q: host %q is not a name, an address or a pattern", a.Name, a.Host))
	}
	if _, err := QuoteName(a.Database); err != nil {
		errs = append(errs, fmt.Errorf("mysqlrepl: account %q: database: %w", a.Name, err))
	}
	if slices.Contains([]string{"mysql", "sys", "performance_schema", "information_schema"}, strings.ToLower(a.Database)) {
		errs = append(errs, fmt.Errorf("mysqlrepl: account %q: database %q belongs to the server itself", a.Name, a.Database))
	}
	if len(a.Password) < 12 {
		errs = append(errs, fmt.Errorf("mysqlrepl: account %q: password has fewer than 12 characters", a.Name))
	}
	if _, err := quoteText(string(a.Password)); err != nil {
		errs = append(errs, fmt.Errorf("mysqlrepl: account %q: password: %w", a.Name, err))
	}
	return errors.Join(errs...)
}

func (a Account) host() string {
	if a.Host == "" {
		return "localhost"
	}
	return a.Host
}

// Ensure makes the account and its database what a says and returns what it changed, in words without the password;
// nothing where nothing differed. What the account may do beyond a is taken from it, and from everybody what MariaDB
// grants to PUBLIC; accounts of its name that come from other hosts are dropped. Nothing that the account keeps is
// interrupted meanwhile. db must be a login that may create accounts. Check tells beforehand.
func Ensure(ctx context.Context, db *sql.DB, a Account) ([]string, error) {
	return ensure(ctx, db, a, false)
}

// Check returns what Ensure would change, in the same words, and changes nothing.
func Check(ctx context.Context, db *sql.DB, a Account) ([]string, error) {
	return ensure(ctx, db, a, true)
}

func ensure(ctx context.Context, db *sql.DB, a Account, dry bool) ([]string, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	version, err := Detect(ctx, db)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("mysqlrepl: ensure account %q: %w", a.Name, err)
	}
	defer conn.Close()
	e := ensurer{conn: conn, account: a, version: version, dry: dry}
	err = e.run(ctx)
	return e.changes, err
}

type ensurer struct {
	conn    *sql.Conn
	account Account
	version Version
	dry     bool
	changes []string
}

func (e *ensurer) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{e.database, e.login, e.grants, e.namesakes, e.everybody} {
		if err := step(ctx); err != nil {
			text := err.Error()
			if secret := string(e.account.Password); strings.Contains(text, secret) {
				err = errors.New(strings.ReplaceAll(text, secret, "REDACTED"))
			}
			return fmt.Errorf("mysqlrepl: ensure account %q: %w", e.account.Name, err)
		}
	}
	return nil
}

// who is the account as a statement names it. Name and host hold nothing that would need escaping.
func (e *ensurer) who() string { return "'" + e.account.Name + "'@'" + e.account.host() + "'" }

func (e *ensurer) exec(ctx context.Context, change, statement string) error {
	if e.dry {
		e.changes = append(e.changes, change)
		return nil
	}
	if _, err := e.conn.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", change, err)
	}
	e.changes = append(e.changes, change)
	return nil
}

func (e *ensurer) database(ctx context.Context) error {
	var found int
	err := e.conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?", e.account.Database).Scan(&found)
	if err != nil || found > 0 {
		return err
	}
	name, err := QuoteName(e.account.Database)
	if err != nil {
		return err
	}
	return e.exec(ctx, fmt.Sprintf("create database %q", e.account.Database), "CREATE DATABASE IF NOT EXISTS "+name)
}

// grant is one privilege as the server states it. What it applies to is written as GRANT and REVOKE want it.
type grant struct{ privilege, on string }

func (e *ensurer) grants(ctx context.Context) error {
	have, err := e.granted(ctx)
	if err != nil {
		return err
	}
	own, err := QuoteName(pattern(e.account.Database))
	if err != nil {
		return err
	}
	own += ".*"
	var missing []string
	for _, p := range privileges {
		if !slices.Contains(have, grant{p, own}) {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		list := strings.Join(missing, ", ")
		if err := e.exec(ctx, "grant "+list+" on "+own, "GRANT "+list+" ON "+own+" TO "+e.who()); err != nil {
			return err
		}
	}
	for _, g := range have {
		if g.on == own && slices.Contains(privileges, g.privilege) {
			continue
		}
		statement := "REVOKE " + g.privilege + " ON " + g.on + " FROM " + e.who()
		if g.on == "" {
			statement = "REVOKE " + g.privilege + " FROM " + e.who()
		}
		if err := e.exec(ctx, strings.TrimSuffix("revoke "+g.privilege+" on "+g.on, " on "), statement); err != nil {
			return err
		}
	}
	return nil
}

// namesakes drops the accounts of this name that come from elsewhere: the server takes them for others, with passwords
// and rights of their own.
func (e *ensurer) namesakes(ctx context.Context) error {
	hosts, err := e.texts(ctx, "list accounts", "SELECT Host FROM mysql.user WHERE User = ? AND Host <> ? ORDER BY Host", e.account.Name, e.account.host())
	if err != nil {
		return err
	}
	for _, host := range hosts {
		quoted, err := quoteText(host)
		if err != nil {
			return err
		}
		who := "'" + e.account.Name + "'@" + quoted
		if err := e.exec(ctx, "drop account "+who, "DROP USER "+who); err != nil {
			return err
		}
	}
	return nil
}

// everybody takes back what MariaDB grants to PUBLIC, which the account has as well.
func (e *ensurer) everybody(ctx context.Context) error {
	if e.version.Flavor == MySQL {
		return nil
	}
	lines, err := e.texts(ctx, "list privileges of PUBLIC", "SHOW GRANTS FOR PUBLIC")
	if err != nil {
		return err
	}
	for _, line := range lines {
		what, granted := strings.CutPrefix(line, "GRANT ")
		what, further := strings.CutSuffix(what, " WITH GRANT OPTION")
		what, public := strings.CutSuffix(what, " TO PUBLIC")
		if !granted || !public || strings.HasPrefix(what, "USAGE ON ") && !further {
			continue
		}
		if further {
			what = strings.Replace(what, " ON ", ", GRANT OPTION ON ", 1)
		}
		if err := e.exec(ctx, "revoke "+what+" from everybody", "REVOKE "+what+" FROM PUBLIC"); err != nil {
			return err
		}
	}
	return nil
}

// texts reads rows of one column.
func (e *ensurer) texts(ctx context.Context, do, query string, args ...any) (all []string, err error) {
	rows, err := e.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", do, err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("%s: %w", do, err)
		}
		all = append(all, text)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", do, err)
	}
	return all, nil
}
