package apachecfg

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// ErrOnlyMember means that without this process nobody would be left to answer.
var ErrOnlyMember = errors.New("no other process would be left to answer")

// Balancer takes processes of a running Apache out of the balancing and puts them back, without a reload. What it
// switched is forgotten when Apache reloads or restarts.
type Balancer struct {
	Host sshx.Host // the server, or sshx.Local

	// Name, Port and SecretFile are the Site's Name, Loopback.Port and Loopback.SecretFile. The secret is read on
	// the host as root, and sent to the host's own loopback address only.
	Name       string
	Port       uint16
	SecretFile string

	mu     sync.Mutex
	secret string
}

// NewBalancer reaches the balancer of the site on a host. The site has both fields of Loopback.
func NewBalancer(h sshx.Host, s Site) *Balancer {
	return &Balancer{Host: h, Name: s.Name, Port: s.Loopback.Port, SecretFile: s.Loopback.SecretFile}
}

// SecretConfPath is the file by which Apache knows the secret that lies in the given file, and SecretConf its content.
// Both files are readable by root only: Apache reads its own before it becomes www-data, so that no link and no bug of
// a module shows it to a visitor.
func SecretConfPath(file string) string { return file + ".conf" }

// SecretConf is the content of SecretConfPath. The secret is letters and digits.
func SecretConf(secret string) string { return "Define " + secretName + " " + quote(secret) + "\n" }

// SecretScript is a script for root that writes a secret into the file once, and what SecretConfPath says beside it.
func SecretScript(file string) string {
	f, conf := sshx.Quote(file), sshx.Quote(SecretConfPath(file))
	return "set -eu\numask 077\nif ! [ -s " + f + " ]; then\n" +
		"od -An -N32 -tx1 /dev/urandom | tr -d ' \\n' >" + f + ".new\nmv " + f + ".new " + f + "\nfi\n" +
		"chown root:root " + f + "\nchmod 600 " + f + "\n" +
		"printf 'Define " + secretName + " \"%s\"\\n' \"$(cat " + f + ")\" >" + conf + ".new\nmv " + conf + ".new " + conf + "\n"
}

// Member is a process as the balancer sees it.
type Member struct {
	Addr    netip.AddrPort
	Status  string // Apache's words, such as "Init Ok" or "Init Dis"
	Busy    int    // requests that it is answering now
	Elected int    // requests that it was chosen for since Apache started
}

// Drained tells whether the member gets no new requests since it was told so.
func (m Member) Drained() bool { return m.is("Dis") || m.is("Stop") }

// Usable tells whether the member gets new requests: neither drained nor failed.
func (m Member) Usable() bool { return m.is("Ok") && !m.Drained() && !m.is("HcFl") && !m.is("Err") }

func (m Member) is(word string) bool {
	for _, w := range strings.Fields(m.Status) {
		if w == word {
			return true
		}
	}
	return false
}

// Members lists the processes in the order of the configuration.
func (b *Balancer) Members(ctx context.Context) ([]Member, error) {
	state, err := b.read(ctx)
	if err != nil {
		return nil, b.fail("read members", err)
	}
	return state.members()
}

// Drain gives the member no new requests and returns when it has answered those it had. It refuses with
// ErrOnlyMember where no other member is usable. When ctx ends first, the member stays drained and the error says
// how many requests are left.
//
// Apache's count of requests is not exact: it stays above zero for ever where a child of Apache was killed, and now and
// then under load. A count that has not changed for 3 s is checked against the connections to the member: where each has
// had an answer and is silent for so long, the member is idle. So an open WebSocket on which nothing is sent does not
// keep a member from being drained. On a host without ss (Debian's package iproute2) only the count is believed.
func (b *Balancer) Drain(ctx context.Context, member netip.AddrPort) error {
	members, err := b.Members(ctx)
	if err != nil {
		return err
	}
	others := 0
	for _, m := range members {
		if m.Addr != member && m.Usable() {
			others++
		}
	}
	if others == 0 {
		return b.fail("drain "+member.String(), ErrOnlyMember)
	}
	if err := b.set(ctx, member, true); err != nil {
		return b.fail("drain "+member.String(), err)
	}
	var w idleWatch
	return b.wait(ctx, "drain", member, func(m Member) (bool, error) {
		if !m.Drained() { // see set
			w = idleWatch{}
			return false, b.set(ctx, member, true)
		}
		now := time.Now()
		return w.idle(m.Busy, now) || w.doubtful(now) && b.silent(ctx, member), nil
	})
}

