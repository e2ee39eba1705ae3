package inbound

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"protei-bulk/bulk/message"
)

// Route says whose a message is. Of its conditions those that are set must all hold.
type Route struct {
	ID      message.ID
	Name    string
	Order   int    // routes are tried from the lowest on; equal ones from the oldest
	To      string // the number the mobile wrote to: exact, or the begin of it and *
	From    string // the mobile, in the same way
	Keyword string // first word of the text, in any case
	Pattern string // regular expression (RE2) that is found in the text

	Account  uint32 // whose the message is
	URL      string // webhook; empty: the account's SMPP binds
	Disabled bool
}

// Bounds of a route's fields.
const (
	MaxName    = 64
	MaxNumber  = 21
	MaxKeyword = 64
	MaxPattern = 500
	MaxURL     = 2048
	MaxOrder   = 1_000_000
	MaxRoutes  = 100_000
)

// FieldError names the field of a Route that cannot be accepted.
type FieldError struct {
	Field  string // as in the API
	Detail string
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + ": " + e.Detail }

// Validate names every fault at once, joined; each one is a *FieldError.
func (r *Route) Validate() error {
	var faults []error
	bad := func(field, format string, args ...any) {
		faults = append(faults, &FieldError{field, fmt.Sprintf(format, args...)})
	}
	if len(r.Name) > MaxName {
		bad("name", "has %d octets, at most %d are allowed", len(r.Name), MaxName)
	}
	if r.Order < 0 || r.Order > MaxOrder {
		bad("order", "is between 0 and %d", MaxOrder)
	}
	for field, number := range map[string]string{"to": r.To, "from": r.From} {
		if !isNumber(number) {
			bad(field, "is an address of at most %d characters, or the begin of one and *", MaxNumber-1)
		}
	}
	if len(r.Keyword) > MaxKeyword || strings.ContainsFunc(r.Keyword, unicode.IsSpace) {
		bad("keyword", "is one word of at most %d octets", MaxKeyword)
	}
	if _, err := regexp.Compile(r.Pattern); err != nil || len(r.Pattern) > MaxPattern {
		bad("pattern", "is a regular expression (RE2) of at most %d octets", MaxPattern)
	}
	if r.Account == 0 {
		bad("account_id", "is needed: whose the messages are")
	}
	if r.URL != "" {
		if u, err := url.Parse(r.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || len(r.URL) > MaxURL {
			bad("url", "is an http or https URL of at most %d octets without a user name", MaxURL)
		}
	}
	return errors.Join(faults...)
}

func isNumber(s string) bool {
	s, _ = strings.CutSuffix(s, "*")
	if len(s) >= MaxNumber {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '*' {
			return false
		}
	}
	return true
}

// Table is a compiled set of routes. It never changes.
type Table struct {
	routes []compiled            // by order and age
	exact  map[string][]position // routes with one number, by it
	others []position            // all others
}

// position is an index in Table.routes.
type position int32

type compiled struct {
	Route
	to, from string // without + and *
	toAny    bool   // to is only the begin
	fromAny  bool
	pattern  *regexp.Regexp
}

// NewTable compiles routes, which are valid; the disabled ones are kept and match nothing.
func NewTable(routes []Route) (*Table, error) {
	t := &Table{exact: make(map[string][]position)}
	for _, r := range routes {
		c := compiled{Route: r}
		c.to, c.toAny = numberPattern(r.To)
		c.from, c.fromAny = numberPattern(r.From)
		if r.Pattern != "" {
			var err error
			if c.pattern, err = regexp.Compile(r.Pattern); err != nil {
				return nil, fmt.Errorf("inbound route %s: %w", r.ID, err)
			}
		}
		t.routes = append(t.routes, c)
	}
	slices.SortFunc(t.routes, func(a, b compiled) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.ID, b.ID))
	})
	for i := range t.routes {
		c := &t.routes[i]
		switch {
		case c.Disabled:
		case c.toAny:
			t.others = append(t.others, position(i))
		default:
			t.exact[c.to] = append(t.exact[c.to], position(i))
		}
	}
	return t, nil
}

// numberPattern returns the digits to compare with, and whether they are only the begin.
func numberPattern(s string) (string, bool) {
	s, prefix := strings.CutSuffix(s, "*")
	return plain(s), prefix || s == ""
}

// plain is a number as it is compared: without the sign of international ones.
func plain(number string) string { return strings.TrimPrefix(number, "+") }

// Routes returns the routes in the order in which they are tried.
func (t *Table) Routes() []Route {
	all := make([]Route, len(t.routes))
	for i := range t.routes {
		all[i] = t.routes[i].Route
	}
	return all
}

// Match returns the first route that wants a message.
func (t *Table) Match(from, to, text string) (Route, bool) {
	from, to = plain(from), plain(to)
	word := firstWord(text)
	a, b := t.exact[to], t.others
	for len(a) > 0 || len(b) > 0 {
		next := &a
		if len(a) == 0 || len(b) > 0 && b[0] < a[0] {
			next = &b
		}
		c := &t.routes[(*next)[0]]
		if c.refuses(from, to, word, text) == "" {
			return c.Route, true
		}
		*next = (*next)[1:]
	}
	return Route{}, false
}

// Verdict says why a route does not want a message; Reason is empty for the one that does.
type Verdict struct {
	Route  Route
	Reason string
}

// Explain tries the routes in their order up to the one that wants the message, at most
// limit of them.
func (t *Table) Explain(from, to, text string, limit int) (tried []Verdict, found bool) {
	from, to = plain(from), plain(to)
	word := firstWord(text)
	for i := range t.routes {
		c := &t.routes[i]
		reason := "it is disabled"
		if !c.Disabled {
			reason = c.refuses(from, to, word, text)
		}
		if reason == "" {
			return append(tried, Verdict{Route: c.Route}), true
		}
		if len(tried) < limit {
			tried = append(tried, Verdict{c.Route, reason})
		}
	}
	return tried, false
}

// refuses says why c does not want the message, "" when it does.
func (c *compiled) refuses(from, to, word, text string) string {
	switch {
	case !fits(to, c.to, c.toAny):
		return fmtReason("to", to, c.To)
	case !fits(from, c.from, c.fromAny):
		return fmtReason("from", from, c.From)
	case c.Keyword != "" && !strings.EqualFold(word, c.Keyword):
		return fmtReason("the first word", word, c.Keyword)
	case c.pattern != nil && !c.pattern.MatchString(text):
		return "the pattern " + c.Pattern + " is not in the text"
	}
	return ""
}

func fits(number, want string, prefix bool) bool {
	return number == want || prefix && strings.HasPrefix(number, want)
}

func fmtReason(what, is, want string) string {
	return fmt.Sprintf("%s is %q and not %q", what, is, want)
}

// firstWord returns the text up to its first space.
func firstWord(text string) string {
	text = strings.TrimSpace(text)
	if i := strings.IndexFunc(text, unicode.IsSpace); i >= 0 {
		return text[:i]
	}
	return text
}
