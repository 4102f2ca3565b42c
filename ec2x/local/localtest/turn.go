package localtest

import (
	"os"
	"testing"
	"time"
)

// Full says that tests run at their full size: SITEBLOCKS_FULL is set.
func Full() bool { return os.Getenv("SITEBLOCKS_FULL") != "" }

// Turn skips a test on all days but every n-th, which is its turn when the day's number, divided by n, leaves turn. Of
// scenarios that show nearly the same, one runs each day, and all of them at full size.
func Turn(t testing.TB, turn, n int64) {
	t.Helper()
	if day := time.Now().Unix() / 86400; !Full() && day%n != turn {
		t.Skipf("its turn is every %d days: SITEBLOCKS_FULL=1 runs it", n)
	}
}
