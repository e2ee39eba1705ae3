package bulk

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/audit"
	"protei-bulk/bulk/store"
	"protei-bulk/bulk/user"
)

// openUsers reads the people who may sign in to the console, and makes the first one.
func (p *Platform) openUsers(ctx context.Context) error {
	d, err := user.Open(ctx, user.Options{Store: userStore{p.store, p.vault}, Accounts: p.accounts})
	if err != nil {
		return err
	}
	p.users = d
	admin := p.firstAdmin()
	switch {
	case admin == nil:
		return nil
	case p.opts.Dev:
		return d.EnsureDev(ctx, admin)
	}
	p.firstPassword, err = d.EnsureAdmin(ctx, admin)
	return err
}

// firstAdmin is the account that the first user acts as: dev in the dev mode, else admin or the
// oldest one with that role.
func (p *Platform) firstAdmin() *account.Account {
	if p.opts.Dev {
		return p.accounts.ByName(account.DevName)
	}
	if a := p.accounts.ByName(account.AdminName); a != nil && a.Role == account.Admin && !a.Disabled {
		return a
	}
	var admins []*account.Account
	for _, a := range p.accounts.Snapshot().All() {
		if a.Role == account.Admin && !a.Disabled && a.Name != account.DevName {
			admins = append(admins, a)
		}
	}
	if len(admins) == 0 {
		return nil
	}
	return slices.MinFunc(admins, func(a, b *account.Account) int { return cmp.Compare(a.ID, b.ID) })
}

// FirstPassword returns the console password of the user admin if this start made it, or "".
func (p *Platform) FirstPassword() string { return p.firstPassword }

// userStore keeps users and sessions in the store.
type userStore struct {
	store store.Store
	vault *vault
}

const (
	userKind    = "user"
	sessionKind = "session"
)

func userPlace(name string) string { return "user " + name }

// LoadUsers opens the secrets of second factors.
func (s userStore) LoadUsers(ctx context.Context) ([]user.User, error) {
	all, err := readObjects[user.User](ctx, s.store, userKind)
	for i := range all {
		if err := s.openSecret(&all[i]); err != nil {
			return nil, err
		}
	}
	return all, err
}

// CreateUser seals the secret of the second factor.
func (s userStore) CreateUser(ctx context.Context, u user.User) error {
	value, err := s.marshal(u)
	if err != nil {
		return err
	}
	audit.From(ctx).Note(userPlace(u.Name), nil, json.RawMessage(value))
	err = s.store.CreateObject(ctx, userKind, u.Name, value)
	if errors.Is(err, store.ErrTaken) {
		return user.ErrTaken
	}
	return err
}

// ChangeUser reads and changes until nobody has changed the user between.
func (s userStore) ChangeUser(ctx context.Context, name string, change func(*user.User) error) (u user.User, err error) {
	for {
		u, err = s.tryChange(ctx, name, change)
		if !errors.Is(err, store.ErrChanged) {
			return u, err
		}
	}
}

// tryChange returns store.ErrChanged when another node was faster.
func (s userStore) tryChange(ctx context.Context, name string, change func(*user.User) error) (u user.User, err error) {
	old, err := s.store.Object(ctx, userKind, name)
	if errors.Is(err, store.ErrNotFound) {
		return u, user.ErrUnknown
	}
	if err != nil {
		return u, err
	}
	if err := json.Unmarshal(old, &u); err != nil {
		return u, fmt.Errorf("read user %s: %w", name, err)
	}
	if err := s.openSecret(&u); err != nil {
		return u, err
	}
	if err := change(&u); err != nil {
		return u, err
	}
	value, err := s.marshal(u)
	if err != nil {
		return u, err
	}
	audit.From(ctx).Note(userPlace(name), json.RawMessage(old), json.RawMessage(value))
	return u, s.store.SwapObject(ctx, userKind, name, old, value)
}

// openSecret opens the secret of the second factor.
func (s userStore) openSecret(u *user.User) (err error) {
	if u.TOTPSecret, err = s.vault.open(userPlace(u.Name), u.TOTPSecret); err != nil {
		return fmt.Errorf("second factor of user %s: %w", u.Name, err)
	}
	return nil
}

// marshal seals the secret of the second factor.
func (s userStore) marshal(u user.User) ([]byte, error) {
	u.TOTPSecret = s.vault.seal(userPlace(u.Name), u.TOTPSecret)
	return json.Marshal(u)
}

func (s userStore) DeleteUser(ctx context.Context, name string) error {
	if err := noteObject(ctx, s.store, userKind, name, userPlace(name), nil); err != nil {
		return err
	}
	return s.delete(ctx, userKind, name)
}

func (s userStore) delete(ctx context.Context, kind, key string) error {
	err := s.store.DeleteObject(ctx, kind, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

func (s userStore) LoadSessions(ctx context.Context) ([]user.Stored, error) {
	return readObjects[user.Stored](ctx, s.store, sessionKind)
}

func (s userStore) SaveSession(ctx context.Context, one user.Stored) error {
	value, err := json.Marshal(one)
	if err != nil {
		return err
	}
	return s.store.PutObject(ctx, sessionKind, one.Key, value)
}

func (s userStore) DeleteSession(ctx context.Context, key string) error {
	return s.delete(ctx, sessionKind, key)
}
