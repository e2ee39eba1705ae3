package route

import "slices"

// entry is one rule at the end of one of its prefixes.
type entry struct {
	rank uint32
	rule int32
	sure bool // who finds it need not ask the rule: there is no other condition
}

// trie finds the rules whose prefix a number begins with.
type trie struct {
	nodes   []node
	entries []entry
	crowded []crowd
}

// node is one prefix. Its entries, in the order of their ranks, are entries[first:][:n].
type node struct {
	child [10]int32 // by digit; 0: none
	first int32
	n     int32
	crowd int32 // 1 and more: crowded[crowd-1] holds the entries that name their senders
}

// crowd holds the rules of a node that has many which name their senders.
type crowd struct{ bySender map[string][]entry }

// crowdFrom is how many rules with senders make a node crowded.
const crowdFrom = 16

// planner gathers a trie.
type planner struct {
	nodes   []node
	entries [][]entry // by node
}

func (p *planner) add(prefix string, e entry) {
	if p.nodes == nil {
		p.nodes, p.entries = make([]node, 1), make([][]entry, 1)
	}
	at := int32(0)
	for i := range len(prefix) {
		d := prefix[i] - '0'
		next := p.nodes[at].child[d]
		if next == 0 {
			next = int32(len(p.nodes))
			p.nodes, p.entries = append(p.nodes, node{}), append(p.entries, nil)
			p.nodes[at].child[d] = next
		}
		at = next
	}
	p.entries[at] = append(p.entries[at], e)
}

// build lays the entries out one node after the other. They were added by rank.
func (p *planner) build(rules []rule) *trie {
	t := &trie{nodes: p.nodes}
	for i, all := range p.entries {
		n := &t.nodes[i]
		all = t.crowd(n, all, rules)
		n.first, n.n = int32(len(t.entries)), int32(len(all))
		t.entries = append(t.entries, all...)
	}
	return t
}

// crowd takes the rules that name all their senders out of a long list.
func (t *trie) crowd(n *node, all []entry, rules []rule) (rest []entry) {
	named := func(e entry) bool { r := &rules[e.rule]; return len(r.senders) > 0 && len(r.starts) == 0 }
	count := 0
	for _, e := range all {
		if named(e) {
			count++
		}
	}
	if count < crowdFrom {
		return all
	}
	c := crowd{bySender: make(map[string][]entry)}
	for _, e := range all {
		if !named(e) {
			rest = append(rest, e)
			continue
		}
		r := &rules[e.rule]
		e.sure = r.bySender
		for _, s := range r.senders {
			if !slices.Contains(c.bySender[s], e) {
				c.bySender[s] = append(c.bySender[s], e)
			}
		}
	}
	t.crowded = append(t.crowded, c)
	n.crowd = int32(len(t.crowded))
	return rest
}

// none is a rank above all ranks.
const none = ^uint32(0)

// find returns the rule with the best rank below best that takes q, or -1.
func (t *trie) find(q *Query, rules []rule, best uint32) (rule int32, rank uint32) {
	rule, rank = -1, best
	if len(t.nodes) == 0 {
		return rule, rank
	}
	at := int32(0)
	for i := 0; ; i++ {
		n := &t.nodes[at]
		if n.n > 0 {
			rule, rank = first(t.entries[n.first:n.first+n.n], q, rules, rule, rank)
		}
		if n.crowd > 0 {
			if some := t.crowded[n.crowd-1].bySender[q.Source.Addr]; some != nil {
				rule, rank = first(some, q, rules, rule, rank)
			}
		}
		if i == len(q.Dest.Addr) {
			return rule, rank
		}
		d := q.Dest.Addr[i] - '0'
		if d > 9 {
			return rule, rank
		}
		if at = n.child[d]; at == 0 {
			return rule, rank
		}
	}
}

// first returns the first of the entries that takes q, if it is better than what there is.
func first(entries []entry, q *Query, rules []rule, rule int32, rank uint32) (int32, uint32) {
	for _, e := range entries {
		if e.rank >= rank {
			break
		}
		if e.sure || rules[e.rule].takes(q) {
			return e.rule, e.rank
		}
	}
	return rule, rank
}
