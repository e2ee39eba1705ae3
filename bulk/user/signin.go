package user

import (
	"context"
	"errors"

	"protei-bulk/bulk/account"
)

// Credentials are what a person signs in with.
type Credentials struct {
	Name, Password string
	Code           string // of the second factor
	Address        string // where the person is
}

// SignIn begins a session. A wrong name, password or code is ErrRefused after about the same time, whichever it is; a
// right password without the code that the user needs is ErrCode. Too many wrong tries are LimitedError.
func (d *Directory) SignIn(ctx context.Context, c Credentials) (*Session, error) {
	name := CleanName(c.Name)
	if len(name) > maxName {
		name = name[:maxName]
	}
	keys := []string{account.AddressKey(c.Address), "user " + name}
	if wait := d.tries.Take(d.now(), keys...); wait > 0 {
		return nil, &LimitedError{Retry: wait}
	}
	u, err := d.identify(name, c.Password)
	if err != nil {
		if !errors.Is(err, ErrRefused) {
			d.tries.GiveBack(d.now(), keys...) // it was not looked at
		}
		return nil, err
	}
	d.change.Lock()
	defer d.change.Unlock()
	now, err := d.Find(name) // it may have changed while the password was checked
	if err != nil || now.Disabled || now.PasswordHash != u.PasswordHash {
		return nil, ErrRefused
	}
	u = now
	if u.TwoFactor() {
		if c.Code == "" {
			d.tries.GiveBack(d.now(), keys...)
			return nil, ErrCode
		}
		if u, err = d.takeCode(ctx, u, c.Code); err != nil {
			if !errors.Is(err, ErrRefused) {
				d.tries.GiveBack(d.now(), keys...)
			}
			return nil, err
		}
	}
	s, err := d.begin(ctx, u, c.Address)
	if err == nil {
		d.tries.GiveBack(d.now(), keys...)
	}
	return s, err
}

// takeCode notes that a code was used, in one step with the check that it was not: of those who bring it at the same
// moment, to whichever node, one gets in. It needs change. ErrRefused, also for a user who is no longer as known.
func (d *Directory) takeCode(ctx context.Context, known *User, code string) (*User, error) {
	u, err := d.replace(ctx, known.Name, func(u *User) error {
		step := checkTOTP(u.TOTPSecret, code, d.now(), u.TOTPStep)
		if step == 0 || u.Disabled || u.PasswordHash != known.PasswordHash {
			return ErrRefused
		}
		u.TOTPStep = step
		return nil
	})
	if errors.Is(err, ErrUnknown) {
		return nil, ErrRefused
	}
	return u, err
}

// identify finds the user whose password it is. Unknown and disabled users take as long as others.
func (d *Directory) identify(name, password string) (*User, error) {
	u, err := d.Find(name)
	hash := ""
	if err == nil && !u.Disabled {
		hash = u.PasswordHash
	}
	if len(password) > MaxPassword {
		password = ""
	}
	right, err := d.accounts.CheckHash(hash, password)
	if err != nil {
		return nil, err
	}
	if !right {
		return nil, ErrRefused
	}
	if a := d.accounts.ByID(u.Account); a == nil || a.Disabled {
		return nil, ErrRefused
	}
	return u, nil
}

// Renew begins a new session in place of one that a new password has ended.
func (d *Directory) Renew(ctx context.Context, name, address string) (*Session, error) {
	d.change.Lock()
	defer d.change.Unlock()
	u, err := d.Find(name)
	if err != nil {
		return nil, err
	}
	return d.begin(ctx, u, address)
}

// What the dev mode offers to anybody who reaches the loopback address.
const (
	DevName     = "dev"
	DevPassword = "dev-console-pass"
	AdminName   = "admin"
)

// EnsureDev creates the user dev, an admin with DevPassword, unless it exists.
func (d *Directory) EnsureDev(ctx context.Context, a *account.Account) error {
	if _, err := d.Find(DevName); err == nil {
		return nil
	}
	_, err := d.Create(ctx, User{Name: DevName, Role: Admin, Account: a.ID}, DevPassword)
	return err
}

// EnsureAdmin creates the user admin when there is nobody, and returns the password to be shown once; "" otherwise.
func (d *Directory) EnsureAdmin(ctx context.Context, a *account.Account) (password string, err error) {
	if len(d.All()) > 0 {
		return "", nil
	}
	password = NewPassword()
	_, err = d.Create(ctx, User{Name: AdminName, Role: Admin, Account: a.ID, MustChange: true}, password)
	return password, err
}

// NewPassword returns a random password of 80 bits that can be read out.
func NewPassword() string {
	s := NewTOTPSecret()
	return s[0:4] + "-" + s[4:8] + "-" + s[8:12] + "-" + s[12:16]
}
