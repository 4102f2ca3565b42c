package s3backup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"time"
)

// Format is the manifest's format. A change that an older reader would misread gets another number.
const Format = "siteblocks-backup/1"

// manifestName is the manifest's, under PREFIX SITE/backups/ID/.
const manifestName = "manifest.json"

// verdictText matches the names of verdicts. Nothing of a backup is ever written over, so that each has a name of its
// own; without the number it is of a version that knew only one. Of two, the later sorts after the earlier.
var verdictText = regexp.MustCompile(`^verdict(?:_\d{8}T\d{6}\.\d{3}Z)?\.json$`)

func verdictName(at time.Time) string { return "verdict_" + at.UTC().Format(idTime) + ".json" }

// Manifest describes one backup. It is written last: where there is none, there is no backup.
type Manifest struct {
	Format string `json:"format"` // "siteblocks-backup/1"
	Site   string `json:"site"`
	ID     string `json:"id"` // also the folder's name

	Started  time.Time `json:"started"`  // no later than the snapshot
	Finished time.Time `json:"finished"` // when the last byte was in the bucket

	Kind      string    `json:"kind"`      // "sql": the content is a script for the mysql client
	Tool      string    `json:"tool"`      // program that made the content, with its version
	Server    Origin    `json:"server"`    // where it comes from
	Databases []string  `json:"databases"` // in the content's order
	Position  *Position `json:"position,omitempty"`

	Content     Content  `json:"content"`
	Compression string   `json:"compression"`          // "zstd"
	Encryption  string   `json:"encryption,omitempty"` // "age"; empty is none
	Recipients  []string `json:"recipients,omitempty"` // public keys, age1…
	Object      Object   `json:"object"`

	Tables   []Table   `json:"tables,omitempty"`  // measured within the content's own snapshot
	Objects  []Objects `json:"objects,omitempty"` // views, triggers and the like, by database
	Left     []Left    `json:"left,omitempty"`    // out of the backup: no restore brings it back
	Definers []Definer `json:"definers"`          // with whose rights those run; null in backups that do not say
	Warnings []string  `json:"warnings,omitempty"`
}

// Origin is the server that a backup was taken from.
type Origin struct {
	Flavor  string `json:"flavor"` // "mariadb" or "mysql"
	Version string `json:"version"`
	Host    string `json:"host"`
	ID      uint32 `json:"id"` // server_id
}

// Position is where the snapshot stands in the server's binary log: replication and a restore to a point in time
// go on from here.
type Position struct {
	File   string `json:"file"`
	Offset uint64 `json:"offset"`
	GTID   string `json:"gtid,omitempty"` // MariaDB's position or MySQL's set
}

// Content is what a backup holds once it is decrypted and decompressed.
type Content struct {
	Bytes int64 `json:"bytes"`
	// Longest is the longest line, in bytes: the server that takes it in must be allowed packets a little longer. Zero is
	// unknown.
	Longest int64 `json:"longest,omitempty"`
}

// Left is something that the databases have and the backup does not, since the server itself cannot use it any more, or since
// no reader of the script could be sure where it ends.
type Left struct {
	Kind     string `json:"kind"` // "view", "trigger", "procedure", "function", "package", "package body", "event"
	Database string `json:"database"`
	Name     string `json:"name"`
	Why      string `json:"why"`              // in the server's words, or in those of a restore that would refuse it
	Create   string `json:"create,omitempty"` // its definition, to be mended by hand; empty where the server does not tell it
}

func (l Left) String() string {
	return fmt.Sprintf("%s %s.%s is left out of the backup: %s; mend or drop it", l.Kind, l.Database, l.Name, l.Why)
}

// Object is the one object that holds the content. Its chunks lie one after another and are the parts in which it
// was uploaded; each is checked before a byte of it is used.
type Object struct {
	Name   string  `json:"name"` // in the manifest's own folder, such as "dump.sql.zst.age"
	Bytes  int64   `json:"bytes"`
	SHA256 string  `json:"sha256"` // of the whole, as sha256sum prints it
	Chunks []Chunk `json:"chunks"`
}

// Chunk is a piece of an object.
type Chunk struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Table is what one table held in the snapshot.
type Table struct {
	Database string `json:"database"`
	Name     string `json:"name"`
	Engine   string `json:"engine"`
	Rows     int64  `json:"rows"`
	// History reports that the table is versioned by the server: its earlier rows are in the backup, and in Rows.
	History bool `json:"history,omitempty"`
	// Checksum is CHECKSUM TABLE's answer ("checksum:…"), or for a table with FLOAT columns, which no SQL dump keeps to
	// the last bit, one over the values as text ("text:…"), without computed columns where there are some ("own-text:…").
	Checksum string `json:"checksum"`
	// Definition is the SHA-256 of SHOW CREATE TABLE without AUTO_INCREMENT, and without a column's character set where
	// its collation is named.
	Definition string `json:"definition"`
}

// Objects counts what a database has besides tables.
type Objects struct {
	Database string `json:"database"`
	Views    int64  `json:"views"`
	Triggers int64  `json:"triggers"`
	Routines int64  `json:"routines"`
	Events   int64  `json:"events"`
	// Passing is how many of the events go by themselves once their time has passed: those that are to happen once, or that
	// have an end. A later restore does not bring them back.
	Passing int64 `json:"passing,omitempty"`
}

// Rows is how many rows all tables held.
func (m Manifest) Rows() int64 {
	var n int64
	for _, t := range m.Tables {
		n += t.Rows
	}
	return n
}

func (m Manifest) encode() ([]byte, error) {
	text, err := json.MarshalIndent(m, "", "  ")
	return append(text, '\n'), err
}

// decodeManifest reads a manifest that was found in the folder of a site's backup and refuses one that does not
// belong there.
func decodeManifest(text []byte, site, id string) (Manifest, error) {
	var m Manifest
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&m); err != nil {
		return m, fmt.Errorf("s3backup: manifest of %s: %w: %w", id, ErrFormat, err)
	}
	switch {
	case m.Format != Format:
		return m, fmt.Errorf("s3backup: manifest of %s: %w: %q", id, ErrFormat, m.Format)
	case m.Site != site:
		return m, fmt.Errorf("s3backup: manifest of %s: %w: %q, not %q", id, ErrOtherSite, m.Site, site)
	case m.ID != id:
		return m, fmt.Errorf("s3backup: manifest of %s: %w: it names backup %q", id, ErrCorrupt, m.ID)
	case len(m.Object.Chunks) == 0 || m.Object.Name == "":
		return m, fmt.Errorf("s3backup: manifest of %s: %w: it names no object", id, ErrCorrupt)
	}
	if at, err := idAt(id); err == nil && at.Sub(m.Started).Abs() > time.Second {
		return m, fmt.Errorf("s3backup: manifest of %s: %w: it says that it was begun at %s", id, ErrCorrupt, m.Started.UTC().Format(time.RFC3339))
	}
	var sum int64
	for _, c := range m.Object.Chunks {
		if c.Bytes <= 0 || c.Bytes > maxChunk || len(c.SHA256) != 64 {
			return m, fmt.Errorf("s3backup: manifest of %s: %w: a chunk of %d bytes", id, ErrCorrupt, c.Bytes)
		}
		sum += c.Bytes
	}
	if sum != m.Object.Bytes {
		return m, fmt.Errorf("s3backup: manifest of %s: %w: chunks make %d bytes, the object %d", id, ErrCorrupt, sum, m.Object.Bytes)
	}
	return m, nil
}
