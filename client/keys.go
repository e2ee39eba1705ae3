package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Key is an API key of an account.
type Key struct {
	Prefix     string    `json:"prefix"` // by which it is shown and revoked
	Name       string    `json:"name"`
	Scopes     []string  `json:"scopes"`
	Allow      []string  `json:"allow,omitempty"` // addresses and networks it may come from; none: all
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"` // zero: never
	Expired    bool      `json:"expired,omitempty"`
	LastUsedAt time.Time `json:"last_used_at,omitzero"` // up to a minute behind
	APIKey     string    `json:"api_key,omitempty"`     // shown once, by CreateKey
	Warnings   []string  `json:"warnings,omitempty"`
}

// NewKey is a key to make.
type NewKey struct {
	Name      string    `json:"name,omitempty"`
	Scopes    []string  `json:"scopes,omitempty"` // none: those that its account's role has
	Allow     []string  `json:"allow,omitempty"`  // addresses and networks it may come from; none: all
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Keys returns the API keys of an account, without the secret parts; Me is the caller's own account.
func (c *Client) Keys(ctx context.Context, id uint32) ([]Key, error) {
	all, err := get[struct{ Keys []Key }](ctx, c, http.MethodGet, accountPath(id, "/keys"), nil, nil)
	if err != nil {
		return nil, err
	}
	return all.Keys, nil
}

// CreateKey makes a key; the answer has it, once.
func (c *Client) CreateKey(ctx context.Context, id uint32, k NewKey) (*Key, error) {
	return get[Key](ctx, c, http.MethodPost, accountPath(id, "/keys"), nil, k)
}

// RevokeKey ends a key, by its prefix; not_found.
func (c *Client) RevokeKey(ctx context.Context, id uint32, prefix string) error {
	return c.run(ctx, http.MethodDelete, accountPath(id, "/keys/"+url.PathEscape(prefix)), nil)
}

// Credentials are the name and password of an account for SMPP and Basic.
type Credentials struct {
	AccountID uint32 `json:"account_id"`
	SystemID  string `json:"system_id"`
	Password  string `json:"password"`
}

// SetPassword sets the password of an account; "": a random one. The answer has it, once.
func (c *Client) SetPassword(ctx context.Context, id uint32, password string) (*Credentials, error) {
	return get[Credentials](ctx, c, http.MethodPost, accountPath(id, "/password"), nil, passwordOf(password))
}

// passwordOf is a body with a password; "": none.
func passwordOf(password string) any {
	return struct {
		Password string `json:"password,omitempty"`
	}{password}
}
