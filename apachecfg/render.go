package apachecfg

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the template and the script
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
)

//go:embed site.conf.tmpl
var siteTemplate string

//go:embed request.lua
var requestScript string

var tmpl = template.Must(template.New("site").Funcs(template.FuncMap{"pattern": regexp.QuoteMeta}).Parse(siteTemplate))

// URLs that mean something only in an internal redirect; asked for from outside they are the app's.
const (
	privatePath = "/.apachecfg/"
	unavailable = privatePath + "unavailable"
	died        = privatePath + "died/"
	bad         = privatePath + "bad/"
)

// What the visitor sent, also where it names the site once more (GET http://www.shop.example/x).
const (
	rawPath        = `^\S+ (?:[A-Za-z]+://[^/?\s]*)?(/[^?\s]*)`
	rawTargetOfGet = `^(?:GET|HEAD) (?:[A-Za-z]+://[^/?\s]*)?(/[^?\s]*)\??(\S*)`
)

// ciphers are those of Mozilla's intermediate recommendation, without finite-field Diffie-Hellman.
// Source: https://ssl-config.mozilla.org/guidelines/6.0.json
const ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" +
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" +
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

// forged are the headers by which a visitor could pass for a proxy or a cloud in front of the site, or (Proxy) make a
// program use one. request.lua drops their spellings with underscores.
var forged = []string{"Forwarded", "Forwarded-For", "Proxy", "Proxy-Connection",
	"X-Forwarded", "X-Forwarded-By", "X-Forwarded-Client-Cert", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Path",
	"X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Proto", "X-Forwarded-Protocol", "X-Forwarded-Scheme",
	"X-Forwarded-Server", "X-Forwarded-Ssl", "X-Forwarded-Uri", "X-Forwarded-User",
	"X-Original-For", "X-Original-Forwarded-For", "X-Original-Host", "X-Original-Proto", "X-Original-Uri", "X-Original-Url",
	"X-Rewrite-Url", "X-Host", "X-Script-Name", "Script-Name", "X-Url-Scheme", "X-Scheme", "X-Https", "Front-End-Https",
	"X-Request-Start", "X-Queue-Start", "X-Sendfile-Type", "X-Accel-Mapping", "X-Accel-Redirect",
	"Client-Ip", "Real-Ip", "Remote-Addr", "True-Client-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "X-Originating-Ip",
	"X-ProxyUser-Ip", "X-Real-Ip", "X-Remote-Addr", "X-Remote-Ip", "X-Remote-User", "Remote-User",
	"CF-Connecting-IP", "CF-Connecting-IPv6", "CF-Ipcountry", "CF-Pseudo-IPv4", "CF-Ray", "CF-Visitor",
	"CloudFront-Forwarded-Proto", "CloudFront-Viewer-Address", "DO-Connecting-IP", "Fastly-Client-IP", "Fastly-SSL",
	"Fly-Client-IP", "Fly-Forwarded-Proto", "Akamai-Origin-Hop", "Ali-Cdn-Real-Ip", "Cdn-Src-Ip", "WL-Proxy-Client-IP",
	"Proxy-Client-IP", "X-Appengine-User-IP", "X-Azure-ClientIP", "X-Azure-SocketIP", "X-Arr-Ssl",
	"X-Envoy-External-Address", "X-Amz-Cf-Id"}

// Render returns the site's configuration file, for the path that ConfigPath says. Equal sites give equal bytes.
// The error joins every mistake that Validate finds.
func Render(s Site) ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	var body bytes.Buffer
	if err := tmpl.Execute(&body, newView(s)); err != nil {
		return nil, fmt.Errorf("apachecfg: render site %q: %w", s.Name, err)
	}
	return append([]byte(headerOf(s.Name, body.Bytes())), body.Bytes()...), nil
}

const headerLine = "# Made from the description of the site %q; an edit by hand is lost at the next run.\n# sha256 %s\n"

func headerOf(name string, body []byte) string {
	sum := sha256.Sum256(body)
	return fmt.Sprintf(headerLine, name, hex.EncodeToString(sum[:]))
}

// Edited tells whether a file that Render made was changed since, or was not made by Render.
func Edited(file []byte) bool {
	lines := bytes.SplitN(file, []byte("\n"), 3)
	if len(lines) < 3 {
		return true
	}
	sum := sha256.Sum256(lines[2])
	return string(lines[1]) != "# sha256 "+hex.EncodeToString(sum[:])
}

// view is the site with every zero filled in.
type view struct {
	Site
	MaxRequests, RetryAfter          int64
	HSTS, Timeout                    int64
	Forged                           []string
	Dollar, LogWorker                string
	Checked                          bool
	Members                          []string
	MemberOptions, FileCache         string
	Page                             string
	Shared                           []shared
	ImmutableDirs                    []string
	Redirects                        []redirect
	Serves                           []origin
	Canonical                        origin
	Headers                          []header
	Ciphers, RawPath, RawTargetOfGet string
	Unavailable, Died, LuaFile       string
	Secret, SecretConf, Bad          string
}

