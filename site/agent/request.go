package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/siteblocks/siteblocks/site"
)

// Version is that of the requests which this agent understands. It changes where a request of the same words would mean
// something else: an agent refuses the requests of another version.
const Version = 1

// Verb is what an agent is asked to do.
type Verb string

// The verbs, each with what it needs of a Request and what its answer is. Those without an answer have none but an error.
const (
	VerbBoot     Verb = "boot"      // see Agent.Boot
	VerbBackup   Verb = "backup"    // Shrink; s3backup.Manifest
	VerbCheckWeb Verb = "check-web" // see Agent.CheckWeb
	VerbConverge Verb = "converge"  // see Agent.Converge
	VerbData     Verb = "data"      // Data
	VerbDatabase Verb = "database"  // Check
	VerbInstall  Verb = "install"   // Release
	VerbMigrate  Verb = "migrate"   // Release
	VerbRemove   Verb = "remove"    // Releases
	VerbReport   Verb = "report"    // Report
	VerbRestart  Verb = "restart"   // see Agent.Restart
	VerbRestore  Verb = "restore"   // Backup, Replace; s3backup.Restored
	VerbVerify   Verb = "verify"    // Backup; s3backup.Verdict
)

// Request is what an operator's program asks the agent of a server to do. It travels as one JSON value on standard input.
type Request struct {
	Version int  `json:"version"`
	Verb    Verb `json:"verb"`

	Release  string   `json:"release,omitempty"`  // its name, required where the verb takes one
	Releases []string `json:"releases,omitempty"` // names
	Backup   string   `json:"backup,omitempty"`   // its name; empty: the newest
	Replace  bool     `json:"replace,omitempty"`  // tables that are there may be replaced
	Shrink   bool     `json:"shrink,omitempty"`   // the data may have lost more than half of its size
	Check    bool     `json:"check,omitempty"`    // nothing is changed: an error says what would be
}

// Message is one line of what an agent says: an event, or at the end its answer.
type Message struct {
	Event  *site.Event     `json:"event,omitempty"`
	Answer json.RawMessage `json:"answer,omitempty"`
}

// ReadRequest reads a request and refuses one that this agent does not understand whole.
func ReadRequest(from io.Reader) (Request, error) {
	var r Request
	d := json.NewDecoder(io.LimitReader(from, 1<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, fmt.Errorf("site: agent: request: %w; run up, which brings the agent up to date", err)
	}
	if r.Version != Version {
		return r, fmt.Errorf("site: agent: request of version %d, this agent has version %d; run up, which brings the agent up to date", r.Version, Version)
	}
	return r, r.Validate()
}

// takes are the fields that a verb knows, beside Version and Verb.
var takes = map[Verb][]string{
	VerbBoot: nil, VerbCheckWeb: nil, VerbConverge: nil, VerbData: nil, VerbReport: nil, VerbRestart: nil,
	VerbBackup: {"Shrink"}, VerbDatabase: {"Check"}, VerbInstall: {"Release"}, VerbMigrate: {"Release"},
	VerbRemove: {"Releases"}, VerbRestore: {"Backup", "Replace"}, VerbVerify: {"Backup"},
}

// Validate reports a verb that is none, and every field that is missing or is not the verb's.
func (r Request) Validate() error {
	known, ok := takes[r.Verb]
	if !ok {
		return fmt.Errorf("site: agent: request: Verb: %q is unknown", r.Verb)
	}
	var errs []error
	for _, f := range []struct {
		name          string
		set, required bool
	}{
		{"Release", r.Release != "", true}, {"Releases", len(r.Releases) > 0, true}, {"Backup", r.Backup != "", false},
		{"Replace", r.Replace, false}, {"Shrink", r.Shrink, false}, {"Check", r.Check, false},
	} {
		switch takes := slices.Contains(known, f.name); {
		case f.set && !takes:
			errs = append(errs, fmt.Errorf("site: agent: request: %s: %q takes none", f.name, r.Verb))
		case takes && f.required && !f.set:
			errs = append(errs, fmt.Errorf("site: agent: request: %s: %q needs it", f.name, r.Verb))
		}
	}
	return errors.Join(errs...)
}

// Do does what a request says. The answer is of the type that the verb names, nil where it names none.
func (a Agent) Do(ctx context.Context, r Request) (answer any, err error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	switch r.Verb {
	case VerbBoot:
		return nil, a.Boot(ctx)
	case VerbBackup:
		return a.Backup(ctx, r.Shrink)
	case VerbCheckWeb:
		return nil, a.CheckWeb(ctx)
	case VerbConverge:
		return nil, a.Converge(ctx)
	case VerbData:
		return a.Data(ctx)
	case VerbDatabase:
		return nil, a.Database(ctx, r.Check)
	case VerbInstall:
		return nil, a.Install(ctx, r.Release)
	case VerbMigrate:
		return nil, a.Migrate(ctx, r.Release)
	case VerbRemove:
		return nil, a.Remove(ctx, r.Releases...)
	case VerbReport:
		return a.Report(ctx)
	case VerbRestart:
		return nil, a.Restart(ctx)
	case VerbRestore:
		return a.Restore(ctx, r.Backup, r.Replace)
	default: // VerbVerify, for Validate knows no other
		return a.VerifyBackup(ctx, r.Backup)
	}
}
