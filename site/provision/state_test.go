package provision_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/site/provision"
)

func steps(s ...provision.Step) provision.State { return provision.State{Steps: s} }

func TestValidateReportsEveryMistake(t *testing.T) {
	state := steps(
		provision.Group{Name: "Web Team"},
		provision.User{Name: "app", Home: "home", Shell: "/bin/a:b"},
		provision.Packages{Names: []string{"apache2|", "rm -rf"}},
		provision.Dir{Path: "srv/app", Owner: "app;reboot"},
		provision.File{Path: "/etc/motd\nroot", Mode: 0o10000, Content: "x", Secret: "y"},
		provision.File{Path: "/etc/sudoers.d/app", Check: "visudo -cf"},
		provision.Config{Name: "apache2", Files: []provision.File{{Path: "/etc/apache2/../passwd"}}},
		provision.Link{Path: "/etc/l", Target: "a\nb"},
		provision.Absent{Path: "/etc", Tree: true},
		provision.Unit{Name: "apache2", State: "on"},
		provision.Unit{Name: "app@.service"},
		provision.Unit{Name: "web.service", ReloadOn: []string{"/etc/nowhere"}, State: "on", Instances: []string{"1"}},
		provision.Command{Name: "x", Script: "true"},
		provision.Group{Name: "twice"},
		provision.Group{Name: "twice"},
		&provision.Group{Name: "pointer"},
		nil,
	)
	err := state.Validate()
	require.Error(t, err)
	for _, part := range []string{
		`provision: step 1: group "Web Team": name "Web Team" is not a lower-case account name of at most 32 characters`,
		`step 2: user "app": home "home" is not`, `shell "/bin/a:b" is not`,
		`step 3: packages "apache2| rm -rf": "" is not a Debian package name`, `"rm -rf" is not a Debian package name`,
		`step 4: directory "srv/app": path "srv/app" is not absolute`, `owner "app;reboot" is neither`,
		`step 5: file "/etc/motd\nroot": path "/etc/motd\nroot" has control characters`, "mode 010000 is more than 07777", "more than one of",
		`step 6: file "/etc/sudoers.d/app": check "visudo -cf" has no {}`,
		`step 7: config "apache2": has no check`, `file "/etc/apache2/../passwd": path "/etc/apache2/../passwd" is not clean; write /etc/passwd`,
		`step 8: link "/etc/l": target "a\nb"`, `step 9: path "/etc": is not a path to remove`,
		`step 10: unit "apache2": is not the full name`, `step 11: unit "app@.service": is a template without instances`,
		`step 12: unit "web.service": has instances, but is not a template`, `state "on" is unknown`,
		`ReloadOn "/etc/nowhere" names nothing that an earlier step has`,
		`step 13: command "x": has neither Unless nor OnChange`,
		`step 15: group "twice": "group:twice" is also in step 14`,
		"step 16: has type *provision.Group", "step 17: is nil",
	} {
		require.ErrorContains(t, err, part)
	}
	require.Equal(t, err.Error(), state.Validate().Error(), "equal states give equal errors")
}

func TestValidateAcceptsTheUsual(t *testing.T) {
	require.NoError(t, webState().Validate())
	require.NoError(t, provision.State{}.Validate())
}

func TestSecretIsNeverPrinted(t *testing.T) {
	state := steps(
		provision.File{Path: "/etc/app/password", Secret: "hunter2hunter2"},
		provision.Command{Name: "c", Script: "cat", Unless: "false", Stdin: "hunter2hunter2"},
	)
	plan := provision.Compare(state, provision.Facts{})
	holder := struct{ p provision.Plan }{plan}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{state, plan, holder, plan.Changes(), provision.Secret("hunter2hunter2")} {
			require.NotContains(t, fmt.Sprintf(verb, value), "hunter2", verb)
			require.NotContains(t, fmt.Sprintf(verb, value), fmt.Sprintf("%x", "hunter2"), verb)
		}
	}
	require.NotContains(t, provision.ApplyScript(plan), "hunter2")
	require.NotContains(t, provision.FactsScript(state), "hunter2")
}

func TestBlobFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent")
	require.NoError(t, os.WriteFile(path, []byte("abc"), 0o600))
	blob, err := provision.BlobFile(path)
	require.NoError(t, err)
	require.Equal(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", blob.SHA256)
	require.EqualValues(t, 3, blob.Size)
	content, err := blob.Open()
	require.NoError(t, err)
	defer content.Close()
	text, err := io.ReadAll(content)
	require.NoError(t, err)
	require.Equal(t, "abc", string(text))
	_, err = provision.BlobFile(path + "x")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// webState is a small web server with one of everything.
func webState() provision.State {
	return steps(
		provision.Group{Name: "deploy"},
		provision.User{Name: "app", Groups: []string{"deploy"}, Home: "/srv/app"},
		provision.Dir{Path: "/srv/app", Owner: "app", Mode: 0o755},
		provision.Packages{Names: []string{"apache2", "no-such-server|tree"}},
		provision.Config{
			Name: "apache2",
			Files: []provision.File{
				{Path: "/etc/apache2/sites-available/shop.conf", Content: shopConf},
				{Path: "/etc/apache2/conf-available/shop-name.conf", Content: "ServerName shop.example\n"},
			},
			Links: []provision.Link{
				{Path: "/etc/apache2/sites-enabled/shop.conf", Target: "../sites-available/shop.conf"},
				{Path: "/etc/apache2/conf-enabled/shop-name.conf", Target: "../conf-available/shop-name.conf"},
			},
			Absent: []string{"/etc/apache2/sites-enabled/000-default.conf"},
			Owns:   []string{"/etc/apache2/sites-enabled"},
			Check:  "apache2ctl -t",
		},
		provision.Unit{Name: "apache2.service", ReloadOn: []string{"/etc/apache2/"}},
		provision.File{Path: "/etc/app/password", Secret: "hunter2hunter2\n", Owner: "app"},
		provision.File{Path: "/etc/systemd/system/app@.service", Content: appUnit},
		provision.Unit{Name: "app@.service", Instances: []string{"3001", "3002"},
			RestartOn: []string{"/etc/systemd/system/app@.service", "/etc/app/"}},
		provision.File{Path: "/etc/systemd/system/tick.service", Content: "[Service]\nType=oneshot\nExecStart=/usr/bin/true\n"},
		provision.File{Path: "/etc/systemd/system/tick.timer", Content: "[Timer]\nOnCalendar=hourly\n[Install]\nWantedBy=timers.target\n"},
		provision.Unit{Name: "tick.timer", RestartOn: []string{"/etc/systemd/system/tick.timer"}},
		provision.File{Path: "/srv/app/index.html", Content: "<h1>shop</h1>\n", Owner: "app"},
		provision.Command{Name: "seal", Script: "cat >/srv/app/seal", Stdin: "from the input", User: "app", Unless: "test -s /srv/app/seal"},
		provision.Command{Name: "count", Script: "echo run >>/srv/app/count", OnChange: []string{"/srv/app/index.html"}},
		provision.Absent{Path: "/var/www/html", Tree: true},
	)
}

// change returns the web state with one of its steps edited.
func change(edit func(step provision.Step) provision.Step) provision.State {
	state := webState()
	for i, step := range state.Steps {
		state.Steps[i] = edit(step)
	}
	return state
}

const shopConf = `<VirtualHost *:80>
	ServerName shop.example
	DocumentRoot /srv/app
	<Directory /srv/app>
		Require all granted
	</Directory>
</VirtualHost>
`

const appUnit = `[Service]
ExecStart=/usr/bin/sleep infinity
User=app
[Install]
WantedBy=multi-user.target
`
