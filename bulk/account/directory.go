package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/alone"
)

// Store keeps accounts and keys. A call returns when the change is durable.
type Store interface {
	// LoadAccounts returns everything, in any order.
	LoadAccounts(ctx context.Context) ([]Row, []KeyRow, error)
	// SaveAccount inserts the account or replaces the one with the same ID.
	SaveAccount(ctx context.Context, row Row) error
	// SaveKey inserts a key or replaces the one with the same hash.
	SaveKey(ctx context.Context, key KeyRow) error
	// DeleteKey deletes a key; a missing one is no error.
	DeleteKey(ctx context.Context, hash KeyHash) error
}

// Options of a Directory.
type Options struct {
	Store Store
	Meter Meter // nil: quotas are not looked at
	// Alone, when others use the Store too, keeps them from creating and changing accounts until release.
	Alone  alone.Lock
	Pool   Pool             // of rates, when several nodes share them; nil: this one is alone
	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: silent
}

// Errors that callers tell apart.
var (
	ErrUnknown       = errors.New("no such account")
	ErrUnknownKey    = errors.New("no such API key")
	ErrBadPassword   = errors.New("wrong password")
	ErrDisabled      = errors.New("the account is disabled")
	ErrTaken         = errors.New("the name is taken")
	ErrBusyVerifying = errors.New("too many sign-ins at once")
)

// Snapshot is the accounts and keys at one moment. It never changes.
type Snapshot struct {
	byID     map[uint32]*Account
	byKey    map[KeyHash]*Key
	bySystem map[string]*Account
	byName   map[string]*Account
	keys     []*Key
}

// Directory is the set of accounts. It is safe for concurrent use.
type Directory struct {
	store Store
	meter Meter
	pool  Pool
	now   func() time.Time
	log   *slog.Logger
	alone alone.Lock // nil: it is
	snap  atomic.Pointer[Snapshot]
	anon  atomic.Pointer[Account] // whom requests without credentials act as, or nil
	check verifier

	mu sync.Mutex // one change at a time
}

// Open loads the directory from the store.
func Open(ctx context.Context, opts Options) (*Directory, error) {
	d := &Directory{store: opts.Store, meter: opts.Meter, now: opts.Now, log: opts.Logger, alone: opts.Alone, pool: opts.Pool}
	if d.now == nil {
		d.now = time.Now
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.check.start()
	rows, keys, err := d.store.LoadAccounts(ctx)
	if err != nil {
		return nil, fmt.Errorf("load accounts: %w", err)
	}
	accounts := make([]*Account, len(rows))
	for i, row := range rows {
		accounts[i] = d.newAccount(row)
	}
	loaded := make([]*Key, len(keys))
	for i, row := range keys {
		loaded[i] = newKeyOf(row, nil, nil)
	}
	d.snap.Store(newSnapshot(accounts, loaded))
	return d, nil
}

func (d *Directory) newAccount(row Row) *Account {
	a := &Account{Row: row, zone: row.Zone(), limit: d.newLimiter(row.ID, &row.Spec), quota: newQuota(row.ID, d.meter, &row.Spec)}
	a.senders, _ = row.compileSenders() // Validate has seen it
	return a
}

func newSnapshot(accounts []*Account, keys []*Key) *Snapshot {
	s := &Snapshot{
		byID:     make(map[uint32]*Account, len(accounts)),
		byKey:    make(map[KeyHash]*Key, len(keys)),
		bySystem: make(map[string]*Account, len(accounts)),
		byName:   make(map[string]*Account, len(accounts)),
	}
	for _, a := range accounts {
		s.byID[a.ID] = a
		s.byName[a.Name] = a
		if a.SystemID != "" {
			s.bySystem[a.SystemID] = a
		}
	}
	for _, k := range keys {
		a := s.byID[k.Account]
		if k.account != a {
			k = newKeyOf(k.KeyRow, k.use, a)
		}
		s.keys = append(s.keys, k)
		if a != nil {
			s.byKey[k.Hash] = k
		}
	}
	return s
}

// Snapshot returns the accounts as they are now.
func (d *Directory) Snapshot() *Snapshot { return d.snap.Load() }

// All returns the accounts ordered by ID.
func (s *Snapshot) All() []*Account {
	all := make([]*Account, 0, len(s.byID))
	for _, a := range s.byID {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *Account) int { return int(int64(a.ID) - int64(b.ID)) })
	return all
}

// Keys returns the keys of an account, oldest first.
func (s *Snapshot) Keys(id uint32) []*Key {
	var keys []*Key
	for _, k := range s.keys {
		if k.Account == id {
			keys = append(keys, k)
		}
	}
	slices.SortStableFunc(keys, func(a, b *Key) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) })
	return keys
}

// ByID returns the account, or nil.
func (d *Directory) ByID(id uint32) *Account { return d.snap.Load().byID[id] }

// BySystemID returns the account that binds with system_id id, or nil.
func (d *Directory) BySystemID(id string) *Account { return d.snap.Load().bySystem[id] }

// ByName returns the account of that name, or nil.
func (d *Directory) ByName(name string) *Account { return d.snap.Load().byName[name] }

// Anonymous returns the account that requests without credentials act as, or nil.
// Only the dev mode has one.
func (d *Directory) Anonymous() *Account { return d.anon.Load() }
