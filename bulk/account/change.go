package account

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Secrets are shown once and stored only as hashes.
type Secrets struct {
	APIKey   string
	Password string // empty: the account has no system_id, or kept its own
}

// Create adds an account. An empty password is replaced by a random one when the account
// has a system_id. The account gets one API key. ErrTaken: name or system_id exist.
func (d *Directory) Create(ctx context.Context, spec Spec, password string) (*Account, Secrets, error) {
	return d.create(ctx, spec, Secrets{APIKey: newKey(), Password: password})
}

func (d *Directory) create(ctx context.Context, spec Spec, s Secrets) (*Account, Secrets, error) {
	if err := errors.Join(spec.Validate(), validatePassword(s.Password)); err != nil {
		return nil, Secrets{}, err
	}
	end, err := d.alone.Begin(ctx, d.Reload, &d.mu)
	if err != nil {
		return nil, Secrets{}, err
	}
	defer end()
	if err := errors.Join(d.free(spec, 0), d.related(&spec, 0)); err != nil {
		return nil, Secrets{}, err
	}
	if spec.WebhookSecret == "" {
		spec.WebhookSecret = newWebhookSecret()
	}
	if s.Password == "" && spec.SystemID != "" {
		s.Password = newPassword()
	}
	now := d.now().UnixMilli()
	row := Row{ID: d.nextID(), Spec: spec, CreatedAt: now, UpdatedAt: now}
	if s.Password != "" {
		row.PasswordHash = HashPassword(s.Password)
	}
	// The key first: a crash in between leaves a key that opens nothing, and not an account
	// that exists already and that nobody can use.
	if _, err := d.addKey(ctx, row.ID, s.APIKey, KeySpec{Name: "first"}); err != nil {
		return nil, Secrets{}, err
	}
	if err := d.store.SaveAccount(ctx, row); err != nil {
		return nil, Secrets{}, fmt.Errorf("save account %s: %w", spec.Name, err)
	}
	a := d.newAccount(row)
	d.swap(a, nil)
	return a, s, nil
}

// Update replaces what change makes of the account's Spec, durably. change may be called
// with the lock held: it must not call the Directory.
func (d *Directory) Update(ctx context.Context, id uint32, change func(*Spec)) (*Account, error) {
	end, err := d.alone.Begin(ctx, d.Reload, &d.mu)
	if err != nil {
		return nil, err
	}
	defer end()
	old := d.ByID(id)
	if old == nil {
		return nil, ErrUnknown
	}
	row := old.Row
	change(&row.Spec)
	if err := row.Validate(); err != nil {
		return nil, err
	}
	if err := errors.Join(d.free(row.Spec, id), d.related(&row.Spec, id)); err != nil {
		return nil, err
	}
	return d.replace(ctx, old, row)
}

// SetPassword gives the account a new password; an empty one is replaced by a random one.
// It returns the password.
func (d *Directory) SetPassword(ctx context.Context, id uint32, password string) (string, error) {
	if err := validatePassword(password); err != nil {
		return "", err
	}
	if password == "" {
		password = newPassword()
	}
	end, err := d.alone.Begin(ctx, d.Reload, &d.mu)
	if err != nil {
		return "", err
	}
	defer end()
	old := d.ByID(id)
	if old == nil {
		return "", ErrUnknown
	}
	row := old.Row
	row.PasswordHash = HashPassword(password)
	_, err = d.replace(ctx, old, row)
	return password, err
}

// NewKey adds an API key to the account and returns it: it is never shown again.
func (d *Directory) NewKey(ctx context.Context, id uint32, spec KeySpec) (KeyRow, string, error) {
	if err := spec.Validate(d.now().UnixMilli()); err != nil {
		return KeyRow{}, "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ByID(id) == nil {
		return KeyRow{}, "", ErrUnknown
	}
	key := newKey()
	row, err := d.addKey(ctx, id, key, spec)
	return row, key, err
}

// RevokeKey deletes the keys of the account that have this prefix. It returns
// ErrUnknownKey when there is none.
func (d *Directory) RevokeKey(ctx context.Context, id uint32, prefix string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	snap := d.Snapshot()
	keys := slices.Clone(snap.keys)
	found := false
	for _, k := range snap.keys {
		if k.Account != id || k.Prefix != prefix {
			continue
		}
		if err := d.store.DeleteKey(ctx, k.Hash); err != nil {
			return fmt.Errorf("delete API key %s: %w", prefix, err)
		}
		keys = slices.DeleteFunc(keys, func(other *Key) bool { return other.Hash == k.Hash })
		found = true
	}
	if !found {
		return ErrUnknownKey
	}
	d.snap.Store(newSnapshot(slices.Collect(maps.Values(snap.byID)), keys))
	return nil
}

