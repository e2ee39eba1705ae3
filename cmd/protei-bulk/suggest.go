package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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

// nearestFlag returns the flag of cmd with the fewest changes from name, at most two.
func nearestFlag(cmd *cobra.Command, name string) string {
	best, fewest := "", 3
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if n := changes(name, f.Name); n < fewest && !f.Hidden {
			best, fewest = f.Name, n
		}
	})
	return best
}

// changes counts the letters to insert, delete, replace or swap with the next one that
// make b of a.
func changes(a, b string) int {
	twoAbove, above := []int(nil), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			row[j+1] = min(above[j+1], row[j]) + 1
			if a[i] == b[j] {
				row[j+1] = min(row[j+1], above[j])
			} else {
				row[j+1] = min(row[j+1], above[j]+1)
			}
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], twoAbove[j-1]+1)
			}
		}
		twoAbove, above = above, row
	}
	return above[len(b)]
}
