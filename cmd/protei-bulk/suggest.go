package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"protei-bulk/internal/nearest"
)

// flagError is the error of a command line whose flags are wrong; for a flag that does
// not exist it names the one that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	if name, ok := strings.CutPrefix(err.Error(), "unknown flag: --"); ok {
		if near := nearestFlag(cmd, name); near != "" {
			return usageError("%w, did you mean --%s? (see %s --help)", err, near, cmd.CommandPath())
		}
	}
	return usageError("%w (see %s --help)", err, cmd.CommandPath())
}

// nearestFlag is the flag of cmd that was probably meant; "" when none is near.
func nearestFlag(cmd *cobra.Command, name string) string {
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			known = append(known, f.Name)
		}
	})
	return nearest.Name(name, known)
}
