package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/route"
	"protei-bulk/gsm"
)

// routeView is a rule as the API shows it.
type routeView struct {
	ID uint32 `json:"id"`
	route.Rule
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Warnings  []string  `json:"warnings,omitempty"`
}

func viewRoute(r *route.Row) routeView {
	return routeView{ID: r.ID, Rule: r.Rule, CreatedAt: time.UnixMilli(r.CreatedAt).UTC(), UpdatedAt: time.UnixMilli(r.UpdatedAt).UTC()}
}

// listRoutes shows the rules in the order in which they decide. Without any there is the
// one that the platform implies.
func (c *call) listRoutes() error {
	views := []routeView{}
	for _, r := range c.api.opts.Routes.Ordered() {
		views = append(views, viewRoute(&r))
	}
	answer := map[string]any{"routes": views}
	if len(views) == 0 {
		answer["implied"] = "there are no rules: everything goes to the first connector that is up"
	}
	return c.document(200, answer)
}

func (c *call) getRoute() error {
	row, err := c.api.opts.Routes.Find(c.r.PathValue("name"))
	if err != nil {
		return err
	}
	return c.document(200, viewRoute(&row))
}

// showRoute answers a change, with a warning when messages may be left without a rule.
func (c *call) showRoute(status int, row *route.Row) error {
	view := viewRoute(row)
	view.Warnings = c.warned()
	if !c.api.opts.Routes.Complete() {
		view.Warnings = append(view.Warnings, "messages that no rule takes are refused: there is no rule without conditions")
	}
	return c.document(status, view)
}

func (c *call) createRoute() error {
	rule := route.Rule{Strategy: route.Failover}
	if _, err := c.into(&rule, nil); err != nil {
		return err
	}
	row, err := c.api.opts.Routes.Create(c.r.Context(), rule)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/api/v1/routes/"+strconv.FormatUint(uint64(row.ID), 10))
	return c.showRoute(201, &row)
}

func (c *call) updateRoute() error {
	row, err := c.api.opts.Routes.Find(c.r.PathValue("name"))
	if err != nil {
		return err
	}
	read := row.Rule
	set, err := c.into(&read, nil)
	if err != nil {
		return err
	}
	row, err = c.api.opts.Routes.Update(c.r.Context(), strconv.FormatUint(uint64(row.ID), 10), func(r *route.Rule) {
		next := read
		copyUnset(&next, r, set)
		*r = next
	})
	if err != nil {
		return err
	}
	return c.showRoute(200, &row)
}

// maxTable bounds the body of a whole table: 50,000 rules.
const maxTable = 32 << 20

// tableRule is a rule of a table as GET shows it: what the platform gives is not read.
type tableRule struct {
	route.Rule
	ID        json.RawMessage `json:"id"`
	CreatedAt json.RawMessage `json:"created_at"`
	UpdatedAt json.RawMessage `json:"updated_at"`
}

// UnmarshalJSON gives a rule its defaults.
func (r *tableRule) UnmarshalJSON(text []byte) error {
	type plain tableRule
	r.Strategy = route.Failover
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return dec.Decode((*plain)(r))
}

// replaceRoutes makes the rules of the body the whole table, or with dry_run says what that
// would change.
func (c *call) replaceRoutes() error {
	var table []tableRule
	given := false
	err := c.object(maxTable, map[string]func(string){"routes": func(n string) { given = true; c.dec.value(n, &table) }})
	if err != nil {
		return err
	}
	if !given {
		return &problem{code: "validation_failed", detail: "routes: is needed", faults: []fault{{"/routes", "missing_routes", `is needed: {"routes":[…]}; an empty list deletes all`}}}
	}
	rules := make([]route.Rule, len(table))
	for i := range table {
		rules[i] = table[i].Rule
	}
	replace := func() (route.Difference, error) { return c.api.opts.Routes.Replace(c.r.Context(), rules) }
	if c.triesRoutes() {
		replace = func() (route.Difference, error) { return c.api.opts.Routes.Compare(rules) }
	}
	d, err := replace()
	if err != nil {
		return err
	}
	return c.document(200, d)
}

