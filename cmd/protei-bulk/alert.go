package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func newAlertCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alert",
		Short: "See what needs people, and say who is told",
		Example: `  protei-bulk alert list
  protei-bulk alert channel set ops --kind webhook --target https://ops.example.com/alerts
  protei-bulk alert test ops
  protei-bulk alert rule set lane_long --threshold 50000`,
	}
	c := addRESTFlags(cmd, env)
	rules := &cobra.Command{Use: "rule", Short: "See and change when something fires", Example: "  protei-bulk alert rule list"}
	rules.AddCommand(alertRuleList(c), alertRuleSet(c))
	channels := &cobra.Command{Use: "channel", Short: "Say who is told, and how", Example: "  protei-bulk alert channel list"}
	channels.AddCommand(alertChannelList(c), alertChannelSet(c), alertChannelDelete(c))
	cmd.AddCommand(alertList(c), alertTest(c), rules, channels)
	return cmd
}

// alertReply is an alert as REST shows it.
type alertReply struct {
	State, Rule, Subject, Summary, At string
}

func alertList(c *restClient) *cobra.Command {
	limit := 20
	cmd := &cobra.Command{
		Use: "list", Short: "List what fires now, and what did before", Args: cobra.NoArgs,
		Example: "  protei-bulk alert list --limit 100",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply struct{ Firing, History []alertReply }
			if err := c.do(cmd.Context(), "GET", "/api/v1/alerts?limit="+strconv.Itoa(limit), nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for when, list := range [][]alertReply{reply.Firing, reply.History} {
				for _, a := range list {
					rows = append(rows, []string{[]string{"now", "history"}[when], a.State, a.Rule, dash(a.Subject), moment(a.At), a.Summary})
				}
			}
			return c.table("WHEN STATE RULE SUBJECT AT SUMMARY", rows)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "at most this `number` of the history")
	return cmd
}

func alertTest(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "test NAME", Short: "Send a test over a channel", Args: wants("NAME"),
		Example: "  protei-bulk alert test ops",
		RunE: func(cmd *cobra.Command, args []string) error {
			var reply struct {
				Sent  bool
				Error string
			}
			if err := c.do(cmd.Context(), "POST", "/api/v1/alerts/channels/"+pathEscape(args[0])+"/test", nil, &reply); err != nil || c.output == "json" {
				return err
			}
			if !reply.Sent {
				return &exitError{code: 1, err: fmt.Errorf("channel %s did not take the test: %s", args[0], reply.Error)}
			}
			fmt.Fprintln(c.env.Stdout, "the test was taken")
			return nil
		},
	}
}

func alertRuleList(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the rules with their thresholds", Args: cobra.NoArgs,
		Example: "  protei-bulk alert rule list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply struct {
				Rules []struct {
					Name, Meaning     string
					Threshold, Margin float64
					For               int64 `json:"for_seconds"`
					Repeat            int64 `json:"repeat_seconds"`
					Disabled          bool
				}
			}
			if err := c.do(cmd.Context(), "GET", "/api/v1/alerts/rules", nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for _, r := range reply.Rules {
				state := "on"
				if r.Disabled {
					state = "off"
				}
				rows = append(rows, []string{
					r.Name, state, fmt.Sprint(r.Threshold), fmt.Sprint(r.Margin), strconv.FormatInt(r.For, 10),
					strconv.FormatInt(r.Repeat, 10), r.Meaning,
				})
			}
			return c.table("NAME STATE THRESHOLD MARGIN FOR REPEAT MEASURES", rows)
		},
	}
}

func alertRuleSet(c *restClient) *cobra.Command {
	var threshold, margin float64
	var holds, repeat int
	var disabled bool
	var subjects []string
	cmd := &cobra.Command{
		Use: "set NAME", Short: "Change when a rule fires", Args: wants("NAME"),
		Example: `  protei-bulk alert rule set lane_long --threshold 50000 --for 120
  protei-bulk alert rule set balance_low --subject acme=500`,
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{}
			for flag, v := range map[string]any{"threshold": threshold, "margin": margin, "disabled": disabled} {
				if cmd.Flags().Changed(flag) {
					body[flag] = v
				}
			}
			for flag, v := range map[string]int{"for": holds, "repeat": repeat} {
				if cmd.Flags().Changed(flag) {
					body[flag+"_seconds"] = v
				}
			}
			if len(subjects) > 0 {
				limits, err := subjectThresholds(subjects)
				if err != nil {
					return err
				}
				body["subjects"] = limits
			}
			return c.do(cmd.Context(), "PATCH", "/api/v1/alerts/rules/"+pathEscape(args[0]), body, nil)
		},
	}
	cmd.Flags().Float64Var(&threshold, "threshold", 0, "`value` from which on it fires")
	cmd.Flags().Float64Var(&margin, "margin", 0, "how far it has to come back before it resolves, a `value`")
	cmd.Flags().IntVar(&holds, "for", 0, "`seconds` that it must stay so")
	cmd.Flags().IntVar(&repeat, "repeat", 0, "`seconds` after which it is told again; 0: once")
	cmd.Flags().BoolVar(&disabled, "disabled", false, "it never fires")
	cmd.Flags().StringArrayVar(&subjects, "subject", nil, "`NAME=VALUE`: the threshold of one connector or account; replaces those set before")
	return cmd
}

func subjectThresholds(pairs []string) (map[string]float64, error) {
	limits := make(map[string]float64, len(pairs))
	for _, pair := range pairs {
		i := strings.LastIndexByte(pair, '=')
		v, err := strconv.ParseFloat(pair[i+1:], 64)
		if i < 1 || err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, usageError("--subject %q is not NAME=VALUE", pair)
		}
		limits[pair[:i]] = v
	}
	return limits, nil
}
