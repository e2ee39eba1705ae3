package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

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
	Progress   struct {
		Processed, Accepted, Refused int64
		Messages                     map[string]int64
	} `json:"progress"`
}

func newCampaignCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "campaign",
		Short: "Send one text to many recipients",
		Example: `  protei-bulk campaign create spring --from ACME --text "Sale!" --recipients numbers.txt
  protei-bulk campaign start 18f3a7c2e1b04000
  protei-bulk campaign list`,
	}
	c := addRESTFlags(cmd, env)
	cmd.AddCommand(campaignCreate(c), campaignList(c), campaignShow(c))
	for _, a := range []struct{ name, short string }{
		{"start", "Start a DRAFT"},
		{"pause", "Make no more messages for now"},
		{"resume", "Go on with a paused campaign"},
		{"cancel", "End a campaign"},
	} {
		cmd.AddCommand(campaignAction(c, a.name, a.short))
	}
	return cmd
}

func campaignCreate(c *restClient) *cobra.Command {
	var from, text, file, priority, schedule string
	var tps int
	var start bool
	cmd := &cobra.Command{
		Use: "create NAME --text TEXT", Short: "Create a DRAFT, with recipients from a file", Args: wants("NAME"),
		Example: `  protei-bulk campaign create spring --from ACME --text "Sale!" --recipients numbers.txt --start
  cut -d, -f2 customers.csv | protei-bulk campaign create spring --text "Sale!" --recipients -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{"name": args[0], "message_content": text}
			for name, v := range map[string]string{"sender_id": from, "priority": priority} {
				if v != "" {
					body[name] = v
				}
			}
			if schedule != "" {
				body["schedule_type"], body["schedule_at"] = "SCHEDULED", schedule
			}
			if tps > 0 {
				body["max_tps"] = tps
			}
			if file != "" {
				to, err := c.readRecipients(file)
				if err != nil {
					return err
				}
				body["recipients"] = to
			}
			var made campaignReply
			if !start {
				if err := c.do(cmd.Context(), "POST", "/api/v1/campaigns", body, &made); err != nil {
					return err
				}
				return c.showCampaign(made)
			}
			answer, err := c.fetch(cmd.Context(), "POST", "/api/v1/campaigns", body)
			if err == nil {
				err = c.decode(answer, &made)
			}
			if err == nil {
				err = c.do(cmd.Context(), "POST", "/api/v1/campaigns/"+pathEscape(made.ID)+"/start", nil, &made)
			}
			if err != nil {
				return err
			}
			return c.showCampaign(made)
		},
	}
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "`sender`; none: the account's default")
	f.StringVar(&text, "text", "", "`text` of the messages")
	f.StringVar(&file, "recipients", "", "`file` with a number on each line; - reads standard input")
	f.StringVar(&priority, "priority", "", "a `name`: LOW, NORMAL (default), HIGH or CRITICAL")
	f.StringVar(&schedule, "schedule-at", "", "`time` to send at, such as 2030-01-31T09:00:00Z")
	f.IntVar(&tps, "max-tps", 0, "`messages` a second; 0: no limit")
	f.BoolVar(&start, "start", false, "start it at once")
	return cmd
}

// readRecipients reads a number from each line; empty lines and lines with # are left out.
func (c *restClient) readRecipients(file string) ([]string, error) {
	in := c.env.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, usageError("recipients: %w", err)
		}
		defer f.Close()
		in = f
	}
	var all []string
	for scan := bufio.NewScanner(in); ; {
		if !scan.Scan() {
			if err := scan.Err(); err != nil {
				return nil, usageError("recipients in %s: %w", file, err)
			}
			return all, nil
		}
		if line := strings.TrimSpace(scan.Text()); line != "" && line[0] != '#' {
			all = append(all, line)
		}
	}
}

func (c *restClient) showCampaign(r campaignReply) error {
	return c.fields("campaign", r.ID, "name", r.Name, "status", r.Status, "recipients", fmt.Sprint(r.Total), "scheduled for", r.ScheduleAt,
		"processed", fmt.Sprint(r.Progress.Processed), "accepted", fmt.Sprint(r.Progress.Accepted), "refused", fmt.Sprint(r.Progress.Refused),
		"delivered", orEmpty(r.Progress.Messages["DELIVERED"]), "last error", r.LastError)
}

func campaignList(c *restClient) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List campaigns, newest first", Args: cobra.NoArgs,
		Example: "  protei-bulk campaign list --limit 100",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply struct{ Campaigns []campaignReply }
			if err := c.do(cmd.Context(), "GET", "/api/v1/campaigns?limit="+strconv.Itoa(limit), nil, &reply); err != nil {
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
