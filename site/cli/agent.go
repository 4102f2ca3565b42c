package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/siteblocks/siteblocks/site"
)

// agent runs a verb on a server of the site. Its output is for the operator's program: an event a line, then the answer.
func (c *command) agent(ctx context.Context) error {
	if len(c.args) == 0 {
		return fmt.Errorf("%w: agent VERB", errUsage)
	}
	if c.args[0] == "version" {
		return nil // that it runs is what is asked
	}
	if os.Getenv("TMPDIR") == "" {
		// /tmp is memory that the application can fill, and a release does not fit into it.
		if err := os.Setenv("TMPDIR", "/var/tmp"); err != nil {
			return err
		}
	}
	var mu sync.Mutex
	out := json.NewEncoder(c.stdout)
	a, err := site.NewAgent(c.site, func(e site.Event) {
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
	release := ""
	if len(c.args) > 1 {
		release = c.args[1]
	}
	switch c.args[0] {
	case "database":
		return a.Database(ctx, release == "-check" || c.check)
	case "check-web":
		return a.CheckWeb(ctx)
	case "boot":
		return a.Boot(ctx)
	case "install":
		return a.Install(ctx, release)
	case "remove":
		return a.Remove(ctx, c.args[1:]...)
	case "migrate":
		return a.Migrate(ctx, release)
	case "converge":
		return a.Converge(ctx)
	case "report":
		r, err := a.Report(ctx)
		if err != nil {
			return err
		}
		return out.Encode(map[string]any{"answer": r})
	case "data", "backup", "verify", "restore":
		return c.agentData(ctx, a, c.args[0], c.args[1:])
	}
	return fmt.Errorf("%w: agent: there is no verb %q", errUsage, c.args[0])
}
