package main

import "golang.org/x/sys/unix"

// askParentDeathSignal has the kernel send SIGTERM when the parent ends. The calling
// thread must live as long as the request.
func askParentDeathSignal() (forget func()) {
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0)
	return func() { _ = unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0) }
}
