package main

import (
	"context"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"protei-bulk/client"
	"protei-bulk/smpp"
)

func pathEscape(s string) string { return url.PathEscape(s) }

func newMessageCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "message",
		Short: "Send messages and see what became of them",
		Example: `  protei-bulk message send --from ACME --to +4915112345678 --text "hello"
  protei-bulk message status 18f3a7c2e1b04000
  protei-bulk message list --status PENDING
  protei-bulk message cancel 18f3a7c2e1b04000
  protei-bulk message release 18f3a7c2e1b04000`,
	}
	c := addRESTFlags(cmd, env)
	cmd.AddCommand(messageSend(c), messageStatus(c), messageList(c), messageCancel(c), messageRelease(c))
	return cmd
}

func messageSend(c *restClient) *cobra.Command {
	values := map[string]*string{}
	var flash, transliterate, ordered bool
	var destPort, sourcePort uint16
	cmd := &cobra.Command{
		Use: "send --to NUMBER --text TEXT", Short: "Send one message", Args: cobra.NoArgs,
		Example: `  protei-bulk message send --from ACME --to +4915112345678 --text "hello"
  protei-bulk message send --from ACME --to +4915112345678 --text "later" --schedule-at 2030-01-31T09:00:00Z --priority HIGH`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body := map[string]any{}
			for name, v := range values {
				if *v != "" {
					body[name] = *v
				}
			}
			if flash {
				body["flash"] = true
			}
			if ordered {
				body["ordered"] = true
			}
			if transliterate {
				body["transliterate"] = true
			}
			if destPort != 0 || sourcePort != 0 {
				body["dest_port"], body["source_port"] = destPort, sourcePort
			}
			var a client.Accepted
			if err := c.do(cmd.Context(), "POST", "/api/v1/messages", body, &a); err != nil {
				return err
			}
			err := c.showMessage(&client.Message{
				ID: a.ID, Status: a.Status, From: a.From, Encoding: a.Encoding, Parts: a.Parts, ClientRef: a.ClientRef, SubmittedAt: a.SubmittedAt,
			})
			c.warn(a.Warnings)
			return err
		},
	}
	for _, o := range []struct{ name, flag, usage string }{
		{"from", "from", "`sender`: up to 11 letters and digits, or a number; none: the account's default"},
		{"to", "to", "recipient: a `number` of + and up to 15 digits, or a local one"},
		{"text", "text", "`text`; hex digits with --encoding BINARY"},
		{"data", "data", "`base64` of a binary message, instead of --text"},
		{"udh", "udh", "user data header in `hex`, its length octet included"},
		{"encoding", "encoding", "a `name`: AUTO (default), GSM7, UCS2, LATIN1 or BINARY"},
		{"priority", "priority", "a `name`: LOW, NORMAL (default), HIGH or CRITICAL"},
		{"schedule_at", "schedule-at", "`time` to send at, such as 2030-01-31T09:00:00Z"},
		{"validity_period", "validity", "how long to try: a `period` such as PT24H, seconds, or a time"},
		{"dlr_url", "dlr-url", "webhook `URL` for the final state"},
		{"client_ref", "client-ref", "your own `reference`, up to 64 characters"},
	} {
		values[o.name] = cmd.Flags().String(o.flag, "", o.usage)
	}
	cmd.Flags().BoolVar(&ordered, "ordered", false, "let it leave behind what was accepted before it for the same number with --ordered")
	cmd.Flags().BoolVar(&transliterate, "transliterate", false, "plain quotes, dashes and spaces where that brings the text into GSM 7-bit")
	cmd.Flags().Uint16Var(&destPort, "dest-port", 0, "application `port` on the phone, such as 2948 for WAP push")
	cmd.Flags().Uint16Var(&sourcePort, "source-port", 0, "`port` that it comes from, such as 9200")
	cmd.Flags().BoolVar(&flash, "flash", false, "show it at once, do not store it on the phone")
	return cmd
}

