package alert

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"protei-bulk/bulk/callback"
)

// Store keeps rules that were changed, channels, and the history. Secrets of channels come and
// go as they are; the store seals them.
type Store interface {
	LoadRules(ctx context.Context) ([]Rule, error)
	SaveRule(ctx context.Context, r Rule) error
	LoadChannels(ctx context.Context) ([]Channel, error)
	SaveChannel(ctx context.Context, c Channel) error
	DeleteChannel(ctx context.Context, name string) error
	AppendHistory(ctx context.Context, alerts []Alert) error
	// History returns the newest first.
	History(ctx context.Context, limit int) ([]Alert, error)
}

// Book is the rules and channels. It is safe for concurrent use.
type Book struct {
	store Store
	guard *callback.Guard

	change   sync.Mutex   // one change at a time
	mu       sync.RWMutex // guards what follows; the slices are replaced, never written
	rules    []Rule
	channels []Channel
}

// OpenBook reads what the store has. guard says which addresses channels may reach.
func OpenBook(ctx context.Context, s Store, guard *callback.Guard) (*Book, error) {
	b := &Book{store: s, guard: guard}
	return b, b.Reload(ctx)
}

// Reload reads anew what another node may have changed.
func (b *Book) Reload(ctx context.Context) error {
	b.change.Lock()
	defer b.change.Unlock()
	saved, err := b.store.LoadRules(ctx)
	if err != nil {
		return err
	}
	channels, err := b.store.LoadChannels(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(channels, func(a, c Channel) int { return cmp.Compare(a.Name, c.Name) })
	rules := Defaults()
	for i := range rules {
		for _, s := range saved {
			if s.Name == rules[i].Name {
				s.Meaning, s.Below = rules[i].Meaning, rules[i].Below
				rules[i] = s
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules, b.channels = rules, channels
	return nil
}

// Rules returns all rules. The caller must not change them.
func (b *Book) Rules() []Rule {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.rules
}

// Channels returns all channels by name, with their secrets. The caller must not change them.
func (b *Book) Channels() []Channel {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.channels
}

// Channel returns one, or ErrUnknown.
func (b *Book) Channel(name string) (Channel, error) {
	for _, c := range b.Channels() {
		if c.Name == name {
			return c, nil
		}
	}
	return Channel{}, ErrUnknown
}

// Rule returns one, or ErrUnknown.
func (b *Book) Rule(name string) (Rule, error) {
	for _, r := range b.Rules() {
		if r.Name == name {
			return r, nil
		}
	}
	return Rule{}, ErrUnknown
}

// SetRule changes a rule, durably: ErrUnknown, FieldError.
func (b *Book) SetRule(ctx context.Context, r Rule) error {
	b.change.Lock()
	defer b.change.Unlock()
	if err := r.validate(); err != nil {
		return err
	}
	rules := slices.Clone(b.Rules())
	i := slices.IndexFunc(rules, func(o Rule) bool { return o.Name == r.Name })
	if i < 0 {
		return ErrUnknown
	}
	r.Meaning, r.Below = rules[i].Meaning, rules[i].Below
	if err := b.store.SaveRule(ctx, r); err != nil {
		return err
	}
	rules[i] = r
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules = rules
	return nil
}

// SetChannel creates or replaces the channel of this name, durably: FieldError, ErrFull.
func (b *Book) SetChannel(ctx context.Context, c Channel) (Channel, error) {
	b.change.Lock()
	defer b.change.Unlock()
	if err := c.validate(b.guard); err != nil {
		return c, err
	}
	channels := slices.Clone(b.Channels())
	i, found := b.find(channels, c.Name)
	if !found && len(channels) >= MaxChannels {
		return c, ErrFull
	}
	if err := b.store.SaveChannel(ctx, c); err != nil {
		return c, err
	}
	if found {
		channels[i] = c
	} else {
		channels = slices.Insert(channels, i, c)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.channels = channels
	return c, nil
}

// DeleteChannel removes a channel, durably: ErrUnknown.
func (b *Book) DeleteChannel(ctx context.Context, name string) error {
	b.change.Lock()
	defer b.change.Unlock()
	channels := slices.Clone(b.Channels())
	i, found := b.find(channels, name)
	if !found {
		return ErrUnknown
	}
	if err := b.store.DeleteChannel(ctx, name); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.channels = slices.Delete(channels, i, i+1)
	return nil
}

func (b *Book) find(channels []Channel, name string) (int, bool) {
	return slices.BinarySearchFunc(channels, name, func(c Channel, n string) int { return strings.Compare(c.Name, n) })
}
