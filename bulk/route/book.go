package route

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/alone"
)

// Row is a rule as the store keeps it.
type Row struct {
	ID uint32 `json:"id"`
	Rule
	CreatedAt int64 `json:"created_at"` // Unix ms
	UpdatedAt int64 `json:"updated_at"` // Unix ms
}

// Store keeps rules. A call returns when the change is durable.
type Store interface {
	LoadRoutes(ctx context.Context) ([]Row, error)
	SaveRoute(ctx context.Context, row Row) error
	DeleteRoute(ctx context.Context, id uint32) error
	// ReplaceRoutes makes rows all that there are, at once or not at all.
	ReplaceRoutes(ctx context.Context, rows []Row) error
}

// Errors that callers tell apart.
var (
	ErrUnknown = errors.New("no such route")
	ErrTaken   = errors.New("the name is taken")
	ErrFull    = errors.New("there are as many routes as can be")
)

// BookOptions are the options of a Book. Store is needed.
type BookOptions struct {
	Store Store
	// Known says whether there is a connector of that name; nil: all are known.
	Known func(connector string) bool
	// Alone, when others use the Store too, keeps them from changing routes until release; nil: nobody does.
	Alone alone.Lock
	// Changed puts the rules in force; nil: nobody does.
	Changed func() error
	Now     func() time.Time // nil: time.Now
	Logger  *slog.Logger     // nil: silent
}

// Book is the set of rules. It is safe for concurrent use.
type Book struct {
	o    BookOptions
	rows atomic.Pointer[[]Row] // by ID; replaced as a whole
	mu   sync.Mutex            // one change at a time
	last uint32                // guarded by mu: highest number given
}

// OpenBook loads the rules.
func OpenBook(ctx context.Context, opts BookOptions) (*Book, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Book{o: opts}
	rows, err := opts.Store.LoadRoutes(ctx)
	if err != nil {
		return nil, fmt.Errorf("load routes: %w", err)
	}
	slices.SortFunc(rows, func(a, b Row) int { return int(int64(a.ID) - int64(b.ID)) })
	b.rows.Store(&rows)
	if len(rows) > 0 {
		b.last = rows[len(rows)-1].ID
	}
	return b, nil
}

// Rows returns the rules by number. The caller must not change them.
func (b *Book) Rows() []Row { return *b.rows.Load() }

// Ordered returns the rules in the order in which they decide; one with several prefixes
// stands where the longest of them does.
func (b *Book) Ordered() []Row {
	rows := slices.Clone(b.Rows())
	first := make(map[uint32]place, len(rows))
	for i := range rows {
		first[rows[i].ID] = slices.MinFunc(placesOf(&rows[i], i), before)
	}
	slices.SortFunc(rows, func(x, y Row) int { return before(first[x.ID], first[y.ID]) })
	return rows
}

// Find returns the rule with the name or the number, or ErrUnknown.
func (b *Book) Find(key string) (Row, error) {
	id, err := strconv.ParseUint(key, 10, 32)
	for _, r := range b.Rows() {
		if r.Name == key || err == nil && uint64(r.ID) == id {
			return r, nil
		}
	}
	return Row{}, ErrUnknown
}

// Name returns the name of the rule with the number, its number when it is gone, "" for 0.
func (b *Book) Name(id uint32) string {
	if id == 0 {
		return ""
	}
	rows := b.Rows()
	i, found := slices.BinarySearchFunc(rows, id, func(r Row, id uint32) int { return int(int64(r.ID) - int64(id)) })
	if !found {
		return strconv.FormatUint(uint64(id), 10)
	}
	return rows[i].Name
}

// Using counts the rules that name a connector.
func (b *Book) Using(connector string) (n int) {
	for _, r := range b.Rows() {
		if slices.ContainsFunc(r.Targets, func(t Target) bool { return t.Connector == connector }) {
			n++
		}
	}
	return n
}

