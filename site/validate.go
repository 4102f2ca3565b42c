package site

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/siteblocks/siteblocks/codedeploy"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/mysqlrepl"
	"github.com/siteblocks/siteblocks/site/internal/layout"
)

var (
	siteName  = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,29}[a-z0-9])?$`)
	hostLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	packaged  = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?$`)
	envName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	urlPath   = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)+$`)
	pagePath  = regexp.MustCompile(`^[A-Za-z0-9_.@+~/-]+$`) // as apachecfg takes it
	typeName  = regexp.MustCompile(`^[a-z0-9.-]*$`)
)

// What the server has for itself.
var (
	// A site's name is also that of its folder in /var/www and of its file in Apache's sites-available.
	takenNames = []string{"html", "default-ssl"}
	takenPorts = map[uint16]string{
		3306: "the database's port", 3307: "kept for the database's listener on application servers", 8089: "Apache's own on servers that an earlier version made",
	}
	// In shared/, where earlier versions had their maintenance switch.
	takenPaths = []string{"maintenance"}
)

const (
	maxLine = 100_000 // bytes of a command or of a variable: Linux takes 128 KiB for one of them
	maxEnv  = 1 << 20 // of all variables together
	maxBody = 1 << 40
)

// ValidateFiles reports which of the files that s names are not on this machine: App.Source and those of a certificate.
// Verbs that bring no code do without them.
func (s Site) ValidateFiles() error {
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

// Validate reports every mistake in s at once, each with the field's name. It reads no file: see ValidateFiles.
func (s Site) Validate() error {
	v := validation{}
	v.check(siteName.MatchString(s.Name), "Name", s.Name, "is not a lower-case letter and then up to 30 letters, digits and -")
	v.check(!slices.Contains(takenNames, s.Name), "Name", s.Name, "is a folder or a file of the distribution's Apache")
	v.host("Domain", s.Domain)
	for i, a := range s.Aliases {
		field := fmt.Sprintf("Aliases[%d]", i)
		v.host(field, a)
		v.check(a != s.Domain && !slices.Contains(s.Aliases[:i], a), field, a, "is there twice")
		v.check(a != s.localName(), field, a, "is the site's own name on the local cloud")
	}
	v.check(slices.Contains(images, s.Image), "Image", s.Image, "is not debian-13, debian-12 or ubuntu-24.04")
	v.app(s.App)
	v.web(s.Web)
	v.check(typeName.MatchString(s.Type), "Type", s.Type, "is not a cloud's instance type, such as t3.small")
	v.engine(s)
	v.backup(s)
	if len(v.errs) == 0 {
		v.renders(s)
	}
	return errors.Join(v.errs...)
}

// renders asks whether every server's state comes about. What the packages beneath refuse is refused here, before
// anything is launched.
func (v *validation) renders(s Site) {
	in := s.Placeholders()
	for _, server := range s.Servers() {
		state, err := s.HostState(server.Name, in)
		if err == nil {
			err = state.Validate()
		}
		if err != nil {
			v.errs = append(v.errs, fmt.Errorf("site: what would be laid down on %q is refused: %w", server.Name, err))
		}
	}
}

// engine sees that the image has the database, and that the server does not keep its name for itself.
func (v *validation) engine(s Site) {
	image := s.Image
	if !slices.Contains(images, image) {
		image = "" // which is refused by itself
	}
	if _, err := mysqlrepl.SoftwareFor(mysqlrepl.Distro(image), mysqlrepl.Flavor(s.Database.Engine)); err != nil {
		v.errs = append(v.errs, fmt.Errorf("site: Database.Engine: %w", err))
	}
	account := mysqlrepl.Account{Name: layout.AppUser, Database: s.DatabaseName(), Password: "only the name is asked for"}
	if err := account.Validate(); err != nil {
		v.errs = append(v.errs, fmt.Errorf("site: Name: %q is also the database's: %w", s.Name, err))
	}
}

var images = []string{"", "debian-12", "debian-13", "ubuntu-24.04"}

type validation struct{ errs []error }

func (v *validation) check(ok bool, field string, value any, fact string) {
	if !ok {
		v.errs = append(v.errs, fmt.Errorf("site: %s: %q %s", field, fmt.Sprint(value), fact))
	}
}

func (v *validation) host(field, name string) {
	labels := strings.Split(name, ".")
	_, number := strconv.ParseUint(labels[len(labels)-1], 0, 64) // browsers take it for an address
	good := len(name) <= 253 && len(labels) > 1 && net.ParseIP(name) == nil && number != nil &&
		!slices.ContainsFunc(labels, func(l string) bool { return !hostLabel.MatchString(l) })
	v.check(good, field, name, "is not a host name in lower case, such as www.shop.example")
}

// line refuses what would not stay on its line in a unit or an environment file, or what systemd does not read there.
func (v *validation) line(field, text string) {
	v.check(!strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }), field, text, "has a control character or a new line")
	v.check(utf8.ValidString(text) && !strings.ContainsFunc(text, noncharacter), field, text, "is not valid UTF-8")
	v.check(len(text) <= maxLine, field, fmt.Sprintf("%.40s…", text), fmt.Sprintf("has more than %d bytes", maxLine))
}

// noncharacter is a code point that is none of a text: systemd drops a line that has one. Source: unicode.org, 23.7.
func noncharacter(r rune) bool { return r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef }

func (v *validation) app(a App) {
	v.check(a.Command != "", "App.Command", a.Command, "is empty: it starts one process")
	v.line("App.Command", a.Command)
	v.line("App.Build", a.Build)
	v.line("App.Migrate", a.Migrate)
	v.line("App.Revision", a.Revision)
	v.check(!strings.HasPrefix(a.Revision, "-"), "App.Revision", a.Revision, "is no revision")
	v.check(a.Processes >= 0 && a.Processes <= 64, "App.Processes", a.Processes, "is not within 0 and 64")
	a = a.withDefaults()
	for _, p := range slices.Sorted(maps.Keys(takenPorts)) {
		v.check(p < a.Port || int(p) >= int(a.Port)+a.Processes, "App.Port", a.Port, fmt.Sprintf("and the %d processes from there on would take %d, %s", a.Processes, p, takenPorts[p]))
	}
	v.check(a.Port >= 1024 && int(a.Port)+a.Processes <= 65536, "App.Port", a.Port, fmt.Sprintf("does not leave %d ports within 1024 and 65535", a.Processes))
	v.check(urlPath.MatchString(a.Health), "App.Health", a.Health, "is not a path such as /up, of letters, digits and _.~- without hidden parts; / is the page that visitors see, also during maintenance")
	v.check(a.Memory == 0 || a.Memory >= 64<<20, "App.Memory", a.Memory, "is not 0 or at least 64 MiB (67108864)")
	v.check(a.BootTimeout > 0, "App.BootTimeout", a.BootTimeout, "is not positive")
	for i, p := range a.Packages {
		v.check(packaged.MatchString(p), fmt.Sprintf("App.Packages[%d]", i), p, "is not a Debian package's name")
	}
	total := 0
	for _, k := range sortedKeys(a.Env) {
		total += len(k) + len(a.Env[k])
		v.check(envName.MatchString(k), "App.Env", k, "is not a variable's name")
		v.check(!slices.Contains(reservedEnv, k), "App.Env", k, "is set by the site itself")
		v.line("App.Env["+k+"]", a.Env[k])
	}
	v.check(total <= maxEnv, "App.Env", total, fmt.Sprintf("bytes are more than %d", maxEnv))
	before := len(v.errs)
	for i, d := range a.LinkedDirs {
		v.below(fmt.Sprintf("App.LinkedDirs[%d]", i), d)
	}
	for i, f := range a.LinkedFiles {
		v.below(fmt.Sprintf("App.LinkedFiles[%d]", i), f)
	}
	linked := codedeploy.Target{Host: sshx.Local{}, Root: "/srv/app", LinkedDirs: a.LinkedDirs, LinkedFiles: a.LinkedFiles}
	if err := linked.Validate(); err != nil && len(v.errs) == before {
		v.errs = append(v.errs, fmt.Errorf("site: App.LinkedDirs and App.LinkedFiles: %w", err))
	}
}

// below asks for a clean relative path that stays in the release.
func (v *validation) below(field, p string) {
	v.check(p != "" && p != "." && !path.IsAbs(p) && path.Clean(p) == p && !strings.HasPrefix(p, ".."), field, p, "is not a clean path below the release")
	first, _, _ := strings.Cut(p, "/")
	v.check(!slices.Contains(takenPaths, first), field, p, "was the maintenance switch of earlier versions in shared/, and may be there")
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
		cache := w.withDefaults().PageCache
		v.below("Web.PageCache", cache)
		v.check(pagePath.MatchString(cache), "Web.PageCache", cache, "has other characters than letters, digits and _.@+~-")
	}
	v.check(w.MaxBody >= 0 && w.MaxBody <= maxBody, "Web.MaxBody", w.MaxBody, fmt.Sprintf("is not within 0 and %d", int64(maxBody)))
}
