package apachecfg

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// get asks a page of a listener on the host's own loopback address; with a form it posts it.
func get(ctx context.Context, h sshx.Host, address, page string, header http.Header, form ...url.Values) (int, []byte, error) {
	method, body := http.MethodGet, ""
	if len(form) > 0 {
		method, body = http.MethodPost, form[0].Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+address+page, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if header != nil {
		req.Header = header
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return h.Dial(ctx, "tcp", address)
		}}}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, answer, err
}

func firstCertificate(chain []byte) ([]byte, error) {
	for {
		block, rest := pem.Decode(chain)
		if block == nil {
			return nil, errors.New("there is no certificate in it")
		}
		if block.Type == "CERTIFICATE" {
			return block.Bytes, nil
		}
		chain = rest
	}
}
