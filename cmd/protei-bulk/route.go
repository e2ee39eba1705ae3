package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// routeReply is a routing rule as REST shows it.
type routeReply struct {
	ID       uint32          `json:"id"`
	Name     string          `json:"name"`
	Priority int             `json:"priority"`
	Disabled bool            `json:"disabled"`
	Match    json.RawMessage `json:"match"`
	Strategy string          `json:"strategy"`
	Targets  []struct {
		Connector string  `json:"connector"`
		Weight    int     `json:"weight"`
		Cost      float64 `json:"cost"`
	} `json:"targets"`
	Price    json.Number `json:"price"`
	Warnings []string    `json:"warnings"`
}

func newRouteCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "route",
		Short: "Manage which messages go to which connector",
		Long: `Rules say which connector carries a message. The rule with the highest priority decides,
among equals the one with the longest prefix. They are kept in the store and changed while
messages flow. docs/routing.md explains every field.`,
		Example: `  protei-bulk route add tm --prefix 9936 --to op1,op2
  protei-bulk route add rest --to op3
  protei-bulk route test --account acme --from ACME --to +99361234567`,
	}
	c := addRESTFlags(cmd, env)
	cmd.AddCommand(routeList(c), routeShow(c), routeAdd(c), routeEdit(c), routeDelete(c), routeTest(c), routeImport(c), routeExport(c))
	return cmd
}

func routePath(name string) string { return "/api/v1/routes/" + pathEscape(name) }

func routeList(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the rules in the order in which they decide", Args: cobra.NoArgs,
		Example: "  protei-bulk route list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply struct {
				Routes  []routeReply
				Implied string
			}
			if err := c.do(cmd.Context(), "GET", "/api/v1/routes", nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for _, r := range reply.Routes {
				rows = append(rows, []string{
					strconv.Itoa(int(r.ID)), r.Name, strconv.Itoa(r.Priority), stateText(r.Disabled), string(r.Match), r.Strategy, r.targets(), dash(r.Price.String()),
				})
			}
			if reply.Implied != "" {
				fmt.Fprintln(c.env.Stderr, reply.Implied)
			}
			return c.table("ID NAME PRIORITY STATE MATCH STRATEGY TARGETS PRICE", rows)
		},
	}
}

// targets shows the connectors with what matters to the strategy.
func (r *routeReply) targets() string {
	var all []string
	for _, t := range r.Targets {
		text := t.Connector
		switch r.Strategy {
		case "split":
			text += ":" + strconv.Itoa(t.Weight)
		case "least_cost":
			text += ":" + strconv.FormatFloat(t.Cost, 'f', -1, 64)
		}
		all = append(all, text)
	}
	return strings.Join(all, ",")
}

func (c *restClient) showRoute(r *routeReply) error {
	if c.output == "json" {
		return nil
	}
	c.warn(r.Warnings)
	return c.fields("route", strconv.Itoa(int(r.ID)), "name", r.Name, "priority", strconv.Itoa(r.Priority), "state", stateText(r.Disabled),
		"match", string(r.Match), "strategy", r.Strategy, "targets", r.targets(), "price", r.Price.String())
}

func routeShow(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show one rule", Args: wants("NAME"),
		Example: "  protei-bulk route show tm",
		RunE: func(cmd *cobra.Command, args []string) error {
			var r routeReply
			if err := c.do(cmd.Context(), "GET", routePath(args[0]), nil, &r); err != nil {
				return err
			}
			return c.showRoute(&r)
		},
	}
}

// ruleFlags are the fields of a rule as flags.
type ruleFlags struct {
	priority                                             int
	strategy, text, match, price                         string
	to, accounts, prefixes, senders, tags, encodings, kw []string
	disabled                                             bool
}

func (f *ruleFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.to, "to", nil, "`connectors` in order; with weights or costs as op1:70,op2:30")
	flags.StringVar(&f.strategy, "strategy", "", "`name`: failover (default), split, round_robin, least_cost")
	flags.IntVar(&f.priority, "priority", 0, "the highest `number` decides first")
	flags.StringSliceVar(&f.accounts, "account", nil, "`names` or numbers of accounts")
	flags.StringSliceVar(&f.prefixes, "prefix", nil, "first `digits` of the recipient's number")
	flags.StringSliceVar(&f.senders, "sender", nil, "`senders`; AC* takes all that begin so")
	flags.StringSliceVar(&f.tags, "tag", nil, "`tags` of messages")
	flags.StringSliceVar(&f.encodings, "encoding", nil, "`names`: GSM7, LATIN1, UCS2, BINARY")
	flags.StringSliceVar(&f.kw, "keyword", nil, "first `words` of texts")
	flags.StringVar(&f.text, "text", "", "regular `expression` in the text")
	flags.StringVar(&f.match, "match", "", "all conditions as `JSON`, @FILE reads a file")
	flags.StringVar(&f.price, "price", "", "`amount` that the customer pays for a part; what we pay is a target's cost")
	flags.BoolVar(&f.disabled, "disabled", false, "the rule decides nothing")
}

