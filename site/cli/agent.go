package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sync"

	"github.com/siteblocks/siteblocks/site"
	"github.com/siteblocks/siteblocks/site/agent"
)

// agentVerbs are the agent's verbs, with the number of words that each takes at most.
var agentVerbs = map[string]int{
	"version": 1, "database": 0, "check-web": 0, "boot": 0, "converge": 0, "report": 0, "data": 0,
	"install": 1, "migrate": 1, "remove": math.MaxInt, "backup": 1, "verify": 1, "restore": 2,
}

// agent runs a verb on a server of the site. Its output is for the operator's program: an event a line, then the answer.
func (c *command) agent(ctx context.Context) error {
	name := c.args[0]
	most, known := agentVerbs[name]
	words := c.args[1:]
	for len(words) < 2 {
		words = append(words, "")
	}
	switch {
	case !known, len(c.args)-1 > most, c.check && name != "database",
		name == "backup" && words[0] != "" && words[0] != "shrink",
		name == "restore" && words[1] != "" && words[1] != "replace":
		return c.misused(fmt.Sprintf("%q is not understood", c.args))
	}
	if name == "version" { // that it runs is what is asked, and for the Site that is expected
		record, err := base64.StdEncoding.DecodeString(words[0])
		if err != nil || len(record) == 0 {
			return err
		}
		return c.site.CheckRecord(record)
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
		_ = out.Encode(e) // where nobody listens any more the work goes on
	})
	if err != nil {
		return err
	}
	switch name {
	case "database":
		return a.Database(ctx, c.check)
	case "check-web":
		return a.CheckWeb(ctx)
	case "boot":
		return a.Boot(ctx)
	case "install":
		return a.Install(ctx, words[0])
	case "remove":
		return a.Remove(ctx, c.args[1:]...)
	case "migrate":
		return a.Migrate(ctx, words[0])
	case "converge":
		return a.Converge(ctx)
	case "report":
		r, err := a.Report(ctx)
		if err != nil {
			return err
		}
		return out.Encode(map[string]any{"answer": r})
	case "data", "backup", "verify", "restore":
		return c.agentData(ctx, a, name, words)
	}
	return nil
}
