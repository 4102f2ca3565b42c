package provision

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Plan is what has to change on a host, in the order in which it will. It holds what Apply needs, secrets among it,
// where no way of printing it reaches.
type Plan struct {
	p *plan
}

// Change is one line of a plan.
type Change struct {
	Action string `json:"action"`           // "create", "update", "remove", "install", "start", "reload", "run", …
	Step   string `json:"step"`             // what changes: "file /etc/motd"
	Detail string `json:"detail,omitempty"` // what about it: "mode 0644 → 0600"; empty where Action says all
	Diff   string `json:"diff,omitempty"`   // unified diff of a text file; of a Secret only with SecretKeys, without values

	// Parts are the changes that a Config makes together: "update /etc/apache2/ports.conf".
	Parts []Change `json:"parts,omitempty"`

	// Undecided says that the change is only decided on the server, after the changes before it.
	Undecided bool `json:"undecided,omitempty"`
}

type plan struct {
	generation string
	free       map[string]int64
	items      []item
}

// Empty says that nothing differs: Apply would do nothing.
func (p Plan) Empty() bool { return p.p == nil || len(p.p.items) == 0 }

// Changes are the plan's lines in order.
func (p Plan) Changes() []Change {
	if p.p == nil {
		return nil
	}
	changes := make([]Change, len(p.p.items))
	for i, it := range p.p.items {
		changes[i] = it.Change
	}
	return changes
}

// String returns the change as one line: "update file /etc/motd (mode 0600 → 0644)".
func (c Change) String() string { return c.Action + " " + c.Step + parenthesis(c.Detail) }

func (c Change) write(b *strings.Builder, indent string) {
	fmt.Fprintf(b, "%s%s\n", indent, c)
	indent += "    "
	for line := range strings.Lines(c.Diff) {
		b.WriteString(indent + strings.TrimSuffix(line, "\n") + "\n")
	}
	for _, part := range c.Parts {
		part.write(b, indent)
	}
}

// String returns what Print writes.
func (p Plan) String() string {
	var b strings.Builder
	for _, c := range p.Changes() {
		c.write(&b, "")
	}
	return b.String()
}

// MarshalJSON writes the changes that String prints: {"changes": [{"action": "update", "step": "file /etc/motd", …}]}.
func (p Plan) MarshalJSON() ([]byte, error) {
	changes := p.Changes()
	if changes == nil {
		changes = []Change{}
	}
	return json.Marshal(map[string][]Change{"changes": changes})
}

// Format writes the plan as Print does, for every verb.
func (p Plan) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// Print writes the changes in the order in which they will be made, with unified diffs of text files. Secrets and
// blobs are named, never shown. It writes nothing where the plan is empty.
func (p Plan) Print(w io.Writer) error {
	_, err := io.WriteString(w, p.String())
	return err
}
