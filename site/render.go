package site

import (
	"errors"
	"io"
	"net/netip"
	"strings"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/site/provision"
)

// Placeholders stand for what is known only once the site is there: secrets, addresses, the agent's digest.
func (s Site) Placeholders() Inputs {
	in := Inputs{
		Secrets: Secrets{DatabasePassword: "secret", SecretKeyBase: "secret", BalancerSecret: "secret", Certificate: Certificate{Cert: "(made by up)\n", Key: "secret"}},
		Agent:   provision.Blob{SHA256: strings.Repeat("0", 64), Open: func() (io.ReadCloser, error) { return nil, errors.ErrUnsupported }},
	}
	for i, server := range s.Servers() {
		in.Servers = append(in.Servers, ec2x.Server{
			Name: server.Name, Roles: server.Roles, Arch: "amd64",
			Private: netip.AddrFrom4([4]byte{10, 0, 0, byte(10 + i)}), Public: netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + i)}),
		})
	}
	return in
}

// Render is every file that the site would put on one of its servers, without secrets. It needs no cloud.
func (s Site) Render(server string) ([]provision.File, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	state, err := s.HostState(server, s.Placeholders())
	if err != nil {
		return nil, err
	}
	var files []provision.File
	for _, step := range state.Steps {
		switch step := step.(type) {
		case provision.File:
			files = append(files, step)
		case provision.Config:
			files = append(files, step.Files...)
		}
	}
	return files, nil
}
