package api

import (
	"bufio"
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/contact/suppression"
)

const (
	maxImportBody   = 64 << 20
	importBatch     = 5000 // entries that become durable together
	maxImportErrors = 1000 // that an answer names
	maxImportLine   = 1000
)

// suppressionPaths has the same calls for both kinds of lists.
func (a *API) suppressionPaths() {
	type methods = map[string]func(*call) error
	for _, kind := range []suppression.Kinds{suppression.Blacklisted, suppression.OptedOut} {
		path := "/api/v1/" + kind.String()
		a.on(path, customers, methods{
			"GET": func(c *call) error { return c.listNumbers(kind) }, "POST": func(c *call) error { return c.changeNumbers(kind, true) },
		})
		a.on(path+"/remove", customers, methods{"POST": func(c *call) error { return c.changeNumbers(kind, false) }})
		a.on(path+"/{number}", customers, methods{"DELETE": func(c *call) error { return c.removeNumber(kind) }})
	}
}

// numberQuery is what the query of a call about lists says.
type numberQuery struct {
	suppression.Query
	sender string
}

// readNumbers reads the parameters that are in allowed; it names every wrong one at once. An
// admin who names no account means the list of everybody, anybody else its own.
func (c *call) readNumbers(allowed string) (q numberQuery, err error) {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return q, wrong("invalid_parameter", "the query is not well-formed")
	}
	q.Limit, q.Account = defaultLimit, c.who.ID
	if c.who.Role == account.Admin {
		q.Account = suppression.Everybody
	}
	var faults []fault
	for name := range values {
		v, detail := strings.TrimSpace(values.Get(name)), ""
		switch {
		case !strings.Contains(" "+allowed+" ", " "+name+" "):
			detail = "is none of " + strings.ReplaceAll(allowed, " ", ", ")
		case name == "limit":
			q.Limit, detail = parseCount(v, defaultLimit, maxLimit)
		case name == "account_id":
			q.Account, detail = c.listOwner(v)
		case name == "sender":
			if q.sender = v; len(v) > suppression.MaxSender {
				detail = "has more than 21 octets"
			}
		case name == "cursor":
			number, sender, _ := strings.Cut(v, ",")
			if q.After.Number, err = suppression.ParseNumber(number); err != nil {
				detail = "is no cursor of this list"
			}
			q.After.Sender = sender
		case name == "number":
			if q.Number, err = suppression.ParseNumber(v); err != nil {
				detail = err.Error()
			}
		}
		if detail != "" {
			faults = append(faults, fault{"?" + shorten(name), "invalid_parameter", detail})
		}
	}
	if len(faults) > 0 {
		return q, &problem{code: "invalid_parameter", detail: faults[0].pointer[1:] + " " + faults[0].detail, faults: faults}
	}
	return q, nil
}

func (c *call) listOwner(text string) (id uint32, detail string) {
	n, err := strconv.ParseUint(text, 10, 32)
	switch {
	case text == "me":
		return c.who.ID, ""
	case c.who.Role != account.Admin && (err != nil || uint32(n) != c.who.ID):
		return 0, "is not the caller's own account"
	case text == "all":
		return suppression.Everybody, ""
	case err != nil || c.api.opts.Accounts.ByID(uint32(n)) == nil:
		return 0, "is neither an account's number nor all"
	}
	return uint32(n), ""
}

// numberView is an entry as the API shows it.
type numberView struct {
	Number  string    `json:"number"`
	Sender  string    `json:"sender,omitempty"`
	Account *uint32   `json:"account_id"` // null: everybody's
	Since   time.Time `json:"since"`
	Source  string    `json:"source"`
}

// listNumbers is GET /api/v1/blacklist and /api/v1/optouts.
func (c *call) listNumbers(kind suppression.Kinds) error {
	q, err := c.readNumbers("account_id number limit cursor")
	if err != nil {
		return err
	}
	q.Kinds = kind
	entries, err := c.api.opts.Suppressed.List(c.r.Context(), q.Query)
	if err != nil {
		return err
	}
	views := make([]numberView, len(entries))
	for i, e := range entries {
		views[i] = numberView{Number: e.Number.String(), Sender: e.Sender, Since: time.UnixMilli(e.At).UTC(), Source: e.Source}
		if e.Account != suppression.Everybody {
			views[i].Account = &e.Account
		}
	}
	answer := map[string]any{"numbers": views, "limit": q.Limit, "next_cursor": nil}
	if n := len(entries); n == q.Limit {
		answer["next_cursor"] = entries[n-1].Number.String() + "," + entries[n-1].Sender
	}
	return c.document(200, answer)
}

