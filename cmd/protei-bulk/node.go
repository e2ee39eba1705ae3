package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newNodeCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "node",
		Short:   "See the processes that share the store",
		Example: "  protei-bulk node list",
	}
	c := addRESTFlags(cmd, env)
	cmd.AddCommand(nodeList(c))
	return cmd
}

func nodeList(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the nodes with their state and what only they do", Args: cobra.NoArgs,
		Example: "  protei-bulk node list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply struct {
				Nodes []struct {
					Node                int
					Name, State, Reason string
					Ready, This         bool
					Version, HTTP, SMPP string
					Roles, Leases       []string
					Seen                time.Time `json:"seen_at"`
				}
			}
			if err := c.do(cmd.Context(), "GET", "/api/v1/nodes", nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for _, n := range reply.Nodes {
				ready := "yes"
				if !n.Ready {
					ready = "no"
				}
				seen := ""
				if !n.Seen.IsZero() {
					seen = n.Seen.Format(time.RFC3339)
				}
				rows = append(rows, []string{
					strconv.Itoa(n.Node), n.Name, n.State, ready, dash(strings.Join(n.Roles, ",")), dash(n.HTTP), dash(n.SMPP), dash(n.Version),
					dash(seen), dash(strings.Join(n.Leases, ",")), dash(n.Reason),
				})
			}
			return c.table("NODE NAME STATE READY ROLES HTTP SMPP VERSION SEEN LEASES REASON", rows)
		},
	}
}
