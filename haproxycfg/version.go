package haproxycfg

import (
	"fmt"
	"strconv"
	"strings"
)

// Version is a release line of HAProxy, without the patch level.
type Version int

// The lines with long-term support.
const (
	V26 Version = 206 // Debian 12
	V28 Version = 208 // Ubuntu 24.04
	V30 Version = 300 // Debian 13
	V32 Version = 302
)

// String is the version as HAProxy writes it, such as "2.6".
func (v Version) String() string { return fmt.Sprintf("%d.%d", v/100, v%100) }

// ParseVersion reads what HAProxy says of itself, such as "2.6.12-1+deb12u4" or "HAProxy version 3.0.11-1 2026/11/18".
func ParseVersion(s string) (Version, error) {
	text := strings.TrimPrefix(strings.TrimSpace(s), "HAProxy version ")
	major, rest, _ := strings.Cut(text, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(rest[:end])
	if errA != nil || errB != nil || a < 1 || a > 99 || b > 99 {
		return 0, fmt.Errorf("haproxycfg: %q is not a version of HAProxy", s)
	}
	return Version(a*100 + b), nil
}

// VersionError says that something needs a newer HAProxy than there is.
type VersionError struct {
	What  string // the field, such as `backend "web": StartDown`
	Needs Version
	Has   Version
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("haproxycfg: %s needs %v, host has %v", e.What, e.Needs, e.Has)
}
