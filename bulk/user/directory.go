package user

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"protei-bulk/bulk/account"
)

// Store keeps users and sessions. A call returns when the change is durable.
type Store interface {
	LoadUsers(ctx context.Context) ([]User, error)
	// CreateUser stores a new user; ErrTaken: another process has stored one of this name.
	CreateUser(ctx context.Context, u User) error
	// ChangeUser changes what is stored of a user in one step: change is called with it, again when another node has
	// changed the user meanwhile, and its error ends it. It returns what is then stored; ErrUnknown.
	ChangeUser(ctx context.Context, name string, change func(*User) error) (User, error)
	DeleteUser(ctx context.Context, name string) error
	LoadSessions(ctx context.Context) ([]Stored, error)
	SaveSession(ctx context.Context, s Stored) error
	// DeleteSession deletes a session; a missing one is no error.
	DeleteSession(ctx context.Context, key string) error
}

// Options of a Directory. Store and Accounts are needed.
type Options struct {
	Store    Store
	Accounts *account.Directory
	Now      func() time.Time // nil: time.Now
}

// Directory is the users and their sessions. It is safe for concurrent use.
type Directory struct {
	store    Store
	accounts *account.Directory
	now      func() time.Time
	tries    account.Tries

	change sync.Mutex // one change at a time

	mu       sync.RWMutex // guards what follows
	users    map[string]*User
	sessions map[string]*Stored // by key
	read     time.Time          // when sessions were read last
}

// Open reads what the store has.
func Open(ctx context.Context, opts Options) (*Directory, error) {
	d := &Directory{store: opts.Store, accounts: opts.Accounts, now: opts.Now, users: map[string]*User{}, sessions: map[string]*Stored{}}
	d.tries.Burst, d.tries.Refill = 10, 10*time.Second
	if d.now == nil {
		d.now = time.Now
	}
	if err := d.Reload(ctx); err != nil {
		return nil, err
	}
	d.change.Lock()
	defer d.change.Unlock()
	return d, d.forgetEnded(ctx)
}

// Reload reads anew what another node may have changed.
func (d *Directory) Reload(ctx context.Context) error {
	d.change.Lock()
	defer d.change.Unlock()
	return d.reload(ctx)
}

