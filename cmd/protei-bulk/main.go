// Command protei-bulk is a bulk-messaging platform, the load tester that validates
// it, and an SMSC simulator, in one binary. This package holds flags, environment,
// signals and exit codes; what the commands do lives in the packages they call.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // the zones of accounts, where the system has none
)

// version is stamped by the release build (-ldflags "-X main.version=…").
var version = "0.1.0-dev"

// environment is what a command may touch of the process around it, so that tests
// can run commands in-process.
type environment struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
}

// exitError ends the process with a code of DESIGN's table. A nil err prints nothing:
// the command has said it all.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageError is a mistake on the command line: exit code 2.
func usageError(format string, args ...any) error {
	return &exitError{code: 2, err: fmt.Errorf(format, args...)}
}

func main() {
	env := &environment{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}
	// The first signal asks for an orderly end; commands that give a second one a
	// meaning (load: stop at once) listen for it themselves.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, env, os.Args[1:])
	stop()
	os.Exit(code)
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, env *environment, args []string) int {
	root := newRootCommand(env)
	root.SetArgs(spreadLists(args))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{code: 2, err: err}
	}
	if exit.err != nil {
		fmt.Fprintln(env.Stderr, "protei-bulk:", exit.err)
	}
	return exit.code
}
