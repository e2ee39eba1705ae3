package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"protei-bulk/bulk"
	"protei-bulk/client"
)

func newAccountCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "account",
		Short: "Manage accounts, API keys and passwords",
		Long:  "Manages accounts, API keys and passwords. ID is an account's number, its name, or me.",
		Example: `  protei-bulk account list
  protei-bulk account create acme --system-id acme --tps 500
  protei-bulk account set acme --tps 200 --price 0.045
  protei-bulk account key create 3 --name laptop
  protei-bulk account reset-admin --data ./data      (offline: the platform is stopped)`,
	}
	c := addRESTFlags(cmd, env)
	cmd.AddCommand(accountList(c), accountCreate(c), accountShow(c), accountUsage(c), accountDisable(c, true), accountDisable(c, false),
		accountPassword(c), accountKey(c), accountResetAdmin(env), accountSet(c))
	cmd.AddCommand(accountMoney(c)...)
	return cmd
}

func accountList(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the accounts", Args: cobra.NoArgs,
		Example: "  protei-bulk account list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply struct{ Accounts []client.Account }
			if err := c.do(cmd.Context(), "GET", "/api/v1/accounts", nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for _, a := range reply.Accounts {
				rows = append(rows, []string{strconv.Itoa(int(a.ID)), a.Name, a.Role, dash(a.SystemID), limitText(a.TPS), stateText(a.Disabled)})
			}
			return c.table("ID NAME ROLE SYSTEM_ID TPS STATE", rows)
		},
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func limitText(tps float64) string {
	if tps == 0 {
		return "no limit"
	}
	return strconv.FormatFloat(tps, 'f', -1, 64)
}

func stateText(disabled bool) string {
	if disabled {
		return "disabled"
	}
	return "active"
}

func accountCreate(c *restClient) *cobra.Command {
	body := map[string]any{}
	var role, systemID, password, ids, outbind, outbindPassword string
	var ordered bool
	limits, money := newLimitFlags(), new(moneyFlags)
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create an account and show its secrets, once", Args: wants("NAME"),
		Example: `  protei-bulk account create acme --system-id acme --tps 500
  protei-bulk account create shop --daily-quota 10000 --time-zone Asia/Dubai
  protei-bulk account create ops --role admin`,
		RunE: func(cmd *cobra.Command, args []string) error {
			body["name"] = args[0]
			for name, v := range map[string]string{
				"role": role, "system_id": systemID, "password": password,
				"message_ids": ids, "outbind": outbind, "outbind_password": outbindPassword,
			} {
				if v != "" {
					body[name] = v
				}
			}
			if ordered {
				body["ordered"] = true
			}
			limits.addTo(body, cmd)
			money.addTo(body, cmd)
			var a client.Account
			if err := c.do(cmd.Context(), "POST", "/api/v1/accounts", body, &a); err != nil {
				return err
			}
			if err := c.showAccount(a); err != nil {
				return err
			}
			if c.output == "table" {
				fmt.Fprintln(c.env.Stderr, "key and password are stored as hashes only and cannot be shown again")
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&role, "role", "", "a `name`: customer (default), reseller or admin")
	f.StringVar(&systemID, "system-id", "", "SMPP `system_id`, up to 15 characters; none: no SMPP")
	f.StringVar(&password, "password", "", "SMPP and Basic `password`, up to 8 characters for SMPP; none: a random one")
	f.StringVar(&ids, "message-ids", "", "`form` of message_id over SMPP: hex (default) or dec")
	f.StringVar(&outbind, "outbind", "", "`host:port` that is asked to bind while something waits for it")
	f.StringVar(&outbindPassword, "outbind-password", "", "`password` in the outbind, up to 8 characters")
	limits.register(f)
	money.register(f)
	f.BoolVar(&ordered, "ordered", false, "its messages to one number leave in the order in which they were accepted")
	return cmd
}

// onAccount sends one call about an account, which is named by its number, its name or me.
func (c *restClient) onAccount(cmd *cobra.Command, method, account, path string, body, into any) error {
	if account != "me" {
		ids, err := c.accountIDs(cmd.Context(), account)
		if err != nil {
			return err
		}
		account = strconv.FormatUint(uint64(ids[0]), 10)
	}
	return c.do(cmd.Context(), method, "/api/v1/accounts/"+account+path, body, into)
}

// accountIDs turns names into numbers, and leaves numbers as they are.
func (c *restClient) accountIDs(ctx context.Context, names ...string) (ids []uint32, err error) {
	var reply struct{ Accounts []client.Account }
	for _, name := range names {
		if id, err := strconv.ParseUint(name, 10, 32); err == nil {
			ids = append(ids, uint32(id))
			continue
		}
		if reply.Accounts == nil {
			text, err := c.fetch(ctx, "GET", "/api/v1/accounts", nil)
			if err != nil {
				return nil, err
			}
			if err := c.decode(text, &reply); err != nil {
				return nil, err
			}
		}
		i := slices.IndexFunc(reply.Accounts, func(a client.Account) bool { return a.Name == name })
		if i < 0 {
			return nil, usageError("there is no account of the name %q: protei-bulk account list shows them", name)
		}
		ids = append(ids, reply.Accounts[i].ID)
	}
	return ids, nil
}

func (c *restClient) showAccount(a client.Account) error {
	quotaZone, shared := "", ""
	if a.DailyQuota+a.MonthlyQuota > 0 {
		quotaZone = a.TimeZone
	}
	if a.SharedBalance {
		shared = "yes"
	}
	return c.fields("account", strconv.Itoa(int(a.ID)), "name", a.Name, "role", a.Role, "state", stateText(a.Disabled), "tps", limitText(a.TPS),
		"burst", orEmpty(int64(a.Burst)), "daily quota", orEmpty(a.DailyQuota), "monthly quota", orEmpty(a.MonthlyQuota), "time zone", quotaZone,
		"max binds", orEmpty(int64(a.MaxBinds)), "window", orEmpty(int64(a.Window)), "smpp allow", strings.Join(a.SMPPAllow, ","),
		"sender", a.DefaultSender, "senders", strings.Join(a.Senders, ","), "billing", a.Billing, "currency", a.Currency, "price", a.Price.String(),
		"credit limit", a.CreditLimit.String(), "parent", orEmpty(int64(a.Parent)), "shared balance", shared,
		"system_id", a.SystemID, "password", a.Password, "api key", a.APIKey, "dlr_url", a.DLRURL, "webhook secret", a.WebhookSecret)
}

func accountShow(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "show ID|me", Short: "Show one account", Args: wants("ID"),
		Example: `  protei-bulk account show 3
  protei-bulk account show me`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var a client.Account
			if err := c.onAccount(cmd, "GET", args[0], "", nil, &a); err != nil {
				return err
			}
			return c.showAccount(a)
		},
	}
}

