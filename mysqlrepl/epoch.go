package mysqlrepl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Epoch is the record of who may accept writes. There is one for a pair, outside of both servers. Each change of
// roles begins with a new epoch, so that of two callers one wins and the other learns who did.
type Epoch struct {
	// Number grows by one with every change. Zero is no record yet.
	Number uint64
	// Source is the name of the server that accepts writes.
	Source string
	// Degraded is why the source does not wait for its replica's acknowledgment: what it accepts meanwhile may be
	// nowhere else, and so the replica must not take over by itself. Empty means that the source waits.
	Degraded string
	// By names who made this epoch, Reason says why, At when.
	By     string
	Reason string
	At     time.Time
}

// String gives "epoch 7: db-2 is source (switchover, by ops@laptop at 2026-12-01T16:20:00Z)".
func (e Epoch) String() string {
	if e.Number == 0 {
		return "no epoch"
	}
	text := fmt.Sprintf("epoch %d: %s is source", e.Number, e.Source)
	if e.Degraded != "" {
		text += " without acknowledgment"
	}
	return text + fmt.Sprintf(" (%s, by %s at %s)", e.Reason, e.By, e.At.UTC().Format(time.RFC3339))
}

// EpochStore keeps the record. An object store with conditional writes can, and so can a folder: see FileEpochs.
type EpochStore interface {
	// Read returns the current record, or the zero Epoch where none was ever written.
	Read(ctx context.Context) (Epoch, error)
	// Swap writes next if the current record still has the number next.Number-1, and otherwise returns an error that
	// wraps ErrEpochTaken and changes nothing. Where it cannot tell whether the record was written, it returns
	// another error.
	Swap(ctx context.Context, next Epoch) error
}

// ErrEpochTaken is what Swap returns to the caller that was not the first.
var ErrEpochTaken = errors.New("mysqlrepl: the epoch was taken by another")

// FileEpochs keeps the record in a folder, one small file an epoch. It keeps callers apart that share the folder: those
// of one machine, or of a file system where link(2) is atomic. It is for a pair that is operated from one place.
type FileEpochs string

// Read returns the record with the highest number.
func (dir FileEpochs) Read(context.Context) (Epoch, error) {
	names, err := filepath.Glob(filepath.Join(string(dir), "*.json"))
	if err != nil || len(names) == 0 {
		return Epoch{}, err
	}
	// Glob sorts, and the numbers have leading zeros.
	text, err := os.ReadFile(names[len(names)-1])
	if err != nil {
		return Epoch{}, fmt.Errorf("mysqlrepl: read epoch: %w", err)
	}
	var e Epoch
	if err := json.Unmarshal(text, &e); err != nil {
		return Epoch{}, fmt.Errorf("mysqlrepl: read epoch %q: %w", names[len(names)-1], err)
	}
	return e, nil
}

// Swap writes the record of the next number. The file appears whole or not at all.
func (dir FileEpochs) Swap(ctx context.Context, next Epoch) error {
	current, err := dir.Read(ctx)
	if err != nil {
		return err
	}
	if current.Number+1 != next.Number {
		return fmt.Errorf("%w: %s", ErrEpochTaken, current)
	}
	text, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("mysqlrepl: write %s: %w", next, err)
	}
	if err := os.MkdirAll(string(dir), 0o755); err != nil {
		return fmt.Errorf("mysqlrepl: write %s: %w", next, err)
	}
	err = dir.create(fmt.Sprintf("%020d.json", next.Number), text)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%w: epoch %d is there already", ErrEpochTaken, next.Number)
	}
	if err != nil {
		return fmt.Errorf("mysqlrepl: write %s: %w", next, err)
	}
	return nil
}

func (dir FileEpochs) create(name string, text []byte) error {
	f, err := os.CreateTemp(string(dir), ".epoch-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), filepath.Join(string(dir), name))
}
