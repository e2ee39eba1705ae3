package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

func newQueueCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "queue",
		Short:   "See what nodes tell each other over Redis",
		Example: "  protei-bulk queue dead",
	}
	c := addRESTFlags(cmd, env)
	cmd.AddCommand(queueDead(c))
	return cmd
}

func queueDead(c *restClient) *cobra.Command {
	var flags listFlags
	var replay, purge bool
	cmd := &cobra.Command{
		Use: "dead", Short: "List the hints between nodes that were given up, oldest first", Args: cobra.NoArgs,
		Long: `List the hints between nodes that were given up: they could not be read, or were never
taken. The messages that they name wait in PostgreSQL, and go out all the same.`,
		Example: `  protei-bulk queue dead
  protei-bulk queue dead --replay`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if replay || purge {
				method, path := "DELETE", "/api/v1/queues/dead"
				if replay {
					method, path = "POST", "/api/v1/queues/dead/replay"
				}
				var reply struct{ Replayed, Purged int64 }
				if err := c.do(cmd.Context(), method, path, nil, &reply); err != nil || c.output != "table" {
					return err
				}
				fmt.Fprintln(c.env.Stdout, reply.Replayed+reply.Purged, "hints")
				return nil
			}
			var reply struct {
				Dead []struct {
					ID, Lane, Reason string
					At               string   `json:"given_up_at"`
					Messages         []string `json:"message_ids"`
				}
				NextCursor string `json:"next_cursor"`
			}
			if err := c.do(cmd.Context(), "GET", "/api/v1/queues/dead?"+flags.query(), nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for _, d := range reply.Dead {
				rows = append(rows, []string{d.ID, d.At, d.Lane, strconv.Itoa(len(d.Messages)), d.Reason})
			}
			if err := c.table("ID GIVEN_UP_AT LANE MESSAGES REASON", rows); err != nil {
				return err
			}
			c.more(reply.NextCursor)
			return nil
		},
	}
	flags.register(cmd, "hints")
	cmd.Flags().BoolVar(&replay, "replay", false, "offer them all once more")
	cmd.Flags().BoolVar(&purge, "purge", false, "forget them all")
	cmd.MarkFlagsMutuallyExclusive("replay", "purge")
	return cmd
}
