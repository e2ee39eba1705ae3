//go:build !unix

package load

import "math"

// RaiseOpenFiles does nothing: this system has no such limit.
func RaiseOpenFiles() (limit uint64, err error) { return math.MaxUint64, nil }
