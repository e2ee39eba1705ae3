package main

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"github.com/spf13/cobra"
)

// auditReply is an entry of the log of changes as REST shows it.
type auditReply struct {
	ID        string `json:"id"`
	At        string `json:"at"`
	Account   string `json:"account"`
	AccountID uint32 `json:"account_id"`
	Key       string `json:"api_key"`
	User      string `json:"user"`
	Address   string `json:"address"`
	RequestID string `json:"request_id"`
	Method    string `json:"method"`
	Path      string `json:"path"`
	Changes   []struct {
		What          string
		Before, After map[string]json.RawMessage
		Count         int
	} `json:"changes"`
	Request map[string]json.RawMessage `json:"request"`
}

func newAuditCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "See who changed what",
		Example: `  protei-bulk audit list
  protei-bulk audit list --what 'account 3' --since 2030-01-31T00:00:00Z`,
	}
	c := addRESTFlags(cmd, env)
	cmd.AddCommand(auditCommandList(c))
	return cmd
}

func auditCommandList(c *restClient) *cobra.Command {
	var flags listFlags
	cmd := &cobra.Command{
		Use: "list", Short: "List the administrative changes, newest first", Args: cobra.NoArgs,
		Example: `  protei-bulk audit list --limit 100
  protei-bulk audit list --what 'connector ' --account 1
  protei-bulk audit list --path /api/v1/campaigns -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply struct {
				Entries    []auditReply
				NextCursor string `json:"next_cursor"`
			}
			if err := c.do(cmd.Context(), "GET", "/api/v1/audit?"+flags.query(), nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for i := range reply.Entries {
				e := &reply.Entries[i]
				who := e.Account
				if e.User != "" {
					who = e.User + " of " + who
				} else if e.Key != "" {
					who += " (" + e.Key + ")"
				}
				for _, text := range e.lines() {
					rows = append(rows, []string{moment(e.At), who, e.Address, e.Method + " " + strings.TrimPrefix(e.Path, "/api/v1"), text})
				}
			}
			if err := c.table("AT WHO FROM CALL CHANGE", rows); err != nil {
				return err
			}
			c.more(reply.NextCursor)
			return nil
		},
	}
	flags.register(cmd, "entries",
		listFilter{"account_id", "account", "only what this `account` did, by its number"},
		listFilter{"api_key", "key", "only what the key with this `prefix` did"},
		listFilter{"what", "what", "only changes of things whose name begins with this `text`, such as account 3, route, connector"},
		listFilter{"user", "user", "only what this `user` of the console did"},
		listFilter{"method", "method", "only calls with this `method`"},
		listFilter{"path", "path", "only calls whose path begins with this `text`"},
		listFilter{"since", "since", "only from this `time` on"},
		listFilter{"until", "until", "only before this `time`"})
	return cmd
}

// lines says what became of each thing.
func (e *auditReply) lines() (all []string) {
	for _, c := range e.Changes {
		text := c.What + ": "
		switch {
		case c.Count > 0:
			text += fmt.Sprintf("%d, first %s", c.Count, members(c.After))
		case c.Before == nil:
			text += "new " + members(c.After)
		case c.After == nil:
			text += "gone"
		default:
			text += changed(c.Before, c.After)
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		all = []string{dash(members(e.Request))}
	}
	return all
}

func members(m map[string]json.RawMessage) string {
	var parts []string
	for name, v := range m {
		parts = append(parts, name+"="+string(v))
	}
	sort.Strings(parts)
	return strings.Join(parts, " ")
}

func changed(before, after map[string]json.RawMessage) string {
	names := make(map[string]bool)
	for name := range before {
		names[name] = true
	}
	for name := range after {
		names[name] = true
	}
	var parts []string
	for name := range names {
		parts = append(parts, name+" "+orNone(before[name])+" → "+orNone(after[name]))
	}
	sort.Strings(parts)
	return strings.Join(parts, ", ")
}

func orNone(v json.RawMessage) string {
	if len(v) == 0 {
		return "-"
	}
	return string(v)
}
