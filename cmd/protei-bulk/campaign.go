package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"protei-bulk/client"
)

func newCampaignCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "campaign",
		Short: "Send one text to many recipients",
		Example: `  protei-bulk campaign create spring --from ACME --text "Hi {{name}}, sale!" --file customers.csv
  protei-bulk campaign preview 18f3a7c2e1b04000
  protei-bulk campaign test 18f3a7c2e1b04000 --to +4915112345678
  protei-bulk campaign start 18f3a7c2e1b04000
  protei-bulk campaign list --status RUNNING`,
	}
	c := addRESTFlags(cmd, env)
	cmd.AddCommand(campaignCreate(c), campaignUpload(c), campaignErrors(c), campaignPreview(c), campaignTest(c), campaignList(c), campaignShow(c))
	for _, a := range []struct{ name, short string }{
		{"start", "Start a DRAFT"},
		{"pause", "Make no more messages for now"},
		{"resume", "Go on with a paused campaign"},
		{"approve", "Let a campaign begin that somebody else started"},
		{"reject", "Send a campaign that waits for approval back to DRAFT"},
		{"cancel", "End a campaign; what was not sent is not sent"},
	} {
		cmd.AddCommand(campaignAction(c, a.name, a.short))
	}
	return cmd
}

func (c *restClient) showCampaign(r *client.Campaign) error {
	return c.fields("campaign", r.ID, "name", r.Name, "account", orEmpty(int64(r.AccountID)), "status", r.Status, "recipients", fmt.Sprint(r.TotalRecipients), "scheduled for", whole(r.ScheduleAt),
		"rows refused", orEmpty(r.RowsRefused), "processed", fmt.Sprint(r.Progress.Processed), "accepted", fmt.Sprint(r.Progress.Accepted),
		"refused", fmt.Sprint(r.Progress.Refused), "sent", fmt.Sprint(r.Progress.Sent), "delivered", orEmpty(r.Progress.Messages["DELIVERED"]),
		"failed", orEmpty(r.Progress.Messages["FAILED"]+r.Progress.Messages["REJECTED"]), "cancelled", orEmpty(r.Progress.Messages["CANCELLED"]),
		"waiting", r.Waiting, "reason", r.Reason, "last error", r.LastError)
}

// whole shows a time as the API writes that of a campaign, to the second; nothing for none.
func whole(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func campaignList(c *restClient) *cobra.Command {
	var limit int
	var status, name string
	cmd := &cobra.Command{
		Use: "list", Short: "List campaigns, newest first", Args: cobra.NoArgs,
		Example: "  protei-bulk campaign list --status RUNNING --limit 100",
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			for key, v := range map[string]string{"status": status, "name": name} {
				if v != "" {
					query.Set(key, v)
				}
			}
			var reply client.CampaignPage
			if err := c.do(cmd.Context(), "GET", "/api/v1/campaigns?"+query.Encode(), nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for _, r := range reply.Campaigns {
				rows = append(rows, []string{r.ID, r.Name, r.Status, fmt.Sprint(r.TotalRecipients), fmt.Sprint(r.Progress.Accepted), fmt.Sprint(r.Progress.Refused), whole(r.CreatedAt)})
			}
			return c.table("ID NAME STATUS RECIPIENTS ACCEPTED REFUSED CREATED", rows)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "`count` of campaigns, up to 1,000")
	cmd.Flags().StringVar(&status, "status", "", "only of this `status`: DRAFT, RUNNING, …")
	cmd.Flags().StringVar(&name, "name", "", "only with this `text` in the name")
	return cmd
}

func campaignShow(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one campaign", Args: wants("ID"),
		Example: "  protei-bulk campaign show 18f3a7c2e1b04000",
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), c, func(ctx context.Context, api *client.Client) (*client.Campaign, error) {
				return api.Campaign(ctx, args[0])
			}, c.showCampaign)
		},
	}
}

func campaignAction(c *restClient, name, short string) *cobra.Command {
	return &cobra.Command{
		Use: name + " ID", Short: short, Args: wants("ID"),
		Example: "  protei-bulk campaign " + name + " 18f3a7c2e1b04000",
		RunE: func(cmd *cobra.Command, args []string) error {
			var r client.Campaign
			if err := c.do(cmd.Context(), "POST", "/api/v1/campaigns/"+pathEscape(args[0])+"/"+name, nil, &r); err != nil {
				return err
			}
			return c.showCampaign(&r)
		},
	}
}
