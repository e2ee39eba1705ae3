package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func newSystemCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "system",
		Short: "See what a running platform is and what settings are in force",
		Example: `  protei-bulk system show
  protei-bulk system log-level debug`,
	}
	c := addRESTFlags(cmd, env)
	cmd.AddCommand(systemShow(c), systemLogLevel(c))
	return cmd
}

func systemShow(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show version, disk and the settings in force; passwords are hidden", Args: cobra.NoArgs,
		Example: "  protei-bulk system show",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s struct {
				Version, Go, Platform string
				PID, Node             int
				Started               time.Time `json:"started_at"`
				LogLevel              string    `json:"log_level"`
				Disk                  struct {
					Folder      string
					Free, Total int64
					Least       int64 `json:"min_free"`
				}
				Settings []struct{ Key, Value string }
			}
			if err := c.do(cmd.Context(), "GET", "/api/v1/system", nil, &s); err != nil {
				return err
			}
			if c.output == "json" {
				return nil
			}
			out := c.env.Stdout
			fmt.Fprintf(out, "protei-bulk %s, %s, %s, pid %d, node %d, up since %s\n", s.Version, s.Go, s.Platform, s.PID, s.Node, s.Started.Format(time.RFC3339))
			fmt.Fprintf(out, "%s: %s of %s free, nothing is accepted below %s\n", s.Disk.Folder, gigabytes(s.Disk.Free), gigabytes(s.Disk.Total), gigabytes(s.Disk.Least))
			fmt.Fprintf(out, "log level %s\n\n", s.LogLevel)
			var rows [][]string
			for _, setting := range s.Settings {
				rows = append(rows, []string{setting.Key, dash(setting.Value)})
			}
			return c.table("SETTING VALUE", rows)
		},
	}
}

func gigabytes(n int64) string { return fmt.Sprintf("%.1f GB", float64(n)/1e9) }

func systemLogLevel(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "log-level LEVEL", Short: "Log more or less until the platform ends: debug, info, warn or error", Args: wants("LEVEL"),
		Example: "  protei-bulk system log-level debug",
		RunE: func(cmd *cobra.Command, args []string) error {
			var reply struct {
				Level string `json:"log_level"`
			}
			if err := c.do(cmd.Context(), "PUT", "/api/v1/system/log-level", map[string]string{"level": args[0]}, &reply); err != nil {
				return err
			}
			if c.output != "json" {
				fmt.Fprintf(c.env.Stdout, "log level %s\n", reply.Level)
			}
			return nil
		},
	}
}
