package route_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/route"
	"protei-bulk/gsm"
)

func connectors(n int) (list []route.Connector) {
	for i := range n {
		list = append(list, route.Connector{ID: uint16(i + 1), Name: fmt.Sprintf("c%d", i+1), State: new(route.State)})
	}
	return list
}

func to(names ...string) (all []route.Target) {
	for _, n := range names {
		all = append(all, route.Target{Connector: n})
	}
	return all
}

func compile(t testing.TB, list []route.Connector, rules ...route.Rule) *route.Table {
	t.Helper()
	table, err := route.Compile(list, rowsOf(t, rules))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func rowsOf(t testing.TB, rules []route.Rule) (rows []route.Row) {
	t.Helper()
	for i, r := range rules {
		if r.Name == "" {
			r.Name = fmt.Sprintf("r%d", i+1)
		}
		if r.Strategy == "" {
			r.Strategy = route.Failover
		}
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, route.Row{ID: uint32(i + 1), Rule: r})
	}
	return rows
}

func query(dest string) *route.Query {
	return &route.Query{Dest: message.Address{Addr: dest}, Parts: 1, At: time.Date(2030, 1, 31, 9, 0, 0, 0, time.UTC)}
}

func TestWithoutRulesTheFirstConnectorThatIsUp(t *testing.T) {
	list := []route.Connector{{ID: 3, Name: "gone", Disabled: true}, {ID: 7, Name: "a", State: new(route.State)}, {ID: 8, Name: "b", State: new(route.State)}}
	table, err := route.NewTable(list)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		a, b route.Condition
		want uint16
	}{
		{route.Up, route.Up, 7},
		{route.Down, route.Up, 8},
		{route.Down, route.Down, 7},
		{route.Stopped, route.Down, 8},
		{route.Stopped, route.Stopped, 7},
		{route.Stopped, route.Up, 8},
	} {
		list[1].State.Set(step.a)
		list[2].State.Set(step.b)
		if c, ok := table.Route(query("1")); !ok || c.Connector != step.want || c.Rule != 0 {
			t.Errorf("a %v, b %v: %+v, want connector %d", step.a, step.b, c, step.want)
		}
	}
	if got := table.Name(8); got != "b" {
		t.Errorf("Name(8) = %q", got)
	}
	none, err := route.NewTable(list[:1])
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := none.Route(query("1")); ok {
		t.Errorf("%+v although every connector is disabled", c)
	}
	router, err := route.NewRouter(none)
	if err != nil {
		t.Fatal(err)
	}
	if router.Swap(nil) == nil {
		t.Error("a nil table was accepted")
	}
}

