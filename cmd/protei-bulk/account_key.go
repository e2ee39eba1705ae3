package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// keyReply is an API key as REST shows it.
type keyReply struct {
	Prefix    string   `json:"prefix"`
	Name      string   `json:"name"`
	Scopes    []string `json:"scopes"`
	Allow     []string `json:"allow"`
	ExpiresAt string   `json:"expires_at"`
	Expired   bool     `json:"expired"`
	LastUsed  string   `json:"last_used_at"`
	CreatedAt string   `json:"created_at"`
	APIKey    string   `json:"api_key"`
}

func accountKey(c *restClient) *cobra.Command {
	cmd := &cobra.Command{
		Use: "key", Short: "Manage the API keys of an account",
		Example: `  protei-bulk account key list 3
  protei-bulk account key create 3 --name shop --scope messages:send,messages:read
  protei-bulk account key revoke 3 pb_thwfqb`,
	}
	list := &cobra.Command{
		Use: "list ID|me", Short: "List the keys", Args: wants("ID"),
		Example: "  protei-bulk account key list 3",
		RunE: func(cmd *cobra.Command, args []string) error {
			var reply struct{ Keys []keyReply }
			if err := c.onAccount(cmd, "GET", args[0], "/keys", nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for _, k := range reply.Keys {
				expires := dash(k.ExpiresAt)
				if k.Expired {
					expires = "expired"
				}
				rows = append(rows, []string{
					k.Prefix, dash(k.Name), strings.Join(k.Scopes, ","), dash(strings.Join(k.Allow, ",")), expires, dash(k.LastUsed), k.CreatedAt,
				})
			}
			return c.table("PREFIX NAME SCOPES ALLOW EXPIRES LAST_USED CREATED", rows)
		},
	}
	revoke := &cobra.Command{
		Use: "revoke ID PREFIX", Short: "Delete the key with this prefix", Args: wants("ID", "PREFIX"),
		Example: "  protei-bulk account key revoke 3 pb_thwfqb",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onAccount(cmd, "DELETE", args[0], "/keys/"+pathEscape(args[1]), nil, nil)
		},
	}
	cmd.AddCommand(list, accountKeyCreate(c), revoke)
	return cmd
}

func accountKeyCreate(c *restClient) *cobra.Command {
	var name, expires string
	var scopes, allow []string
	cmd := &cobra.Command{
		Use: "create ID|me", Short: "Create a key and show it, once", Args: wants("ID"),
		Long: `Creates an API key and shows it, once. Without --scope it may do everything that its account
may. Scopes: messages:send, messages:read, campaigns, contacts, account:read, account:write,
keys, webhooks, admin (which holds all others).`,
		Example: `  protei-bulk account key create 3 --name laptop
  protei-bulk account key create 3 --name shop --scope messages:send,messages:read --allow 192.0.2.0/24
  protei-bulk account key create me --name audit --scope account:read --expires 720h`,
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{"name": name}
			if len(scopes) > 0 {
				body["scopes"] = scopes
			}
			if len(allow) > 0 {
				body["allow"] = allow
			}
			if expires != "" {
				at, err := momentFlag(expires, time.Now())
				if err != nil {
					return usageError("--expires %q: a time such as 2030-01-31T09:00:00Z, or how long from now, such as 720h", expires)
				}
				body["expires_at"] = at.UTC().Format(time.RFC3339)
			}
			var k keyReply
			if err := c.onAccount(cmd, "POST", args[0], "/keys", body, &k); err != nil {
				return err
			}
			return c.fields("api key", k.APIKey, "prefix", k.Prefix, "name", k.Name, "scopes", strings.Join(k.Scopes, ","),
				"allow", strings.Join(k.Allow, ","), "expires", k.ExpiresAt)
		},
	}
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "what the key is for, as `text`")
	f.StringSliceVar(&scopes, "scope", nil, "`scopes` of the key; none: everything")
	f.StringSliceVar(&allow, "allow", nil, "`addresses` and networks that it may be used from; none: any")
	f.StringVar(&expires, "expires", "", "`when` it ends: a time, or a duration from now; none: never")
	return cmd
}

// momentFlag reads a time with zone, or a duration from now.
func momentFlag(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(d), nil
	}
	return time.Parse(time.RFC3339, text)
}