// triesRoutes reports whether the call is replaceRoutes with dry_run, which changes nothing. No other
// call knows dry_run.
func (c *call) triesRoutes() bool {
	dry, _ := strconv.ParseBool(c.r.URL.Query().Get("dry_run"))
	return dry && c.r.Method == http.MethodPut && c.r.URL.Path == "/api/v1/routes"
}

func (c *call) deleteRoute() error {
	if err := c.api.opts.Routes.Delete(c.r.Context(), c.r.PathValue("name")); err != nil {
		return err
	}
	c.w.WriteHeader(204)
	return nil
}

// trial is the message of a dry run.
type trial struct {
	Account  string    `json:"account"` // name or number; the caller's own by default
	From     string    `json:"from"`
	To       string    `json:"to"`
	Text     string    `json:"text"`
	Encoding string    `json:"encoding"`
	Priority string    `json:"priority"`
	Tag      string    `json:"tag"`
	At       time.Time `json:"at"`
	Limit    int       `json:"limit"` // rules shown
}

// Bounds of a dry run.
const (
	trialRules    = 100
	trialRulesMax = 10_000
)

// testRoute says what routing would do with a message, and why. Nothing is sent.
func (c *call) testRoute() error {
	t := trial{Limit: trialRules, At: c.api.opts.Now(), Text: "test"}
	if _, err := c.into(&t, nil); err != nil {
		return err
	}
	q, err := c.query(&t)
	if err != nil {
		return err
	}
	return c.document(200, c.api.opts.Router.Table().Explain(c.api.opts.Routes.Rows(), q, t.Limit))
}

// query is what routing sees of a trial.
func (c *call) query(t *trial) (*route.Query, error) {
	d := &c.dec
	q := &route.Query{Account: c.who.ID, Priority: message.Normal, Text: t.Text, Tag: t.Tag, At: t.At, Parts: 1}
	if t.Account != "" {
		a := c.accountNamed(t.Account)
		if a == nil {
			d.fault("invalid_account", "account", "is no account's name or number")
		} else {
			q.Account = a.ID
		}
	}
	q.Source, q.Dest = message.Address{Addr: listAddress(t.From)}, message.Address{Addr: listAddress(t.To)}
	if t.To == "" {
		d.fault(intake.MissingRecipient, "to", "is needed")
	}
	if t.Limit < 1 || t.Limit > trialRulesMax {
		d.fault("out_of_range", "limit", "is not between 1 and 10000")
	}
	encoding := gsm.Choose(t.Text)
	var err error
	if t.Encoding != "" {
		if encoding, err = gsm.ParseEncoding(t.Encoding); err != nil {
			d.fault(intake.InvalidEncoding, "encoding", "is none of AUTO, GSM7, UCS2, LATIN1, BINARY")
		}
	}
	if encoding == gsm.Auto {
		encoding = gsm.Choose(t.Text)
	}
	if t.Priority != "" {
		if q.Priority, err = message.ParsePriority(t.Priority); err != nil {
			d.fault(intake.InvalidPriority, "priority", "is none of LOW, NORMAL, HIGH, CRITICAL")
		}
	}
	if err := d.invalid(); err != nil {
		return nil, err
	}
	q.Encoding = uint8(encoding)
	if encoding != gsm.Binary {
		_, q.Parts = gsm.Count(t.Text, encoding)
	}
	q.Parts = max(1, q.Parts)
	return q, nil
}

func (c *call) accountNamed(key string) *account.Account {
	if a := c.api.opts.Accounts.ByName(key); a != nil {
		return a
	}
	id, err := strconv.ParseUint(key, 10, 32)
	if err != nil {
		return nil
	}
	return c.api.opts.Accounts.ByID(uint32(id))
}
