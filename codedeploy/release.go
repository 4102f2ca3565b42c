// Package codedeploy packs an application, keeps its releases in S3 and lays them out on servers exactly as Capistrano 3 does.
//
//	packed, err := codedeploy.Pack(ctx, file, codedeploy.Source{Dir: "./shop", Revision: "main"})
//	err = store.Put(ctx, release, file)
//	err = target.Install(ctx, release, file, "bin/build")
//	err = target.Publish(ctx, release)
//
// It starts no processes and knows no load balancer: Restart calls the caller's hooks, one process after the other.
package codedeploy

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Release is one packed state of the application.
type Release struct {
	Name     string    `json:"name"`     // 14 digits, UTC, as NewName gives it: "20261124021500"
	Revision string    `json:"revision"` // Git commit, or what Pack said of a folder
	SHA256   string    `json:"sha256"`   // of the tarball, in hexadecimal
	Size     int64     `json:"size"`     // of the tarball, in bytes
	By       string    `json:"by"`       // who deployed it
	Source   string    `json:"source"`   // branch, tag or folder that it was packed from
	Created  time.Time `json:"created"`
}

var (
	namePattern = regexp.MustCompile(`^[0-9]{14}$`)
	hashPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Errors that a caller can tell apart.
var (
	ErrNotFound = errors.New("no such release")
	ErrExists   = errors.New("a release of that name is there already")
	ErrChanged  = errors.New("somebody else changed it meanwhile")
	ErrNoGood   = errors.New("no earlier good release")
)

const nameLayout = "20060102150405"

// NewName is the name of a release made at t. Store.NextName also looks at the releases that are there.
func NewName(t time.Time) string { return t.UTC().Format(nameLayout) }

func checkName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("codedeploy: release %q: its name is not 14 digits", name)
	}
	return nil
}
