package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newManCommand writes the man pages that packages install. It is for packagers, and hidden.
func newManCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write a man page of every command into a folder", Hidden: true,
		Long: `Write a man page (section 1) of every command into DIR, which must exist. The date in
them is SOURCE_DATE_EPOCH (Unix seconds) when that is set, so that packages are reproducible.`,
		Example: "  protei-bulk man /usr/local/share/man/man1",
		Args:    wants("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			at := time.Now()
			if text := env.Getenv("SOURCE_DATE_EPOCH"); text != "" {
				seconds, err := strconv.ParseInt(text, 10, 64)
				if err != nil {
					return usageError("SOURCE_DATE_EPOCH %q is not a number of seconds", text)
				}
				at = time.Unix(seconds, 0)
			}
			if info, err := os.Stat(args[0]); err != nil || !info.IsDir() {
				return usageError("%s is not a folder", args[0])
			}
			at = at.UTC()
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Title: "PROTEI-BULK", Section: "1", Date: &at, Source: "Protei_Bulk", Manual: "Protei_Bulk"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return &exitError{code: 1, err: fmt.Errorf("write man pages: %w", err)}
			}
			return nil
		},
	}
}
