//go:build unix

package load

import (
	"math"
	"syscall"
)

// RaiseOpenFiles raises the soft limit of open files to the hard one and returns the
// limit in effect.
func RaiseOpenFiles() (limit uint64, err error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return math.MaxUint64, err
	}
	if l.Cur < l.Max {
		raised := syscall.Rlimit{Cur: l.Max, Max: l.Max}
		if err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err == nil {
			return raised.Cur, nil
		}
	}
	return l.Cur, err
}
