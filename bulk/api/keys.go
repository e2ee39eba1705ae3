package api

import (
	"strings"
	"time"

	"protei-bulk/bulk/account"
)

// keyView is an API key as the API shows it.
type keyView struct {
	Prefix    string     `json:"prefix"`
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes"` // "all" for a key without restriction
	Allow     []string   `json:"allow,omitempty"`
	ExpiresAt *time.Time `json:"expires_at"`
	Expired   bool       `json:"expired,omitempty"`
	LastUsed  *time.Time `json:"last_used_at"`
	CreatedAt time.Time  `json:"created_at"`
	APIKey    string     `json:"api_key,omitempty"` // shown once
	Warnings  []string   `json:"warnings,omitempty"`
}

func (c *call) viewKey(k *account.KeyRow, used int64) keyView {
	v := keyView{
		Prefix: k.Prefix, Name: k.Name, Scopes: k.Scopes.Names(), Allow: k.Allow,
		ExpiresAt: moment(k.ExpiresAt), LastUsed: moment(used), CreatedAt: time.UnixMilli(k.CreatedAt).UTC(),
		Expired: k.ExpiresAt != 0 && k.ExpiresAt <= c.api.opts.Now().UnixMilli(),
	}
	if k.Scopes == 0 {
		v.Scopes = []string{"all"}
	}
	return v
}

// moment returns Unix ms as a time, nil for 0.
func moment(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms).UTC()
	return &t
}

func (c *call) listKeys() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	views := []keyView{}
	for _, k := range c.api.opts.Accounts.Snapshot().Keys(a.ID) {
		views = append(views, c.viewKey(&k.KeyRow, k.UsedAt()))
	}
	return c.document(200, map[string]any{"keys": views})
}

func (c *call) createKey() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	spec, err := c.readKey()
	if err != nil {
		return err
	}
	if c.key != nil && !c.key.Scopes.Hold(spec.Scopes) { // a key makes none that may more than itself
		return missingScope(c.key, spec.Scopes)
	}
	row, key, err := c.api.opts.Accounts.NewKey(c.r.Context(), a.ID, spec)
	if err != nil {
		return err
	}
	view := c.viewKey(&row, 0)
	view.APIKey, view.Warnings = key, c.warned()
	return c.document(201, view)
}

// readKey reads what a body, if there is one, says about a key.
func (c *call) readKey() (spec account.KeySpec, err error) {
	if c.r.ContentLength == 0 {
		return spec, nil
	}
	d := &c.dec
	var scopes []string
	var expires string
	err = c.object(maxAdminBody, map[string]func(string){
		"name":       func(n string) { d.string(n, &spec.Name) },
		"label":      func(n string) { d.string(n, &spec.Name) }, // an alias of name
		"scopes":     func(n string) { d.strings(n, &scopes) },
		"allow":      func(n string) { d.strings(n, &spec.Allow) },
		"expires_at": func(n string) { d.string(n, &expires) },
	})
	if err != nil {
		return spec, err
	}
	if spec.Scopes, err = account.ParseScopes(scopes); err != nil {
		d.fault("invalid_scopes", "scopes", err.Error())
	}
	if expires != "" {
		at, err := time.Parse(time.RFC3339Nano, expires)
		if err != nil {
			d.fault("invalid_expires_at", "expires_at", "is not a time with zone such as 2030-01-31T09:00:00Z")
		}
		spec.ExpiresAt = at.UnixMilli()
	}
	spec.Name = strings.Clone(spec.Name) // the body is not kept for it
	return spec, d.invalid()
}

func (c *call) revokeKey() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	if err := c.api.opts.Accounts.RevokeKey(c.r.Context(), a.ID, c.r.PathValue("prefix")); err != nil {
		return err
	}
	c.w.WriteHeader(204)
	return nil
}
