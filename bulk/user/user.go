package user

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"protei-bulk/bulk/account"
)

// Role is what a user may do.
type Role string

// The roles.
const (
	Admin    Role = "admin"    // everything
	Operator Role = "operator" // runs the traffic: reads everything, changes everything but people, money and the system
	Auditor  Role = "auditor"  // reads everything, changes nothing
	Customer Role = "customer" // what the account may do that it belongs to
)

// Roles returns all roles.
func Roles() []Role { return []Role{Admin, Operator, Auditor, Customer} }

// Bounds.
const (
	MaxUsers    = 10_000
	maxName     = 64
	MinPassword = 10
	MaxPassword = 128
)

// User is a person who signs in. Values are never changed, only replaced.
type User struct {
	Name     string `json:"name"`
	Role     Role   `json:"role"`
	Account  uint32 `json:"account_id"` // as which the user acts
	Disabled bool   `json:"disabled"`

	PasswordHash string `json:"password_hash"`
	// MustChange: the password was set by somebody else.
	MustChange bool `json:"must_change,omitempty"`
	// TOTPSecret is of the second factor, in base32; "" is none. The store seals it.
	TOTPSecret string `json:"totp_secret,omitempty"`
	// TOTPStep is the last time step whose code was used: a code works once.
	TOTPStep int64 `json:"totp_step,omitempty"`

	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// TwoFactor reports whether the user signs in with a code, too.
func (u *User) TwoFactor() bool { return u.TOTPSecret != "" }

// Errors that callers tell apart.
var (
	ErrUnknown  = errors.New("no such user")
	ErrTaken    = errors.New("there is a user of this name")
	ErrFull     = errors.New("there are too many users")
	ErrLast     = errors.New("this is the last admin who can sign in")
	ErrRefused  = errors.New("user, password or code is wrong") // whichever it was
	ErrCode     = errors.New("the code of the second factor is needed")
	ErrSession  = errors.New("the session has ended")
	ErrPassword = errors.New("the password is wrong")
)

// LimitedError says that too many tries to sign in were wrong.
type LimitedError = account.LimitedError

// FieldError is a wrong member of a user.
type FieldError struct{ Field, Detail string }

// Error implements error.
func (e *FieldError) Error() string { return e.Field + " " + e.Detail }

// CleanName is a user's name as it is kept: without space around it, in lower case.
func CleanName(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return &FieldError{"name", fmt.Sprintf("has 1 to %d characters", maxName)}
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(".-_@+", r) {
			return &FieldError{"name", "has letters without accents, digits, and . - _ @ + only"}
		}
	}
	return nil
}

func checkRole(role Role) error {
	for _, r := range Roles() {
		if r == role {
			return nil
		}
	}
	return &FieldError{"role", "is none of admin, operator, auditor, customer"}
}

// CheckPassword says why a password is not good enough.
func CheckPassword(name, password string) error {
	switch {
	case len(password) < MinPassword:
		return &FieldError{"password", fmt.Sprintf("has at least %d characters", MinPassword)}
	case len(password) > MaxPassword:
		return &FieldError{"password", fmt.Sprintf("has at most %d octets", MaxPassword)}
	case len(name) > 3 && strings.Contains(strings.ToLower(password), name):
		return &FieldError{"password", "does not contain the user's name"}
	case strings.Count(password, password[:1]) == len(password):
		return &FieldError{"password", "is more than one character repeated"}
	}
	return nil
}
