package main

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"protei-bulk/client"
)

// moneyFlags are the flags of what an account pays.
type moneyFlags struct {
	billing, currency, credit, price string
	refunds                          []string
	parent                           uint32
	shared                           bool
}

func (m *moneyFlags) register(f *pflag.FlagSet) {
	f.StringVar(&m.billing, "billing", "", "`mode`: postpaid (default), or prepaid: what the balance does not pay for is refused")
	f.StringVar(&m.currency, "currency", "", "`currency` of its amounts; none: the platform's")
	f.StringVar(&m.credit, "credit-limit", "", "`amount` that the balance may be below 0")
	f.StringVar(&m.price, "price", "", "`amount` for a part that its route has no price for; none: the platform's")
	f.StringSliceVar(&m.refunds, "refunds", nil, "final `states` of parts whose price is paid back: REJECTED, FAILED_UNSENT, FAILED, EXPIRED_UNSENT, EXPIRED, CANCELLED")
	f.Uint32Var(&m.parent, "parent", 0, "`number` of the reseller that it belongs to")
	f.BoolVar(&m.shared, "shared-balance", false, "its messages are paid by its parent")
}

// addTo puts the flags that were given into the body of a request. Amounts go as they were
// written: they are exact decimal numbers.
func (m *moneyFlags) addTo(body map[string]any, cmd *cobra.Command) {
	for flag, value := range map[string]any{
		"billing": m.billing, "currency": m.currency, "credit-limit": m.credit, "price": m.price, "refunds": m.refunds,
		"parent": m.parent, "shared-balance": m.shared,
	} {
		if cmd.Flags().Changed(flag) {
			body[underscored(flag)] = value
		}
	}
}

