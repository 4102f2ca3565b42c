package haproxycfg

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the template
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"time"
)

//go:embed haproxy.cfg.tmpl
var configTemplate string

// mark separates a line from the field that it comes from. No field may contain it.
const mark = "\x00"

var tmpl = template.Must(template.New("haproxy.cfg").Funcs(template.FuncMap{
	"at": func(field string) string { return mark + field },
}).Parse(configTemplate))

// ciphers are those of Mozilla's intermediate recommendation, without finite-field Diffie-Hellman.
// Source: https://ssl-config.mozilla.org/guidelines/6.0.json
const ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" +
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" +
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

// forged are the headers, beside X-Forwarded-…, by which a client could pass for a proxy or a cloud in front, or (Proxy) make
// a program use one. Each text is one line's alternatives. The block apachecfg has the same list for Apache.
var forged = []string{
	"forwarded|forwarded-for|proxy|proxy-connection|proxy-client-ip|wl-proxy-client-ip|x-proxyuser-ip",
	"x-original-(for|forwarded-for|host|proto|uri|url)|x-rewrite-url|x-host|x-script-name|script-name",
	"x-url-scheme|x-scheme|x-https|front-end-https|x-arr-ssl|x-request-start|x-queue-start",
	"x-sendfile-type|x-accel-(mapping|redirect)|remote-user|x-remote-user",
	"client-ip|x-client-ip|x-cluster-client-ip|true-client-ip|real-ip|x-real-ip|x-originating-ip",
	"remote-addr|x-remote-addr|x-remote-ip",
	"cf-(connecting-ip|connecting-ipv6|ipcountry|pseudo-ipv4|ray|visitor)|do-connecting-ip",
	"cloudfront-(forwarded-proto|viewer-address)|x-amz-cf-id|fastly-(client-ip|ssl)|fly-(client-ip|forwarded-proto)",
	"akamai-origin-hop|ali-cdn-real-ip|cdn-src-ip|x-appengine-user-ip|x-azure-(clientip|socketip)|x-envoy-external-address",
}

// Render returns the configuration file, for ConfigPath. Equal configurations give equal bytes, and what is ordered
// stays in its order. The error joins every mistake that Validate finds.
func Render(c Config) ([]byte, error) {
	text, _, err := render(c)
	return text, err
}

// render returns the file, and for each of its lines the field that it comes from.
func render(c Config) (file []byte, fields []string, err error) {
	if err := c.Validate(); err != nil {
		return nil, nil, err
	}
	var marked bytes.Buffer
	if err := tmpl.Execute(&marked, newView(c)); err != nil {
		return nil, nil, fmt.Errorf("haproxycfg: render %q: %w", c.Name, err)
	}
	var body strings.Builder
	var section string
	var errs []error
	fields = []string{"", "", ""} // the header, and lines count from 1
	for line := range strings.Lines(marked.String()) {
		text, field, marked := strings.Cut(strings.TrimSuffix(line, "\n"), mark)
		if marked && !strings.HasPrefix(text, " ") {
			section = field
		}
		if !marked {
			field = section
		}
		errs = append(errs, tooLong(field, text))
		fields = append(fields, field)
		body.WriteString(text + "\n")
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	return append([]byte(headerOf(c.Name, body.String())), body.String()...), fields, nil
}

var quoted = regexp.MustCompile(`'[^']*'`)

func comment(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "#") }

// tooLong refuses a line of more words than HAProxy takes. However long, a quoted text is one.
func tooLong(field, line string) error {
	if words := len(strings.Fields(quoted.ReplaceAllString(strings.ReplaceAll(line, `'\''`, ""), "q"))); words > 64 && !comment(line) {
		return fmt.Errorf("haproxycfg: %s: %d words are more than the 64 that HAProxy reads of a line; divide the list", field, words)
	}
	return nil
}

const headerLine = "# Made from the description of the load balancer %q; an edit by hand is lost at the next run.\n# sha256 %s\n"

func headerOf(name, body string) string {
	sum := sha256.Sum256([]byte(body))
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

// span is a duration in HAProxy's words, which know no fractions: "1500ms", "90s", "8h".
func span(d time.Duration) string {
	for _, unit := range []struct {
		d    time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d%unit.d == 0 {
			return fmt.Sprintf("%d%s", d/unit.d, unit.name)
		}
	}
	return fmt.Sprintf("%dms", d.Milliseconds())
}
