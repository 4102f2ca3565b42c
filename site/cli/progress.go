package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/internal/terminal"
)

// progress shows events: one live line for each server on a terminal, plain lines elsewhere, JSON where asked for.
type progress struct {
	mu      sync.Mutex
	w       io.Writer
	json    bool
	live    bool
	start   time.Time
	order   []string
	now     map[string]line
	drawn   int
	columns int // of the terminal
	stop    chan struct{}
	once    sync.Once
}

type line struct {
	text  string
	since time.Time
	done  bool
	said  time.Duration // how long it had taken when that was last said
}

func newProgress(w io.Writer, asJSON bool) *progress {
	p := &progress{w: w, json: asJSON, start: time.Now(), now: map[string]line{}, stop: make(chan struct{})}
	if f, ok := w.(*os.File); ok && !asJSON {
		info, err := f.Stat()
		p.live = err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
		p.columns = columns(f)
	}
	if !p.json {
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
			if p.live {
				p.draw()
			} else {
				p.remind()
			}
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
	step, failed := terminal.Line(e.Step), " failed"
	if strings.Contains(e.Error, context.Canceled.Error()) {
		failed = " interrupted"
	}
	switch e.State {
	case site.StepProgress:
		p.set(who, line{text: step, since: time.Now()})
		if strings.HasPrefix(step, "warning: ") {
			p.keep(fmt.Sprintf("%-8s %s", who, step))
		}
	case site.StepStarted:
		p.set(who, line{text: step + " …", since: time.Now()})
	case site.StepDone:
		p.set(who, line{text: step, since: time.Now(), done: true})
		if e.Elapsed >= 200*time.Millisecond {
			p.keep(fmt.Sprintf("%-8s %s (%s)", who, step, e.Elapsed.Round(time.Second/10)))
		}
	case site.StepFailed:
		p.set(who, line{text: step + failed, since: time.Now(), done: true})
		p.keep(fmt.Sprintf("%-8s %s%s", who, step, failed))
	}
}

func (p *progress) set(who string, l line) {
	if c, known := p.now["cloud"]; known && who != "cloud" {
		c.done = true
		p.now["cloud"] = c
	}
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

// remindAfter is how long a step may take, where nothing is drawn, until a line says that it goes on.
const remindAfter = 10 * time.Second

// remind says which steps go on, each after twice the time that it was said after before.
func (p *progress) remind() {
	for _, who := range p.order {
		l := p.now[who]
		took := time.Since(l.since)
		if l.done || took < max(remindAfter, 2*l.said) {
			continue
		}
		l.said = took
		p.now[who] = l
		p.keep(fmt.Sprintf("%-8s %s %s", who, l.text, took.Round(time.Second)))
	}
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
			text := fmt.Sprintf("%6.1fs  %-8s %s %s", time.Since(p.start).Seconds(), who, strings.TrimSpace(l.text), time.Since(l.since).Round(time.Second/10))
			fmt.Fprintln(p.w, cut(text, p.columns))
			p.drawn++
		}
	}
}

// cut shortens a line to a terminal's width: a longer one would be drawn as two and leave the first behind.
func cut(text string, columns int) string {
	if all := []rune(text); len(all) >= columns {
		return string(all[:columns-1])
	}
	return text
}

// cloud shows what the cloud is doing besides the verb's steps. It is over with the next thing that is said.
func (p *progress) cloud(what string) {
	p.event(site.Event{Time: time.Now(), Server: "cloud", Step: what, State: site.StepStarted})
	if !p.live && !p.json {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.keep(fmt.Sprintf("%-8s %s", "cloud", what))
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
