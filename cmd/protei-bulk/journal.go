package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"protei-bulk/bulk/journal"
)

func newJournalCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "journal",
		Short:   "Look into the journal of a data folder",
		Example: "  protei-bulk journal inspect data",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newJournalInspectCommand(env))
	return cmd
}

func newJournalInspectCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "inspect DIR",
		Short: "Print segments, groups, records by kind and damage",
		Long: `Print what stands in the journal of a data folder: segments, groups of records,
records by kind, where the log ends, and damage. Nothing is changed. The platform must
be stopped. The exit code is 1 when the journal is damaged.`,
		Example: "  protei-bulk journal inspect data",
		Args:    wants("DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			return inspectJournal(env, args[0])
		},
	}
}

// inspectJournal takes a data folder or the journal's own folder.
func inspectJournal(env *environment, dir string) error {
	if inner := filepath.Join(dir, "journal"); isDir(inner) {
		dir = inner
	}
	err := journal.Inspect(dir, env.Stdout, recordName)
	var damage *journal.CorruptError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &damage):
		return &exitError{code: 1} // it was printed
	case errors.Is(err, journal.ErrInUse):
		return &exitError{code: 1, err: fmt.Errorf("%w: stop the platform first", err)}
	default:
		return &exitError{code: 1, err: err}
	}
}

func isDir(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.IsDir()
}

// recordName names the kinds of record that the embedded store writes.
func recordName(kind byte) string {
	names := []string{
		1: "accepted", 2: "submitted", 3: "settled", 4: "requeued", 5: "held", 6: "notified",
		7: "unmatched receipt", 8: "send horizon", 9: "idempotency key", 10: "campaign", 11: "MO", 12: "money",
	}
	if int(kind) < len(names) && names[kind] != "" {
		return names[kind]
	}
	return fmt.Sprintf("kind %d", kind)
}
