//go:build !unix

package engine

import "os"

// tryLock keeps goroutines apart only: there is no flock here.
func tryLock(*os.File) (bool, error) { return true, nil }
