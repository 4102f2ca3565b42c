package provision_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/site/provision"
)

func TestUnifiedDiff(t *testing.T) {
	a, b := "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n", "1\n2\nthree\n4\n5\n6\n7\n8\n9\n10\n12"
	require.Equal(t, `--- a/etc/x
+++ b/etc/x
@@ -1,6 +1,6 @@
 1
 2
-3
+three
 4
 5
 6
@@ -8,5 +8,4 @@
 8
 9
 10
-11
-12
+12
\ No newline at end of file
`, provision.UnifiedDiff("/etc/x", &a, &b))
	require.Empty(t, provision.UnifiedDiff("/etc/x", &a, &a))
	one := "one\n"
	require.Equal(t, "--- /dev/null\n+++ b/etc/x\n@@ -0,0 +1 @@\n+one\n", provision.UnifiedDiff("/etc/x", nil, &one))
	require.Equal(t, "--- a/etc/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n", provision.UnifiedDiff("/etc/x", &one, nil))
}

// FuzzUnifiedDiff applies the diff of two texts to the first, which must give the second.
func FuzzUnifiedDiff(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nc\nd")
	f.Add("", "x\n")
	f.Add("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", "1\n3\n4\n5\n6\n7\n8\n9\n9\n10\n11\n")
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.Contains(a+b, "\\ No newline") {
			return
		}
		require.Equal(t, b, patched(t, a, provision.UnifiedDiff("/x", &a, &b)))
	})
}

// patched applies a unified diff, checking every line that it says is there.
func patched(t *testing.T, text, diff string) string {
	old := strings.SplitAfter(text, "\n")
	var out strings.Builder
	next := 0
	lines := strings.SplitAfter(diff, "\n")
	for i := 2; i < len(lines) && lines[i] != ""; i++ {
		line := lines[i]
		if i+1 < len(lines) && strings.HasPrefix(lines[i+1], "\\ No newline") {
			line = strings.TrimSuffix(line, "\n")
		}
		switch line[0] {
		case '@':
			var from, count int
			_, err := fmt.Sscanf(strings.Replace(line, " +", ",1 +", 1), "@@ -%d,%d", &from, &count)
			require.NoError(t, err)
			if count > 0 {
				from--
			}
			for ; next < from; next++ {
				out.WriteString(old[next])
			}
		case ' ', '-':
			require.Equal(t, old[next], line[1:])
			next++
			if line[0] == ' ' {
				out.WriteString(line[1:])
			}
		case '+':
			out.WriteString(line[1:])
		}
	}
	for ; next < len(old); next++ {
		out.WriteString(old[next])
	}
	return out.String()
}

// shellArgs runs a script's calls by the real shell, with functions that put out what they are given.
func shellArgs(t *testing.T, functions []string, script string) []string {
	var stubs strings.Builder
	stubs.WriteString("out() { printf '%s\\0' \"$@\"; }\nprepare() { :; }\nrun() { \"$2\"; }\nfinish() { :; }\nsay() { :; }\n")
	for _, f := range functions {
		fmt.Fprintf(&stubs, "%s() { out %s \"$@\"; }\n", f, f)
	}
	cmd := exec.Command("/bin/sh", "-s")
	cmd.Stdin = strings.NewReader(stubs.String() + script)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

var applyFunctions = []string{
	"group_add", "user_put", "packages", "dir_put", "file_put", "file_access", "config_begin", "config_end", "link_put", "absent",
	"unit_put", "paid", "command_run",
}

// FuzzScript puts arbitrary strings into every field. What Validate accepts must reach the shell functions as it
// is, through both scripts: nothing breaks out of its place.
func FuzzScript(f *testing.F) {
	f.Add("app", "/etc/motd", "visudo -cf {}", "apache2|nginx", "apache2.service", "echo $HOME")
	f.Add("a'b", "/etc/a'; reboot; '", "x {} $(reboot) `reboot`", "a b", "a@.service", "a\nb\\\n'")
	f.Add("$(id)", "/etc/\\", "'{}'", "x;y", "-H.service", "\x01\xff")
	f.Fuzz(func(t *testing.T, account, path, check, pkg, unit, text string) {
		all := []provision.Step{
			provision.Group{Name: account + "g"}, provision.User{Name: account, Home: path, Groups: []string{account}},
			provision.Packages{Names: []string{pkg}}, provision.Dir{Path: path + "d", Owner: account},
			provision.File{Path: path, Owner: account, Group: account, Content: text, Check: check},
			provision.Config{Name: text, Check: check, Files: []provision.File{{Path: path + "c", Secret: provision.Secret(text)}}},
			provision.Link{Path: path + "l", Target: text}, provision.Absent{Path: "/srv" + path, Tree: true},
			provision.Unit{Name: unit, Check: check}, provision.Unit{Name: "t@.service", Instances: []string{account}},
			provision.Command{Name: text, Script: text, Unless: check, OnlyIf: text, User: account, Stdin: provision.Secret(text)},
		}
		var state provision.State
		for _, step := range all {
			if steps(step).Validate() == nil {
				state.Steps = append(state.Steps, step)
			}
		}
		plan := provision.Compare(state, provision.Facts{})
		if plan.Empty() {
			return
		}
		got := shellArgs(t, applyFunctions, provision.ApplyScript(plan))
		require.Equal(t, expected(provision.Calls(plan)), got)
		gathered := shellArgs(t, []string{"lock", "system", "paths", "sums", "texts", "packages", "users", "groups", "units", "instances", "guard", "emit"},
			provision.FactsScript(state))
		require.Equal(t, "end", gathered[len(gathered)-1])
		_ = plan.String()
	})
}

// expected are the arguments of calls as the shell gets them, {} of checks filled in.
func expected(calls [][]string) []string {
	var want []string
	for _, c := range calls {
		if c[0] == "file_put" {
			c[len(c)-1] = strings.ReplaceAll(c[len(c)-1], "{}", quoted(c[1]))
		}
		want = append(want, c...)
	}
	return want
}

// quoted is a word as any shell takes it, written in another way than sshx.Quote's where that is simple.
func quoted(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+-,") == "" {
		return s
	}
	return "'" + strings.Join(strings.Split(s, "'"), `'\''`) + "'"
}
