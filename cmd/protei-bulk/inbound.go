package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

// inboundReply is an inbound message as REST shows it.
type inboundReply struct {
	ID         string `json:"message_id"`
	Status     string `json:"status"`
	From       string `json:"from"`
	To         string `json:"to"`
	Text       string `json:"text"`
	Encoding   string `json:"encoding"`
	UDH        string `json:"udh"`
	Parts      int64  `json:"parts"`
	Part       int64  `json:"part"`
	Account    int64  `json:"account_id"`
	Route      string `json:"route_id"`
	URL        string `json:"url"`
	SMSC       string `json:"smsc"`
	ReceivedAt string `json:"received_at"`
	DoneAt     string `json:"done_at"`
}

func newInboundCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inbound",
		Short: "See messages from mobiles, and say whose they are",
		Example: `  protei-bulk inbound route add --to 1000 --keyword JOIN --account 2 --webhook https://shop.example.com/mo
  protei-bulk inbound list --status NO_ROUTE
  protei-bulk inbound replay 18f3a7c2e1b04000`,
	}
	c := addRESTFlags(cmd, env)
	cmd.AddCommand(inboundList(c), inboundShow(c), inboundReplay(c), inboundRouteCommand(c))
	return cmd
}

func inboundList(c *restClient) *cobra.Command {
	var flags listFlags
	cmd := &cobra.Command{
		Use: "list", Short: "List messages from mobiles, newest first", Args: cobra.NoArgs,
		Example: `  protei-bulk inbound list --to 1000
  protei-bulk inbound list --status NO_ROUTE -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply struct {
				Messages   []inboundReply `json:"messages"`
				NextCursor string         `json:"next_cursor"`
			}
			if err := c.do(cmd.Context(), "GET", "/api/v1/inbound/messages?"+flags.query(), nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for _, m := range reply.Messages {
				rows = append(rows, []string{m.ID, m.Status, m.From, m.To, dash(orEmpty(m.Account)), m.ReceivedAt, strconv.Quote(m.Text)})
			}
			if err := c.table("ID STATUS FROM TO ACCOUNT RECEIVED TEXT", rows); err != nil {
				return err
			}
			c.more(reply.NextCursor)
			return nil
		},
	}
	flags.register(cmd, "messages",
		listFilter{"status", "status", "only this `status`: PART, PENDING, DELIVERED, NO_ROUTE, EXPIRED or FAILED"},
		listFilter{"from", "from", "only from this mobile's `number`"},
		listFilter{"to", "to", "only to this `number`"},
		listFilter{"account_id", "account", "only of the account with this `ID`"})
	return cmd
}

func (c *restClient) showInbound(m inboundReply) error {
	return c.fields("message", m.ID, "status", m.Status, "from", m.From, "to", m.To, "text", m.Text, "encoding", m.Encoding, "udh", m.UDH,
		"parts", orEmpty(m.Parts), "part", orEmpty(m.Part), "account", orEmpty(m.Account), "route", m.Route, "webhook", m.URL,
		"smsc", m.SMSC, "received", m.ReceivedAt, "done", m.DoneAt)
}

func inboundShow(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one message from a mobile", Args: wants("ID"),
		Example: "  protei-bulk inbound show 18f3a7c2e1b04000",
		RunE: func(cmd *cobra.Command, args []string) error {
			var m inboundReply
			if err := c.do(cmd.Context(), "GET", "/api/v1/inbound/messages/"+pathEscape(args[0]), nil, &m); err != nil {
				return err
			}
			return c.showInbound(m)
		},
	}
}

func inboundReplay(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "replay ID", Short: "Deliver a message from a mobile again", Args: wants("ID"),
		Long: `Deliver a message from a mobile again, to the customer whom the routes name now: one
that no route wanted, that was given up, or that the customer lost.`,
		Example: "  protei-bulk inbound replay 18f3a7c2e1b04000",
		RunE: func(cmd *cobra.Command, args []string) error {
			var m inboundReply
			if err := c.do(cmd.Context(), "POST", "/api/v1/inbound/messages/"+pathEscape(args[0])+"/replay", nil, &m); err != nil {
				return err
			}
			return c.showInbound(m)
		},
	}
}

// inboundRouteReply is an inbound route as REST shows it.
type inboundRouteReply struct {
	ID       string `json:"route_id"`
	Name     string `json:"name"`
	Order    int64  `json:"order"`
	To       string `json:"to"`
	From     string `json:"from"`
	Keyword  string `json:"keyword"`
	Pattern  string `json:"pattern"`
	Account  int64  `json:"account_id"`
	Deliver  string `json:"deliver"`
	URL      string `json:"url"`
	Disabled bool   `json:"disabled"`
}

func inboundRouteCommand(c *restClient) *cobra.Command {
	cmd := &cobra.Command{
		Use: "route", Short: "Say whose the messages from mobiles are",
		Example: `  protei-bulk inbound route add --to 1000 --keyword JOIN --account 2 --webhook https://shop.example.com/mo
  protei-bulk inbound route test --to 1000 --text "join me"`,
	}
	cmd.AddCommand(inboundRouteAdd(c), inboundRouteList(c), inboundRouteDelete(c), inboundRouteTest(c))
	return cmd
}

func inboundRouteAdd(c *restClient) *cobra.Command {
	values := map[string]*string{}
	var order, accountID int
	cmd := &cobra.Command{
		Use: "add", Short: "Add a route for messages from mobiles", Args: cobra.NoArgs,
		Long: `Add a route. Of its conditions those that are given must all hold; routes are tried by
their order, and the first that fits says whose the message is. Without --webhook it goes
to the account's SMPP binds.`,
		Example: `  protei-bulk inbound route add --to 1000 --keyword JOIN --account 2 --webhook https://shop.example.com/mo
  protei-bulk inbound route add --to '4917*' --pattern '(?i)^vote [0-9]+$' --account 3 --order 10`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body := map[string]any{}
			for name, v := range values {
				if *v != "" {
					body[name] = *v
				}
			}
			if cmd.Flags().Changed("order") {
				body["order"] = order
			}
			if accountID != 0 {
				body["account_id"] = accountID
			}
			var r inboundRouteReply
			if err := c.do(cmd.Context(), "POST", "/api/v1/inbound/routes", body, &r); err != nil {
				return err
			}
			return c.showInboundRoutes([]inboundRouteReply{r})
		},
	}
	cmd.Flags().IntVar(&order, "order", 100, "routes are tried from the lowest `number` on")
	cmd.Flags().IntVar(&accountID, "account", 0, "`ID` of the account whose the messages are; none: the caller's")
	for _, o := range []struct{ name, flag, usage string }{
		{"to", "to", "the `number` that the mobile wrote to, or its begin and *"},
		{"from", "from", "the mobile's `number`, or its begin and *"},
		{"keyword", "keyword", "first `word` of the text"},
		{"pattern", "pattern", "regular `expression` (RE2) in the text"},
		{"url", "webhook", "webhook `URL`; none: SMPP"},
		{"name", "name", "a `name` for people"},
	} {
		values[o.name] = cmd.Flags().String(o.flag, "", o.usage)
	}
	return cmd
}