// body returns the members that the flags set; strategy says what the numbers of --to are.
func (f *ruleFlags) body(cmd *cobra.Command, c *restClient, strategy string) (map[string]any, error) {
	body := map[string]any{}
	set := cmd.Flags().Changed
	if set("priority") {
		body["priority"] = f.priority
	}
	if set("strategy") {
		body["strategy"] = f.strategy
	}
	if set("price") {
		body["price"] = f.price
	}
	if set("disabled") {
		body["disabled"] = f.disabled
	}
	if set("to") {
		targets, err := parseTargets(f.to, strategy)
		if err != nil {
			return nil, err
		}
		body["targets"] = targets
	}
	match, err := f.conditions(cmd, c)
	if err != nil {
		return nil, err
	}
	if match != nil {
		body["match"] = match
	}
	return body, nil
}

// strategyOf is the one that the flags set, else that of the rule when its targets change.
func (f *ruleFlags) strategyOf(cmd *cobra.Command, c *restClient, rule string) (string, error) {
	if f.strategy != "" || !cmd.Flags().Changed("to") {
		return f.strategy, nil
	}
	text, err := c.fetch(cmd.Context(), "GET", routePath(rule), nil)
	if err != nil {
		return "", err
	}
	var r routeReply
	err = c.decode(text, &r)
	return r.Strategy, err
}

// conditions returns the match, nil when no flag is about it.
func (f *ruleFlags) conditions(cmd *cobra.Command, c *restClient) (map[string]any, error) {
	match := map[string]any{}
	if f.match != "" {
		text := []byte(f.match)
		if name, ok := strings.CutPrefix(f.match, "@"); ok {
			var err error
			if text, err = readInput(c.env, name); err != nil {
				return nil, usageError("--match: %v", err)
			}
		}
		if err := json.Unmarshal(text, &match); err != nil {
			return nil, usageError("--match is not a JSON object: %v", err)
		}
	}
	for name, values := range map[string][]string{
		"prefixes": f.prefixes, "senders": f.senders, "tags": f.tags, "encodings": f.encodings, "keywords": f.kw,
	} {
		if len(values) > 0 {
			match[name] = values
		}
	}
	if f.text != "" {
		match["text"] = f.text
	}
	if len(f.accounts) > 0 {
		ids, err := c.accountIDs(cmd.Context(), f.accounts...)
		if err != nil {
			return nil, err
		}
		match["accounts"] = ids
	}
	if len(match) == 0 && !cmd.Flags().Changed("match") {
		return nil, nil
	}
	return match, nil
}

func readInput(env *environment, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(env.Stdin, maxRESTReply))
	}
	return os.ReadFile(name)
}

// parseTargets reads op1 or op1:70; the number is a cost with strategy least_cost, else a weight.
func parseTargets(list []string, strategy string) ([]map[string]any, error) {
	var targets []map[string]any
	for _, item := range list {
		name, text, ok := strings.Cut(item, ":")
		target := map[string]any{"connector": name}
		if ok {
			n, err := strconv.ParseFloat(text, 64)
			if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
				return nil, usageError("--to %q: %q is not a number", item, text)
			}
			if strategy == "least_cost" {
				target["cost"] = n
			} else {
				target["weight"] = n
			}
		}
		targets = append(targets, target)
	}
	return targets, nil
}

func routeAdd(c *restClient) *cobra.Command {
	var f ruleFlags
	cmd := &cobra.Command{
		Use: "add NAME --to CONNECTORS", Short: "Add a rule", Args: wants("NAME"),
		Example: `  protei-bulk route add tm --prefix 9936,9931 --to op1,op2
  protei-bulk route add share --prefix 7 --strategy split --to op1:70,op2:30
  protei-bulk route add otp --priority 10 --tag otp --to fast
  protei-bulk route add cheap --strategy least_cost --to op1:0.004,op2:0.0035`,
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := f.body(cmd, c, f.strategy)
			if err != nil {
				return err
			}
			body["name"] = args[0]
			var r routeReply
			if err := c.do(cmd.Context(), "POST", "/api/v1/routes", body, &r); err != nil {
				return err
			}
			return c.showRoute(&r)
		},
	}
	f.register(cmd)
	return cmd
}

