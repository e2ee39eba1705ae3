// Package suppression knows who must not be written to: numbers that an operator or a customer
// put on a blacklist, and people who opted out, by a STOP in a message from their mobile or
// otherwise.
//
// Lists is the main type. It holds every entry in memory, 8 to 16 octets each, so that a
// lookup costs a few memory accesses, takes no lock and allocates nothing, and writes each
// change through to a Store before it shows. Keywords finds STOP and START in messages from
// mobiles. The package starts no goroutine.
package suppression

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
)

// Kinds say why a number is listed: any of the bits.
type Kinds uint8

// The kinds. The numbers are stored.
const (
	Blacklisted Kinds = 1 << iota // by an operator or the customer
	OptedOut                      // by the owner of the number

	allKinds = Blacklisted | OptedOut
)

// String returns the name that the API has for one kind, and both for both.
func (k Kinds) String() string {
	switch k {
	case Blacklisted:
		return "blacklist"
	case OptedOut:
		return "optouts"
	}
	return "blacklist and optouts"
}

// Key names an entry.
type Key struct {
	Account uint32 // whose list; Everybody: the platform's
	Number  Number
	Sender  string // only messages of this sender are refused; empty: of any
}

// Everybody is the account of entries that hold for all accounts.
const Everybody = 0

// MaxSender bounds Key.Sender in octets.
const MaxSender = 21

// Entry is a number on a list.
type Entry struct {
	Key
	Kinds  Kinds
	At     int64  // Unix ms of the last change
	Source string // how it came here, for people
}

// Query selects entries in the order of their keys. Kinds is one of the kinds.
type Query struct {
	Account uint32
	Kinds   Kinds
	Number  Number // 0: any
	After   Key    // only keys above it; its Account is not looked at
	Limit   int
}

// Store keeps entries. A call returns when the change is durable; all or nothing of it is.
type Store interface {
	// EachListed calls f for every entry.
	EachListed(ctx context.Context, f func(Entry)) error
	// SaveListed inserts entries, replaces those with the same key, and deletes those without kinds.
	SaveListed(ctx context.Context, entries []Entry) error
	// Listed returns up to q.Limit entries.
	Listed(ctx context.Context, q Query) ([]Entry, error)
}

// list is one account's entries.
type list struct {
	any     set
	senders atomic.Pointer[map[string]*set] // by sender, replaced as a whole; nil: none
}

// of returns the set for a sender, nil when there is none.
func (l *list) of(sender string) *set {
	if sender == "" {
		return &l.any
	}
	if m := l.senders.Load(); m != nil {
		return (*m)[sender]
	}
	return nil
}

// made returns the set for a sender, which it makes when there is none. One writer at a time.
func (l *list) made(sender string) *set {
	if s := l.of(sender); s != nil {
		return s
	}
	next := make(map[string]*set)
	if m := l.senders.Load(); m != nil {
		maps.Copy(next, *m)
	}
	s := new(set)
	next[sender] = s
	l.senders.Store(&next)
	return s
}

// Lists is all lists. It is safe for concurrent use.
type Lists struct {
	store Store
	lists atomic.Pointer[[]*list] // by account; nil where there is none
	count atomic.Int64            // entries

	mu sync.Mutex // one change at a time
}

// Open reads the lists.
func Open(ctx context.Context, store Store) (*Lists, error) {
	l := &Lists{store: store}
	l.lists.Store(new([]*list))
	err := store.EachListed(ctx, func(e Entry) { l.set(&e) })
	if err != nil {
		return nil, fmt.Errorf("read blacklists and opt-outs: %w", err)
	}
	return l, nil
}

// Len returns how many entries there are.
func (l *Lists) Len() int { return int(l.count.Load()) }

// Check says why an account must not write to a number as a sender, 0 when it may: the lists of
// everybody and its own, for any sender and for this one. dest is digits, with or without +.
// It takes no lock and allocates nothing.
func (l *Lists) Check(account uint32, sender, dest string) Kinds {
	if l.count.Load() == 0 {
		return 0
	}
	n := numberOf(dest)
	if n == 0 {
		return 0
	}
	all := *l.lists.Load()
	k := check(all, Everybody, sender, n)
	if account != Everybody {
		k |= check(all, account, sender, n)
	}
	return k
}

