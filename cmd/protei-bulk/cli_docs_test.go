package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestCLIReference holds docs/cli.md to the commands and their flags.
func TestCLIReference(t *testing.T) {
	const page, begin, end = "../../docs/cli.md", "<!-- commands: begin -->\n", "<!-- commands: end -->\n"
	root := newRootCommand(&environment{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Getenv: func(string) string { return "" }})
	var table strings.Builder
	table.WriteString("| command | | flags |\n|---|---|---|\n")
	var describe func(cmd *cobra.Command)
	describe = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			if !sub.IsAvailableCommand() {
				continue
			}
			if sub.Runnable() {
				var flags []string
				sub.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
					if !f.Hidden && f.Name != "help" {
						flags = append(flags, "`--"+f.Name+"`")
					}
				})
				use := strings.TrimSuffix(strings.TrimPrefix(sub.UseLine(), "protei-bulk "), " [flags]")
				table.WriteString("| `" + strings.ReplaceAll(use, "|", `\|`) + "` | " + sub.Short + " | " + strings.Join(flags, " ") + " |\n")
			}
			describe(sub)
		}
	}
	describe(root)
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	inside, after, also := strings.Cut(rest, end)
	if !ok || !also {
		t.Fatalf("%s has no marks of the table", page)
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+begin+table.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if inside != table.String() || strings.Count(inside, "\n") < 50 {
		t.Errorf("%s is not what the commands are; run: go test ./cmd/protei-bulk -run TestCLIReference -update\nit should be\n%s", page, table.String())
	}
}