func (c *restClient) showInboundRoutes(routes []inboundRouteReply) error {
	var rows [][]string
	for _, r := range routes {
		where := r.Deliver
		if r.URL != "" {
			where = r.URL
		}
		if r.Disabled {
			where = "(disabled)"
		}
		rows = append(rows, []string{
			r.ID, strconv.FormatInt(r.Order, 10), dash(r.To), dash(r.From), dash(r.Keyword), dash(r.Pattern),
			strconv.FormatInt(r.Account, 10), where, dash(r.Name),
		})
	}
	return c.table("ID ORDER TO FROM KEYWORD PATTERN ACCOUNT DELIVER NAME", rows)
}

func inboundRouteList(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the routes in the order they are tried in", Args: cobra.NoArgs,
		Example: "  protei-bulk inbound route list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply struct {
				Routes []inboundRouteReply `json:"routes"`
			}
			if err := c.do(cmd.Context(), "GET", "/api/v1/inbound/routes", nil, &reply); err != nil {
				return err
			}
			return c.showInboundRoutes(reply.Routes)
		},
	}
}

func inboundRouteDelete(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "delete ID", Short: "Delete a route", Args: wants("ID"),
		Example: "  protei-bulk inbound route delete 18f3a7c2e1b04000",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.do(cmd.Context(), "DELETE", "/api/v1/inbound/routes/"+pathEscape(args[0]), nil, nil)
		},
	}
}

func inboundRouteTest(c *restClient) *cobra.Command {
	var from, to, text string
	cmd := &cobra.Command{
		Use: "test --to NUMBER --text TEXT", Short: "Say which route wants a message, and why others do not", Args: cobra.NoArgs,
		Example: `  protei-bulk inbound route test --from +4915112345678 --to 1000 --text "join me"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply struct {
				Route  *inboundRouteReply `json:"route"`
				Passed []struct {
					Route  inboundRouteReply `json:"route"`
					Reason string            `json:"reason"`
				} `json:"passed_over"`
			}
			body := map[string]any{"from": from, "to": to, "text": text}
			if err := c.do(cmd.Context(), "POST", "/api/v1/inbound/routes/test", body, &reply); err != nil {
				return err
			}
			if c.output == "json" {
				return nil
			}
			for _, p := range reply.Passed {
				fmt.Fprintf(c.env.Stdout, "%s no: %s\n", p.Route.ID, p.Reason)
			}
			if reply.Route == nil {
				fmt.Fprintln(c.env.Stdout, "no route wants it")
				return nil
			}
			return c.showInboundRoutes([]inboundRouteReply{*reply.Route})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the mobile's `number`")
	cmd.Flags().StringVar(&to, "to", "", "the `number` that the mobile wrote to")
	cmd.Flags().StringVar(&text, "text", "", "`text` of the message")
	return cmd
}
