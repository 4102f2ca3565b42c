package s3backup

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Definer says with whose rights a view, trigger, routine or event runs. It is what the server's own tables say, not the
// content, into whose text whoever may make a routine can write.
type Definer struct {
	Database string `json:"database"`
	Kind     string `json:"kind"` // "VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "PACKAGE", "PACKAGE BODY", "EVENT"
	Name     string `json:"name"`
	Account  string `json:"account"` // "user@host"
}

// definers lists what runs with the rights of others in some databases.
func (s *session) definers(ctx context.Context, databases []string) ([]Definer, error) {
	all := []Definer{} // not nil: that none is there is known
	for _, database := range databases {
		for _, from := range []string{
			"'VIEW', TABLE_NAME, DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA",
			"'TRIGGER', TRIGGER_NAME, DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA",
			"ROUTINE_TYPE, ROUTINE_NAME, DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA",
			"'EVENT', EVENT_NAME, DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA",
		} {
			rows, err := s.query(ctx, "SELECT "+from+" = "+quoteText(database)+" ORDER BY 1, 2")
			if err != nil {
				return nil, fmt.Errorf("s3backup: list definers of %q: %w", database, err)
			}
			for _, row := range rows {
				all = append(all, Definer{Database: database, Kind: row[0], Name: row[1], Account: row[2]})
			}
		}
	}
	return all, nil
}

// checkDefiners refuses what would run with rights beyond the databases that are restored, unless the manifest says that
// it did so where it comes from, or it does so on this server already. Whoever may write into the databases alone could
// never have made it.
func (s *session) checkDefiners(ctx context.Context, m Manifest, later []delayed) error {
	known, err := s.definers(ctx, m.Databases)
	if err != nil {
		return err
	}
	known = append(known, m.Definers...)
	reach := map[string]bool{}
	var errs []error
	for _, d := range later {
		if d.kind != body {
			continue
		}
		account := d.made.definer
		if _, asked := reach[account]; !asked {
			if reach[account], err = s.reachesBeyond(ctx, account, m.Databases); err != nil {
				return err
			}
		}
		vouched := slices.ContainsFunc(known, func(k Definer) bool {
			return k.Database == d.database && k.Kind == d.made.kind && strings.EqualFold(k.Name, d.made.name) && k.Account == account
		})
		if reach[account] && !vouched {
			errs = append(errs, fmt.Errorf("%s %q of database %q runs as %q", strings.ToLower(d.made.kind), d.made.name, d.database, account))
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("s3backup: restore %s: %w: %w; Target.TrustDefiners accepts them", m.ID, ErrDefiner, errors.Join(errs...))
	}
	return nil
}

var grantText = regexp.MustCompile("^GRANT (.+?) ON (?:(?:PROCEDURE|FUNCTION|PACKAGE|PACKAGE BODY) )?(`(?:[^`]|``)+`|\\*)\\.")

// quoteAccount quotes "user@host" for a statement. Without a host it is a role of MariaDB's.
func (s *session) quoteAccount(account string) (quoted string, role bool) {
	user, host := account, ""
	if at := strings.LastIndexByte(account, '@'); at >= 0 {
		user, host = account[:at], account[at+1:]
	}
	if host == "" && s.origin.Flavor != "mysql" {
		return quoteName(user), true
	}
	return quoteName(user) + "@" + quoteName(host), false
}

// makeDefiners makes the accounts that a backup names, on a server that has none but its own and is thrown away: locked, and
// with rights on the backup's databases alone. A view upon another cannot be made before the other's definer is there.
func (s *session) makeDefiners(ctx context.Context, m Manifest, later []delayed) error {
	var accounts []string
	for _, d := range later {
		if d.kind == body {
			accounts = append(accounts, d.made.definer)
		}
	}
	for _, d := range m.Definers {
		accounts = append(accounts, d.Account)
	}
	slices.Sort(accounts)
	for _, account := range slices.Compact(accounts) {
		quoted, role := s.quoteAccount(account)
		create := "CREATE USER IF NOT EXISTS " + quoted + " ACCOUNT LOCK"
		if role {
			create = "CREATE ROLE IF NOT EXISTS " + quoted
		}
		if err := s.unlogged(ctx, append([]string{create}, s.grantAll(ctx, m.Databases, quoted)...)...); err != nil {
			return fmt.Errorf("s3backup: restore %s: make the definer %q: %w", m.ID, account, err)
		}
	}
	return nil
}

// reachesBeyond reports an account that is there and has rights beyond some databases.
func (s *session) reachesBeyond(ctx context.Context, account string, databases []string) (bool, error) {
	grantee, _ := s.quoteAccount(account)
	rows, err := s.query(ctx, "SHOW GRANTS FOR "+grantee)
	var refused *mysql.MySQLError
	if errors.As(err, &refused) && refused.Number == 1141 {
		return false, nil // there is no such account
	}
	if denied(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("s3backup: restore: look at the rights of %q: %w", account, err)
	}
	return slices.ContainsFunc(rows, func(row []string) bool { return beyond(row[0], databases) }), nil
}

// beyond reports a grant, as SHOW GRANTS states it, that leads out of some databases.
func beyond(grant string, databases []string) bool {
	found := grantText.FindStringSubmatch(grant)
	switch {
	case found == nil:
		return true // a role, or to act for another account
	case found[2] == "*":
		return found[1] != "USAGE" || strings.HasSuffix(grant, "WITH GRANT OPTION")
	}
	return !slices.Contains(databases, strings.NewReplacer(`\_`, "_", `\%`, "%").Replace(unquoted(found[2])))
}
