package main

import (
	"io"
	"testing"

	"github.com/spf13/cobra"
)

// A flag of a command hides the one of the same name that it shares with the others, such as
// --api-key: then the command cannot be given what the others can.
func TestNoFlagHidesASharedOne(t *testing.T) {
	var check func(cmd *cobra.Command, shared map[string]bool)
	check = func(cmd *cobra.Command, shared map[string]bool) {
		for name := range shared {
			if cmd.LocalNonPersistentFlags().Lookup(name) != nil {
				t.Errorf("%s: --%s hides the shared flag", cmd.CommandPath(), name)
			}
		}
		below := make(map[string]bool)
		for name := range shared {
			below[name] = true
		}
		for _, name := range []string{"url", "api-key", "output"} {
			if cmd.PersistentFlags().Lookup(name) != nil {
				below[name] = true
			}
		}
		for _, sub := range cmd.Commands() {
			check(sub, below)
		}
	}
	check(newRootCommand(&environment{Stdout: io.Discard, Stderr: io.Discard, Getenv: func(string) string { return "" }}), nil)
}
