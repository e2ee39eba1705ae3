package main

import (
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// limitFlags are the flags of an account's limits, of its senders and of where its receipts go.
type limitFlags struct {
	tps                  float64
	burst, window, binds int
	daily, monthly       int64
	counts, zone         string
	senders, allow       []string
	sender, types        string
	policy, dlrURL       string
}

func newLimitFlags() *limitFlags { return new(limitFlags) }

func (l *limitFlags) register(f *pflag.FlagSet) {
	f.Float64Var(&l.tps, "tps", 0, "`messages` a second; 0: no limit")
	f.IntVar(&l.binds, "max-binds", 0, "`count` of SMPP binds at once; 0: 100")
	f.StringSliceVar(&l.allow, "smpp-allow", nil, "`addresses` and networks that SMPP binds may come from; none: any")
	f.StringVar(&l.sender, "default-sender", "", "`sender` of messages that name none")
	f.StringVar(&l.dlrURL, "dlr-url", "", "webhook `URL` for final states")
	f.IntVar(&l.burst, "burst", 0, "`count` that --tps lets through at once; 0: one second's")
	f.StringVar(&l.counts, "tps-counts", "", "`what` --tps counts: messages (default) or parts")
	f.Int64Var(&l.daily, "daily-quota", 0, "`parts` a day; 0: no limit")
	f.Int64Var(&l.monthly, "monthly-quota", 0, "`parts` a month; 0: no limit")
	f.StringVar(&l.zone, "time-zone", "", "`zone` of days and months, such as Asia/Dubai; none: UTC")
	f.StringSliceVar(&l.senders, "senders", nil, "`senders` that messages may have: exact, begin*, or /regular expression/; none: any")
	f.StringVar(&l.types, "sender-types", "", "`kind` of senders: any (default), numeric, alphanumeric")
	f.StringVar(&l.policy, "sender-policy", "", "`what` becomes of other senders: refuse (default), or replace by --default-sender")
	f.IntVar(&l.window, "window", 0, "`count` of submit_sm of a bind without our answer; 0: the server's default")
}

// addTo puts the flags that were given into the body of a request.
func (l *limitFlags) addTo(body map[string]any, cmd *cobra.Command) {
	for flag, value := range map[string]any{
		"tps": l.tps, "max-binds": l.binds, "smpp-allow": l.allow, "default-sender": l.sender, "dlr-url": l.dlrURL,
		"burst": l.burst, "tps-counts": l.counts, "daily-quota": l.daily, "monthly-quota": l.monthly, "time-zone": l.zone, "window": l.window,
		"senders": l.senders, "sender-types": l.types, "sender-policy": l.policy,
	} {
		if cmd.Flags().Changed(flag) {
			body[underscored(flag)] = value
		}
	}
}

func underscored(flag string) string {
	b := []byte(flag)
	for i := range b {
		if b[i] == '-' {
			b[i] = '_'
		}
	}
	return string(b)
}

func accountUsage(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "usage ID|me", Short: "Show what an account used of its quotas", Args: wants("ID"),
		Example: "  protei-bulk account usage me",
		RunE: func(cmd *cobra.Command, args []string) error {
			type period struct {
				From, Until string
				Parts       int64
				Quota, Left *int64
			}
			var u struct {
				TimeZone   string `json:"time_zone"`
				Day, Month period
			}
			if err := c.onAccount(cmd, "GET", args[0], "/usage", nil, &u); err != nil {
				return err
			}
			row := func(name string, p period) []string {
				quota, left := "no limit", "-"
				if p.Quota != nil {
					quota, left = strconv.FormatInt(*p.Quota, 10), strconv.FormatInt(*p.Left, 10)
				}
				return []string{name, strconv.FormatInt(p.Parts, 10), quota, left, p.Until}
			}
			return c.table("PERIOD PARTS QUOTA LEFT UNTIL", [][]string{row("day", u.Day), row("month", u.Month)})
		},
	}
}
