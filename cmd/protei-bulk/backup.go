package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"protei-bulk/bulk"
)

func newBackupCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy everything that a platform stores, while it works",
		Long: `Copy everything that a running platform stores into FILE (- is the standard output):
accounts, connectors, routes, campaigns, messages and what is still in the journal. What
was acknowledged before the command began is in it. It holds secrets: the file gets mode
0600. The platform needs free space for one more database while the copy is made.`,
		Example: `  protei-bulk backup protei-bulk.tar.gz
  protei-bulk backup - --url https://sms.example.com --api-key KEY | ssh vault 'cat > sms.tar.gz'`,
		Args: wants("FILE"),
	}
	c := addRESTFlags(cmd, env)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return takeBackup(cmd.Context(), c, args[0]) }
	return cmd
}

func takeBackup(ctx context.Context, c *restClient, name string) error {
	body, err := c.stream(ctx, http.MethodPost, "/api/v1/backup")
	if err != nil {
		return err
	}
	defer body.Close()
	progress := newProgress(c.env, "backup")
	defer progress.end()
	from := io.TeeReader(body, progress)
	if name == "-" {
		if _, err := io.Copy(c.env.Stdout, from); err != nil {
			return &exitError{code: 1, err: fmt.Errorf("the backup broke off: %w", err)}
		}
		return nil
	}
	size, err := saveWhole(name, from)
	if err != nil {
		return &exitError{code: 1, err: fmt.Errorf("the backup broke off, %s was not written: %w", name, err)}
	}
	progress.end()
	if c.output == "json" {
		fmt.Fprintf(c.env.Stdout, "{\"file\":%q,\"bytes\":%d}\n", name, size)
		return nil
	}
	fmt.Fprintf(c.env.Stdout, "%s: %s\n", name, megabytes(size))
	return nil
}

// saveWhole writes a file that is there whole and durable, or not at all.
func saveWhole(name string, from io.Reader) (int64, error) {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(f, from)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return n, errors.Join(err, os.Remove(f.Name()))
	}
	return n, nil
}

func newRestoreCommand(env *environment) *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make a data folder of a backup",
		Long: `Unpack a backup (- is the standard input) into a new data folder and check all of it:
checksums, the database, the journal, and that both are of one store. The platform that
made it must not run on beside the restored one: what both hold would be sent twice.`,
		Example: `  protei-bulk restore protei-bulk.tar.gz --data data
  protei-bulk serve --data data`,
		Args: wants("FILE"),
		RunE: func(_ *cobra.Command, args []string) error { return restoreBackup(env, args[0], data) },
	}
	cmd.Flags().StringVar(&data, "data", "data", "`folder` to make; it must be missing or empty")
	return cmd
}

func restoreBackup(env *environment, name, data string) error {
	from := env.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return &exitError{code: 2, err: err}
		}
		defer f.Close()
		from = f
	}
	progress := newProgress(env, "restore")
	defer progress.end()
	done, err := bulk.Restore(io.TeeReader(from, progress), data)
	progress.end()
	if err != nil {
		return &exitError{code: 1, err: err}
	}
	fmt.Fprintf(env.Stdout, "%s: store %x of %s, %s, made by %s\n", data, done.Store.UUID[:4], done.Info.Made.Format(time.RFC3339), megabytes(done.Bytes), done.Info.Version)
	fmt.Fprintf(env.Stdout, "%d journal records, of which the next start replays %d\n", done.Store.Records, done.Store.Replay)
	return nil
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
