package mysqlrepl

import (
	"context"
	"database/sql"
	"errors"
	"strings"
)

func (e *ensurer) login(ctx context.Context) error {
	password, err := quoteText(string(e.account.Password))
	if err != nil {
		return err
	}
	how := "IDENTIFIED BY " + password
	if e.version.Flavor == MySQL {
		how = "IDENTIFIED WITH caching_sha2_password BY " + password
	}
	have, err := e.loginNow(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return e.exec(ctx, "create account "+e.who(), "CREATE USER "+e.who()+" "+how)
	}
	if err != nil {
		return err
	}
	same, err := e.samePassword(ctx, have.plugin, have.stored)
	if err != nil {
		return err
	}
	var change []string
	if !same {
		change = append(change, "change the password of "+e.who())
	}
	if len(have.odd) > 0 {
		change = append(change, "let "+e.who()+" log in as intended: it has "+strings.Join(have.odd, ", "))
	}
	if len(change) > 0 {
		if err := e.exec(ctx, strings.Join(change, ", "), "ALTER USER "+e.who()+" "+how+plainLogin); err != nil {
			return err
		}
	}
	if have.second {
		return e.exec(ctx, "discard the old password of "+e.who(), "ALTER USER "+e.who()+" DISCARD OLD PASSWORD")
	}
	return nil
}

// plainLogin is what CREATE USER does where it is told nothing else.
const plainLogin = " REQUIRE NONE WITH MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 0 MAX_CONNECTIONS_PER_HOUR 0 MAX_USER_CONNECTIONS 0" +
	" PASSWORD EXPIRE DEFAULT ACCOUNT UNLOCK"

// loginState is how an account logs in now.
type loginState struct {
	plugin string
	stored []byte
	odd    []string // what is not as CREATE USER makes it, in words
	second bool     // an older password is good as well
}

func (e *ensurer) loginNow(ctx context.Context) (l loginState, err error) {
	const columns = "plugin, authentication_string, ssl_type, max_questions + max_updates + max_connections + max_user_connections, password_expired"
	more := ", account_locked, COALESCE(JSON_CONTAINS_PATH(User_attributes, 'one', '$.additional_password'), 0), 0 FROM mysql.user u"
	if e.version.Flavor == MariaDB {
		more = ", IF(JSON_VALUE(p.Priv, '$.account_locked') IN ('true', '1'), 'Y', 'N'), 0, JSON_EXISTS(p.Priv, '$.auth_or')" +
			" FROM mysql.user u JOIN mysql.global_priv p ON p.User = u.User AND p.Host = u.Host"
	}
	var tls, expired, locked string
	var limits int64
	var others bool
	err = e.conn.QueryRowContext(ctx, "SELECT "+columns+more+" WHERE u.User = ? AND u.Host = ?", e.account.Name, e.account.host()).
		Scan(&l.plugin, &l.stored, &tls, &limits, &expired, &locked, &l.second, &others)
	for _, odd := range []struct {
		is   bool
		what string
	}{
		{tls != "", "a demand for TLS (" + tls + ")"}, {limits != 0, "limits of its own"}, {expired == "Y", "an expired password"},
		{locked == "Y", "a lock"}, {others, "other ways to log in"},
	} {
		if odd.is {
			l.odd = append(l.odd, odd.what)
		}
	}
	return l, err
}

// samePassword compares with what the server stored, so that a run which changes nothing writes nothing.
func (e *ensurer) samePassword(ctx context.Context, plugin string, stored []byte) (bool, error) {
	switch {
	case e.version.Flavor == MySQL:
		return plugin == "caching_sha2_password" && matchesCachingSHA2(stored, string(e.account.Password)), nil
	case plugin != "mysql_native_password" && plugin != "":
		return false, nil
	}
	var want string
	err := e.conn.QueryRowContext(ctx, "SELECT PASSWORD(?)", string(e.account.Password)).Scan(&want)
	return want == string(stored), err
}