func TestCompileRefusesIDs(t *testing.T) {
	for name, list := range map[string][]route.Connector{
		"zero": {{ID: 0, Name: "a"}}, "twice": {{ID: 1, Name: "a"}, {ID: 1, Name: "b"}},
	} {
		if _, err := route.NewTable(list); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestConditions(t *testing.T) {
	at := func(text string) time.Time {
		moment, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	for _, c := range []struct {
		name  string
		match route.Match
		query route.Query
		want  bool
	}{
		{"account", route.Match{Accounts: []uint32{4, 5}}, route.Query{Account: 5}, true},
		{"another account", route.Match{Accounts: []uint32{4, 5}}, route.Query{Account: 6}, false},
		{"sender", route.Match{Senders: []string{"ACME"}}, route.Query{Source: message.Address{Addr: "ACME"}}, true},
		{"another sender", route.Match{Senders: []string{"ACME"}}, route.Query{Source: message.Address{Addr: "ACME2"}}, false},
		{"sender's start", route.Match{Senders: []string{"AC*"}}, route.Query{Source: message.Address{Addr: "ACME2"}}, true},
		{"encoding", route.Match{Encodings: []string{"UCS2"}}, route.Query{Encoding: uint8(gsm.UCS2)}, true},
		{"another encoding", route.Match{Encodings: []string{"UCS2"}}, route.Query{Encoding: uint8(gsm.GSM7)}, false},
		{"parts", route.Match{MinParts: 2, MaxParts: 3}, route.Query{Parts: 3}, true},
		{"too many parts", route.Match{MinParts: 2, MaxParts: 3}, route.Query{Parts: 4}, false},
		{"too few parts", route.Match{MinParts: 2}, route.Query{Parts: 1}, false},
		{"keyword", route.Match{Keywords: []string{"Stop"}}, route.Query{Text: "  STOP now"}, true},
		{"keyword inside", route.Match{Keywords: []string{"stop"}}, route.Query{Text: "do stop"}, false},
		{"text", route.Match{Text: `(?i)code \d{4}`}, route.Query{Text: "Your Code 1234"}, true},
		{"another text", route.Match{Text: `(?i)code \d{4}`}, route.Query{Text: "Your Code 123"}, false},
		{"tag", route.Match{Tags: []string{"otp"}}, route.Query{Tag: "otp"}, true},
		{"no tag", route.Match{Tags: []string{"otp"}}, route.Query{}, false},
		{"priority", route.Match{Priorities: []string{"HIGH"}}, route.Query{Priority: message.High}, true},
		{"another priority", route.Match{Priorities: []string{"HIGH"}}, route.Query{Priority: message.Low}, false},
		{"window", route.Match{Windows: []route.Window{{Days: "mon-fri", From: "08:00", To: "20:00"}}}, route.Query{At: at("2030-01-31T08:00:00Z")}, true},
		{"after the window", route.Match{Windows: []route.Window{{Days: "mon-fri", From: "08:00", To: "20:00"}}}, route.Query{At: at("2030-01-31T20:00:00Z")}, false},
		{"another day", route.Match{Windows: []route.Window{{Days: "sat,sun"}}}, route.Query{At: at("2030-01-31T09:00:00Z")}, false},
		{"over midnight", route.Match{Windows: []route.Window{{Days: "wed", From: "22:00", To: "06:00"}}}, route.Query{At: at("2030-01-31T05:59:00Z")}, true},
		{"zone", route.Match{Windows: []route.Window{{From: "14:00", To: "15:00", Zone: "Asia/Ashgabat"}}}, route.Query{At: at("2030-01-31T09:30:00Z")}, true},
		{"zone's other hour", route.Match{Windows: []route.Window{{From: "14:00", To: "15:00", Zone: "Asia/Ashgabat"}}}, route.Query{At: at("2030-01-31T14:30:00Z")}, false},
		{"prefix", route.Match{Prefixes: []string{"+9936", "7"}}, route.Query{Dest: message.Address{Addr: "99361234567"}}, true},
		{"another prefix", route.Match{Prefixes: []string{"9936"}}, route.Query{Dest: message.Address{Addr: "99312"}}, false},
	} {
		rules := []route.Rule{{Match: c.match, Targets: to("c1")}}
		table := compile(t, connectors(1), rules...)
		if c.query.Parts == 0 {
			c.query.Parts = 1
		}
		if _, ok := table.Route(&c.query); ok != c.want {
			t.Errorf("%s: %v, want %v", c.name, ok, c.want)
		}
		e := table.Explain(rowsOf(t, rules), &c.query, 10)
		if e.Matched != c.want || !c.want && len(e.Rules[0].Reasons) == 0 {
			t.Errorf("%s: explained as %+v", c.name, e)
		}
	}
}

func TestOrderOfRules(t *testing.T) {
	rules := []route.Rule{
		{Name: "all", Targets: to("c1")},
		{Name: "country", Match: route.Match{Prefixes: []string{"993"}}, Targets: to("c2")},
		{Name: "network", Match: route.Match{Prefixes: []string{"99361"}}, Targets: to("c3")},
		{Name: "own", Match: route.Match{Prefixes: []string{"99361"}, Accounts: []uint32{9}}, Targets: to("c4")},
		{Name: "first", Priority: 5, Match: route.Match{Senders: []string{"VIP"}}, Targets: to("c5")},
		{Name: "off", Priority: 9, Disabled: true, Targets: to("c1")},
	}
	table := compile(t, connectors(5), rules...)
	for dest, want := range map[string]uint16{"1": 1, "9931": 2, "99361234567": 3, "993": 2} {
		if c, ok := table.Route(query(dest)); !ok || c.Connector != want || c.Rule != uint32(want) {
			t.Errorf("%s: %+v, want rule %d", dest, c, want)
		}
	}
	q := query("99361234567")
	q.Account = 9
	if c, _ := table.Route(q); c.Connector != 4 {
		t.Errorf("own rule: %+v", c)
	}
	q.Source.Addr = "VIP"
	if c, _ := table.Route(q); c.Connector != 5 {
		t.Errorf("priority: %+v", c)
	}
	e := table.Explain(rowsOf(t, rules), q, 10)
	var got []string
	for _, j := range e.Rules {
		got = append(got, j.Route+" "+j.Verdict+" "+strings.Join(j.Reasons, "; "))
	}
	want := []string{
		"off disabled ", "first matches ",
		"own later takes it too, but first decides first: its priority is 5, this one's 0",
		"network later takes it too, but first decides first: its priority is 5, this one's 0",
		"country later takes it too, but first decides first: its priority is 5, this one's 0",
		"all later takes it too, but first decides first: its priority is 5, this one's 0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("explained as\n%s", strings.Join(got, "\n"))
	}
	if short := table.Explain(rowsOf(t, rules), q, 2); short.Unshown != 4 || short.Rules[0].Route != "first" {
		t.Errorf("cut to two: %+v", short)
	}
}

func TestStrategies(t *testing.T) {
	list := connectors(3)
	count := func(table *route.Table, n int) (got [4]int) {
		for range n {
			c, ok := table.Route(query("1"))
			if !ok {
				t.Fatal("no route")
			}
			got[c.Connector]++
		}
		return got
	}
	split := compile(t, list, route.Rule{Strategy: route.Split, Targets: []route.Target{{Connector: "c1", Weight: 70}, {Connector: "c2", Weight: 20}, {Connector: "c3", Weight: 10}}})
	if got := count(split, 1000); got != [4]int{0, 700, 200, 100} {
		t.Errorf("split %v", got)
	}
	turns := compile(t, list, route.Rule{Strategy: route.RoundRobin, Targets: to("c1", "c2", "c3")})
	if got := count(turns, 99); got != [4]int{0, 33, 33, 33} {
		t.Errorf("round robin %v", got)
	}
	cheap := compile(t, list, route.Rule{Strategy: route.LeastCost, Targets: []route.Target{{Connector: "c1", Cost: .03}, {Connector: "c2", Cost: .01}, {Connector: "c3", Cost: .02}}})
	if got := count(cheap, 5); got != [4]int{0, 0, 5, 0} {
		t.Errorf("least cost %v", got)
	}
	list[1].State.Set(route.Down)
	if got := count(cheap, 5); got != [4]int{0, 0, 0, 5} {
		t.Errorf("least cost without the cheapest %v", got)
	}
	if got := count(split, 1000); got != [4]int{0, 700, 0, 300} {
		t.Errorf("split without the second %v", got)
	}
	e := cheap.Explain(rowsOf(t, []route.Rule{{Strategy: route.LeastCost, Targets: to("c1", "c2", "c3")}}), query("1"), 10)
	if e.Connector != "c3" || !strings.Contains(e.Why, "failover") {
		t.Errorf("explained as %+v", e)
	}
}

func TestDetourAndNext(t *testing.T) {
	list := connectors(4)
	table := compile(t, list, route.Rule{Targets: to("c1", "c2", "c3")}, route.Rule{Match: route.Match{Prefixes: []string{"9"}}, Targets: to("c4", "c1")})
	list[1].State.Set(route.Down)
	for _, c := range []struct {
		rule uint32
		from uint16
		dest string
		next bool
		want uint16 // 0: none
	}{
		{1, 1, "1", false, 3},
		{1, 3, "1", false, 1},
		{1, 1, "1", true, 3},
		{1, 2, "1", true, 3},
		{1, 3, "1", true, 0},
		{2, 4, "9", false, 1},
		{2, 1, "9", true, 0},
		{77, 4, "9", false, 1}, // its rule is gone: the one that takes it now
		{1, 4, "9", true, 1},   // its rule does not name its connector any more
	} {
		way := table.Detour
		if c.next {
			way = table.Next
		}
		got, ok := way(c.rule, c.from, query(c.dest))
		if ok != (c.want != 0) || ok && got.Connector != c.want {
			t.Errorf("%+v: %+v, %v", c, got, ok)
		}
	}
	list[2].State.Set(route.Stopped)
	if c, ok := table.Detour(1, 1, query("1")); ok {
		t.Errorf("detour to %+v, which is not up", c)
	}
	if c, ok := table.Next(1, 1, query("1")); !ok || c.Connector != 2 {
		t.Errorf("next is %+v, want the one that is least bad", c)
	}
}

// TestModel compares the table with looking at every rule.
func TestModel(t *testing.T) {
	digits := rapid.StringOfN(rapid.RuneFrom([]rune("12")), 0, 5, -1)
	list := connectors(3)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "rules")
		rules := make([]route.Rule, n)
		for i := range rules {
			r := &rules[i]
			r.Name, r.Strategy, r.Targets = fmt.Sprintf("r%d", i), route.Failover, to("c1")
			r.Priority = rapid.IntRange(0, 2).Draw(t, "priority")
			r.Disabled = rapid.IntRange(0, 9).Draw(t, "disabled") == 0
			for range rapid.IntRange(0, 2).Draw(t, "prefixes") {
				if p := digits.Draw(t, "prefix"); p != "" {
					r.Match.Prefixes = append(r.Match.Prefixes, p)
				}
			}
			r.Match.Accounts = rapid.SliceOfN(rapid.Uint32Range(1, 2), 0, 1).Draw(t, "accounts")
			r.Match.Senders = rapid.SliceOfN(rapid.SampledFrom([]string{"A", "B", "A*"}), 0, 2).Draw(t, "senders")
			r.Match.MinParts = rapid.IntRange(0, 2).Draw(t, "parts")
		}
		rows := make([]route.Row, n)
		for i := range rows {
			rows[i] = route.Row{ID: uint32(i + 1), Rule: rules[i]}
		}
		table, err := route.Compile(list, rows)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			q := &route.Query{
				Account: rapid.Uint32Range(0, 3).Draw(t, "account"), Parts: rapid.IntRange(1, 3).Draw(t, "n"),
				Source: message.Address{Addr: rapid.SampledFrom([]string{"A", "AA", "B", "C"}).Draw(t, "sender")},
				Dest:   message.Address{Addr: digits.Draw(t, "dest")},
			}
			want := naive(rows, q)
			if got, _ := table.Route(q); got.Rule != want {
				t.Fatalf("%+v: rule %d, want %d of %+v", q, got.Rule, want, rows)
			}
		}
	})
}