func accountDisable(c *restClient, disable bool) *cobra.Command {
	use, short := "enable ID", "Let an account in again"
	if disable {
		use, short = "disable ID", "Lock an account out"
	}
	return &cobra.Command{
		Use: use, Short: short, Args: wants("ID"),
		Example: "  protei-bulk account " + strings.Replace(use, "ID", "3", 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var a client.Account
			err := c.onAccount(cmd, "PATCH", args[0], "", map[string]any{"disabled": disable}, &a)
			if err != nil {
				return err
			}
			return c.showAccount(a)
		},
	}
}

func accountPassword(c *restClient) *cobra.Command {
	var password string
	cmd := &cobra.Command{
		Use: "password ID", Short: "Set the SMPP and Basic password and show it, once", Args: wants("ID"),
		Example: "  protei-bulk account password 3",
		RunE: func(cmd *cobra.Command, args []string) error {
			var a client.Account
			err := c.onAccount(cmd, "POST", args[0], "/password", map[string]any{"password": password}, &a)
			if err != nil {
				return err
			}
			return c.fields("system_id", a.SystemID, "password", a.Password)
		},
	}
	cmd.Flags().StringVar(&password, "password", "", "the `password`; none: a random one")
	return cmd
}

// accountResetAdmin works on the data folder of a platform that is stopped.
func accountResetAdmin(env *environment) *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "reset-admin --data DIR",
		Short: "Give the account admin a new key and password (offline)",
		Long: `Gives the account admin a new API key and password and revokes its old keys, in the
data folder of a platform that is stopped. It makes the account when it is missing.`,
		Example: "  protei-bulk account reset-admin --data /var/lib/protei-bulk",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if data == "" {
				data = env.Getenv("PROTEI_BULK_DATA")
			}
			if data == "" {
				return usageError("--data DIR is needed: the data folder of the platform")
			}
			key, password, err := bulk.ResetAdmin(data)
			if err != nil {
				return &exitError{code: 1, err: err}
			}
			fmt.Fprintf(env.Stdout, "account   admin\napi key   %s\npassword  %s\n", key, password)
			fmt.Fprintln(env.Stderr, "key and password are stored as hashes only and cannot be shown again")
			return nil
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "data `folder` (PROTEI_BULK_DATA)")
	return cmd
}
