package main

import (
	"strings"

	"github.com/spf13/cobra"
)

func alertChannelList(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the channels", Args: cobra.NoArgs,
		Example: "  protei-bulk alert channel list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply struct {
				Channels []struct {
					Name, Kind, URL, Server string
					To, Rules               []string
					Disabled                bool
				}
			}
			if err := c.do(cmd.Context(), "GET", "/api/v1/alerts/channels", nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for _, ch := range reply.Channels {
				state := "on"
				if ch.Disabled {
					state = "off"
				}
				rows = append(rows, []string{ch.Name, ch.Kind, state, dash(ch.URL + ch.Server), dash(strings.Join(ch.To, ",")), dash(strings.Join(ch.Rules, ","))})
			}
			return c.table("NAME KIND STATE WHERE TO RULES", rows)
		},
	}
}

func alertChannelSet(c *restClient) *cobra.Command {
	texts := map[string]*string{}
	var to, rules []string
	var disabled bool
	cmd := &cobra.Command{
		Use: "set NAME", Short: "Create or replace a channel", Args: wants("NAME"),
		Example: `  protei-bulk alert channel set ops --kind webhook --target https://ops.example.com/alerts --secret whsec_c2VjcmV0
  protei-bulk alert channel set night --kind email --server mail.example.com:587 --user bulk --secret PASSWORD --from bulk@example.com --to night@example.com
  protei-bulk alert channel set telegram --kind http --target 'https://api.telegram.org/bot{{.Secret}}/sendMessage' --secret BOT_TOKEN --chat=-100123`,
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{"disabled": disabled}
			for name, v := range texts {
				if *v != "" {
					body[name] = *v
				}
			}
			for name, list := range map[string][]string{"to": to, "rules": rules} {
				if len(list) > 0 {
					body[name] = list
				}
			}
			return c.do(cmd.Context(), "PUT", "/api/v1/alerts/channels/"+pathEscape(args[0]), body, nil)
		},
	}
	for _, o := range []struct{ name, flag, usage string }{
		{"kind", "kind", "`kind`: webhook, email or http"},
		{"url", "target", "`URL`; a template for kind http"},
		{"body", "body", "`template` of the JSON body for kind http; none: what Telegram takes"},
		{"chat", "chat", "`ID` of the chat, {{.Chat}} in templates"},
		{"secret", "secret", "`secret`: signs webhooks, password of the mail server, {{.Secret}} in templates; none: as before"},
		{"server", "server", "mail server, `host:port`"},
		{"security", "security", "`way` to protect the mail connection: starttls (default), tls or none"},
		{"user", "user", "`name` at the mail server"},
		{"from", "from", "sender's e-mail `address`"},
	} {
		texts[o.name] = cmd.Flags().String(o.flag, "", o.usage)
	}
	cmd.Flags().StringSliceVar(&to, "to", nil, "e-mail `addresses` of those who are told")
	cmd.Flags().StringSliceVar(&rules, "rule", nil, "`names` of the rules that it tells of; none: all")
	cmd.Flags().BoolVar(&disabled, "disabled", false, "it tells nothing for now")
	return cmd
}

func alertChannelDelete(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Delete a channel", Args: wants("NAME"),
		Example: "  protei-bulk alert channel delete ops",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.do(cmd.Context(), "DELETE", "/api/v1/alerts/channels/"+pathEscape(args[0]), nil, nil)
		},
	}
}
