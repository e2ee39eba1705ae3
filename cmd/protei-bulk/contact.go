package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"protei-bulk/client"
)

// listReply is a contact list as REST shows it.
type listReply struct {
	ID        string `json:"list_id"`
	Name      string
	Members   int64
	Refused   int64    `json:"rows_refused"`
	Columns   []string `json:"columns"`
	UpdatedAt string   `json:"updated_at"`
	Import    *client.Import
}

func newContactsCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "contacts",
		Short: "Contact lists, to which campaigns are sent",
		Example: `  protei-bulk contacts create vip --file vips.csv
  protei-bulk contacts show vip
  protei-bulk campaign create spring --text "Dear {{name}}" --list vip`,
	}
	c := addRESTFlags(cmd, env)
	cmd.AddCommand(listCreate(c), listAdd(c), listAll(c), listShow(c), listErrors(c), listDelete(c))
	return cmd
}

func listCreate(c *restClient) *cobra.Command {
	var up upload
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a contact list, with members from a file", Args: wants("NAME"),
		Example: "  protei-bulk contacts create vip --file vips.csv",
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.fetch(cmd.Context(), "POST", "/api/v1/lists", map[string]any{"name": args[0]})
			var made listReply
			if err == nil {
				err = c.decode(answer, &made)
			}
			if err == nil && up.given() {
				answer, err = up.send(cmd.Context(), c, "/api/v1/lists/"+pathEscape(made.ID)+"/members")
			}
			if err != nil {
				return err
			}
			return c.showList(answer)
		},
	}
	up.flags(cmd)
	return cmd
}

func listAdd(c *restClient) *cobra.Command {
	var up upload
	cmd := &cobra.Command{
		Use: "add NAME --file FILE", Short: "Add members to a contact list", Args: wants("NAME"),
		Example: "  protei-bulk contacts add vip --file more.xlsx",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !up.given() {
				return usageError("--file is missing")
			}
			answer, err := up.send(cmd.Context(), c, "/api/v1/lists/"+pathEscape(args[0])+"/members")
			if err != nil {
				return err
			}
			return c.showList(answer)
		},
	}
	up.flags(cmd)
	return cmd
}

func (c *restClient) showList(answer []byte) error {
	if c.output == "json" {
		_, err := c.env.Stdout.Write(answer)
		return err
	}
	var r listReply
	if err := c.decode(answer, &r); err != nil {
		return err
	}
	pairs := []string{"list", r.ID, "name", r.Name, "members", fmt.Sprint(r.Members), "rows refused", orEmpty(r.Refused)}
	if r.Import != nil {
		pairs = append(pairs, "rows read", fmt.Sprint(r.Import.Rows), "added", fmt.Sprint(r.Import.Added), "duplicates", orEmpty(r.Import.Duplicates))
	}
	if err := c.fields(pairs...); err != nil {
		return err
	}
	if r.Import != nil && r.Import.Refused > 0 {
		fmt.Fprintf(c.env.Stderr, "`contacts errors %s` has the refused rows\n", r.ID)
	}
	return nil
}

func listAll(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the contact lists", Args: cobra.NoArgs,
		Example: "  protei-bulk contacts list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply struct{ Lists []listReply }
			if err := c.do(cmd.Context(), "GET", "/api/v1/lists", nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for _, r := range reply.Lists {
				rows = append(rows, []string{r.ID, r.Name, fmt.Sprint(r.Members), fmt.Sprint(r.Refused), r.UpdatedAt})
			}
			return c.table("ID NAME MEMBERS REFUSED UPDATED", rows)
		},
	}
}

func listShow(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a contact list", Args: wants("NAME"),
		Example: "  protei-bulk contacts show vip",
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.fetch(cmd.Context(), "GET", "/api/v1/lists/"+pathEscape(args[0]), nil)
			if err != nil {
				return err
			}
			return c.showList(answer)
		},
	}
}

func listErrors(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "errors NAME", Short: "Print the error file: rows that were refused", Args: wants("NAME"),
		Example: "  protei-bulk contacts errors vip > errors.csv",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.copy(cmd.Context(), "/api/v1/lists/"+pathEscape(args[0])+"/errors")
		},
	}
}

func listDelete(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Delete a contact list; campaigns keep their recipients", Args: wants("NAME"),
		Example: "  protei-bulk contacts delete vip",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.do(cmd.Context(), "DELETE", "/api/v1/lists/"+pathEscape(args[0]), nil, nil)
		},
	}
}
