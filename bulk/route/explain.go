package route

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"protei-bulk/gsm"
)

// Explanation says what Route would do with a Query, and why.
type Explanation struct {
	Matched   bool       `json:"matched"`
	Route     string     `json:"route,omitempty"` // name of the rule that decides
	RouteID   uint32     `json:"route_id,omitempty"`
	Connector string     `json:"connector,omitempty"` // what the next such message gets
	Why       string     `json:"why"`
	Targets   []Aim      `json:"targets,omitempty"`
	Rules     []Judgment `json:"rules"` // in the order in which they decide
	Unshown   int        `json:"unshown,omitempty"`
}

// Aim is one target of the rule that decides.
type Aim struct {
	Connector string  `json:"connector"`
	State     string  `json:"state"` // up, down, stopped, unknown
	Weight    int     `json:"weight,omitempty"`
	Cost      float64 `json:"cost,omitempty"`
	Chosen    bool    `json:"chosen"`
}

// Judgment is what became of one rule.
type Judgment struct {
	Route    string   `json:"route"`
	RouteID  uint32   `json:"route_id"`
	Priority int      `json:"priority"`
	Verdict  string   `json:"verdict"` // matches, later, no, disabled
	Reasons  []string `json:"reasons,omitempty"`
}

// Explain judges every rule of rows, which the table was compiled from, and shows limit of
// them: those that take q, and then the others in their order.
func (t *Table) Explain(rows []Row, q *Query, limit int) Explanation {
	var e Explanation
	winner := t.match(q)
	if t.implied {
		rows = []Row{*winner.src}
	}
	e.Rules = t.judge(rows, q, winner)
	if len(e.Rules) > limit {
		e.Unshown = len(e.Rules) - limit
		slices.SortStableFunc(e.Rules, func(a, b Judgment) int { return fits(b) - fits(a) })
		e.Rules = e.Rules[:limit]
	}
	if winner == nil {
		e.Why = "no rule takes it, so it is refused; a rule without conditions takes everything"
		return e
	}
	e.Matched, e.Route, e.RouteID = true, winner.src.Name, winner.id
	e.aim(winner)
	return e
}

func fits(j Judgment) int {
	if j.Verdict == "matches" || j.Verdict == "later" {
		return 1
	}
	return 0
}

// judge says of every rule whether it takes q, in the order in which they decide.
func (t *Table) judge(rows []Row, q *Query, winner *rule) []Judgment {
	type judged struct {
		Judgment
		at place
	}
	all := make([]judged, 0, len(rows))
	for i := range rows {
		row := &rows[i]
		j := judged{Judgment: Judgment{Route: row.Name, RouteID: row.ID, Priority: row.Priority}, at: bestPlace(row, q)}
		switch at, ok := t.byID[row.ID]; {
		case row.Disabled || !ok:
			j.Verdict = "disabled"
		case winner != nil && winner.id == row.ID:
			j.Verdict = "matches"
		default:
			j.Verdict, j.Reasons = "no", t.rules[at].reasons(q)
			if len(j.Reasons) == 0 {
				j.Verdict, j.Reasons = "later", []string{"takes it too, but " + winner.src.Name + " decides first: " + precedence(bestPlace(winner.src, q), j.at)}
			}
		}
		all = append(all, j)
	}
	slices.SortStableFunc(all, func(a, b judged) int { return before(a.at, b.at) })
	out := make([]Judgment, len(all))
	for i := range all {
		out[i] = all[i].Judgment
	}
	return out
}

// bestPlace is the place of the row's longest prefix that q has, or its first one.
func bestPlace(row *Row, q *Query) place {
	places := placesOf(row, 0)
	best := places[0]
	found := false
	for _, p := range places {
		if strings.HasPrefix(q.Dest.Addr, p.prefix) && (!found || len(p.prefix) > len(best.prefix)) {
			best, found = p, true
		}
	}
	return best
}

// precedence says why a decides before b.
func precedence(a, b place) string {
	switch {
	case a.priority != b.priority:
		return fmt.Sprintf("its priority is %d, this one's %d", a.priority, b.priority)
	case len(a.prefix) != len(b.prefix):
		return fmt.Sprintf("its prefix %s is longer", a.prefix)
	case a.conditions != b.conditions:
		return "it has more conditions"
	}
	return "it is older"
}

