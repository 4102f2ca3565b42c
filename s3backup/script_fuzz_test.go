package s3backup

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// words cuts a text as the lexer does, but in another way: by one expression, and only what is plain.
var words = regexp.MustCompile("(?s)'(?:[^'\\\\]|\\\\.|'')*'|\"(?:[^\"\\\\]|\\\\.|\"\")*\"|`(?:[^`]|``)*`|/\\*.*?\\*/|#[^\n]*\n|--[\x01-\x09\x0b-\x20\x7f][^\n]*\n|--\n|.")

// plainBody tells what words make of a body: whether it holds its delimiter, or does not end. ok is false for what words do
// not understand.
func plainBody(text string) (holds, open, ok bool) {
	if strings.ContainsAny(text, "\x00$") || !utf8.ValidString(text) || regexp.MustCompile(`/\*M?[!+]|--[^\x00-\x7f]`).MatchString(text) {
		return false, false, false
	}
	var code strings.Builder
	for _, word := range words.FindAllString(text+" \n", -1) {
		switch {
		case word == "\\":
			return false, false, false
		case strings.HasPrefix(word, "--") && len(word) > 2, strings.HasPrefix(word, "#"), strings.HasPrefix(word, "/*"):
			code.WriteString("\n")
		case word == "'" || word == "\"" || word == "`":
			open = true
			code.WriteString(word)
		case len(word) > 1 && strings.ContainsAny(word[:1], "'\"`"):
			code.WriteString("x")
		default:
			code.WriteString(word)
		}
	}
	all := code.String()
	return strings.Contains(all, ";;"), open || strings.Contains(all, "/*"), true
}

// FuzzBody: whatever a body holds, it is read as the one statement that it is, or refused. Nothing of it ever becomes
// another statement.
func FuzzBody(f *testing.F) {
	for _, text := range []string{
		"SELECT 1 # ;;\n--1 + '\nCREATE USER a ;;\n--'\n", "SELECT ';;' -- it's\n", "/* ;; ' */ SELECT `;;`", "SELECT 1\nDELIMITER ;\n", "SELECT \"\\\";;\"",
		"SELECT 1 ;;\nDELIMITER ;\nCOMMIT;\n", "/*!50000 SELECT ';;' */", "'", "--\n", "SELECT 1 --\x7f;;\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		head := "CREATE DEFINER=`a`@`b` PROCEDURE `p`()\n"
		all, kinds, _, err := statements(t, "DELIMITER ;;\n"+head+text+"\n;;\nDELIMITER ;\n-- Dump completed\n")
		holds, open, ok := plainBody(text)
		if !ok {
			return
		}
		if holds || open {
			require.True(t, err != nil || len(all) == 0 || all[0] != strings.TrimSpace(head+text))
			return
		}
		if err != nil {
			require.ErrorIs(t, err, ErrScript)
			require.Regexp(t, `(?i)\ndelimiter`, text, err) // nothing else of this kind is refused
			return
		}
		require.Equal(t, []kind{body}, kinds)
		require.Equal(t, strings.TrimSpace(head+text), all[0])
	})
}

// FuzzRow: whatever text a row or a comment of a table holds, once the dump program has escaped it, it is that and no more.
func FuzzRow(f *testing.F) {
	for _, text := range []string{"a", "'); GRANT ALL ON *.* TO a; -- ", "\\", "\n", "*/", "),(", "\xff'"} {
		f.Add(text)
	}
	escape := strings.NewReplacer("\x00", `\0`, "\n", `\n`, "\r", `\r`, `\`, `\\`, "'", `\'`, `"`, `\"`, "\x1a", `\Z`)
	f.Fuzz(func(t *testing.T, text string) {
		row := "INSERT INTO `t` VALUES\n(1,'" + escape.Replace(text) + "'),\n(NULL,'x')"
		table := "CREATE TABLE `t` (\n  `x` int DEFAULT NULL COMMENT '" + escape.Replace(text) + "'\n) ENGINE=InnoDB"
		all, _, _, err := statements(t, row+";\n"+table+";\n"+row+";\nCOMMIT;\n-- Dump completed\n")
		require.NoError(t, err)
		require.Equal(t, []string{row, table, row, "COMMIT"}, all)
	})
}
