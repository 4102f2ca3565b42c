package engine

import (
	"strings"

	cerrdefs "github.com/containerd/errdefs"
)

// NotFound says that the engine does not know the object.
func NotFound(err error) bool { return err != nil && cerrdefs.IsNotFound(err) }

// Conflict says that the object is there already, or in another state than the call needs.
func Conflict(err error) bool {
	return err != nil && (cerrdefs.IsConflict(err) || cerrdefs.IsAlreadyExists(err))
}

// PortTaken says that a port could not be published as something else holds it.
func PortTaken(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	for _, s := range []string{"port is already allocated", "address already in use", "ports are not available", "bind: "} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}