func routeEdit(c *restClient) *cobra.Command {
	var f ruleFlags
	cmd := &cobra.Command{
		Use: "edit NAME", Short: "Change a rule; conditions given replace all that it had", Args: wants("NAME"),
		Example: `  protei-bulk route edit tm --to op2,op1
  protei-bulk route edit otp --disabled`,
		RunE: func(cmd *cobra.Command, args []string) error {
			strategy, err := f.strategyOf(cmd, c, args[0])
			if err != nil {
				return err
			}
			body, err := f.body(cmd, c, strategy)
			if err != nil {
				return err
			}
			if len(body) == 0 {
				return usageError("what shall change? see protei-bulk route edit --help")
			}
			var r routeReply
			if err := c.do(cmd.Context(), "PATCH", routePath(args[0]), body, &r); err != nil {
				return err
			}
			return c.showRoute(&r)
		},
	}
	f.register(cmd)
	return cmd
}

func routeDelete(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Delete a rule; messages that it has placed go their way", Args: wants("NAME"),
		Example: "  protei-bulk route delete tm",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.do(cmd.Context(), "DELETE", routePath(args[0]), nil, nil)
		},
	}
}

func routeTest(c *restClient) *cobra.Command {
	var account, from, to, text, encoding, priority, tag, at string
	var limit int
	cmd := &cobra.Command{
		Use:   "test --to NUMBER",
		Short: "Say which rule a message would follow, and why the others do not take it",
		Args:  cobra.NoArgs,
		Example: `  protei-bulk route test --account acme --from ACME --to +99361234567
  protei-bulk route test --to +99361234567 --text "code 1234" --at 2030-01-31T22:00:00Z`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body := map[string]any{"to": to}
			for name, v := range map[string]string{
				"account": account, "from": from, "text": text, "encoding": encoding, "priority": priority, "tag": tag, "at": at,
			} {
				if v != "" {
					body[name] = v
				}
			}
			if limit != 0 {
				body["limit"] = limit
			}
			var r trialReply
			if err := c.do(cmd.Context(), "POST", "/api/v1/routes/test", body, &r); err != nil {
				return err
			}
			return c.showTrial(&r)
		},
	}
	f := cmd.Flags()
	f.StringVar(&account, "account", "", "`name` or number of the account; none: whose key asks")
	f.StringVar(&from, "from", "", "`sender`")
	f.StringVar(&to, "to", "", "recipient's `number`")
	f.StringVar(&text, "text", "", "the `text`, for rules on keywords, encodings and parts")
	f.StringVar(&encoding, "encoding", "", "`name`: AUTO, GSM7, UCS2, LATIN1, BINARY")
	f.StringVar(&priority, "priority", "", "`name`: LOW, NORMAL, HIGH, CRITICAL")
	f.StringVar(&tag, "tag", "", "the message's `tag`")
	f.StringVar(&at, "at", "", "when it is accepted, such as 2030-01-31T09:00:00Z; none: now (`time`)")
	f.IntVar(&limit, "limit", 0, "`count` of rules shown; 0: 100")
	return cmd
}

// trialReply is the answer of a dry run.
type trialReply struct {
	Matched   bool   `json:"matched"`
	Route     string `json:"route"`
	Connector string `json:"connector"`
	Why       string `json:"why"`
	Targets   []struct {
		Connector string  `json:"connector"`
		State     string  `json:"state"`
		Weight    int     `json:"weight"`
		Cost      float64 `json:"cost"`
		Chosen    bool    `json:"chosen"`
	} `json:"targets"`
	Rules []struct {
		Route    string   `json:"route"`
		Priority int      `json:"priority"`
		Verdict  string   `json:"verdict"`
		Reasons  []string `json:"reasons"`
	} `json:"rules"`
	Unshown int `json:"unshown"`
}

func (c *restClient) showTrial(r *trialReply) error {
	if c.output == "json" {
		return nil
	}
	if err := c.fields("route", dash(r.Route), "connector", dash(r.Connector), "why", r.Why); err != nil {
		return err
	}
	var rows [][]string
	for _, j := range r.Rules {
		rows = append(rows, []string{j.Route, strconv.Itoa(j.Priority), j.Verdict, dash(strings.Join(j.Reasons, "; "))})
	}
	fmt.Fprintln(c.env.Stdout)
	if err := c.table("RULE PRIORITY VERDICT REASON", rows); err != nil {
		return err
	}
	if r.Unshown > 0 {
		fmt.Fprintf(c.env.Stdout, "%d more rules: --limit shows them\n", r.Unshown)
	}
	if len(r.Targets) == 0 {
		return nil
	}
	rows = nil
	for _, t := range r.Targets {
		chosen := ""
		if t.Chosen {
			chosen = "chosen"
		}
		rows = append(rows, []string{t.Connector, t.State, chosen})
	}
	fmt.Fprintln(c.env.Stdout)
	return c.table("CONNECTOR STATE ", rows)
}
