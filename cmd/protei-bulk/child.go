package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// errParentGone is the cause of a context that ended with the parent process.
var errParentGone = errors.New("the parent process has ended")

const (
	parentPoll = 100 * time.Millisecond
	// orphanGrace is how long an orderly end may take once the parent is gone.
	orphanGrace = 15 * time.Second
)

// announceReady tells a parent that this process listens: it writes v as one line of
// JSON to path, whole or not at all, by a rename.
func announceReady(path string, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("announce readiness: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("announce readiness: %w", err)
	}
	_, err = tmp.Write(append(line, '\n'))
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("announce readiness: %w", errors.Join(err, os.Remove(tmp.Name())))
	}
	return nil
}

// announceTo writes v as one line of JSON to an open file descriptor and closes it.
func announceTo(fd int, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("announce readiness: %w", err)
	}
	f := os.NewFile(uintptr(fd), "ready")
	if f == nil {
		return fmt.Errorf("announce readiness: %d is not a file descriptor", fd)
	}
	_, err = f.Write(append(line, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("announce readiness: %w", err)
	}
	return nil
}

// dieWithParent returns a context that ends with ctx, and when the process that started
// this one ends, however it ends, then with errParentGone as cause. Should the orderly end
// that follows take more than orphanGrace, the process exits. stop ends the watch.
//
// The parent's pid is asked for again and again: a signal from the kernel would come with the
// thread that started us, not with the process, and would look like any other SIGTERM.
func dieWithParent(ctx context.Context) (child context.Context, stop func()) {
	child, cancel := context.WithCancelCause(ctx)
	// The parent reads our output. Without it a line of the log would end the process by
	// SIGPIPE in the middle of the orderly end.
	signal.Ignore(syscall.SIGPIPE)
	parent := os.Getppid()
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		watchParent(parent, quit, cancel)
	}()
	var once sync.Once
	return child, func() {
		once.Do(func() { close(quit) })
		<-done
		cancel(nil)
	}
}

func watchParent(parent int, quit <-chan struct{}, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(parentPoll)
	defer tick.Stop()
	for os.Getppid() == parent {
		select {
		case <-quit:
			return
		case <-tick.C:
		}
	}
	cancel(errParentGone)
	select {
	case <-quit:
	case <-time.After(orphanGrace):
		os.Exit(1)
	}
}