func accountBalance(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "balance ID|me", Short: "Show what an account can spend, and how it came to that", Args: wants("ID"),
		Example: `  protei-bulk account balance me
  protei-bulk account balance 3 --output json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var b struct {
				Account                                                  uint32      `json:"account_id"`
				PaidBy                                                   uint32      `json:"paid_by"`
				Billing, Currency                                        string      `json:",omitempty"`
				Balance, Reserved, Available, Credits, Charged, Refunded json.Number `json:",omitempty"`
				CreditLimit                                              json.Number `json:"credit_limit"`
				Unlimited                                                bool
			}
			if err := c.onAccount(cmd, "GET", args[0], "/balance", nil, &b); err != nil {
				return err
			}
			available := b.Available.String()
			if b.Unlimited {
				available = "no limit"
			}
			paidBy := ""
			if b.PaidBy != b.Account {
				paidBy = strconv.Itoa(int(b.PaidBy))
			}
			return c.fields("account", strconv.Itoa(int(b.Account)), "paid by", paidBy, "billing", b.Billing, "currency", b.Currency,
				"balance", b.Balance.String(), "reserved", b.Reserved.String(), "credit limit", b.CreditLimit.String(), "available", available,
				"credits", b.Credits.String(), "charged", b.Charged.String(), "refunded", b.Refunded.String())
		},
	}
}

// movementReply is a movement as REST shows it.
type movementReply struct {
	ID        string `json:"movement_id"`
	Account   uint32 `json:"account_id"`
	Kind      string
	Amount    json.Number
	Currency  string
	Peer      uint32 `json:"other_account"`
	At        string
	Reference string
	Note      string
	Repeated  bool
}

func (m *movementReply) peer() string {
	if m.Peer == 0 {
		return ""
	}
	return strconv.Itoa(int(m.Peer))
}

// accountMove makes a command that moves money.
func accountMove(c *restClient, use, short, path, example string) *cobra.Command {
	var reference, note string
	var take bool
	cmd := &cobra.Command{
		Use: use + " ID AMOUNT", Short: short, Args: wants("ID", "AMOUNT"), Example: example,
		RunE: func(cmd *cobra.Command, args []string) error {
			amount := args[1]
			if take {
				amount = "-" + amount
			}
			body := map[string]any{"amount": amount}
			for name, v := range map[string]string{"reference": reference, "note": note} {
				if v != "" {
					body[name] = v
				}
			}
			var m movementReply
			if err := c.onAccount(cmd, "POST", args[0], "/"+path, body, &m); err != nil {
				return err
			}
			repeated := ""
			if m.Repeated {
				repeated = "yes: nothing moved now"
			}
			return c.fields("movement", m.ID, "account", strconv.Itoa(int(m.Account)), "kind", m.Kind, "amount", m.Amount.String()+" "+m.Currency,
				"other account", m.peer(), "reference", m.Reference, "note", m.Note, "repeated", repeated)
		},
	}
	cmd.Flags().StringVar(&reference, "reference", "", "unique `text` of the account's: the same one again moves nothing")
	cmd.Flags().StringVar(&note, "note", "", "`text` for people")
	if path != "topup" {
		cmd.Flags().BoolVar(&take, "take", false, "take the amount from the account instead")
	}
	return cmd
}

func accountMovements(c *restClient) *cobra.Command {
	limit, cursor := 50, ""
	cmd := &cobra.Command{
		Use: "movements ID|me", Short: "List an account's top-ups, adjustments and transfers, newest first", Args: wants("ID"),
		Example: "  protei-bulk account movements me --limit 10",
		RunE: func(cmd *cobra.Command, args []string) error {
			q := url.Values{"limit": {strconv.Itoa(limit)}}
			if cursor != "" {
				q.Set("cursor", cursor)
			}
			var reply struct {
				Movements []movementReply
			}
			if err := c.onAccount(cmd, "GET", args[0], "/movements?"+q.Encode(), nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for _, m := range reply.Movements {
				rows = append(rows, []string{m.ID, m.At, m.Kind, m.Amount.String(), m.Currency, dash(m.peer()), dash(m.Reference), strings.TrimSpace(m.Note)})
			}
			return c.table("MOVEMENT AT KIND AMOUNT CURRENCY OTHER REFERENCE NOTE", rows)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "`count`, up to 1000")
	cmd.Flags().StringVar(&cursor, "cursor", "", "`movement` below which to go on")
	return cmd
}

func accountMoney(c *restClient) []*cobra.Command {
	return []*cobra.Command{
		accountBalance(c), accountMovements(c),
		accountMove(c, "topup", "Pay money in", "topup", "  protei-bulk account topup 3 250 --reference invoice-17 --note \"bank transfer\""),
		accountMove(c, "adjust", "Correct a balance, up or down", "adjust", "  protei-bulk account adjust 3 1.50 --note \"wrong price\"\n  protei-bulk account adjust 3 1.50 --take"),
		accountMove(c, "transfer", "Give a child account money of its parent's, or take it back", "transfer",
			"  protei-bulk account transfer 7 100\n  protei-bulk account transfer 7 40 --take"),
	}
}

// accountSet changes what an account pays and its limits.
func accountSet(c *restClient) *cobra.Command {
	money, limits := new(moneyFlags), newLimitFlags()
	cmd := &cobra.Command{
		Use: "set ID", Short: "Change an account's limits, senders and billing", Args: wants("ID"),
		Example: `  protei-bulk account set 3 --billing prepaid --credit-limit 50
  protei-bulk account set acme --tps 200 --max-binds 4
  protei-bulk account set 3 --price 0.045 --refunds REJECTED,FAILED,CANCELLED`,
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{}
			money.addTo(body, cmd)
			limits.addTo(body, cmd)
			if len(body) == 0 {
				return usageError("what shall change? see protei-bulk account set --help")
			}
			var a client.Account
			if err := c.onAccount(cmd, "PATCH", args[0], "", body, &a); err != nil {
				return err
			}
			return c.showAccount(a)
		},
	}
	money.register(cmd.Flags())
	limits.register(cmd.Flags())
	return cmd
}
