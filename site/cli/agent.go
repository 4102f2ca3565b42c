package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/agent"
)

// agentWords are the requests that the units and checks of a server make by a word alone.
var agentWords = []agent.Verb{agent.VerbBoot, agent.VerbBackup, agent.VerbVerify, agent.VerbDatabase, agent.VerbCheckWeb}

// agent runs a request on a server of the site: the operator's, which is read from standard input, or one that is a word.
// Its output is for the operator's program: an agent.Message a line.
func (c *command) agent(ctx context.Context) error {
	word := c.args[0]
	verb := agent.Verb(word)
	switch {
	case word == "version" && len(c.args) <= 2 && !c.check:
		return c.agentVersion()
	case len(c.args) > 1, c.check && verb != agent.VerbDatabase, word != "request" && !slices.Contains(agentWords, verb):
		return c.misused(fmt.Sprintf("%q is not understood", c.args))
	}
	r := agent.Request{Verb: verb, Check: c.check}
	if word == "request" {
		var err error
		if r, err = agent.ReadRequest(c.stdin); err != nil {
			return err
		}
	}
	if os.Getenv("TMPDIR") == "" {
		// /tmp is memory that the application can fill, and a release does not fit into it.
		if err := os.Setenv("TMPDIR", "/var/tmp"); err != nil {
			return err
		}
	}
	var mu sync.Mutex
	out := json.NewEncoder(c.stdout)
	a, err := agent.New(c.site, func(e site.Event) {
		mu.Lock()
		defer mu.Unlock()
		if c.log {
			fmt.Fprintf(c.stdout, "%s %s\n", e.Step, e.State)
			return
		}
		_ = out.Encode(agent.Message{Event: &e}) // where nobody listens any more the work goes on
	})
	if err != nil {
		return err
	}
	answer, err := a.Do(ctx, r)
	if err != nil || answer == nil || c.log {
		return err
	}
	data, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return out.Encode(agent.Message{Answer: data})
}

// agentVersion says by its status whether the program runs here and, where a record is given, has the Site of it.
func (c *command) agentVersion() error {
	if len(c.args) == 1 {
		return nil
	}
	record, err := base64.StdEncoding.DecodeString(c.args[1])
	if err != nil || len(record) == 0 {
		return err
	}
	return c.site.CheckRecord(record)
}