// naive is the definition of which rule decides.
func naive(rows []route.Row, q *route.Query) uint32 {
	type key struct{ priority, prefix, conditions, id int }
	var best key
	for _, r := range rows {
		m := r.Match
		k := key{priority: r.Priority, prefix: -1, id: -int(r.ID)}
		if len(m.Prefixes) == 0 {
			k.prefix = 0
		} else {
			k.conditions++
		}
		for _, p := range m.Prefixes {
			if strings.HasPrefix(q.Dest.Addr, p) {
				k.prefix = max(k.prefix, len(p))
			}
		}
		if len(m.Accounts) > 0 {
			k.conditions++
		}
		if len(m.Senders) > 0 {
			k.conditions++
		}
		if m.MinParts > 1 {
			k.conditions++
		}
		sender := len(m.Senders) == 0
		for _, s := range m.Senders {
			start, open := strings.CutSuffix(s, "*")
			sender = sender || s == q.Source.Addr || open && strings.HasPrefix(q.Source.Addr, start)
		}
		if r.Disabled || k.prefix < 0 || !sender || q.Parts < m.MinParts || len(m.Accounts) > 0 && !slices.Contains(m.Accounts, q.Account) {
			continue
		}
		if best.id == 0 || slices.Compare([]int{k.priority, k.prefix, k.conditions, k.id}, []int{best.priority, best.prefix, best.conditions, best.id}) > 0 {
			best = k
		}
	}
	return uint32(-best.id)
}

