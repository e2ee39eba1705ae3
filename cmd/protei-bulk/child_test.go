package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	familyVar = "PROTEI_BULK_TEST_FAMILY"
	runTest   = "-test.run=^TestChildDiesWithKilledParent$"
)

// The test starts a parent, which starts a child that watches it. The child holds the
// write end of a pipe: its end is the end of the pipe.
func TestChildDiesWithKilledParent(t *testing.T) {
	switch os.Getenv(familyVar) {
	case "parent":
		runFamilyParent(t)
		return
	case "child":
		runFamilyChild()
		return
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	parent := exec.Command(os.Args[0], runTest)
	parent.Env = append(os.Environ(), familyVar+"=parent")
	parent.ExtraFiles = []*os.File{w}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	ready := make([]byte, 1)
	if _, err := io.ReadFull(r, ready); err != nil {
		t.Fatalf("the child did not start: %v", err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	_ = r.SetReadDeadline(time.Now().Add(10 * time.Second))
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "parent gone" {
		t.Fatalf("the child outlived its parent: %q, %v", rest, err)
	}
}

func runFamilyParent(t *testing.T) {
	child := exec.Command(os.Args[0], runTest)
	child.Env = append(os.Environ(), familyVar+"=child")
	child.ExtraFiles = []*os.File{os.NewFile(3, "pipe")}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
}

func runFamilyChild() {
	pipe := os.NewFile(3, "pipe")
	ctx, stop := dieWithParent(context.Background())
	defer stop()
	_, _ = pipe.Write([]byte("r"))
	<-ctx.Done()
	if errors.Is(context.Cause(ctx), errParentGone) {
		_, _ = pipe.WriteString("parent gone")
	}
}

func TestDieWithParentLeavesAChildOfTheLivingAlone(t *testing.T) {
	ctx, stop := dieWithParent(t.Context())
	if ctx.Err() != nil {
		t.Fatal("ended at once")
	}
	stop()
	stop()
	if !errors.Is(context.Cause(ctx), context.Canceled) {
		t.Errorf("stopped with cause %v", context.Cause(ctx))
	}
}

func TestAnnounceReadyIsOneWholeLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ready.json")
	if err := announceReady(path, map[string]int{"pid": 7}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.TrimSpace(string(text)) != `{"pid":7}` {
		t.Errorf("%q, %v", text, err)
	}
	if others, _ := filepath.Glob(path + ".*"); len(others) != 0 {
		t.Errorf("left %v", others)
	}
	if err := announceReady(filepath.Join(path, "no", "folder"), 1); err == nil {
		t.Error("a folder that is not there passes")
	}
}
