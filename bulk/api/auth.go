package api

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"protei-bulk/bulk/accesslog"
	"protei-bulk/bulk/account"
)

const retryBusy = 2 * time.Second

// identify finds the account that a request acts as: by X-API-Key, Bearer, Basic
// (system_id and password) or the cookie of a session, in this order; without any of them the
// anonymous account of the dev mode. An API key must have the scopes that are needed, the user
// of a session the role; everything else has all.
func (c *call) identify(e *endpoint) (err error) {
	c.key, c.session = nil, nil
	if c.who, err = c.authenticate(c.r); err != nil {
		return err
	}
	accesslog.Account(c.r, c.who.Name)
	if e.access == signedIn && c.session == nil {
		return wrong("unauthorized", "nobody is signed in: POST /api/v1/session")
	}
	if c.session != nil {
		return c.permit(e)
	}
	if need := e.scope(c.r.Method); c.key != nil && !c.key.Scopes.Hold(need) {
		return missingScope(c.key, need)
	}
	return nil
}

func missingScope(k *account.Key, need account.Scopes) error {
	detail := "the API key " + k.Prefix + " has the scopes " + k.Scopes.String() + "; this needs "
	if need == 0 {
		detail += "a key with all scopes"
	} else {
		detail += need.String()
	}
	return wrong("missing_scope", detail)
}

// authenticate is identify without the check of scopes.
func (c *call) authenticate(r *http.Request) (*account.Account, error) {
	a := c.api
	if key := r.Header.Get("X-API-Key"); key != "" {
		return c.byKey(key)
	}
	header := r.Header.Get("Authorization")
	if header == "" {
		if token := a.sessionToken(r); token != "" {
			return c.bySession(token)
		}
		if anon := a.opts.Accounts.Anonymous(); anon != nil && !anon.Disabled {
			return anon, fromHere(r)
		}
		return nil, wrong("unauthorized", "send X-API-Key, or Authorization with Bearer or Basic")
	}
	scheme, value, _ := strings.Cut(header, " ")
	if strings.EqualFold(scheme, "Bearer") {
		return c.byKey(strings.TrimSpace(value))
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		return nil, wrong("invalid_credentials", "Authorization is neither Bearer nor well-formed Basic")
	}
	who, err := a.opts.Accounts.Verify(user, password, r.RemoteAddr)
	return who, authProblem(err)
}

func (c *call) byKey(key string) (*account.Account, error) {
	k, err := c.api.opts.Accounts.ByKey(key, c.r.RemoteAddr)
	if err != nil {
		return nil, authProblem(err)
	}
	c.key = k
	return k.Owner(), nil
}

// authProblem does not tell an unknown user from a wrong password.
func authProblem(err error) error {
	var limited *account.LimitedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &limited):
		return err // userProblem
	case errors.Is(err, account.ErrDisabled):
		return wrong("account_disabled", "the account is disabled")
	case errors.Is(err, account.ErrBusyVerifying):
		return &problem{code: "overloaded", detail: "too many sign-ins at once; try again later", retry: retryBusy}
	case errors.Is(err, account.ErrKeyExpired):
		return wrong("key_expired", "the API key has expired")
	case errors.Is(err, account.ErrKeyAddress):
		return wrong("address_not_allowed", "the API key may not be used from this address")
	case errors.Is(err, account.ErrUnknownKey):
		return wrong("invalid_credentials", "the API key is not known")
	}
	return wrong("invalid_credentials", "user or password is wrong")
}

// fromHere refuses requests without credentials that a web page of another site makes a
// browser on this machine send: by its Origin, or by a name that resolves to loopback.
func fromHere(r *http.Request) error {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return wrong("forbidden", "without credentials the platform answers only as localhost or a loopback address; send X-API-Key")
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
			return wrong("forbidden", "without credentials the platform does not answer pages of other sites; send X-API-Key")
		}
	}
	return nil
}
