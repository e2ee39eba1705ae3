package route

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Difference counts what a Replace does.
type Difference struct {
	Routes    int `json:"routes"` // afterwards
	Created   int `json:"created"`
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	Deleted   int `json:"deleted"`
}

// maxFaults is how many faults of a table are named.
const maxFaults = 100

// Replace makes rules the whole table, at once: every message is routed by the old one or by
// the new one. A rule whose name exists keeps its number. When any rule cannot be accepted
// nothing changes, and the error names up to 100 faults by the rule's place in the list,
// routes/3/strategy.
func (b *Book) Replace(ctx context.Context, rules []Rule) (Difference, error) {
	end, err := b.o.Alone.Begin(ctx, b.Reload, &b.mu)
	if err != nil {
		return Difference{}, err
	}
	defer end()
	rows, last, d, err := b.plan(rules)
	if err != nil {
		return Difference{}, err
	}
	if err := b.o.Store.ReplaceRoutes(ctx, rows); err != nil {
		return Difference{}, fmt.Errorf("save routes: %w", err)
	}
	b.last = last
	return d, b.publish(rows, "")
}

// Compare says what Replace would do, and changes nothing.
func (b *Book) Compare(rules []Rule) (Difference, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, _, d, err := b.plan(rules)
	return d, err
}

// plan needs mu.
func (b *Book) plan(rules []Rule) (rows []Row, last uint32, d Difference, err error) {
	if len(rules) > MaxRules {
		return nil, 0, d, fmt.Errorf("%w: %d of at most %d", ErrFull, len(rules), MaxRules)
	}
	before := make(map[string]*Row, len(b.Rows()))
	for i := range b.Rows() {
		before[b.Rows()[i].Name] = &b.Rows()[i]
	}
	var faults []error
	seen := make(map[string]int, len(rules))
	now := b.o.Now().UnixMilli()
	last = b.last
	for i := range rules {
		rule := &rules[i]
		faults = append(faults, placed(i, b.valid(rule))...)
		if first, twice := seen[rule.Name]; twice {
			faults = append(faults, &FieldError{fmt.Sprintf("routes/%d/name", i), fmt.Sprintf("%.40q is also the name of number %d", rule.Name, first)})
		}
		if len(faults) >= maxFaults {
			faults = append(faults[:maxFaults], &FieldError{"routes", "has more faults than these"})
			break
		}
		seen[rule.Name] = i
		old := before[rule.Name]
		switch {
		case old == nil:
			last++
			rows = append(rows, Row{ID: last, Rule: *rule, CreatedAt: now, UpdatedAt: now})
			d.Created++
		case reflect.DeepEqual(old.Rule, *rule):
			rows = append(rows, *old)
			d.Unchanged++
		default:
			rows = append(rows, Row{ID: old.ID, Rule: *rule, CreatedAt: old.CreatedAt, UpdatedAt: now})
			d.Changed++
		}
	}
	if len(faults) > 0 {
		return nil, 0, Difference{}, errors.Join(faults...)
	}
	slices.SortFunc(rows, func(a, b Row) int { return int(int64(a.ID) - int64(b.ID)) })
	d.Routes, d.Deleted = len(rows), len(before)-d.Changed-d.Unchanged
	return rows, last, d, nil
}

// placed says which rule of the list faults belong to.
func placed(i int, err error) (all []error) {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			all = append(all, placed(i, e)...)
		}
		return all
	}
	var f *FieldError
	if errors.As(err, &f) {
		return []error{&FieldError{fmt.Sprintf("routes/%d/%s", i, f.Field), f.Detail}}
	}
	return []error{err}
}