func TestRouteAllocatesNothing(t *testing.T) {
	table := compile(t, connectors(3), thousands(2000)...)
	q := query("99361234567")
	q.Source.Addr, q.Text = "S7", "code 1234"
	if n := testing.AllocsPerRun(1000, func() { table.Route(q) }); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}

// thousands makes n rules as an aggregator may have them: prefixes of networks, some for
// one account or sender only, and a last one for everything.
func thousands(n int) []route.Rule {
	r := rand.New(rand.NewPCG(1, 2))
	rules := []route.Rule{{Name: "rest", Targets: to("c1")}}
	for i := 1; i < n; i++ {
		rule := route.Rule{Name: fmt.Sprintf("r%d", i), Targets: to("c2", "c3")}
		rule.Match.Prefixes = []string{fmt.Sprint(10_000 + r.IntN(990_000))}
		switch r.IntN(4) {
		case 0:
			rule.Match.Accounts = []uint32{uint32(1 + r.IntN(100))}
		case 1:
			rule.Match.Senders = []string{fmt.Sprintf("S%d", r.IntN(50))}
		case 2:
			rule.Strategy = route.RoundRobin
		}
		rules = append(rules, rule)
	}
	return rules
}

// BenchmarkRoute is a match among 10,000 rules; the goal is 200 ns, 5 million a second.
func BenchmarkRoute(b *testing.B) {
	for _, c := range []struct {
		name  string
		rules []route.Rule
	}{{"prefixes", thousands(10_000)}, {"senders", bySender(10_000)}, {"accounts", byAccount(10_000)}, {"none", nil}} {
		b.Run(c.name, func(b *testing.B) {
			table := compile(b, connectors(3), c.rules...)
			r := rand.New(rand.NewPCG(3, 4))
			queries := make([]route.Query, 4096)
			for i := range queries {
				queries[i] = route.Query{
					Account: uint32(1 + r.IntN(10_000)), Parts: 1, Dest: message.Address{Addr: fmt.Sprint(10_000_000_000 + r.Int64N(989_999_999_999))},
					Source: message.Address{Addr: fmt.Sprintf("S%d", r.IntN(10_000))},
				}
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				table.Route(&queries[i&4095])
				i++
			}
		})
	}
}