// The functions below need d.mu.

func (d *Directory) addKey(ctx context.Context, id uint32, key string, spec KeySpec) (KeyRow, error) {
	row := KeyRow{KeySpec: spec, Hash: HashKey(key), Account: id, Prefix: prefixOf(key), CreatedAt: d.now().UnixMilli()}
	if err := d.store.SaveKey(ctx, row); err != nil {
		return KeyRow{}, fmt.Errorf("save API key %s: %w", row.Prefix, err)
	}
	d.swap(nil, &row)
	return row, nil
}

func (d *Directory) replace(ctx context.Context, old *Account, row Row) (*Account, error) {
	row.UpdatedAt = d.now().UnixMilli()
	if err := d.store.SaveAccount(ctx, row); err != nil {
		return nil, fmt.Errorf("save account %s: %w", row.Name, err)
	}
	a := &Account{Row: row, zone: row.Zone(), limit: old.limit, quota: old.quota}
	a.limit.set(&row.Spec)
	a.quota.set(&row.Spec)
	a.senders, _ = row.compileSenders()
	d.swap(a, nil)
	if anon := d.anon.Load(); anon != nil && anon.ID == a.ID {
		d.anon.Store(a)
	}
	return a, nil
}

// swap publishes a snapshot with one account replaced or added, and one key added.
func (d *Directory) swap(a *Account, key *KeyRow) {
	old := d.Snapshot()
	accounts := make([]*Account, 0, len(old.byID)+1)
	for _, other := range old.byID {
		if a == nil || other.ID != a.ID {
			accounts = append(accounts, other)
		}
	}
	if a != nil {
		accounts = append(accounts, a)
	}
	keys := old.keys
	if key != nil {
		keys = slices.DeleteFunc(slices.Clone(keys), func(k *Key) bool { return k.Hash == key.Hash })
		keys = append(keys, newKeyOf(*key, nil, nil))
	}
	d.snap.Store(newSnapshot(accounts, keys))
}

// nextID is above the accounts that exist and those whose creation did not come to its end.
func (d *Directory) nextID() uint32 {
	highest, snap := uint32(0), d.Snapshot()
	for id := range snap.byID {
		highest = max(highest, id)
	}
	for _, k := range snap.keys {
		highest = max(highest, k.Account)
	}
	return highest + 1
}

// free reports whether another account than except has the name or the system_id.
func (d *Directory) free(spec Spec, except uint32) error {
	snap := d.Snapshot()
	if a := snap.byName[spec.Name]; a != nil && a.ID != except {
		return fmt.Errorf("%w: an account named %q exists", ErrTaken, spec.Name)
	}
	if a := snap.bySystem[spec.SystemID]; a != nil && a.ID != except {
		return fmt.Errorf("%w: system_id %q exists", ErrTaken, spec.SystemID)
	}
	return nil
}

func validatePassword(password string) error {
	if len(password) > MaxPassword || !graphicASCII(password) {
		return &FieldError{"password", fmt.Sprintf("has at most %d ASCII characters without spaces, and %d to fit in an SMPP bind",
			MaxPassword, MaxSMPPPassword)}
	}
	return nil
}

// Reload reads accounts and keys anew, after another process has changed them. What was counted
// against limits stays.
func (d *Directory) Reload(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	rows, keys, err := d.store.LoadAccounts(ctx)
	if err != nil {
		return fmt.Errorf("load accounts: %w", err)
	}
	before := d.Snapshot()
	accounts := make([]*Account, len(rows))
	for i, row := range rows {
		a := d.newAccount(row)
		if old := before.byID[row.ID]; old != nil {
			a.limit, a.quota = old.limit, old.quota
			a.limit.set(&row.Spec)
			a.quota.set(&row.Spec)
		}
		accounts[i] = a
	}
	loaded := make([]*Key, len(keys))
	for i, row := range keys {
		loaded[i] = newKeyOf(row, nil, nil)
		if old := before.byKey[row.Hash]; old != nil {
			loaded[i].use = old.use
		}
	}
	d.snap.Store(newSnapshot(accounts, loaded))
	if anon := d.anon.Load(); anon != nil {
		d.anon.Store(d.ByID(anon.ID))
	}
	return nil
}