// Create adds a rule and puts it in force.
func (b *Book) Create(ctx context.Context, rule Rule) (Row, error) {
	end, err := b.o.Alone.Begin(ctx, b.Reload, &b.mu)
	if err != nil {
		return Row{}, err
	}
	defer end()
	if err := b.check(&rule, 0); err != nil {
		return Row{}, err
	}
	if len(b.Rows()) >= MaxRules {
		return Row{}, ErrFull
	}
	now := b.o.Now().UnixMilli()
	row := Row{ID: b.last + 1, Rule: rule, CreatedAt: now, UpdatedAt: now}
	if err := b.o.Store.SaveRoute(ctx, row); err != nil {
		return Row{}, fmt.Errorf("save route %s: %w", rule.Name, err)
	}
	b.last = row.ID
	return row, b.publish(append(slices.Clone(b.Rows()), row), row.Name)
}

// Update replaces what change makes of a rule. change is called with the lock held.
func (b *Book) Update(ctx context.Context, key string, change func(*Rule)) (Row, error) {
	end, err := b.o.Alone.Begin(ctx, b.Reload, &b.mu)
	if err != nil {
		return Row{}, err
	}
	defer end()
	row, err := b.Find(key)
	if err != nil {
		return Row{}, err
	}
	change(&row.Rule)
	if err := b.check(&row.Rule, row.ID); err != nil {
		return Row{}, err
	}
	row.UpdatedAt = b.o.Now().UnixMilli()
	if err := b.o.Store.SaveRoute(ctx, row); err != nil {
		return Row{}, fmt.Errorf("save route %s: %w", row.Name, err)
	}
	rows := slices.Clone(b.Rows())
	rows[slices.IndexFunc(rows, func(r Row) bool { return r.ID == row.ID })] = row
	return row, b.publish(rows, row.Name)
}

// Delete removes a rule. Messages that it has placed go their way.
func (b *Book) Delete(ctx context.Context, key string) error {
	end, err := b.o.Alone.Begin(ctx, b.Reload, &b.mu)
	if err != nil {
		return err
	}
	defer end()
	row, err := b.Find(key)
	if err != nil {
		return err
	}
	if err := b.o.Store.DeleteRoute(ctx, row.ID); err != nil {
		return fmt.Errorf("delete route %s: %w", row.Name, err)
	}
	return b.publish(slices.DeleteFunc(slices.Clone(b.Rows()), func(r Row) bool { return r.ID == row.ID }), row.Name)
}

// The functions below need b.mu.

func (b *Book) publish(rows []Row, name string) error {
	b.rows.Store(&rows)
	b.o.Logger.Info("routes changed", "route", name, "routes", len(rows))
	if b.o.Changed == nil {
		return nil
	}
	return b.o.Changed()
}

// valid checks a rule by itself.
func (b *Book) valid(rule *Rule) error {
	err := rule.Validate()
	if b.o.Known != nil {
		for i, t := range rule.Targets {
			if t.Connector != "" && !b.o.Known(t.Connector) {
				err = errors.Join(err, &FieldError{fmt.Sprintf("targets/%d/connector", i), fmt.Sprintf("there is no connector %.40q", t.Connector)})
			}
		}
	}
	return err
}

func (b *Book) check(rule *Rule, except uint32) error {
	if err := b.valid(rule); err != nil {
		return err
	}
	if other, err := b.Find(rule.Name); err == nil && other.ID != except {
		return fmt.Errorf("%w: a route named %q exists", ErrTaken, rule.Name)
	}
	return nil
}

// Complete reports whether every message has a rule: there is one in force without
// conditions, or none at all.
func (b *Book) Complete() bool {
	rows := b.Rows()
	return len(rows) == 0 || slices.ContainsFunc(rows, func(r Row) bool { return !r.Disabled && r.Match.conditions() == 0 })
}

// Reload reads the rules anew, after another process has changed them, and puts them in force.
func (b *Book) Reload(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	rows, err := b.o.Store.LoadRoutes(ctx)
	if err != nil {
		return fmt.Errorf("load routes: %w", err)
	}
	slices.SortFunc(rows, func(a, b Row) int { return int(int64(a.ID) - int64(b.ID)) })
	b.rows.Store(&rows)
	if len(rows) > 0 {
		b.last = max(b.last, rows[len(rows)-1].ID)
	}
	if b.o.Changed == nil {
		return nil
	}
	return b.o.Changed()
}