// Ready gives the member requests again and returns when Apache's own health check agrees.
func (b *Balancer) Ready(ctx context.Context, member netip.AddrPort) error {
	if err := b.set(ctx, member, false); err != nil {
		return b.fail("ready "+member.String(), err)
	}
	return b.wait(ctx, "ready", member, func(m Member) (bool, error) {
		if m.Drained() { // see set
			return false, b.set(ctx, member, false)
		}
		return !m.is("HcFl"), nil
	})
}

// Without drains the member, does the work (such as restarting the process and waiting until it answers) and makes
// the member ready again. After an error of the work the member stays drained.
func (b *Balancer) Without(ctx context.Context, member netip.AddrPort, work func(context.Context) error) error {
	if err := b.Drain(ctx, member); err != nil {
		return err
	}
	if err := work(ctx); err != nil {
		return b.fail(fmt.Sprintf("without %v: the member stays drained", member), err)
	}
	return b.Ready(ctx, member)
}

func (b *Balancer) fail(doing string, err error) error {
	return fmt.Errorf("apachecfg: balancer %q: %s: %w", b.Name, doing, err)
}

func (b *Balancer) wait(ctx context.Context, doing string, addr netip.AddrPort, done func(Member) (bool, error)) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := Member{}
	for {
		members, err := b.Members(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		for _, m := range members {
			if m.Addr != addr {
				continue
			}
			last = m
			if ended, err := done(m); err != nil && ctx.Err() == nil {
				return b.fail(fmt.Sprintf("%s %v", doing, addr), err)
			} else if ended {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return b.fail(fmt.Sprintf("%s %v: still %q with %d requests", doing, addr, last.Status, last.Busy), ctx.Err())
		case <-tick.C:
		}
	}
}

var errNotTaken = errors.New("the balancer did not take the change")

// set moves a member's switch. On a busy machine Apache was seen to answer 200 and to lose the change, perhaps to a health
// check that wrote the same word of shared memory: it is made again.
func (b *Balancer) set(ctx context.Context, member netip.AddrPort, drained bool) error {
	const tries = 10
	var err error
	for range tries {
		if err = b.trySet(ctx, member, drained); !errors.Is(err, errNotTaken) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
	return err
}

func (b *Balancer) trySet(ctx context.Context, member netip.AddrPort, drained bool) error {
	state, err := b.read(ctx)
	if err != nil {
		return err
	}
	members, err := state.members()
	if err != nil {
		return err
	}
	if !contains(members, member) {
		return errors.New("there is no such member")
	}
	form := url.Values{"b": {b.Name}, "w": {memberURL(member)}, "nonce": {state.Nonce}, "w_status_D": {"0"}}
	if drained {
		form.Set("w_status_D", "1")
	}
	if _, err = b.do(ctx, "", form); err != nil {
		return err
	}
	// The answer is 200 also where the switch was not moved.
	if state, err = b.read(ctx); err != nil {
		return err
	}
	if members, err = state.members(); err != nil {
		return err
	}
	for _, m := range members {
		if m.Addr == member && m.Drained() != drained {
			return fmt.Errorf("%w, its status is %q", errNotTaken, m.Status)
		}
	}
	return nil
}

func contains(members []Member, addr netip.AddrPort) bool {
	for _, m := range members {
		if m.Addr == addr {
			return true
		}
	}
	return false
}
