package main

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// userReply is a user of the console as REST shows it.
type userReply struct {
	Name       string `json:"name"`
	Role       string `json:"role"`
	AccountID  uint32 `json:"account_id"`
	Account    string `json:"account"`
	Disabled   bool   `json:"disabled"`
	TwoFactor  bool   `json:"two_factor"`
	MustChange bool   `json:"must_change"`
	Password   string `json:"password"`
}

func newUserCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Manage the people who sign in to the operator console",
		Example: `  protei-bulk user list
  protei-bulk user create ann --role operator
  protei-bulk user create shop --role customer --account 3
  protei-bulk user set-password ann`,
	}
	c := addRESTFlags(cmd, env)
	cmd.AddCommand(userList(c), userCreate(c), userUpdate(c), userPassword(c), userDelete(c))
	return cmd
}

func userList(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the users", Args: cobra.NoArgs,
		Example: "  protei-bulk user list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply struct{ Users []userReply }
			if err := c.do(cmd.Context(), "GET", "/api/v1/users", nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for _, u := range reply.Users {
				rows = append(rows, []string{u.Name, u.Role, u.Account, u.secondFactor(), stateText(u.Disabled)})
			}
			return c.table("NAME ROLE ACCOUNT TWO_FACTOR STATE", rows)
		},
	}
}

func (u *userReply) secondFactor() string {
	if u.TwoFactor {
		return "yes"
	}
	return "no"
}

func (c *restClient) showUser(u *userReply) error {
	account := ""
	if u.AccountID != 0 {
		account = u.Account + " (" + strconv.Itoa(int(u.AccountID)) + ")"
	}
	if err := c.fields("user", u.Name, "role", u.Role, "account", account, "two factor", u.secondFactor(), "state", stateText(u.Disabled), "password", u.Password); err != nil {
		return err
	}
	if u.Password != "" && c.output == "table" {
		fmt.Fprintln(c.env.Stderr, "the password cannot be shown again, and has to be changed at the first sign-in")
	}
	return nil
}

// userFlags are what a user is made and changed with.
type userFlags struct {
	role    string
	account uint32
}

func (f *userFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.role, "role", "", "a `name`: admin, operator, auditor or customer")
	cmd.Flags().Uint32Var(&f.account, "account", 0, "`number` of the account that the user acts as; none: the account of the API key")
}

func (f *userFlags) addTo(body map[string]any, cmd *cobra.Command) {
	if f.role != "" {
		body["role"] = f.role
	}
	if cmd.Flags().Changed("account") {
		body["account_id"] = f.account
	}
}

func userCreate(c *restClient) *cobra.Command {
	var flags userFlags
	var stdin bool
	cmd := &cobra.Command{
		Use: "create NAME --role ROLE", Short: "Create a user and show the password, once", Args: wants("NAME"),
		Long: `Create a user and show the password, once. It has to be changed at the first sign-in.
An admin does everything; an operator runs the traffic and changes neither people nor money nor
the system; an auditor reads everything and changes nothing; a customer does what the account
of --account may do.`,
		Example: `  protei-bulk user create ann --role operator
  protei-bulk user create shop --role customer --account 3
  protei-bulk user create ben --role auditor --password-stdin < password.txt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{"name": args[0]}
			flags.addTo(body, cmd)
			if body["role"] == nil {
				return usageError("--role is missing: admin, operator, auditor or customer")
			}
			if err := c.addPassword(body, stdin); err != nil {
				return err
			}
			var u userReply
			if err := c.do(cmd.Context(), "POST", "/api/v1/users", body, &u); err != nil {
				return err
			}
			return c.showUser(&u)
		},
	}
	flags.register(cmd)
	passwordFlag(cmd, &stdin)
	return cmd
}

func passwordFlag(cmd *cobra.Command, stdin *bool) {
	cmd.Flags().BoolVar(stdin, "password-stdin", false, "read the password from standard input; none: a random one")
}

// addPassword reads the password, if it is given. It is no flag: others see those.
func (c *restClient) addPassword(body map[string]any, stdin bool) error {
	if !stdin {
		return nil
	}
	line, err := bufio.NewReader(c.env.Stdin).ReadString('\n')
	password := strings.TrimRight(line, "\r\n")
	if password == "" {
		return usageError("--password-stdin: there is no password on standard input (%v)", err)
	}
	body["password"] = password
	return nil
}

func userUpdate(c *restClient) *cobra.Command {
	var flags userFlags
	var disable, enable, drop bool
	cmd := &cobra.Command{
		Use: "update NAME", Short: "Change role or account, lock a user out, take a lost second factor away", Args: wants("NAME"),
		Example: `  protei-bulk user update ann --role auditor
  protei-bulk user update ann --disable
  protei-bulk user update ann --no-two-factor      (the authenticator was lost)`,
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{}
			flags.addTo(body, cmd)
			if disable || enable {
				body["disabled"] = disable
			}
			if drop {
				body["two_factor"] = false
			}
			if len(body) == 0 {
				return usageError("nothing to change: name --role, --account, --disable, --enable or --no-two-factor")
			}
			var u userReply
			if err := c.do(cmd.Context(), "PATCH", "/api/v1/users/"+pathEscape(args[0]), body, &u); err != nil {
				return err
			}
			return c.showUser(&u)
		},
	}
	flags.register(cmd)
	f := cmd.Flags()
	f.BoolVar(&disable, "disable", false, "lock the user out, at once")
	f.BoolVar(&enable, "enable", false, "let the user in again")
	f.BoolVar(&drop, "no-two-factor", false, "take the second factor away")
	cmd.MarkFlagsMutuallyExclusive("disable", "enable")
	return cmd
}

func userPassword(c *restClient) *cobra.Command {
	var stdin bool
	cmd := &cobra.Command{
		Use: "set-password NAME", Short: "Set a user's password and show it, once; sessions end", Args: wants("NAME"),
		Example: `  protei-bulk user set-password ann
  protei-bulk user set-password ann --password-stdin < password.txt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{}
			if err := c.addPassword(body, stdin); err != nil {
				return err
			}
			var u userReply
			if err := c.do(cmd.Context(), "POST", "/api/v1/users/"+pathEscape(args[0])+"/password", body, &u); err != nil {
				return err
			}
			return c.showUser(&u)
		},
	}
	passwordFlag(cmd, &stdin)
	return cmd
}

func userDelete(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Delete a user; sessions end", Args: wants("NAME"),
		Example: "  protei-bulk user delete ann",
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := c.fetch(cmd.Context(), "DELETE", "/api/v1/users/"+pathEscape(args[0]), nil); err != nil {
				return err
			}
			return c.fields("deleted", args[0])
		},
	}
}