func (d *Directory) reload(ctx context.Context) error {
	all, err := d.store.LoadUsers(ctx)
	if err != nil {
		return fmt.Errorf("load users: %w", err)
	}
	began := d.now()
	sessions, err := d.store.LoadSessions(ctx)
	if err != nil {
		return fmt.Errorf("load sessions: %w", err)
	}
	users := make(map[string]*User, len(all))
	for i := range all {
		users[all[i].Name] = &all[i]
	}
	known := make(map[string]*Stored, len(sessions))
	for i := range sessions {
		known[sessions[i].Key] = &sessions[i]
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, s := range known {
		if old := d.sessions[key]; old != nil && old.Seen.After(s.Seen) {
			s.Seen = old.Seen
		}
	}
	d.users, d.sessions, d.read = users, known, began
	return nil
}

// All returns the users by name.
func (d *Directory) All() []*User {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.SortedFunc(maps.Values(d.users), func(a, b *User) int { return cmp.Compare(a.Name, b.Name) })
}

// Find returns the user of a name, or ErrUnknown.
func (d *Directory) Find(name string) (*User, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if u := d.users[CleanName(name)]; u != nil {
		return u, nil
	}
	return nil, ErrUnknown
}

// Create makes a user: FieldError, ErrTaken, ErrFull.
func (d *Directory) Create(ctx context.Context, u User, password string) (*User, error) {
	d.change.Lock()
	defer d.change.Unlock()
	u.Name = CleanName(u.Name)
	if err := errors.Join(d.validate(&u), CheckPassword(u.Name, password)); err != nil {
		return nil, err
	}
	if _, err := d.Find(u.Name); err == nil {
		return nil, ErrTaken
	}
	if len(d.All()) >= MaxUsers {
		return nil, ErrFull
	}
	u.PasswordHash = account.HashPassword(password)
	u.CreatedAt = d.now().UTC()
	u.UpdatedAt = u.CreatedAt
	if err := d.store.CreateUser(ctx, u); errors.Is(err, ErrTaken) {
		return nil, ErrTaken
	} else if err != nil {
		return nil, fmt.Errorf("create user %s: %w", u.Name, err)
	}
	return d.keep(u), nil
}

func (d *Directory) validate(u *User) error {
	err := errors.Join(checkName(u.Name), checkRole(u.Role))
	a := d.accounts.ByID(u.Account)
	switch {
	case a == nil:
		err = errors.Join(err, &FieldError{"account_id", "names no account"})
	case u.Role == Customer && a.Role == account.Admin:
		err = errors.Join(err, &FieldError{"account_id", "is an admin account: a customer belongs to another one"})
	case u.Role != Customer && a.Role != account.Admin:
		err = errors.Join(err, &FieldError{"account_id", "is not an admin account, which the role " + string(u.Role) + " needs"})
	}
	return err
}

// keep makes u what is known of a user. It needs change.
func (d *Directory) keep(u User) *User {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users[u.Name] = &u
	return &u
}

// Update changes a user: ErrUnknown, FieldError, ErrLast. Sessions go on with what the user may then do; a disabled
// user's end.
func (d *Directory) Update(ctx context.Context, name string, change func(*User)) (*User, error) {
	return d.edit(ctx, name, func(u *User) error {
		change(u)
		return d.validate(u)
	})
}

// edit replaces a user by a changed copy. Sessions of another password, or of a disabled user, end first.
func (d *Directory) edit(ctx context.Context, name string, change func(*User) error) (*User, error) {
	d.change.Lock()
	defer d.change.Unlock()
	return d.replace(ctx, name, func(u *User) error {
		old := *u
		if err := change(u); err != nil {
			return err
		}
		u.Name, u.CreatedAt = old.Name, old.CreatedAt
		if (u.Role != Admin || u.Disabled) && d.isLast(&old) {
			return ErrLast
		}
		if u.Disabled || u.PasswordHash != old.PasswordHash {
			return d.endSessions(ctx, u.Name)
		}
		return nil
	})
}

// replace changes a user in the store, as it is there, and then here. It needs change.
func (d *Directory) replace(ctx context.Context, name string, change func(*User) error) (*User, error) {
	u, err := d.store.ChangeUser(ctx, CleanName(name), func(u *User) error {
		if err := change(u); err != nil {
			return err
		}
		u.UpdatedAt = d.now().UTC()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d.keep(u), nil
}

// isLast reports whether nobody but u could undo what is done to u.
func (d *Directory) isLast(u *User) bool {
	if u.Role != Admin || u.Disabled {
		return false
	}
	for _, o := range d.All() {
		if o.Name != u.Name && o.Role == Admin && !o.Disabled {
			return false
		}
	}
	return true
}

// SetPassword sets a password and ends the user's sessions: ErrUnknown, FieldError. mustChange says that somebody else
// knows it.
func (d *Directory) SetPassword(ctx context.Context, name, password string, mustChange bool) (*User, error) {
	return d.edit(ctx, name, func(u *User) error {
		if err := CheckPassword(u.Name, password); err != nil {
			return err
		}
		u.PasswordHash, u.MustChange = account.HashPassword(password), mustChange
		return nil
	})
}

// Prove checks a user's password again, before something that matters: ErrPassword, LimitedError.
func (d *Directory) Prove(u *User, password string) error {
	key := "user " + u.Name
	if wait := d.tries.Take(d.now(), key); wait > 0 {
		return &LimitedError{Retry: wait}
	}
	right, err := d.accounts.CheckHash(u.PasswordHash, password)
	if right || err != nil {
		d.tries.GiveBack(d.now(), key)
	}
	if err == nil && !right {
		return ErrPassword
	}
	return err
}

// SetTOTP makes secret the second factor; code proves that the authenticator has it. FieldError.
func (d *Directory) SetTOTP(ctx context.Context, name, secret, code string) (*User, error) {
	if _, err := decodeTOTP(secret); err != nil {
		return nil, err
	}
	step := checkTOTP(secret, code, d.now(), 0)
	if step == 0 {
		return nil, &FieldError{"code", "is not the code of this secret: is the clock right?"}
	}
	return d.setTOTP(ctx, name, secret, step)
}

// DropTOTP takes the second factor away.
func (d *Directory) DropTOTP(ctx context.Context, name string) (*User, error) {
	return d.setTOTP(ctx, name, "", 0)
}

func (d *Directory) setTOTP(ctx context.Context, name, secret string, step int64) (*User, error) {
	return d.edit(ctx, name, func(u *User) error {
		u.TOTPSecret, u.TOTPStep = secret, step
		return nil
	})
}

// Delete deletes a user and ends the sessions: ErrUnknown, ErrLast.
func (d *Directory) Delete(ctx context.Context, name string) error {
	d.change.Lock()
	defer d.change.Unlock()
	u, err := d.Find(name)
	if err != nil {
		return err
	}
	if d.isLast(u) {
		return ErrLast
	}
	if err := d.endSessions(ctx, u.Name); err != nil {
		return err
	}
	if err := d.store.DeleteUser(ctx, u.Name); err != nil {
		return fmt.Errorf("delete user %s: %w", u.Name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.users, u.Name)
	return nil
}
