package route

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
	"protei-bulk/gsm"
)

// Table is a compiled set of rules. It never changes, but for the turns of round robin
// and split.
type Table struct {
	connectors []Connector
	rules      []rule // by rank of their first entry
	byID       map[uint32]int32
	general    *trie            // rules that name no account
	accounts   map[uint32]*trie // rules that do
	needsText  bool
	implied    bool // there is no rule: the one of the table is not stored
}

// rule is a Rule that is ready to be asked.
type rule struct {
	// What each message reads stands together: with many rules every cache line is a miss.
	id       uint32
	strategy Strategy
	targets  []Connector   // in the order of preference
	price    *money.Amount // of a part; nil: the account's
	src      *Row
	order    []uint8 // split, round robin: whose turn it is, again and again
	turn     *atomic.Uint64

	plain      bool // account and prefix are all its conditions
	bySender   bool // account, prefix and sender are
	senders    []string
	starts     []string // senders that end with *
	encodings  uint16   // bits by gsm.Encoding, 0: any
	priorities uint8    // bits by message.Priority, 0: any
	minParts   int
	maxParts   int
	keywords   []string // in lower case
	text       *regexp.Regexp
	tags       []string
	windows    []window
}

// NewTable builds a table without rules: everything goes to the first connector that is
// up, else to the first that is not stopped, else to the first. Without one that is enabled
// nothing has a route. IDs are unique and not zero.
func NewTable(connectors []Connector) (*Table, error) { return Compile(connectors, nil) }

// Compile builds a table. A target that is no connector, or a disabled one, is left out; a
// rule without any other takes its messages and they have no route.
func Compile(connectors []Connector, rows []Row) (*Table, error) {
	t := &Table{connectors: slices.Clone(connectors), byID: make(map[uint32]int32), accounts: make(map[uint32]*trie)}
	byName := make(map[string]Connector, len(connectors))
	seen := make(map[uint16]bool, len(connectors))
	for _, c := range connectors {
		if c.ID == 0 || seen[c.ID] {
			return nil, fmt.Errorf("connector %q: the id %d is zero or taken", c.Name, c.ID)
		}
		seen[c.ID] = true
		if !c.Disabled {
			byName[c.Name] = c
		}
	}
	if len(rows) == 0 {
		t.implied = true
		rows = []Row{impliedRow(connectors)}
	}
	var places []place
	for i := range rows {
		if rows[i].Disabled && !t.implied {
			continue
		}
		r, err := compileRule(&rows[i], byName)
		if err != nil {
			return nil, fmt.Errorf("route %s: %w", rows[i].Name, err)
		}
		t.rules = append(t.rules, r)
		places = append(places, placesOf(&rows[i], len(t.rules)-1)...)
	}
	t.place(places)
	for i := range t.rules {
		t.byID[t.rules[i].id] = int32(i)
		t.needsText = t.needsText || t.rules[i].text != nil || t.rules[i].keywords != nil
	}
	return t, nil
}

// impliedRow is the rule of a table without rules.
func impliedRow(connectors []Connector) Row {
	r := Row{Rule: Rule{Name: "everything", Strategy: Failover}}
	for _, c := range connectors {
		if !c.Disabled {
			r.Targets = append(r.Targets, Target{Connector: c.Name})
		}
	}
	return r
}

// place is one prefix of one rule.
type place struct {
	rule       int
	prefix     string
	priority   int
	conditions int
	id         uint32
}

func placesOf(row *Row, rule int) []place {
	p := place{rule: rule, priority: row.Priority, conditions: row.Match.conditions(), id: row.ID}
	if len(row.Match.Prefixes) == 0 {
		return []place{p}
	}
	var all []place
	for _, prefix := range row.Match.Prefixes {
		p.prefix = strings.TrimPrefix(prefix, "+")
		all = append(all, p)
	}
	return all
}

// before is the order in which places decide.
func before(a, b place) int {
	return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(len(b.prefix), len(a.prefix)),
		cmp.Compare(b.conditions, a.conditions), cmp.Compare(a.id, b.id), cmp.Compare(a.prefix, b.prefix))
}

// place gives the places their ranks and puts them into the tries.
func (t *Table) place(places []place) {
	slices.SortFunc(places, before)
	general := new(planner)
	accounts := make(map[uint32]*planner)
	for rank, p := range places {
		r := &t.rules[p.rule]
		e := entry{rank: uint32(rank), rule: int32(p.rule), sure: r.plain}
		if len(r.src.Match.Accounts) == 0 {
			general.add(p.prefix, e)
			continue
		}
		for _, account := range r.src.Match.Accounts {
			if accounts[account] == nil {
				accounts[account] = new(planner)
			}
			accounts[account].add(p.prefix, e)
		}
	}
	t.general = general.build(t.rules)
	for account, p := range accounts {
		t.accounts[account] = p.build(t.rules)
	}
}

func compileRule(row *Row, connectors map[string]Connector) (rule, error) {
	m := &row.Match
	r := rule{id: row.ID, src: row, price: row.Price, strategy: row.Strategy, minParts: m.MinParts, maxParts: m.MaxParts, turn: new(atomic.Uint64)}
	r.aim(row, connectors)
	for _, s := range m.Senders {
		if start, ok := strings.CutSuffix(s, "*"); ok {
			r.starts = append(r.starts, start)
		} else {
			r.senders = append(r.senders, s)
		}
	}
	for _, s := range m.Encodings {
		e, err := gsm.ParseEncoding(s)
		if err != nil {
			return r, err
		}
		r.encodings |= 1 << e
	}
	for _, s := range m.Priorities {
		p, err := message.ParsePriority(s)
		if err != nil {
			return r, err
		}
		r.priorities |= 1 << p
	}
	for _, s := range m.Keywords {
		r.keywords = append(r.keywords, strings.ToLower(s))
	}
	r.tags = m.Tags
	var err error
	if m.Text != "" {
		if r.text, err = regexp.Compile(m.Text); err != nil {
			return r, err
		}
	}
	for i := range m.Windows {
		w, err := m.Windows[i].compile()
		if err != nil {
			return r, err
		}
		r.windows = append(r.windows, w)
	}
	if r.maxParts == 0 {
		r.maxParts = math.MaxInt
	}
	accounts, prefixes := 0, 0
	if len(m.Accounts) > 0 {
		accounts = 1
	}
	if len(m.Prefixes) > 0 {
		prefixes = 1
	}
	r.plain = m.conditions() == accounts+prefixes
	r.bySender = len(m.Senders) > 0 && m.conditions() == accounts+prefixes+1
	return r, nil
}

// conditions counts the fields that are set.
func (m *Match) conditions() (n int) {
	for _, set := range []bool{
		len(m.Accounts) > 0, len(m.Prefixes) > 0, len(m.Senders) > 0, len(m.Encodings) > 0, m.MinParts > 1 || m.MaxParts > 0,
		len(m.Keywords) > 0, m.Text != "", len(m.Tags) > 0, len(m.Priorities) > 0, len(m.Windows) > 0,
	} {
		if set {
			n++
		}
	}
	return n
}

// Connectors returns the connectors in the order given. The caller must not change them.
func (t *Table) Connectors() []Connector { return t.connectors }

// Name returns the name of a connector, or "" for an unknown one.
func (t *Table) Name(id uint16) string {
	for i := range t.connectors {
		if t.connectors[i].ID == id {
			return t.connectors[i].Name
		}
	}
	return ""
}
