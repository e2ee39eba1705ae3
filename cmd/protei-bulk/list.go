package main

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

// listFlags are the flags of a command that lists: a limit, filters and a cursor.
type listFlags struct {
	limit   int
	filters map[string]*string // by the query's parameter
}

// listFilter is a filter: the query's parameter, the flag and what it says of itself.
type listFilter struct{ param, flag, usage string }

// register gives cmd the flags; what are the things that it lists.
func (l *listFlags) register(cmd *cobra.Command, what string, filters ...listFilter) {
	f := cmd.Flags()
	f.IntVar(&l.limit, "limit", 20, "`count` of "+what+", up to 1,000")
	l.filters = make(map[string]*string, len(filters)+1)
	for _, o := range append(filters, listFilter{"cursor", "cursor", "go on where a list ended: the `ID` it named"}) {
		l.filters[o.param] = f.String(o.flag, "", o.usage)
	}
}

// query is what the flags ask for.
func (l *listFlags) query() string {
	q := url.Values{"limit": {strconv.Itoa(l.limit)}}
	for param, v := range l.filters {
		if *v != "" {
			q.Set(param, *v)
		}
	}
	return q.Encode()
}

// more says how to go on, unless the list is at its end or for a script.
func (c *restClient) more(cursor string) {
	if cursor != "" && c.output == "table" {
		fmt.Fprintln(c.env.Stderr, "more: --cursor", cursor)
	}
}
