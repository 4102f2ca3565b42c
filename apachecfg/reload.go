package apachecfg

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed" // facts.sh
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

//go:embed facts.sh
var factsScript string

// Preflight says whether Apache would go on serving after a reload with the files that are on the host now, and
// reports every reason against it at once: a syntax error, a port that another program listens on, a key that does
// not belong to the certificate, a certificate that is expired or for other names. Apache itself looks only at the
// syntax before it gives up the running configuration. Certificates of an authority of one's own are fine.
func Preflight(ctx context.Context, h sshx.Host, s Site) error {
	_, err := preflight(ctx, h, s)
	return err
}

func preflight(ctx context.Context, h sshx.Host, s Site) (facts, error) {
	if err := s.Validate(); err != nil {
		return facts{}, err
	}
	f, err := gather(ctx, h, s)
	if err != nil {
		return facts{}, fmt.Errorf("apachecfg: site %q: preflight: %w", s.Name, err)
	}
	return f, f.judge(s, time.Now())
}

// Reload makes Apache use the files that are on the host, after Preflight, and returns when what it serves is the new
// generation: every port accepts connections and HTTPS presents the certificate that is on the disk. It starts an
// Apache that is stopped, and restarts one that lacks a module which was enabled since: children crashed
// (segmentation fault under a WebSocket) where mod_ssl and mod_http2 were added by a graceful reload.
//
// A graceful reload closes idle connections of visitors (7 to 27 failed requests under load), so it is for virtual hosts
// and certificates only; see Maintenance and Balancer for what needs none.
func Reload(ctx context.Context, h sshx.Host, s Site) error {
	fail := func(doing string, err error) error {
		return fmt.Errorf("apachecfg: site %q: reload: %s: %w", s.Name, doing, err)
	}
	f, err := preflight(ctx, h, s)
	if err != nil {
		return err
	}
	before, beforeErr := generation(ctx, h, s)
	verb := "reload-or-restart"
	if len(f.unloaded) > 0 {
		verb = "restart"
	}
	script := sshx.Script{Root: true, Text: "systemctl " + verb + " " + Unit + "\nsystemctl is-active --quiet " + Unit}
	if err := h.Run(ctx, script); err != nil {
		return fail("systemctl", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		err := serves(ctx, h, s, before, beforeErr == nil)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fail("wait for the new generation", errors.Join(err, ctx.Err()))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

type facts struct {
	syntax    []string
	running   bool
	own       map[string]bool   // sockets of the running Apache
	listening map[uint16]string // port → socket
	unloaded  []string          // modules that the running Apache does not have yet
	pair      bool
	pem       []byte
}

func gather(ctx context.Context, h sshx.Host, s Site) (facts, error) {
	var out bytes.Buffer
	text := "certificate=" + sshx.Quote(s.HTTPS.Certificate) + "\nkey=" + sshx.Quote(s.HTTPS.Key) + "\n" + factsScript
	if err := h.Run(ctx, sshx.Script{Text: text, Root: true, Stdout: &out}); err != nil {
		return facts{}, err
	}
	f := facts{own: map[string]bool{}, listening: map[uint16]string{}}
	for line := range strings.Lines(out.String()) {
		f.add(strings.TrimSuffix(line, "\n"))
	}
	return f, nil
}

func (f *facts) add(line string) {
	kind, value, _ := strings.Cut(line, " ")
	switch kind {
	case "syntax":
		f.syntax = append(f.syntax, value)
	case "main":
		f.running = value != "0"
	case "own":
		f.own[value] = true
	case "listen":
		hex, socket, _ := strings.Cut(value, " ")
		port, err := strconv.ParseUint(hex, 16, 16)
		if err == nil && !f.own[socket] {
			f.listening[uint16(port)] = socket
		}
	case "unloaded":
		f.unloaded = append(f.unloaded, value)
	case "pair":
		f.pair = value == "yes"
	case "pem":
		f.pem = append(f.pem, value+"\n"...)
	}
}

func (f facts) judge(s Site, now time.Time) error {
	var errs []error
	no := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("apachecfg: site %q: "+format, append([]any{s.Name}, args...)...))
	}
	if len(f.syntax) == 0 || f.syntax[len(f.syntax)-1] != "Syntax OK" {
		no("Apache refuses the configuration: %s", strings.Join(f.syntax, "\n"))
	}
	for _, p := range s.ports() {
		if f.listening[p] != "" {
			no("port %d is taken by another program", p)
		}
	}
	if s.HTTPS.Port == 0 {
		return errors.Join(errs...)
	}
	if !f.pair {
		no("key %q does not belong to certificate %q", s.HTTPS.Key, s.HTTPS.Certificate)
	}
	leaf, err := leafOf(f.pem)
	if err != nil {
		no("certificate %q: %w", s.HTTPS.Certificate, err)
		return errors.Join(errs...)
	}
	if now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		no("certificate %q is valid from %s to %s only", s.HTTPS.Certificate,
			leaf.NotBefore.Format(time.RFC3339), leaf.NotAfter.Format(time.RFC3339))
	}
	for _, host := range append([]string{s.Host}, s.Aliases...) {
		if err := leaf.VerifyHostname(host); err != nil {
			no("certificate %q: %w", s.HTTPS.Certificate, err)
		}
	}
	return errors.Join(errs...)
}

