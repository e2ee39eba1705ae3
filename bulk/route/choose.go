package route

import "slices"

// aim sets the targets and whose turn it is when.
func (r *rule) aim(row *Row, connectors map[string]Connector) {
	targets := row.Targets
	if row.Strategy == LeastCost {
		targets = slices.Clone(targets)
		slices.SortStableFunc(targets, func(a, b Target) int {
			switch {
			case a.Cost < b.Cost:
				return -1
			case a.Cost > b.Cost:
				return 1
			}
			return 0
		})
	}
	var weights []int
	for _, t := range targets {
		c, ok := connectors[t.Connector]
		if !ok {
			continue
		}
		r.targets = append(r.targets, c)
		weights = append(weights, t.Weight)
	}
	switch row.Strategy {
	case Split:
		r.order = spread(weights)
	case RoundRobin:
		for i := range weights {
			weights[i] = 1
		}
		r.order = spread(weights)
	}
}

// spread returns a sequence in which each index comes as often as its weight, evenly
// mixed: always the one that is furthest behind its share.
func spread(weights []int) []uint8 {
	total := 0
	for _, w := range weights {
		total += w
	}
	order := make([]uint8, 0, total)
	behind := make([]int, len(weights))
	for range total {
		next := 0
		for i, w := range weights {
			behind[i] += w
			if behind[i] > behind[next] {
				next = i
			}
		}
		behind[next] -= total
		order = append(order, uint8(next))
	}
	return order
}

// choose returns the index of the target for the next message: the strategy's, or the
// next one that is up, or what is least bad. Only with take does the turn pass on.
func (r *rule) choose(take bool) int {
	start := 0
	if len(r.order) > 0 {
		turn := r.turn.Load()
		if take {
			turn = r.turn.Add(1) - 1
		}
		start = int(r.order[turn%uint64(len(r.order))])
	}
	return r.best(start)
}

// best returns the first target from start on, and around, in the best condition of all.
func (r *rule) best(start int) int {
	found, condition := start, r.targets[start].State.Condition()
	for i := 1; i < len(r.targets) && condition != Up; i++ {
		at := (start + i) % len(r.targets)
		if c := r.targets[at].State.Condition(); c < condition {
			found, condition = at, c
		}
	}
	return found
}

// Detour returns another connector for a message that its rule gave to from: one that is
// up. It follows the rule of that number; when that is gone, or does not name from, the
// rule that q finds now.
func (t *Table) Detour(id uint32, from uint16, q *Query) (Choice, bool) {
	r := t.ruleOf(id, from, q)
	if r == nil {
		return Choice{}, false
	}
	start := max(0, r.index(from))
	for i := range r.targets {
		if c := &r.targets[(start+i)%len(r.targets)]; c.ID != from && c.State.Condition() == Up {
			return Choice{Rule: r.id, Connector: c.ID}, true
		}
	}
	return Choice{}, false
}

// Next is Detour for a message that the connector from has no way for: the target after
// it, in the rule's order, one that is up if there is any; false after the last.
func (t *Table) Next(id uint32, from uint16, q *Query) (Choice, bool) {
	r := t.ruleOf(id, from, q)
	if r == nil {
		return Choice{}, false
	}
	after := r.targets[r.index(from)+1:]
	if len(after) == 0 {
		return Choice{}, false
	}
	next := &after[0]
	for i := range after {
		if after[i].State.Condition() < next.State.Condition() {
			next = &after[i]
		}
	}
	return Choice{Rule: r.id, Connector: next.ID}, true
}

func (t *Table) ruleOf(id uint32, from uint16, q *Query) *rule {
	if at, ok := t.byID[id]; ok && t.rules[at].index(from) >= 0 {
		return &t.rules[at]
	}
	return t.match(q)
}

// index returns the place of a connector among the targets, or -1.
func (r *rule) index(connector uint16) int {
	return slices.IndexFunc(r.targets, func(c Connector) bool { return c.ID == connector })
}
