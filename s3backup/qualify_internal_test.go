package s3backup

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

func TestRequalify(t *testing.T) {
	names := map[string]string{"a": "a_new", "we`ird": "x`y", "parent": "no"}
	for text, want := range map[string]string{
		"REFERENCES `a`.`parent` (`id`)":        "REFERENCES `a_new`.`parent` (`id`)",
		"REFERENCES `parent` (`a`)":             "REFERENCES `parent` (`a`)",
		"REFERENCES `other`.`a` (`id`)":         "REFERENCES `other`.`a` (`id`)",
		"DEFAULT nextval(`we``ird`.`s`)":        "DEFAULT nextval(`x``y`.`s`)",
		"`c` int COMMENT 'it''s `a`.`t` \\'' ,": "`c` int COMMENT 'it''s `a`.`t` \\'' ,",
		"`a`.`parent`.`c`, `a`.`parent`":        "`a_new`.`parent`.`c`, `a_new`.`parent`",
		"`a`.":                                  "`a`.",
		"`a`.`unclosed":                         "`a_new`.`unclosed",
		"'unclosed `a`.`t`":                     "'unclosed `a`.`t`",
		"":                                      "",
	} {
		require.Equal(t, want, requalify(text, names), text)
	}
	text := "KEY (`x`), CONSTRAINT `k` FOREIGN KEY (`x`) REFERENCES `a`.`t` (`x`)"
	require.Equal(t, text, requalify(requalify(text, names), inverse(names)))
}

// answers is an asker with the variables of a server; those in denied may not be set.
type answers struct {
	variables, denied map[string]string
	first             string
}

func (a *answers) query(_ context.Context, statement string) ([][]string, error) {
	if assignment, found := strings.CutPrefix(statement, "SET SESSION "); found {
		name, value, _ := strings.Cut(assignment, " = ")
		if name == "sql_big_selects" {
			a.first = statement
			return nil, nil
		}
		if _, denied := a.denied[name]; denied {
			return nil, &mysql.MySQLError{Number: 1227}
		}
		a.variables[name] = value
		return nil, nil
	}
	var rows [][]string
	for name, value := range a.variables {
		rows = append(rows, []string{name, value})
	}
	return rows, nil
}

func TestSettle(t *testing.T) {
	server := &answers{
		variables: map[string]string{"net_write_timeout": "60", "wait_timeout": "1", "sql_mode": "ANSI_QUOTES", "foreign_key_checks": "OFF", "enforce_storage_engine": "Aria", "sql_require_primary_key": "ON"},
		denied:    map[string]string{"sql_require_primary_key": ""},
	}
	require.NoError(t, settle(t.Context(), server))
	require.Equal(t, map[string]string{
		"net_write_timeout": "86400", "wait_timeout": "86400", "sql_mode": "''", "foreign_key_checks": "OFF", "enforce_storage_engine": "NULL", "sql_require_primary_key": "ON",
	}, server.variables)
	require.Contains(t, server.first, "max_statement_time = 0", "before anything that may be ended by it")
}

func TestLongestLine(t *testing.T) {
	o := &sqlOutput{w: io.Discard}
	for part := range bytes.SplitAfterSeq([]byte("CREATE TABLE `t` (\nINSERT INTO `t` VALUES (1),(2);\n-- Dump completed\n"), []byte("1")) {
		_, err := o.Write(part)
		require.NoError(t, err)
	}
	var facts Facts
	o.longest(&facts)
	require.EqualValues(t, len("INSERT INTO `t` VALUES (1),(2);\n"), facts.Longest)
	require.Empty(t, facts.Warnings)

	// A gigabyte in one line.
	o = &sqlOutput{w: io.Discard}
	part := bytes.Repeat([]byte("x"), 1<<20)
	_, _ = o.Write([]byte("INSERT INTO `we``ird` VALUES (0x"))
	for range mostPacket >> 20 {
		_, _ = o.Write(part)
	}
	_, _ = o.Write([]byte(");\n"))
	o.longest(&facts)
	require.Len(t, facts.Warnings, 1)
	require.Contains(t, facts.Warnings[0], "table `we``ird` has a row")
}

func TestObjectsFit(t *testing.T) {
	has := Objects{Views: 1, Events: 3, Passing: 2}
	for events, fits := range []bool{false, true, true, true, false} {
		require.Equal(t, fits, has.fits(Objects{Views: 1, Events: int64(events)}), events)
	}
	require.False(t, has.fits(Objects{Views: 2, Events: 3, Passing: 2}))
	require.False(t, Objects{Events: 1}.fits(Objects{}), "of a manifest that does not tell")
}

func TestObjectThatWasWrittenOver(t *testing.T) {
	m := Manifest{ID: "x", Object: Object{Name: "dump", Bytes: 7}}
	require.NoError(t, contents{objects: map[string]found{"k": {bytes: 7}}}.check("k", m))
	require.ErrorIs(t, contents{}.check("k", m), ErrCorrupt)
	require.ErrorContains(t, contents{objects: map[string]found{"k": {}}}.check("k", m), "0 bytes, the manifest says 7")
}

func TestHistoryOfAnotherTime(t *testing.T) {
	m := Manifest{Server: Origin{Flavor: "mariadb", Version: "10.11.19-MariaDB"}, Tables: []Table{{Database: "a", Name: "v", History: true}}}
	for version, want := range map[string]string{"10.11.6-MariaDB": "", "11.4.2-MariaDB": "", "11.8.9-MariaDB": "table a.v has a history", "12.0.1-MariaDB": "table a.v has a history"} {
		r := restore{manifest: m, session: &session{origin: Origin{Flavor: "mariadb", Version: version}}}
		if want == "" {
			require.NoError(t, r.checkHistory(), version)
			continue
		}
		require.ErrorContains(t, r.checkHistory(), want, version)
	}
}