func (s Site) ports() []uint16 {
	var list []uint16
	for _, p := range []uint16{s.HTTP.Port, s.HTTPS.Port, s.Loopback.Port} {
		if p != 0 {
			list = append(list, p)
		}
	}
	return list
}

// serves tells whether the generation after before answers on every port.
func serves(ctx context.Context, h sshx.Host, s Site, before string, known bool) error {
	for _, p := range s.ports() {
		c, err := h.Dial(ctx, "tcp", loopback(p))
		if err != nil {
			return fmt.Errorf("port %d: %w", p, err)
		}
		c.Close()
	}
	if s.HTTPS.Port != 0 {
		if err := presents(ctx, h, s); err != nil {
			return err
		}
	}
	if s.Loopback.Port == 0 {
		return nil
	}
	now, err := generation(ctx, h, s)
	if err == nil && known && now == before {
		err = fmt.Errorf("the generation is still %s", now)
	}
	return err
}

// presents checks by a handshake that the certificate on the disk is the one that visitors get.
func presents(ctx context.Context, h sshx.Host, s Site) error {
	f, err := gather(ctx, h, s)
	if err != nil {
		return err
	}
	want, err := leafOf(f.pem)
	if err != nil {
		return err
	}
	raw, err := h.Dial(ctx, "tcp", loopback(s.HTTPS.Port))
	if err != nil {
		return err
	}
	// Whom to trust is the visitor's question: here the certificate is compared byte by byte.
	c := tls.Client(raw, &tls.Config{ServerName: s.Host, InsecureSkipVerify: true})
	defer c.Close()
	if err := c.HandshakeContext(ctx); err != nil {
		return err
	}
	if got := c.ConnectionState().PeerCertificates[0]; !bytes.Equal(got.Raw, want.Raw) {
		return fmt.Errorf("HTTPS presents another certificate than %q, until %s", s.HTTPS.Certificate,
			got.NotAfter.Format(time.RFC3339))
	}
	return nil
}

// generation identifies the running configuration: it counts reloads and begins anew at a restart.
func generation(ctx context.Context, h sshx.Host, s Site) (string, error) {
	if s.Loopback.Port == 0 {
		return "", errors.New("there is no loopback listener")
	}
	status, body, err := get(ctx, h, loopback(s.Loopback.Port), "/server-status?auto", nil)
	if err != nil {
		return "", err
	}
	if status != http.StatusOK {
		return "", fmt.Errorf("server-status answers %d", status)
	}
	var id []string
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, "RestartTime: ") || strings.HasPrefix(line, "ParentServerConfigGeneration: ") {
			id = append(id, strings.TrimSpace(line))
		}
	}
	return strings.Join(id, ", "), nil
}

func loopback(port uint16) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))) }

func leafOf(chain []byte) (*x509.Certificate, error) {
	block, err := firstCertificate(chain)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(block)
}