func check(all []*list, account uint32, sender string, n Number) Kinds {
	if int64(account) >= int64(len(all)) || all[account] == nil {
		return 0
	}
	own := all[account]
	k := own.any.get(n)
	if k == 0 && own.senders.Load() != nil {
		k = own.of(plainSender(sender)).get(n)
	}
	return k
}

// plainSender is a sender as it is compared: a number without the sign of international ones.
func plainSender(s string) string { return strings.TrimPrefix(s, "+") }

// kinds returns the kinds of exactly this key.
func (l *Lists) kinds(key *Key) Kinds {
	all := *l.lists.Load()
	if int64(key.Account) >= int64(len(all)) || all[key.Account] == nil {
		return 0
	}
	return all[key.Account].of(key.Sender).get(key.Number)
}

// Has reports whether an entry of this key has these kinds.
func (l *Lists) Has(e *Entry) bool { return l.kinds(&e.Key)&e.Kinds == e.Kinds }

// set makes an entry show. It needs mu, or nobody else who knows l.
func (l *Lists) set(e *Entry) {
	all := *l.lists.Load()
	if int64(e.Account) >= int64(len(all)) || all[e.Account] == nil {
		if e.Kinds == 0 {
			return
		}
		next := make([]*list, max(len(all), int(e.Account)+1))
		copy(next, all)
		next[e.Account] = new(list)
		l.lists.Store(&next)
		all = next
	}
	own := all[e.Account]
	if e.Kinds == 0 && own.of(e.Sender) == nil {
		return
	}
	s := own.made(e.Sender)
	before := s.size
	s.put(e.Number, e.Kinds)
	l.count.Add(int64(s.size - before))
}

// ErrInvalid is wrapped by complaints about an entry.
var ErrInvalid = errors.New("invalid entry")

// Add puts numbers on lists, durably; Kinds are added to those that an entry has. It returns
// how many were not there.
func (l *Lists) Add(ctx context.Context, entries []Entry) (added int, err error) {
	return l.change(ctx, entries, func(has, want Kinds) Kinds { return has | want })
}

// Remove takes Kinds from entries, durably, and returns how many had them. An entry that is
// left without kinds is gone.
func (l *Lists) Remove(ctx context.Context, entries []Entry) (removed int, err error) {
	return l.change(ctx, entries, func(has, want Kinds) Kinds { return has &^ want })
}

func (l *Lists) change(ctx context.Context, entries []Entry, next func(has, want Kinds) Kinds) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	pending := make(map[Key]Kinds, len(entries)) // what this call makes of keys that it names twice
	var write []Entry
	for _, e := range entries {
		e.Sender = plainSender(e.Sender)
		if e.Kinds == 0 || e.Kinds&^allKinds != 0 || e.Number == 0 || len(e.Sender) > MaxSender {
			return 0, fmt.Errorf("%w: %+v", ErrInvalid, e)
		}
		has, named := pending[e.Key]
		if !named {
			has = l.kinds(&e.Key)
		}
		if e.Kinds = next(has, e.Kinds); e.Kinds != has {
			pending[e.Key] = e.Kinds
			write = append(write, e)
			n++
		}
	}
	if len(write) == 0 {
		return 0, nil
	}
	if err := l.store.SaveListed(ctx, write); err != nil {
		return 0, fmt.Errorf("save %d entries of blacklists and opt-outs: %w", len(write), err)
	}
	for i := range write {
		l.set(&write[i])
	}
	return n, nil
}

// List returns entries in the order of their keys.
func (l *Lists) List(ctx context.Context, q Query) ([]Entry, error) { return l.store.Listed(ctx, q) }

// Learn takes in entries that another process has saved; those without kinds are gone.
func (l *Lists) Learn(entries []Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range entries {
		l.set(&entries[i])
	}
}

// Reload reads all entries anew, after changes of another process may have been missed. Entries
// that were deleted meanwhile go with the next start.
func (l *Lists) Reload(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.store.EachListed(ctx, func(e Entry) { l.set(&e) })
	if err != nil {
		return fmt.Errorf("read blacklists and opt-outs: %w", err)
	}
	return nil
}