func bySender(n int) (rules []route.Rule) {
	for i := range n {
		rules = append(rules, route.Rule{Match: route.Match{Senders: []string{fmt.Sprintf("S%d", i)}}, Targets: to("c1")})
	}
	return rules
}

func byAccount(n int) (rules []route.Rule) {
	for i := range n {
		rules = append(rules, route.Rule{Match: route.Match{Accounts: []uint32{uint32(i + 1)}}, Targets: to("c1")})
	}
	return rules
}

// tables is a Store that can fail.
type tables struct {
	rows []route.Row
	fail error
}

func (s *tables) LoadRoutes(context.Context) ([]route.Row, error) { return s.rows, nil }
func (s *tables) SaveRoute(_ context.Context, r route.Row) error {
	s.rows = append(s.rows, r)
	return s.fail
}
func (s *tables) DeleteRoute(context.Context, uint32) error { return s.fail }
func (s *tables) ReplaceRoutes(_ context.Context, rows []route.Row) error {
	if s.fail == nil {
		s.rows = rows
	}
	return s.fail
}

func TestListedInTheOrderInWhichTheyDecide(t *testing.T) {
	prefixed := func(id uint32, priority int, prefixes ...string) route.Row {
		return route.Row{ID: id, Rule: route.Rule{Name: strings.Join(prefixes, "+"), Priority: priority, Match: route.Match{Prefixes: prefixes}}}
	}
	store := &tables{rows: []route.Row{
		prefixed(1, 0), prefixed(2, 0, "993"), prefixed(3, 0, "7", "99361"), prefixed(4, -1, "993612"), prefixed(5, 3),
		{ID: 6, Rule: route.Rule{Name: "sender", Match: route.Match{Senders: []string{"VIP"}}}},
	}}
	b, err := route.OpenBook(context.Background(), route.BookOptions{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	var got []uint32
	for _, r := range b.Ordered() {
		got = append(got, r.ID)
	}
	if want := []uint32{5, 3, 2, 6, 1, 4}; !slices.Equal(got, want) {
		t.Errorf("%d, want %d", got, want)
	}
}

func TestReplaceIsAllOrNothing(t *testing.T) {
	ctx, store, published := context.Background(), &tables{}, 0
	b, err := route.OpenBook(ctx, route.BookOptions{
		Store: store, Known: func(name string) bool { return name != "ghost" }, Changed: func() error { published++; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	rule := func(name string, priority int) route.Rule {
		return route.Rule{Name: name, Priority: priority, Strategy: route.Failover, Targets: []route.Target{{Connector: "a"}}}
	}
	first := []route.Rule{rule("one", 1), rule("two", 2), rule("three", 3)}
	if d, err := b.Replace(ctx, first); err != nil || d != (route.Difference{Routes: 3, Created: 3}) || published != 1 {
		t.Fatalf("%+v, %v, %d times in force", d, err, published)
	}
	ids := map[string]uint32{}
	for _, r := range b.Rows() {
		ids[r.Name] = r.ID
	}
	next := []route.Rule{rule("four", 4), rule("two", 20), rule("three", 3)}
	want := route.Difference{Routes: 3, Created: 1, Changed: 1, Unchanged: 1, Deleted: 1}
	if d, err := b.Compare(next); err != nil || d != want || published != 1 || b.Name(ids["one"]) != "one" {
		t.Errorf("dry: %+v, %v, %d times in force", d, err, published)
	}
	if d, err := b.Replace(ctx, next); err != nil || d != want {
		t.Errorf("%+v, %v", d, err)
	}
	two, err := b.Find("two")
	if err != nil || two.ID != ids["two"] || two.Priority != 20 {
		t.Errorf("%+v, %v: a rule that stays keeps its number", two, err)
	}
	if four, err := b.Find("four"); err != nil || four.ID <= ids["three"] {
		t.Errorf("%+v, %v: a number is not given again", four, err)
	}
	ghost := rule("five", 5)
	ghost.Targets[0].Connector, ghost.Strategy = "ghost", "lottery"
	_, err = b.Replace(ctx, []route.Rule{rule("six", 6), ghost, rule("six", 7)})
	for _, fault := range []string{"routes/1/targets/0/connector", "routes/1/strategy", "routes/2/name"} {
		if err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%v does not name %s", err, fault)
		}
	}
	many := make([]route.Rule, 500)
	if _, err := b.Replace(ctx, many); err == nil || strings.Count(err.Error(), "\n") > 110 {
		t.Errorf("500 bad rules are %d lines", strings.Count(err.Error(), "\n"))
	}
	store.fail = errors.New("disk broke")
	if _, err := b.Replace(ctx, first); err == nil || len(b.Rows()) != 3 || b.Name(ids["one"]) == "one" || published != 2 {
		t.Errorf("%v: the table in force is %+v", err, b.Rows())
	}
}
