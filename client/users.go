package client

import (
	"context"
	"net/http"
	"time"
)

// User is a person who may sign in to the console.
type User struct {
	Name       string    `json:"name"`
	Role       string    `json:"role"` // admin, operator, auditor, customer
	AccountID  uint32    `json:"account_id"`
	Account    string    `json:"account"` // its name
	TwoFactor  bool      `json:"two_factor"`
	MustChange bool      `json:"must_change"` // the password, at the next sign-in
	Disabled   bool      `json:"disabled"`
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
	Password   string    `json:"password,omitempty"` // shown once, when it was made at random
	Warnings   []string  `json:"warnings,omitempty"`
}

// NewUser is a user to make. Name and Role are needed.
type NewUser struct {
	Name      string `json:"name"`
	Role      string `json:"role"`
	AccountID uint32 `json:"account_id,omitempty"` // 0: the caller's own
	Password  string `json:"password,omitempty"`   // "": a random one, which has to be changed
	Disabled  bool   `json:"disabled,omitempty"`
}

// UserChange is what UpdateUser changes; nil or empty stays as it is.
type UserChange struct {
	Role      string `json:"role,omitempty"`
	AccountID uint32 `json:"account_id,omitempty"`
	Disabled  *bool  `json:"disabled,omitempty"`
	TwoFactor *bool  `json:"two_factor,omitempty"` // false takes a lost second factor away
}

// Users returns the people who may sign in. It is for administrators, as all calls of users are.
func (c *Client) Users(ctx context.Context) ([]User, error) {
	all, err := get[struct{ Users []User }](ctx, c, http.MethodGet, base+"/users", nil, nil)
	if err != nil {
		return nil, err
	}
	return all.Users, nil
}

// User returns one; not_found.
func (c *Client) User(ctx context.Context, name string) (*User, error) {
	return get[User](ctx, c, http.MethodGet, under("/users/", name), nil, nil)
}

// CreateUser makes a user; conflict when the name is taken.
func (c *Client) CreateUser(ctx context.Context, u NewUser) (*User, error) {
	return get[User](ctx, c, http.MethodPost, base+"/users", nil, u)
}

// UpdateUser changes what u has.
func (c *Client) UpdateUser(ctx context.Context, name string, u UserChange) (*User, error) {
	return get[User](ctx, c, http.MethodPatch, under("/users/", name), nil, u)
}

// DeleteUser deletes a user and ends the sessions; not_found.
func (c *Client) DeleteUser(ctx context.Context, name string) error {
	return c.run(ctx, http.MethodDelete, under("/users/", name), nil)
}

// SetUserPassword sets a password that has to be changed at the next sign-in; "": a random one.
func (c *Client) SetUserPassword(ctx context.Context, name, password string) (*User, error) {
	return get[User](ctx, c, http.MethodPost, under("/users/", name, "/password"), nil, passwordOf(password))
}
