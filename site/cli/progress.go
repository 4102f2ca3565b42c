package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/siteblocks/siteblocks/ec2x/local"
	"github.com/siteblocks/siteblocks/site"
)

// progress shows events: one live line for each server on a terminal, plain lines elsewhere, JSON where asked for.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	json  bool
	live  bool
	start time.Time
	order []string
	now   map[string]line
	drawn int
	stop  chan struct{}
	once  sync.Once
}

type line struct {
	text  string
	since time.Time
	done  bool
}

func newProgress(w io.Writer, asJSON bool) *progress {
	p := &progress{w: w, json: asJSON, start: time.Now(), now: map[string]line{}, stop: make(chan struct{})}
	if f, ok := w.(*os.File); ok && !asJSON {
		info, err := f.Stat()
		p.live = err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	}
	if p.live {
		go p.tick()
	}
	return p
}

func (p *progress) tick() {
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-t.C:
			p.mu.Lock()
			p.draw()
			p.mu.Unlock()
		}
	}
}

func (p *progress) event(e site.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.json {
		_ = json.NewEncoder(p.w).Encode(e)
		return
	}
	who := e.Server
	if who == "" {
		who = "site"
	}
	switch e.State {
	case site.StepProgress:
		p.set(who, line{e.Step, time.Now(), false})
		if strings.HasPrefix(e.Step, "warning: ") {
			p.keep(fmt.Sprintf("%-8s %s", who, e.Step))
		}
	case site.StepStarted:
		p.set(who, line{e.Step + " …", time.Now(), false})
	case site.StepDone:
		p.set(who, line{e.Step, time.Now(), true})
		if e.Elapsed >= 200*time.Millisecond {
			p.keep(fmt.Sprintf("%-8s %s (%s)", who, e.Step, e.Elapsed.Round(time.Second/10)))
		}
	case site.StepFailed:
		p.set(who, line{e.Step + " failed", time.Now(), true})
		p.keep(fmt.Sprintf("%-8s %s failed", who, e.Step))
	}
}

func (p *progress) set(who string, l line) {
	if _, known := p.now[who]; !known {
		p.order = append(p.order, who)
	}
	p.now[who] = l
}

// keep prints a line that stays.
func (p *progress) keep(text string) {
	p.clear()
	fmt.Fprintf(p.w, "%6.1fs  %s\n", time.Since(p.start).Seconds(), text)
}

func (p *progress) clear() {
	if p.drawn > 0 {
		fmt.Fprintf(p.w, "\x1b[%dA\x1b[J", p.drawn)
		p.drawn = 0
	}
}

func (p *progress) draw() {
	p.clear()
	for _, who := range p.order {
		if l := p.now[who]; !l.done {
			fmt.Fprintf(p.w, "%6.1fs  %-8s %.100s %s\n", time.Since(p.start).Seconds(), who, strings.TrimSpace(l.text), time.Since(l.since).Round(time.Second/10))
			p.drawn++
		}
	}
}

// cloud shows what the machine's own Docker is doing.
func (p *progress) cloud(e local.Event) {
	p.event(site.Event{Time: time.Now(), Server: "docker", Step: e.Detail, State: site.StepStarted})
	if !p.live && !p.json {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.keep(fmt.Sprintf("%-8s %s", "docker", e.Detail))
	}
}

// end takes the live lines away, so that what is printed next stands alone.
func (p *progress) end() {
	p.once.Do(func() { close(p.stop) })
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live {
		p.clear()
	}
}
