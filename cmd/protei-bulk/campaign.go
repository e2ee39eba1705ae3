package main

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

// campaignReply is a campaign as REST shows it.
type campaignReply struct {
	ID         string `json:"campaign_id"`
	Name       string `json:"name"`
	Status     string `json:"status"`
	Total      int64  `json:"total_recipients"`
	MaxTPS     int64  `json:"max_tps"`
	ScheduleAt string `json:"schedule_at"`
	CreatedAt  string `json:"created_at"`
	LastError  string `json:"last_error"`
	Reason     string `json:"reason"`
	Waiting    string `json:"waiting"`
	Refused    int64  `json:"rows_refused"`
	Progress   struct {
		Processed, Accepted, Refused, Sent int64
		Messages                           map[string]int64
	} `json:"progress"`
	Import *importReply `json:"import"`
}

// importReply says what became of an upload.
type importReply struct {
	State                            string
	Rows, Added, Refused, Duplicates int64
}

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

func (c *restClient) showCampaign(r campaignReply) error {
	return c.fields("campaign", r.ID, "name", r.Name, "status", r.Status, "recipients", fmt.Sprint(r.Total), "scheduled for", r.ScheduleAt,
		"rows refused", orEmpty(r.Refused), "processed", fmt.Sprint(r.Progress.Processed), "accepted", fmt.Sprint(r.Progress.Accepted),
		"refused", fmt.Sprint(r.Progress.Refused), "sent", fmt.Sprint(r.Progress.Sent), "delivered", orEmpty(r.Progress.Messages["DELIVERED"]),
		"failed", orEmpty(r.Progress.Messages["FAILED"]+r.Progress.Messages["REJECTED"]), "cancelled", orEmpty(r.Progress.Messages["CANCELLED"]),
		"waiting", r.Waiting, "reason", r.Reason, "last error", r.LastError)
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
			var reply struct{ Campaigns []campaignReply }
			if err := c.do(cmd.Context(), "GET", "/api/v1/campaigns?"+query.Encode(), nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for _, r := range reply.Campaigns {
				rows = append(rows, []string{r.ID, r.Name, r.Status, fmt.Sprint(r.Total), fmt.Sprint(r.Progress.Accepted), fmt.Sprint(r.Progress.Refused), r.CreatedAt})
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
			var r campaignReply
			if err := c.do(cmd.Context(), "GET", "/api/v1/campaigns/"+pathEscape(args[0]), nil, &r); err != nil {
				return err
			}
			return c.showCampaign(r)
		},
	}
}

func campaignAction(c *restClient, name, short string) *cobra.Command {
	return &cobra.Command{
		Use: name + " ID", Short: short, Args: wants("ID"),
		Example: "  protei-bulk campaign " + name + " 18f3a7c2e1b04000",
		RunE: func(cmd *cobra.Command, args []string) error {
			var r campaignReply
			if err := c.do(cmd.Context(), "POST", "/api/v1/campaigns/"+pathEscape(args[0])+"/"+name, nil, &r); err != nil {
				return err
			}
			return c.showCampaign(r)
		},
	}
}
