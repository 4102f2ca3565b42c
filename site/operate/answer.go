package operate

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/site"
)

// readCertificate reads a pair and refuses one whose halves do not belong together.
func readCertificate(certFile, keyFile string) (site.Certificate, error) {
	if _, err := tls.LoadX509KeyPair(certFile, keyFile); err != nil {
		return site.Certificate{}, fmt.Errorf("site: Web.HTTPS: %w", err)
	}
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return site.Certificate{}, fmt.Errorf("site: Web.HTTPS.CertFile: %w", err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return site.Certificate{}, fmt.Errorf("site: Web.HTTPS.KeyFile: %w", err)
	}
	return site.Certificate{Cert: string(cert), Key: site.Secret(key)}, nil
}

const (
	// answerTimeout bounds how long the site may take until it answers, once its processes do: Apache asks each of them
	// every two seconds, on a machine that may be busy.
	answerTimeout = time.Minute

	askTimeout = 20 * time.Second // of one request
)

// awaitFront waits until the site answers at its URL, at each of its front ends.
func (s *session) awaitFront(ctx context.Context) error {
	for _, front := range s.with(site.RoleWeb) {
		s.result.URL = s.Site.Address(front).URL()
		err := s.step("", "answer at "+s.result.URL, func() error { return s.awaitAnswer(ctx, front) })
		if err != nil {
			return err
		}
	}
	return nil
}

// awaitAnswer waits until the site answers.
func (o Operator) awaitAnswer(ctx context.Context, front ec2x.Server) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for {
		err := o.answers(ctx, front)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// answers asks the site for its health path as a visitor would, at one front end.
func (o Operator) answers(ctx context.Context, front ec2x.Server) error {
	path := o.Site.WithDefaults().App.Health[1:]
	status, body, err := o.get(ctx, front, path)
	if err == nil && status != "200 OK" {
		err = fmt.Errorf("site: %s%s: %s%s", o.Site.Address(front).URL(), path, status, said(body))
	}
	return err
}

// said is the first line of an answer's body, quoted; of a page nothing, for it says to visitors what the status says.
func said(body string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(body), "\n")
	if line == "" || strings.HasPrefix(line, "<") {
		return ""
	}
	return fmt.Sprintf(": %.120q", line)
}

// userAgent is what this program calls itself to the site: Logs leaves such requests out.
const userAgent = "siteblocks"

// get asks the site for a path below its URL as a visitor would, at one front end. The body is its beginning.
func (o Operator) get(ctx context.Context, front ec2x.Server, path string) (status, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	addr := o.Site.Address(front)
	client := &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, entrance(front, addr.HTTPS != 0).String())
			},
			// Whom browsers trust is the user's choice, and Apache is not reloaded with a certificate for other names: here it
			// is asked whether the site answers.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, addr.URL()+path, nil)
	if err != nil {
		return "", "", err
	}
	req.Header.Set("User-Agent", userAgent)
	resp, err := client.Do(req)
	if err != nil {
		return "", "", fmt.Errorf("site: %s: %w", req.URL, err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
	return resp.Status, string(text), nil
}

// entrance is where this program reaches a front end's web port.
func entrance(front ec2x.Server, https bool) netip.AddrPort {
	port := uint16(80)
	if https {
		port = 443
	}
	if front.Published != nil {
		return front.Published[port]
	}
	return netip.AddrPortFrom(front.Public, port)
}