// numberFault is a line or an element that is no number.
type numberFault struct {
	Index  int    `json:"index"` // of the numbers in JSON, from 0; of the lines otherwise, from 1
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// numberChange gathers numbers and has them put on a list, or taken from it, by and by.
type numberChange struct {
	entry   suppression.Entry
	put     func(context.Context, []suppression.Entry) (int, error)
	ctx     context.Context
	pending []suppression.Entry

	total, changed, refused int
	errors                  []numberFault
}

func (n *numberChange) take(index int, text string) error {
	n.total++
	e := n.entry
	var err error
	if e.Number, err = suppression.ParseNumber(text); err != nil {
		n.refused++
		if len(n.errors) < maxImportErrors {
			n.errors = append(n.errors, numberFault{index, "invalid_number", err.Error()})
		}
		return nil
	}
	if n.pending = append(n.pending, e); len(n.pending) == importBatch {
		return n.flush()
	}
	return nil
}

func (n *numberChange) flush() error {
	changed, err := n.put(n.ctx, n.pending)
	n.changed += changed
	n.pending = n.pending[:0]
	return err
}

// changeNumbers is POST /api/v1/blacklist, /api/v1/optouts and their /remove. Numbers come in
// JSON, or as text with one in each line, which is read by and by.
func (c *call) changeNumbers(kind suppression.Kinds, add bool) error {
	q, err := c.readNumbers("account_id sender")
	if err != nil {
		return err
	}
	n := &numberChange{ctx: c.r.Context(), put: c.api.opts.Suppressed.Remove, errors: []numberFault{}}
	n.entry = suppression.Entry{
		Key: suppression.Key{Account: q.Account, Sender: q.sender}, Kinds: kind, At: c.api.opts.Now().UnixMilli(), Source: "account " + c.who.Name,
	}
	if add {
		n.put = c.api.opts.Suppressed.Add
	}
	switch kind, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type")); kind {
	case "text/csv", "text/plain":
		err = c.numberLines(n)
	default:
		err = c.numberArray(n)
	}
	if err == nil {
		err = n.flush()
	}
	if err != nil {
		return err
	}
	if n.total > 0 && n.refused == n.total {
		return &problem{code: "invalid_number", detail: "no number is one; the first: " + n.errors[0].Detail, status: http.StatusUnprocessableEntity}
	}
	name := "removed"
	if add {
		name = "added"
	}
	return c.document(200, map[string]any{
		"total": n.total, name: n.changed, "unchanged": n.total - n.changed - n.refused, "refused": n.refused, "errors": n.errors, "warnings": c.warned(),
	})
}

func (c *call) numberArray(n *numberChange) error {
	var numbers []string
	d := &c.dec
	err := c.object(maxBulkBody, map[string]func(string){
		"numbers": func(name string) { d.strings(name, &numbers) },
		"sender":  func(name string) { d.string(name, &n.entry.Sender) },
	})
	if err != nil {
		return err
	}
	if len(n.entry.Sender) > suppression.MaxSender {
		d.fault("invalid_sender", "sender", "has more than 21 octets")
	}
	if len(numbers) == 0 {
		d.fault("missing_numbers", "numbers", "is needed: an array of numbers")
	}
	if err := d.invalid(); err != nil {
		return err
	}
	n.entry.Sender = strings.Clone(n.entry.Sender)
	for i, text := range numbers {
		if err := n.take(i, text); err != nil {
			return err
		}
	}
	return nil
}

// numberLines reads lines, of CSV the first field. A first line without digits is a heading.
func (c *call) numberLines(n *numberChange) error {
	body := http.MaxBytesReader(c.w, c.r.Body, maxImportBody)
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 4096), maxImportLine)
	for line := 1; lines.Scan(); line++ {
		text, _, _ := strings.Cut(lines.Text(), ",")
		text, _, _ = strings.Cut(text, ";")
		text = strings.Trim(strings.TrimPrefix(text, "\ufeff"), "\" \t\r")
		if text == "" || line == 1 && !strings.ContainsAny(text, "0123456789") {
			continue
		}
		if err := n.take(line, text); err != nil {
			return err
		}
	}
	switch err := lines.Err(); {
	case err == nil:
		return nil
	case errors.Is(err, bufio.ErrTooLong):
		return wrong("invalid_number", "a line has more than 1000 octets")
	default:
		if large := new(http.MaxBytesError); errors.As(err, &large) {
			return tooLarge(maxImportBody)
		}
		return readProblem(err)
	}
}

// removeNumber is DELETE /api/v1/blacklist/{number} and /api/v1/optouts/{number}.
func (c *call) removeNumber(kind suppression.Kinds) error {
	q, err := c.readNumbers("account_id sender")
	if err != nil {
		return err
	}
	e := suppression.Entry{Key: suppression.Key{Account: q.Account, Sender: q.sender}, Kinds: kind, At: c.api.opts.Now().UnixMilli(), Source: "account " + c.who.Name}
	if e.Number, err = suppression.ParseNumber(c.r.PathValue("number")); err != nil {
		return wrong("not_found", "there is no such number on the list: "+err.Error())
	}
	removed, err := c.api.opts.Suppressed.Remove(c.r.Context(), []suppression.Entry{e})
	if err != nil {
		return err
	}
	if removed == 0 {
		return wrong("not_found", "there is no such number on the list")
	}
	c.w.WriteHeader(204)
	return nil
}