func (c *restClient) showMessage(m *client.Message) error {
	return c.fields("message", m.ID, "status", string(m.Status), "from", m.From, "to", m.To, "text", m.Text, "encoding", m.Encoding,
		"priority", m.Priority, "parts", orEmpty(int64(m.Parts)), "client_ref", m.ClientRef, "account", orEmpty(int64(m.AccountID)),
		"campaign", m.CampaignID, "smsc", m.SMSC, "route", m.Route, "price", m.Price.String(), "charged", m.Charged.String(), "submitted", stamp(m.SubmittedAt),
		"scheduled for", stamp(m.ScheduleAt), "sent", stamp(m.SentAt), "done", stamp(m.DoneAt), "attempts", orEmpty(int64(m.Attempts)),
		"error code", errorText(m))
}

// errorText is the error of m with its name, when it is an answer of the SMSC: what the network says in a receipt has codes of
// its own.
func errorText(m *client.Message) string {
	text := orEmpty(int64(m.ErrorCode))
	if name := smpp.Status(m.ErrorCode).Name(); name != "" && m.ErrorCode != 0 && m.SentAt.IsZero() {
		text += " " + name
	}
	return text
}

// showChange shows what a call made of a message.
func (c *restClient) showChange(made *client.Change) error {
	return c.fields("message", made.ID, "status", string(made.Status))
}

func messageStatus(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "status ID", Short: "Show one message", Args: wants("ID"),
		Example: "  protei-bulk message status 18f3a7c2e1b04000",
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), c, func(ctx context.Context, api *client.Client) (*client.Message, error) {
				return api.Message(ctx, args[0])
			}, c.showMessage)
		},
	}
}

func messageList(c *restClient) *cobra.Command {
	var flags listFlags
	cmd := &cobra.Command{
		Use: "list", Short: "List messages, newest first", Args: cobra.NoArgs,
		Example: `  protei-bulk message list --status PENDING
  protei-bulk message list --to +4915112345678 --since 2030-01-31T09:00:00Z -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply client.MessagePage
			if err := c.do(cmd.Context(), "GET", "/api/v1/messages?"+flags.query(), nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for _, m := range reply.Messages {
				rows = append(rows, []string{m.ID, string(m.Status), m.From, m.To, strconv.Itoa(m.Parts), stamp(m.SubmittedAt), dash(m.ClientRef)})
			}
			if err := c.table("ID STATUS FROM TO PARTS SUBMITTED CLIENT_REF", rows); err != nil {
				return err
			}
			c.more(reply.NextCursor)
			return nil
		},
	}
	flags.register(cmd, "messages",
		listFilter{"status", "status", "only this `status`"},
		listFilter{"from", "from", "only this `sender`"},
		listFilter{"to", "to", "only this `number`"},
		listFilter{"campaign_id", "campaign", "only of this campaign `ID`"},
		listFilter{"batch_id", "batch", "only of the bulk request with this `ID`"},
		listFilter{"since", "since", "only from this `time` on, such as 2030-01-31T09:00:00Z"},
		listFilter{"until", "until", "only before this `time`"})
	return cmd
}

func messageCancel(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "cancel ID", Short: "Cancel a message that was not sent yet, or is held", Args: wants("ID"),
		Example: "  protei-bulk message cancel 18f3a7c2e1b04000",
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), c, func(ctx context.Context, api *client.Client) (*client.Change, error) {
				return api.CancelMessage(ctx, args[0])
			}, c.showChange)
		},
	}
}

func messageRelease(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "release ID", Short: "Send a held message again", Args: wants("ID"),
		Long: `Send a message again that is HELD: its answer was lost, and the connector says unknown=hold.
The SMSC may have it already; it is sent with the mark of a possible duplicate.`,
		Example: `  protei-bulk message list --status HELD
  protei-bulk message release 18f3a7c2e1b04000`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), c, func(ctx context.Context, api *client.Client) (*client.Change, error) {
				return api.ReleaseMessage(ctx, args[0])
			}, c.showChange)
		},
	}
}
