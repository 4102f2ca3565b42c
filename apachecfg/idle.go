package apachecfg

import (
	"bytes"
	"context"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

// doubtAfter is how long Apache's count of a drained member's requests may stay the same until it is doubted.
const doubtAfter = 3 * time.Second

// idleWatch follows Apache's count of a drained member's requests.
type idleWatch struct {
	zeros int
	busy  int
	since time.Time // when busy was first seen, or doubted last
}

// idle takes a new count. Apache looks at the switch and counts the request in two steps: seen idle twice is idle.
func (w *idleWatch) idle(busy int, now time.Time) bool {
	if w.since.IsZero() || busy != w.busy {
		w.busy, w.since = busy, now
	}
	if w.zeros++; busy > 0 {
		w.zeros = 0
	}
	return w.zeros > 1
}

// doubtful tells, every doubtAfter, that the count has not changed for so long.
func (w *idleWatch) doubtful(now time.Time) bool {
	if w.busy == 0 || now.Sub(w.since) < doubtAfter {
		return false
	}
	w.since = now
	return true
}

// silent asks the kernel whether every connection of this host to the member is idle; where it cannot be asked, none is
// known to be.
func (b *Balancer) silent(ctx context.Context, member netip.AddrPort) bool {
	var out bytes.Buffer
	script := "ss -HtniO state established dst " + sshx.Quote(member.String())
	if err := b.Host.Run(ctx, sshx.Script{Text: script, Stdout: &out}); err != nil {
		return false
	}
	for line := range strings.Lines(out.String()) {
		if !silentConnection(line) {
			return false
		}
	}
	return true
}

var lastTraffic = regexp.MustCompile(`\blast(snd|rcv):(\d+)`)

// silentConnection reads a line of ss: the bytes that wait to be read and to be acknowledged, both ends, and then its
// figures, of which a zero is left out. A connection is idle when what came last was an answer, all of it was read, and
// nothing has come since doubtAfter.
func silentConnection(line string) bool {
	f := strings.Fields(line)
	if len(f) < 2 || f[0] != "0" || f[1] != "0" {
		return false
	}
	since := map[string]int{} // milliseconds
	for _, found := range lastTraffic.FindAllStringSubmatch(line, -1) {
		since[found[1]], _ = strconv.Atoi(found[2])
	}
	return since["rcv"] >= int(doubtAfter.Milliseconds()) && since["rcv"] <= since["snd"]
}
