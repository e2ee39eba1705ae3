package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
)

// Every command has its man page, and the same date gives the same bytes.
func TestManPages(t *testing.T) {
	write := func() string {
		dir := t.TempDir()
		env := &environment{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Getenv: func(name string) string {
			return map[string]string{"SOURCE_DATE_EPOCH": "1893456000"}[name]
		}}
		root := newRootCommand(env)
		root.SetArgs([]string{"man", dir})
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	one, two := write(), write()
	var check func(cmd *cobra.Command, name string)
	check = func(cmd *cobra.Command, name string) {
		a, err := os.ReadFile(filepath.Join(one, name+".1"))
		if err != nil {
			t.Error(err)
			return
		}
		b, _ := os.ReadFile(filepath.Join(two, name+".1"))
		if !bytes.Equal(a, b) || !bytes.Contains(a, []byte("Jan 2030")) {
			t.Errorf("%s.1 differs from time to time", name)
		}
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				check(sub, name+"-"+sub.Name())
			}
		}
	}
	check(newRootCommand(&environment{Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}), "protei-bulk")
}
