package provision

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a text that no plan, event, error or log shows: every way of printing it gives REDACTED.
// string(s) is the text itself.
type Secret string

const redacted = "REDACTED"

// String returns REDACTED.
func (s Secret) String() string { return redacted }

// Format writes REDACTED for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns REDACTED.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns REDACTED.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
