package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"protei-bulk/bulk/cdr"
	"protei-bulk/bulk/cdr/cdrload"
)

func newCDRCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cdr",
		Short: "Verify CDR files, and load them into PostgreSQL",
		Example: `  protei-bulk cdr verify data/cdr
  protei-bulk cdr load --dsn postgres://billing@db/billing data/cdr`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c := &restClient{env: env, output: "table"}
	cmd.PersistentFlags().StringVarP(&c.output, "output", "o", c.output, "`format`: table or json")
	cmd.PersistentPreRunE = func(*cobra.Command, []string) error {
		if c.output != "table" && c.output != "json" {
			return usageError("--output %q: table or json", c.output)
		}
		return nil
	}
	cmd.AddCommand(cdrVerify(c), cdrLoad(c))
	return cmd
}

// show prints all as JSON or rows as a table, as --output says.
func show(c *restClient, all any, heading string, rows [][]string) error {
	if c.output != "json" {
		return c.table(heading, rows)
	}
	e := json.NewEncoder(c.env.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(all)
}

// cdrFiles returns the complete files that the arguments stand for.
func cdrFiles(cmd *cobra.Command, args []string) ([]string, error) {
	if len(args) == 0 {
		return nil, usageError("FILE|DIR is missing (see %s --help)", cmd.CommandPath())
	}
	files, err := cdr.Files(args)
	if err != nil {
		return nil, &exitError{code: 1, err: err}
	}
	return files, nil
}

func cdrVerify(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use:   "verify FILE|DIR...",
		Short: "Check records and checksum of complete CDR files",
		Long: `Read complete CDR files, compressed or not, and check each line, their number and the
SHA-256 against the file's last line. Of a folder the files cdr-* are read. The exit code
is 1 when a file is not what was written.`,
		Example: `  protei-bulk cdr verify data/cdr
  protei-bulk cdr verify --output json cdr-20300131-090000-001.csv.zst`,
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := cdrFiles(cmd, args)
			if err != nil {
				return err
			}
			type verified struct {
				File    string `json:"file"`
				Records int64  `json:"records"`
				SHA256  string `json:"sha256,omitempty"`
				OK      bool   `json:"ok"`
				Error   string `json:"error,omitempty"`
			}
			all, rows, bad := []verified{}, [][]string{}, 0
			for _, name := range files {
				sum, err := cdr.ReadFile(name, func(*cdr.Record) error { return nil })
				v := verified{File: name, Records: sum.Records, SHA256: sum.SHA256, OK: err == nil}
				if err != nil {
					v.Error = err.Error()
					bad++
				}
				all = append(all, v)
				rows = append(rows, []string{yes(v.OK), strconv.FormatInt(v.Records, 10), name, dash(v.Error)})
			}
			if err := show(c, all, "OK RECORDS FILE ERROR", rows); err != nil {
				return err
			}
			if bad > 0 {
				return &exitError{code: 1, err: fmt.Errorf("%d of %d files are not what was written", bad, len(files))}
			}
			return nil
		},
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "NO"
}

func cdrLoad(c *restClient) *cobra.Command {
	opts := cdrload.Options{}
	cmd := &cobra.Command{
		Use:   "load --dsn DSN FILE|DIR...",
		Short: "Load complete CDR files into PostgreSQL",
		Long: `Load complete CDR files into a table of PostgreSQL, which is made when it is missing. A
file is one transaction. Loading a file, or a record, again adds nothing: run it from
cron on the whole folder. It ends at the first file that cannot be loaded.

The password can stand in PGPASSWORD or ~/.pgpass rather than on the command line.`,
		Example: `  protei-bulk cdr load --dsn postgres://billing@db/billing data/cdr
  protei-bulk cdr load --dsn "host=db dbname=billing" --table archive.cdr cdr-20300131-090000-001.csv`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.DSN == "" {
				opts.DSN = c.env.Getenv("PROTEI_BULK_CDR_DSN")
			}
			if opts.DSN == "" {
				return usageError("--dsn is missing, and PROTEI_BULK_CDR_DSN is not set")
			}
			files, err := cdrFiles(cmd, args)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			results, rows := []cdrload.Result{}, [][]string{}
			opts.Done = func(r cdrload.Result) {
				results = append(results, r)
				note := "-"
				if r.Known {
					note = "loaded before"
				}
				rows = append(rows, []string{strconv.FormatInt(r.Records, 10), strconv.FormatInt(r.Added, 10), r.File, note})
			}
			err = cdrload.Load(ctx, opts, files)
			if err != nil {
				err = &exitError{code: 1, err: err}
			}
			return errors.Join(show(c, results, "RECORDS ADDED FILE NOTE", rows), err)
		},
	}
	cmd.Flags().StringVar(&opts.DSN, "dsn", "", "the `database`: postgres://user@host:port/database or key=value pairs; also PROTEI_BULK_CDR_DSN")
	cmd.Flags().StringVar(&opts.Table, "table", "cdr", "`name` of the table, with its schema if need be")
	return cmd
}
