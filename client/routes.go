package client

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Route is a rule that says which connector carries a message.
type Route struct {
	ID        uint32      `json:"id,omitempty"`
	Name      string      `json:"name"`
	Priority  int         `json:"priority"` // the highest decides first
	Match     Match       `json:"match"`
	Strategy  string      `json:"strategy"` // failover, split, round_robin, least_cost
	Targets   []Target    `json:"targets"`
	Price     json.Number `json:"price,omitempty"` // of a part, for the customer; "": the account's
	Disabled  bool        `json:"disabled"`
	CreatedAt time.Time   `json:"created_at,omitzero"`
	UpdatedAt time.Time   `json:"updated_at,omitzero"`
	Warnings  []string    `json:"warnings,omitempty"`
}

// Match are the conditions of a route: all that are set must fit, of a list one value.
type Match struct {
	Accounts   []uint32      `json:"accounts,omitempty"`
	Prefixes   []string      `json:"prefixes,omitempty"`  // of the recipient's number
	Senders    []string      `json:"senders,omitempty"`   // AC* is all that begin so
	Encodings  []string      `json:"encodings,omitempty"` // GSM7, LATIN1, UCS2, BINARY
	MinParts   int           `json:"min_parts,omitempty"`
	MaxParts   int           `json:"max_parts,omitempty"`
	Keywords   []string      `json:"keywords,omitempty"` // the text's first word
	Text       string        `json:"text,omitempty"`     // a regular expression (RE2)
	Tags       []string      `json:"tags,omitempty"`
	Priorities []string      `json:"priorities,omitempty"`
	Windows    []RouteWindow `json:"windows,omitempty"`
}

// RouteWindow is when a route holds; each member may be empty.
type RouteWindow struct {
	Days string `json:"days,omitempty"` // mon-fri
	From string `json:"from,omitempty"` // 08:00
	To   string `json:"to,omitempty"`
	Zone string `json:"zone,omitempty"` // IANA name
}

// Target is a connector of a route.
type Target struct {
	Connector string  `json:"connector"`
	Weight    int     `json:"weight,omitempty"` // of split: 1 to 100
	Cost      float64 `json:"cost,omitempty"`   // of least_cost
}

// RouteSettings are what CreateRoute sets and UpdateRoute changes; nil or empty stays as it is.
type RouteSettings struct {
	Name     string      `json:"name,omitempty"`
	Priority *int        `json:"priority,omitempty"`
	Match    *Match      `json:"match,omitempty"`
	Strategy string      `json:"strategy,omitempty"`
	Targets  []Target    `json:"targets,omitempty"`
	Price    json.Number `json:"price,omitempty"`
	Disabled *bool       `json:"disabled,omitempty"`
}

// Routes are all rules in the order in which they decide.
type Routes struct {
	Routes  []Route `json:"routes"`
	Implied string  `json:"implied,omitempty"` // what holds as long as there are none
}

// Routes returns the table. It is for administrators, as all calls of routes are.
func (c *Client) Routes(ctx context.Context) (*Routes, error) {
	return get[Routes](ctx, c, http.MethodGet, base+"/routes", nil, nil)
}

// Route returns a rule, by name or number; not_found.
func (c *Client) Route(ctx context.Context, name string) (*Route, error) {
	return get[Route](ctx, c, http.MethodGet, under("/routes/", name), nil, nil)
}

// CreateRoute makes a rule.
func (c *Client) CreateRoute(ctx context.Context, s RouteSettings) (*Route, error) {
	return get[Route](ctx, c, http.MethodPost, base+"/routes", nil, s)
}

// UpdateRoute changes what s has.
func (c *Client) UpdateRoute(ctx context.Context, name string, s RouteSettings) (*Route, error) {
	return get[Route](ctx, c, http.MethodPatch, under("/routes/", name), nil, s)
}

// DeleteRoute deletes a rule; not_found.
func (c *Client) DeleteRoute(ctx context.Context, name string) error {
	return c.run(ctx, http.MethodDelete, under("/routes/", name), nil)
}

// RoutesReplaced is what a new table changes.
type RoutesReplaced struct {
	Created   int `json:"created"`
	Changed   int `json:"changed"`
	Deleted   int `json:"deleted"`
	Unchanged int `json:"unchanged"`
	Routes    int `json:"routes"` // of the new table
}

// ReplaceRoutes makes these rules, which are told apart by their names, the whole table at once.
// With dryRun it only says what that would change.
func (c *Client) ReplaceRoutes(ctx context.Context, table []Route, dryRun bool) (*RoutesReplaced, error) {
	body := struct {
		Routes []Route `json:"routes"`
	}{table}
	return get[RoutesReplaced](ctx, c, http.MethodPut, base+"/routes", queryOf("dry_run", strconv.FormatBool(dryRun)), body)
}

// RouteTrial is a message that routing is asked about.
type RouteTrial struct {
	Account  string    `json:"account,omitempty"` // name or number; "": the caller's own
	From     string    `json:"from,omitempty"`
	To       string    `json:"to,omitempty"`
	Text     string    `json:"text,omitempty"`
	Encoding string    `json:"encoding,omitempty"`
	Priority string    `json:"priority,omitempty"`
	Tag      string    `json:"tag,omitempty"`
	At       time.Time `json:"at,omitzero"`     // zero: now
	Limit    int       `json:"limit,omitempty"` // rules in the answer
}

// RouteExplained is what routing would do with a message, and why.
type RouteExplained struct {
	Matched   bool           `json:"matched"`
	RouteID   uint32         `json:"route_id,omitempty"`
	Route     string         `json:"route,omitempty"`
	Connector string         `json:"connector,omitempty"`
	Why       string         `json:"why"`
	Targets   []RouteAim     `json:"targets,omitempty"`
	Rules     []RouteVerdict `json:"rules"`
	Unshown   int            `json:"unshown,omitempty"` // rules beyond the limit
}

// RouteAim is a target of the rule that decided.
type RouteAim struct {
	Target
	State  string `json:"state"`
	Chosen bool   `json:"chosen"`
}

// RouteVerdict is what one rule makes of a message.
type RouteVerdict struct {
	RouteID  uint32   `json:"route_id"`
	Route    string   `json:"route"`
	Priority int      `json:"priority"`
	Verdict  string   `json:"verdict"` // matches, later, no
	Reasons  []string `json:"reasons,omitempty"`
}

// TestRoute says what routing would do with a message.
func (c *Client) TestRoute(ctx context.Context, t RouteTrial) (*RouteExplained, error) {
	return retried[RouteExplained](ctx, c, base+"/routes/test", nil, t)
}
