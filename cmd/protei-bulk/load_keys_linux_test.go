package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"protei-bulk/load/scenario/scenariotest"
)

// openTerminals opens a pair of pseudo-terminals: what a person types goes into ours.
func openTerminals(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	fd := int(ours.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = theirs.Close()
		_ = ours.Close()
	})
	return ours, theirs
}

func TestKeyboard(t *testing.T) {
	ours, theirs := openTerminals(t)
	before, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	pressed := make(chan byte, 16)
	k := startKeyboard(theirs, func(key byte) { pressed <- key })
	if k == nil {
		t.Fatal("the terminal was not taken")
	}
	if _, err := ours.WriteString("wS\n"); err != nil {
		t.Fatal(err)
	}
	for _, want := range "wS\n" {
		select {
		case got := <-pressed:
			if got != byte(want) {
				t.Errorf("got key %q, want %q", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("key %q did not come", want)
		}
	}
	during, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
	if err != nil || during.Lflag&unix.ISIG == 0 || during.Oflag != before.Oflag {
		t.Errorf("Ctrl-C is no signal any more, or output has changed: %+v, %v", during, err)
	}
	k.close()
	after, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal is not as it was: %+v, was %+v, %v", after, before, err)
	}
	if k := openKeyboard(strings.NewReader("w"), nil); k != nil {
		t.Error("a reader became a keyboard")
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if k := openKeyboard(file, nil); k != nil {
		t.Error("a file became a keyboard")
	}
	if k := openKeyboard(theirs, nil); k != nil {
		t.Error("a terminal of others became a keyboard")
	}
}

// TestLoadKeys: keys change the users of a run.
func TestLoadKeys(t *testing.T) {
	p := scenariotest.Start(t, scenariotest.Faults{})
	_, opts, err := loadFlags(t, nil, short(p, "-t", "10m", "--only-summary=false", "--no-receipts", "MessagingUser")...)
	if err != nil {
		t.Fatal(err)
	}
	var out notifier
	env := &environment{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }}
	test, err := newLoadTest(t.Context(), env, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer test.close()
	if err := test.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	ticked := make(chan struct{})
	out.on("req/s", func() { close(ticked) }) // the head of the first state line: all users run
	ctx, cancel := context.WithCancel(t.Context())
	var typist sync.WaitGroup
	typist.Go(func() {
		defer cancel()
		select {
		case <-ticked:
		case <-time.After(20 * time.Second):
			return
		}
		for _, key := range "wWsx" {
			test.press(byte(key))
		}
	})
	_ = test.perform(ctx, context.WithoutCancel(ctx))
	typist.Wait()
	for _, want := range []string{"9 users wanted", "19 users wanted", "18 users wanted"} {
		if !strings.Contains(out.buf.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.buf.String())
		}
	}
}
