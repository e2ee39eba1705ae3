package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"protei-bulk/load/report"
)

func newLoadCompareCommand(env *environment) *cobra.Command {
	var markdown string
	var strict bool
	cmd := &cobra.Command{
		Use:   "compare A.json B.json",
		Short: "Set two runs side by side and say what differs beyond chance",
		Long: `Reads two files of load --json-file and shows, for all requests together and for each name, the rate,
the percentiles and the error rate of both measured windows, with a test on their seconds.`,
		Example: `  protei-bulk load compare before.json after.json
  protei-bulk load compare before.json after.json --strict --markdown compare.md`,
		Args: wants("A.json", "B.json"),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := compareFiles(args[0], args[1])
			if err != nil {
				return &exitError{code: 2, err: err}
			}
			if err := report.WriteComparison(env.Stdout, c); err != nil {
				return &exitError{code: 1, err: err}
			}
			if markdown != "" {
				if err := writeTo(markdown, func(w io.Writer) error { return report.WriteComparisonMarkdown(w, c) }); err != nil {
					return &exitError{code: 1, err: err}
				}
			}
			if strict && c.Worse() {
				return &exitError{code: 3}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&markdown, "markdown", "", "also write the table as Markdown to `file`")
	cmd.Flags().BoolVar(&strict, "strict", false, "exit code 3 when a figure of all requests together is worse in B")
	return cmd
}

func compareFiles(nameA, nameB string) (*report.Comparison, error) {
	a, err := readRecorded(nameA)
	if err != nil {
		return nil, err
	}
	b, err := readRecorded(nameB)
	if err != nil {
		return nil, err
	}
	return report.Compare(a, b)
}

func readRecorded(name string) (*report.Recorded, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the run: %w", err)
	}
	defer f.Close()
	return report.ReadJSON(f, name)
}
