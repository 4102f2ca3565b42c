package s3backup

import (
	"context"
	"io"
)

// Source makes the content of a backup. Dump is one; a physical copy of a server's files may be another.
type Source interface {
	// Copy writes the whole content to w, from one snapshot, and says what it was. An error means that what was
	// written is worth nothing. What it writes must be complete when Copy returns: a Source that can tell a truncated
	// copy from a whole one does.
	Copy(ctx context.Context, w io.Writer) (Facts, error)
}

// Facts are what a Source knows about what it wrote. They go into the manifest.
type Facts struct {
	Kind      string // "sql" is what Restore and Verify understand
	Tool      string
	Server    Origin
	Databases []string
	Position  *Position
	Tables    []Table
	Objects   []Objects
	Left      []Left
	Definers  []Definer // see Manifest
	Longest   int64     // see Content
	Warnings  []string
}
