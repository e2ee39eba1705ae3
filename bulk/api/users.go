package api

import (
	"time"

	"protei-bulk/bulk/user"
)

// userView is a user without secrets.
type userView struct {
	Name       string    `json:"name"`
	Role       user.Role `json:"role"`
	Account    uint32    `json:"account_id"`
	AccountOf  string    `json:"account"`
	Disabled   bool      `json:"disabled"`
	TwoFactor  bool      `json:"two_factor"`
	MustChange bool      `json:"must_change"`
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`

	// Password is shown once: in the answer that made it.
	Password string   `json:"password,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

func (c *call) viewUser(u *user.User) userView {
	v := userView{
		Name: u.Name, Role: u.Role, Account: u.Account, Disabled: u.Disabled, TwoFactor: u.TwoFactor(), MustChange: u.MustChange,
		CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt, Warnings: c.warned(),
	}
	if a := c.api.opts.Accounts.ByID(u.Account); a != nil {
		v.AccountOf = a.Name
	}
	return v
}

func (c *call) listUsers() error {
	views := []userView{}
	for _, u := range c.api.opts.Users.All() {
		views = append(views, c.viewUser(u))
	}
	return c.document(200, map[string]any{"users": views})
}

func (c *call) getUser() error {
	u, err := c.api.opts.Users.Find(c.r.PathValue("name"))
	if err != nil {
		return err
	}
	return c.document(200, c.viewUser(u))
}

// userBody are the members of a user that are read.
type userBody struct {
	Name      string    `json:"name"`
	Role      user.Role `json:"role"`
	Account   uint32    `json:"account_id"`
	Password  string    `json:"password"`
	Disabled  bool      `json:"disabled"`
	TwoFactor bool      `json:"two_factor"`
}

// createUser makes a user, with a random password when none is given, which has to be changed.
func (c *call) createUser() error {
	var body userBody
	set, err := c.into(&body, nil)
	if err != nil {
		return err
	}
	if set["two_factor"] && body.TwoFactor {
		return &user.FieldError{Field: "two_factor", Detail: "is switched on by the users themselves"}
	}
	u := user.User{Name: body.Name, Role: body.Role, Account: body.Account, Disabled: body.Disabled, MustChange: true}
	if !set["account_id"] && u.Role != user.Customer {
		u.Account = c.who.ID
	}
	shown := ""
	if body.Password == "" {
		shown = user.NewPassword()
		body.Password = shown
	}
	made, err := c.api.opts.Users.Create(c.r.Context(), u, body.Password)
	if err != nil {
		return err
	}
	v := c.viewUser(made)
	v.Password = shown
	return c.document(201, v)
}

func (c *call) updateUser() error {
	var body userBody
	set, err := c.into(&body, nil)
	if err != nil {
		return err
	}
	name := c.r.PathValue("name")
	switch {
	case set["name"] && user.CleanName(body.Name) != user.CleanName(name):
		return &user.FieldError{Field: "name", Detail: "cannot be changed: make another user"}
	case set["password"]:
		return &user.FieldError{Field: "password", Detail: "is set by POST /api/v1/users/{name}/password"}
	case set["two_factor"] && body.TwoFactor:
		return &user.FieldError{Field: "two_factor", Detail: "is switched on by the users themselves"}
	}
	u, err := c.api.opts.Users.Update(c.r.Context(), name, func(u *user.User) {
		if set["role"] {
			u.Role = body.Role
		}
		if set["account_id"] {
			u.Account = body.Account
		}
		if set["disabled"] {
			u.Disabled = body.Disabled
		}
		if set["two_factor"] { // of somebody who has lost the authenticator
			u.TOTPSecret, u.TOTPStep = "", 0
		}
	})
	if err != nil {
		return err
	}
	return c.document(200, c.viewUser(u))
}

func (c *call) deleteUser() error {
	if err := c.api.opts.Users.Delete(c.r.Context(), c.r.PathValue("name")); err != nil {
		return err
	}
	c.w.WriteHeader(204)
	return nil
}

// setUserPassword sets a password, to a random one when none is given, and shows it once. The
// user has to change it.
func (c *call) setUserPassword() error {
	var body struct {
		Password string `json:"password"`
	}
	if c.r.ContentLength != 0 {
		if _, err := c.into(&body, nil); err != nil {
			return err
		}
	}
	shown := ""
	if body.Password == "" {
		shown = user.NewPassword()
		body.Password = shown
	}
	u, err := c.api.opts.Users.SetPassword(c.r.Context(), c.r.PathValue("name"), body.Password, true)
	if err != nil {
		return err
	}
	v := c.viewUser(u)
	v.Password = shown
	return c.document(200, v)
}
