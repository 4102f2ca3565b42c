package site

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	siteName  = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,29}[a-z0-9])?$`)
	hostLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	packaged  = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?$`)
	envName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	urlPath   = regexp.MustCompile(`^/[A-Za-z0-9_./~-]*$`)
)

// Validate reports every mistake in s at once, each with the field's name.
// It reads no file but to see that those which s names are there.
func (s Site) Validate() error { return errors.Join(s.check(), s.checkFiles()) }

// checkFiles sees whether the files that s names are on this machine. Verbs that bring no code do without.
func (s Site) checkFiles() error {
	v := validation{}
	if info, err := os.Stat(s.App.Source); err != nil || !info.IsDir() {
		v.check(false, "App.Source", s.App.Source, "is no folder here")
	}
	h := s.Web.HTTPS
	for _, f := range []struct{ field, file string }{{"Web.HTTPS.CertFile", h.CertFile}, {"Web.HTTPS.KeyFile", h.KeyFile}} {
		if _, err := os.Stat(f.file); f.file != "" && err != nil {
			v.check(false, f.field, f.file, "cannot be read")
		}
	}
	return errors.Join(v.errs...)
}

// check is Validate without the files.
func (s Site) check() error {
	v := validation{}
	v.check(siteName.MatchString(s.Name), "Name", s.Name, "is not a lower-case letter and then up to 30 letters, digits and -")
	v.host("Domain", s.Domain)
	for i, a := range s.Aliases {
		field := fmt.Sprintf("Aliases[%d]", i)
		v.host(field, a)
		v.check(a != s.Domain && !slices.Contains(s.Aliases[:i], a), field, a, "is there twice")
	}
	v.check(slices.Contains([]string{"", "debian-12", "debian-13", "ubuntu-24.04"}, s.Image), "Image", s.Image, "is not debian-13, debian-12 or ubuntu-24.04")
	v.check(slices.Contains([]string{"", "mariadb", "mysql"}, s.Database.Engine), "Database.Engine", s.Database.Engine, "is not mariadb or mysql")
	v.app(s.App)
	v.web(s.Web)
	v.backup(s)
	return errors.Join(v.errs...)
}

type validation struct{ errs []error }

func (v *validation) check(ok bool, field string, value any, fact string) {
	if !ok {
		v.errs = append(v.errs, fmt.Errorf("site: %s: %q %s", field, fmt.Sprint(value), fact))
	}
}

func (v *validation) host(field, name string) {
	labels := strings.Split(name, ".")
	good := len(name) <= 253 && len(labels) > 1 && net.ParseIP(name) == nil &&
		!slices.ContainsFunc(labels, func(l string) bool { return !hostLabel.MatchString(l) })
	v.check(good, field, name, "is not a host name in lower case, such as www.shop.example")
}

// line refuses what would not stay on its line in a unit or an environment file.
func (v *validation) line(field, text string) {
	v.check(!strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }), field, text, "has a control character or a new line")
}

func (v *validation) app(a App) {
	v.check(a.Command != "", "App.Command", a.Command, "is empty: it starts one process")
	v.line("App.Command", a.Command)
	v.line("App.Build", a.Build)
	v.line("App.Migrate", a.Migrate)
	v.line("App.Revision", a.Revision)
	v.check(!strings.HasPrefix(a.Revision, "-"), "App.Revision", a.Revision, "is no revision")
	v.check(a.Processes >= 0 && a.Processes <= 64, "App.Processes", a.Processes, "is not within 0 and 64")
	a = a.withDefaults()
	v.check(a.Port >= 1024 && int(a.Port)+a.Processes <= 65536, "App.Port", a.Port, fmt.Sprintf("does not leave %d ports within 1024 and 65535", a.Processes))
	v.check(urlPath.MatchString(a.Health), "App.Health", a.Health, "is not a path such as /up")
	v.check(a.BootTimeout > 0, "App.BootTimeout", a.BootTimeout, "is not positive")
	for i, p := range a.Packages {
		v.check(packaged.MatchString(p), fmt.Sprintf("App.Packages[%d]", i), p, "is not a Debian package's name")
	}
	for _, k := range sortedKeys(a.Env) {
		v.check(envName.MatchString(k), "App.Env", k, "is not a variable's name")
		v.check(!slices.Contains(reservedEnv, k), "App.Env", k, "is set by the site itself")
		v.line("App.Env["+k+"]", a.Env[k])
	}
	for i, d := range a.LinkedDirs {
		v.below(fmt.Sprintf("App.LinkedDirs[%d]", i), d)
	}
	for i, f := range a.LinkedFiles {
		v.below(fmt.Sprintf("App.LinkedFiles[%d]", i), f)
	}
}

// below asks for a clean relative path that stays in the release.
func (v *validation) below(field, p string) {
	v.check(p != "" && p != "." && !path.IsAbs(p) && path.Clean(p) == p && !strings.HasPrefix(p, ".."), field, p, "is not a clean path below the release")
	v.line(field, p)
}

func (v *validation) web(w Web) {
	h := w.HTTPS
	v.check(slices.Contains([]HTTPSMode{HTTPOnly, HTTPAndHTTPS, HTTPSRedirect}, h.Mode), "Web.HTTPS.Mode", h.Mode, `is not "", "both" or "redirect"`)
	v.check((h.CertFile == "") == (h.KeyFile == ""), "Web.HTTPS", h.CertFile+h.KeyFile, "stands alone: CertFile and KeyFile go together")
	v.check(h.HSTS >= 0 && h.HSTS%time.Second == 0 && h.HSTS <= 10*365*24*time.Hour, "Web.HTTPS.HSTS", h.HSTS, "is not whole seconds within 0 and ten years")
	v.check(h.Mode != HTTPOnly || h.HSTS == 0, "Web.HTTPS.HSTS", h.HSTS, "is not used: Mode is HTTP only")
	v.check(h.Mode != HTTPOnly || h.CertFile == "", "Web.HTTPS.CertFile", h.CertFile, "is not used: Mode is HTTP only")
	if w.PageCache != "-" {
		v.below("Web.PageCache", w.withDefaults().PageCache)
	}
	v.check(w.MaxBody >= 0, "Web.MaxBody", w.MaxBody, "is negative")
}
