package apachecfg

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

type balancerXML struct {
	Name    string `xml:"name"`
	Nonce   string `xml:"nonce"`
	Workers []struct {
		Name    string `xml:"name"`
		Status  string `xml:"status"`
		Busy    int    `xml:"busy"`
		Elected int    `xml:"elected"`
	} `xml:"workers>worker"`
}

func (x balancerXML) members() ([]Member, error) {
	var list []Member
	for _, w := range x.Workers {
		addr, err := netip.ParseAddrPort(strings.TrimPrefix(w.Name, "http://"))
		if err != nil {
			return nil, fmt.Errorf("apachecfg: balancer %q: member %q: %w", x.Name, w.Name, err)
		}
		list = append(list, Member{Addr: addr, Status: strings.TrimSpace(w.Status), Busy: w.Busy, Elected: w.Elected})
	}
	return list, nil
}

// read returns the balancer's state.
func (b *Balancer) read(ctx context.Context) (balancerXML, error) {
	body, err := b.do(ctx, "?xml=1")
	if err != nil {
		return balancerXML{}, err
	}
	var all struct {
		Balancers []balancerXML `xml:"balancers>balancer"`
	}
	if err := xml.Unmarshal(body, &all); err != nil {
		return balancerXML{}, err
	}
	for _, x := range all.Balancers {
		if x.Name == "balancer://"+b.Name {
			return x, nil
		}
	}
	return balancerXML{}, errors.New("there is no such balancer in Apache")
}

// do asks the balancer's page. A secret that is not taken any more is read again once.
func (b *Balancer) do(ctx context.Context, query string, form ...url.Values) ([]byte, error) {
	answer, status, err := b.ask(ctx, query, form...)
	if err == nil && status == http.StatusForbidden {
		b.forget()
		answer, status, err = b.ask(ctx, query, form...)
	}
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the balancer's page answers %d", status)
	}
	return answer, err
}

func (b *Balancer) ask(ctx context.Context, query string, form ...url.Values) ([]byte, int, error) {
	secret, err := b.readSecret(ctx)
	if err != nil {
		return nil, 0, err
	}
	const page = "/balancer-manager"
	header := http.Header{"X-Secret": {secret}, "Content-Type": {"application/x-www-form-urlencoded"}}
	header.Set("Referer", "http://"+loopback(b.Port)+page) // Apache takes changes from its own page only
	status, answer, err := get(ctx, b.Host, loopback(b.Port), page+query, header, form...)
	return answer, status, err
}

func (b *Balancer) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.secret = ""
}

func (b *Balancer) readSecret(ctx context.Context) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.secret != "" {
		return b.secret, nil
	}
	var out bytes.Buffer
	script := sshx.Script{Text: "cat -- " + sshx.Quote(b.SecretFile), Root: true, Stdout: &out}
	if err := b.Host.Run(ctx, script); err != nil {
		return "", fmt.Errorf("read secret %q: %w", b.SecretFile, err)
	}
	if out.Len() == 0 || control(out.String()) != "" {
		return "", fmt.Errorf("secret %q is empty or has a line break, which is never equal to a header", b.SecretFile)
	}
	b.secret = out.String()
	return b.secret, nil
}
