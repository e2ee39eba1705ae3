package main

import (
	"errors"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// inForeground says that f is the terminal which this program has at the moment.
func inForeground(f *os.File) bool {
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// readKeys makes the terminal give out keys one by one; restore undoes it. ok is false
// when f is no terminal.
func readKeys(f *os.File) (restore func(), ok bool) {
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, false
	}
	keys := *before
	keys.Lflag &^= unix.ICANON | unix.ECHO
	keys.Cc[unix.VMIN], keys.Cc[unix.VTIME] = 0, 0 // a read never waits
	// Sent to the background, the program gets an error for reading instead of being stopped.
	signal.Ignore(unix.SIGTTIN, unix.SIGTTOU)
	if unix.IoctlSetTermios(fd, unix.TCSETS, &keys) != nil {
		signal.Reset(unix.SIGTTIN, unix.SIGTTOU)
		return nil, false
	}
	return func() {
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, before)
		signal.Reset(unix.SIGTTIN, unix.SIGTTOU)
	}, true
}

// keyWait is how long awaitKeys waits, in ms.
const keyWait = 100

// awaitKeys reads what was typed, nothing when nothing was for a while; ok is false when
// the terminal is gone.
func awaitKeys(f *os.File, b []byte) (n int, ok bool) {
	fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, keyWait)
	switch {
	case errors.Is(err, unix.EINTR) || err == nil && n == 0:
		return 0, true
	case err != nil || fds[0].Revents&unix.POLLIN == 0:
		return 0, false
	}
	n, err = unix.Read(int(fds[0].Fd), b)
	if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
		return 0, true
	}
	return max(n, 0), err == nil && n > 0
}
