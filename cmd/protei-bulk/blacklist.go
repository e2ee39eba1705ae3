package main

import (
	"fmt"
	"net/url"
	"os"
	"strconv"

	"github.com/spf13/cobra"
)

// newNumbersCommand makes the commands of one kind of list: blacklist or optouts.
func newNumbersCommand(env *environment, use, path, short string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Example: fmt.Sprintf(`  protei-bulk %[1]s add +4915112345678 --account 3
  protei-bulk %[1]s import numbers.csv
  protei-bulk %[1]s list
  protei-bulk %[1]s remove +4915112345678 --account 3`, use),
	}
	c := addRESTFlags(cmd, env)
	n := &numbersCommand{c: c, use: use, path: "/api/v1/" + path}
	cmd.PersistentFlags().StringVar(&n.account, "account", "", "whose list: an account's `number`, me, or all; none: all for an admin, else the caller's")
	cmd.AddCommand(n.add(), n.importFile(), n.list(), n.remove())
	return cmd
}

type numbersCommand struct {
	c               *restClient
	use, path       string
	account, sender string
	number, cursor  string
	limit           int
}

// query is the query string of a call, with what is not empty.
func (n *numbersCommand) query(pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if n.account != "" {
		q.Set("account_id", n.account)
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// numbersReply is the answer to a change.
type numbersReply struct {
	Total, Added, Removed, Unchanged, Refused int
	Errors                                    []struct {
		Index  int
		Detail string
	}
}

func (n *numbersCommand) show(text []byte) error {
	if n.c.output == "json" {
		_, err := n.c.env.Stdout.Write(text)
		return err
	}
	var r numbersReply
	if err := n.c.decode(text, &r); err != nil {
		return err
	}
	for _, e := range r.Errors {
		fmt.Fprintf(n.c.env.Stderr, "%d: %s\n", e.Index, e.Detail)
	}
	return n.c.fields("numbers", strconv.Itoa(r.Total), "added", orEmpty(int64(r.Added)), "removed", orEmpty(int64(r.Removed)),
		"unchanged", orEmpty(int64(r.Unchanged)), "refused", orEmpty(int64(r.Refused)))
}

func (n *numbersCommand) senderFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&n.sender, "sender", "", "only messages of this `sender`; none: of any")
	return cmd
}

func (n *numbersCommand) add() *cobra.Command {
	return n.senderFlag(&cobra.Command{
		Use: "add NUMBER...", Short: "Put numbers on the list", Args: cobra.MinimumNArgs(1),
		Example: fmt.Sprintf("  protei-bulk %s add +4915112345678 --sender SHOP", n.use),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := n.c.fetch(cmd.Context(), "POST", n.path+n.query("sender", n.sender), map[string]any{"numbers": args})
			if err != nil {
				return err
			}
			return n.show(text)
		},
	})
}

func (n *numbersCommand) remove() *cobra.Command {
	return n.senderFlag(&cobra.Command{
		Use: "remove NUMBER...", Short: "Take numbers from the list", Args: cobra.MinimumNArgs(1),
		Example: fmt.Sprintf("  protei-bulk %s remove +4915112345678", n.use),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := n.c.fetch(cmd.Context(), "POST", n.path+"/remove"+n.query("sender", n.sender), map[string]any{"numbers": args})
			if err != nil {
				return err
			}
			return n.show(text)
		},
	})
}

func (n *numbersCommand) importFile() *cobra.Command {
	return n.senderFlag(&cobra.Command{
		Use: "import FILE", Short: "Put the numbers of a file on the list: one in each line, or the first column of a CSV", Args: wants("FILE"),
		Example: fmt.Sprintf(`  protei-bulk %[1]s import numbers.csv --account 3
  protei-bulk %[1]s import -          (from standard input)`, n.use),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := n.c.env.Stdin
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return usageError("%v", err)
				}
				defer f.Close()
				in = f
			}
			text, err := n.c.send(cmd.Context(), "POST", n.path+n.query("sender", n.sender), "text/csv", in)
			if err != nil {
				return err
			}
			return n.show(text)
		},
	})
}

func (n *numbersCommand) list() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the numbers", Args: cobra.NoArgs,
		Example: fmt.Sprintf("  protei-bulk %s list --number +4915112345678", n.use),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply struct {
				Numbers []struct {
					Number, Sender, Since, Source string
					Account                       *int64 `json:"account_id"`
				}
				NextCursor string `json:"next_cursor"`
			}
			path := n.path + n.query("number", n.number, "cursor", n.cursor, "limit", strconv.Itoa(n.limit))
			if err := n.c.do(cmd.Context(), "GET", path, nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for _, e := range reply.Numbers {
				owner := "all"
				if e.Account != nil {
					owner = strconv.FormatInt(*e.Account, 10)
				}
				rows = append(rows, []string{e.Number, owner, dash(e.Sender), e.Since, e.Source})
			}
			if err := n.c.table("NUMBER ACCOUNT SENDER SINCE SOURCE", rows); err != nil {
				return err
			}
			n.c.more(reply.NextCursor)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&n.number, "number", "", "only this `number`")
	f.StringVar(&n.cursor, "cursor", "", "go on after this `place`, as the list before said")
	f.IntVar(&n.limit, "limit", 100, "`count` of numbers, up to 1,000")
	return cmd
}