// reasons says which conditions q does not fit.
func (r *rule) reasons(q *Query) (all []string) {
	m := &r.src.Match
	not := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if len(m.Accounts) > 0 && !slices.Contains(m.Accounts, q.Account) {
		not("account %d is not %s", q.Account, few(m.Accounts))
	}
	if len(m.Prefixes) > 0 && !slices.ContainsFunc(m.Prefixes, func(p string) bool { return strings.HasPrefix(q.Dest.Addr, strings.TrimPrefix(p, "+")) }) {
		not("%s does not begin with %s", q.Dest.Addr, few(m.Prefixes))
	}
	if !r.takesSender(q.Source.Addr) {
		not("the sender %q is not %s", q.Source.Addr, few(m.Senders))
	}
	if r.encodings != 0 && r.encodings&(1<<(q.Encoding&15)) == 0 {
		not("the encoding %s is not %s", gsm.Encoding(q.Encoding), few(m.Encodings))
	}
	if r.priorities != 0 && r.priorities&(1<<(q.Priority&7)) == 0 {
		not("the priority %s is not %s", q.Priority, few(m.Priorities))
	}
	if q.Parts < r.minParts {
		not("it has %d parts, fewer than %d", q.Parts, r.minParts)
	}
	if q.Parts > r.maxParts && r.maxParts != math.MaxInt {
		not("it has %d parts, more than %d", q.Parts, r.maxParts)
	}
	if len(r.tags) > 0 && !slices.Contains(r.tags, q.Tag) {
		not("the tag %q is not %s", q.Tag, few(m.Tags))
	}
	if !r.takesMoment(q) {
		not("%s is in none of its windows", q.At.UTC().Format("Mon 15:04 UTC"))
	}
	if len(r.keywords) > 0 && !r.takesKeyword(q.Text) {
		not("the first word is not %s", few(m.Keywords))
	}
	if r.text != nil && !r.text.MatchString(q.Text) {
		not("the text does not match %s", m.Text)
	}
	return all
}

// few lists up to five values.
func few[T any](values []T) string {
	var b strings.Builder
	for i, v := range values {
		switch {
		case i == 5:
			fmt.Fprintf(&b, " or %d others", len(values)-i)
			return b.String()
		case i > 0:
			b.WriteString(", ")
		}
		fmt.Fprint(&b, v)
	}
	return b.String()
}

// aim fills in the targets and the choice among them.
func (e *Explanation) aim(r *rule) {
	if len(r.targets) == 0 {
		e.Why = "none of its connectors exists, so the message is refused"
		return
	}
	at := r.choose(false)
	chosen := &r.targets[at]
	e.Connector = chosen.Name
	for _, t := range r.src.Targets {
		aim := Aim{Connector: t.Connector, State: "unknown", Weight: t.Weight, Cost: t.Cost, Chosen: t.Connector == chosen.Name}
		if i := slices.IndexFunc(r.targets, func(c Connector) bool { return c.Name == t.Connector }); i >= 0 {
			aim.State = r.targets[i].State.Condition().String()
		}
		e.Targets = append(e.Targets, aim)
	}
	e.Why = r.why(at)
}

func (r *rule) why(at int) string {
	condition := r.targets[at].State.Condition()
	if condition != Up {
		return "no connector of the rule is up: the message waits for " + r.targets[at].Name + ", which is " + condition.String()
	}
	switch {
	case len(r.order) > 0 && int(r.order[r.turn.Load()%uint64(len(r.order))]) == at:
		return fmt.Sprintf("strategy %s: it is the turn of %s", r.strategy, r.targets[at].Name)
	case len(r.order) > 0:
		return fmt.Sprintf("strategy %s: whose turn it is is not up, %s is the next that is", r.strategy, r.targets[at].Name)
	case at == 0 && r.strategy == LeastCost:
		return r.targets[at].Name + " is the cheapest"
	case at == 0:
		return r.targets[at].Name + " is the first"
	}
	return "failover: those before " + r.targets[at].Name + " are not up"
}
