package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

func newWebhookCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhook",
		Short: "See which webhooks fail, and send them again",
		Example: `  protei-bulk webhook endpoints
  protei-bulk webhook failed
  protei-bulk webhook replay 18f3a7c2e1b04000`,
	}
	c := addRESTFlags(cmd, env)
	cmd.AddCommand(webhookEndpoints(c), webhookFailed(c), webhookReplay(c))
	return cmd
}

func webhookEndpoints(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "endpoints", Short: "List the addresses that have something to be told, failing ones first", Args: cobra.NoArgs,
		Example: "  protei-bulk webhook endpoints",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply struct {
				Endpoints []struct {
					Account  int64  `json:"account_id"`
					URL      string `json:"url"`
					Kind     string `json:"kind"`
					Pending  int64  `json:"pending"`
					Failures int64  `json:"failures"`
					RetryAt  string `json:"retry_at"`
					Error    string `json:"error"`
				} `json:"endpoints"`
			}
			if err := c.do(cmd.Context(), "GET", "/api/v1/webhooks/endpoints", nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for _, e := range reply.Endpoints {
				rows = append(rows, []string{
					strconv.FormatInt(e.Account, 10), e.Kind, strconv.FormatInt(e.Pending, 10), strconv.FormatInt(e.Failures, 10),
					dash(moment(e.RetryAt)), e.URL, dash(e.Error),
				})
			}
			return c.table("ACCOUNT KIND PENDING FAILURES RETRY_AT URL ERROR", rows)
		},
	}
}

func webhookFailed(c *restClient) *cobra.Command {
	var flags listFlags
	cmd := &cobra.Command{
		Use: "failed", Short: "List the webhooks that were given up, newest first", Args: cobra.NoArgs,
		Example: "  protei-bulk webhook failed --limit 100",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply struct {
				Failed []struct {
					MessageID string `json:"message_id"`
					Account   int64  `json:"account_id"`
					Kind      string `json:"kind"`
					Status    string `json:"status"`
					URL       string `json:"url"`
					Error     string `json:"error"`
					FailedAt  string `json:"failed_at"`
				} `json:"failed"`
				NextCursor string `json:"next_cursor"`
			}
			if err := c.do(cmd.Context(), "GET", "/api/v1/webhooks/failed?"+flags.query(), nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for _, f := range reply.Failed {
				rows = append(rows, []string{f.MessageID, strconv.FormatInt(f.Account, 10), f.Kind, dash(f.Status), moment(f.FailedAt), f.URL, dash(f.Error)})
			}
			if err := c.table("ID ACCOUNT KIND STATUS FAILED_AT URL ERROR", rows); err != nil {
				return err
			}
			c.more(reply.NextCursor)
			return nil
		},
	}
	flags.register(cmd, "webhooks")
	return cmd
}

func webhookReplay(c *restClient) *cobra.Command {
	values := map[string]*string{}
	cmd := &cobra.Command{
		Use: "replay [ID...]", Short: "Tell the final states of messages again",
		Long: `Tell the customer the final states of messages again, by webhook or deliver_sm: of the
messages named, or of those accepted since a time, 1,000 at once, newest first. A
message from a mobile is told again by "inbound replay".`,
		Example: `  protei-bulk webhook replay 18f3a7c2e1b04000
  protei-bulk webhook replay --since 2030-01-31T09:00:00Z --status FAILED`,
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{}
			if len(args) > 0 {
				body["message_ids"] = args
			}
			for name, v := range values {
				if *v != "" {
					body[name] = *v
				}
			}
			var reply struct {
				Replayed int64 `json:"replayed"`
				Skipped  []struct {
					MessageID string `json:"message_id"`
					Reason    string `json:"reason"`
				} `json:"skipped"`
				NextCursor string `json:"next_cursor"`
			}
			if err := c.do(cmd.Context(), "POST", "/api/v1/webhooks/replay", body, &reply); err != nil {
				return err
			}
			for _, s := range reply.Skipped {
				fmt.Fprintf(c.env.Stderr, "%s not: %s\n", s.MessageID, s.Reason)
			}
			c.more(reply.NextCursor)
			return c.fields("replayed", strconv.FormatInt(reply.Replayed, 10))
		},
	}
	for _, o := range []struct{ name, usage string }{
		{"since", "all accepted from this `time` on, such as 2030-01-31T09:00:00Z"},
		{"until", "and before this `time`"},
		{"status", "and of this final `status`"},
		{"cursor", "go on where it ended: the `ID` it named"},
	} {
		values[o.name] = cmd.Flags().String(o.name, "", o.usage)
	}
	return cmd
}