// origin is a scheme and authority under which the site is served.
type origin struct {
	Port, PublicPort uint16
	TLS              bool
	Scheme           string
	Authority        string
}

// shared is a directory that stands at a URL prefix.
type shared struct{ Prefix, Dir string }

type redirect struct {
	Why   string
	Port  uint16
	TLS   bool
	Names []string
	To    string
}

type header struct{ Name, Value string }

func newView(s Site) view {
	v := view{
		Site: s, Dollar: dollar, LogWorker: `%{BALANCER_WORKER_NAME}e`, Checked: s.checked(),
		RetryAfter: seconds(or(s.Maintenance.RetryAfter, 2*time.Minute)), HSTS: seconds(s.HTTPS.HSTS),
		Timeout: seconds(or(s.App.Timeout, time.Minute)), Forged: forged,
		FileCache: fileCache(s.FileMaxAge), Page: s.Maintenance.Page, Headers: responseHeaders(s.Headers),
		Ciphers: ciphers, RawPath: rawPath, RawTargetOfGet: rawTargetOfGet, LuaFile: LuaPath,
		Unavailable: unavailable, Died: died, Secret: secretName, SecretConf: SecretConfPath(s.Loopback.SecretFile), Bad: bad,
	}
	v.Threads = Threads{Processes: or(s.Threads.Processes, 8), PerProcess: or(s.Threads.PerProcess, 256)}
	v.MaxRequests = int64(v.Threads.Processes * v.Threads.PerProcess)
	v.MaxBody = max(or(s.MaxBody, 100<<20), 0)
	v.MemberOptions = s.memberOptions()
	for _, p := range s.members() {
		v.Members = append(v.Members, memberURL(p))
	}
	for _, prefix := range slices.Sorted(maps.Keys(s.Shared)) {
		v.Shared = append(v.Shared, shared{Prefix: prefix, Dir: s.Shared[prefix]})
	}
	for _, p := range s.Immutable {
		v.ImmutableDirs = append(v.ImmutableDirs, s.Root+strings.TrimSuffix(p, "/"))
		for _, d := range v.Shared {
			if below, ok := strings.CutPrefix(p, d.Prefix); ok {
				v.ImmutableDirs = append(v.ImmutableDirs, strings.TrimSuffix(d.Dir+"/"+below, "/"))
			} else if strings.HasPrefix(d.Prefix, p) {
				v.ImmutableDirs = append(v.ImmutableDirs, d.Dir)
			}
		}
	}
	v.origins()
	return v
}

// origins decides which ports serve the site and which redirect to where.
func (v *view) origins() {
	plain := v.origin("http", v.HTTP.Port, or(v.HTTP.PublicPort, v.HTTP.Port))
	secure := v.origin("https", v.HTTPS.Port, or(v.HTTPS.PublicPort, v.HTTPS.Port))
	v.Canonical = plain
	if v.HTTPS.Port != 0 {
		v.Canonical = secure
	}
	switch {
	case v.HTTP.RedirectToHTTPS:
		v.Redirects = append(v.Redirects, redirect{Why: "Everything is encrypted.", Port: plain.Port,
			Names: append([]string{v.Host}, v.Aliases...), To: secure.url()})
	case v.HTTP.Port != 0:
		v.serve(plain)
	}
	if v.HTTPS.Port != 0 {
		v.serve(secure)
	}
}

func (v *view) serve(o origin) {
	v.Serves = append(v.Serves, o)
	if len(v.Aliases) > 0 {
		v.Redirects = append(v.Redirects, redirect{Why: "One name for each page: the others lead to it.",
			Port: o.Port, TLS: o.TLS, Names: v.Aliases, To: o.url()})
	}
}

func (v *view) origin(scheme string, port, public uint16) origin {
	o := origin{Port: port, PublicPort: public, TLS: scheme == "https", Scheme: scheme, Authority: v.Host}
	if public != map[string]uint16{"http": 80, "https": 443}[scheme] {
		o.Authority = net.JoinHostPort(v.Host, strconv.Itoa(int(public)))
	}
	return o
}

func (o origin) url() string { return o.Scheme + "://" + o.Authority }

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

func fileCache(age time.Duration) string {
	if age < 0 {
		return "no-cache"
	}
	return fmt.Sprintf("public, max-age=%d", seconds(or(age, 5*time.Minute)))
}

// responseHeaders are the default ones overlaid with the site's, sorted by name.
func responseHeaders(own map[string]string) []header {
	values := map[string]string{
		"X-Content-Type-Options": "nosniff",
		"X-Frame-Options":        "SAMEORIGIN",
		"Referrer-Policy":        "strict-origin-when-cross-origin",
	}
	for name, value := range own {
		for preset := range values {
			if strings.EqualFold(preset, name) {
				name = preset
			}
		}
		values[name] = value
	}
	var list []header
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if values[name] != "" {
			list = append(list, header{Name: name, Value: quoteHeader(values[name])})
		}
	}
	return list
}
