package api

import (
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/audit"
	"protei-bulk/bulk/user"
	"protei-bulk/internal/web"
)

// The session of a person who signed in to the console. Its cookie takes the place of an API
// key; a request that changes something also has csrfHeader, which no other site can set.
const (
	sessionCookie = "protei_bulk_session"
	csrfHeader    = "X-Csrf-Token"
)

// sessionView is the session as its owner sees it.
type sessionView struct {
	User       string    `json:"user"`
	Role       user.Role `json:"role"`
	Account    uint32    `json:"account_id"`
	Name       string    `json:"account"`
	TwoFactor  bool      `json:"two_factor"`
	MustChange bool      `json:"must_change"` // the password, before anything else
	CSRF       string    `json:"csrf_token"`
	Expires    time.Time `json:"expires_at"`
	Version    string    `json:"version"`
}

func (a *API) sessionPaths() {
	type methods = map[string]func(*call) error
	a.on("/api/v1/session", anybody, methods{"POST": (*call).signIn, "GET": (*call).getSession, "DELETE": (*call).signOut})
	a.on("/api/v1/session/password", signedIn, methods{"POST": (*call).changeOwnPassword})
	a.on("/api/v1/session/totp", signedIn, methods{"POST": (*call).offerTOTP, "PUT": (*call).confirmTOTP, "DELETE": (*call).dropOwnTOTP})
	a.on("/api/v1/users", admins, methods{"GET": (*call).listUsers, "POST": (*call).createUser})
	a.on("/api/v1/users/{name}", admins, methods{"GET": (*call).getUser, "PATCH": (*call).updateUser, "DELETE": (*call).deleteUser})
	a.on("/api/v1/users/{name}/password", admins, methods{"POST": (*call).setUserPassword})
}

// sessionToken returns the cookie of a request, or "".
func (a *API) sessionToken(r *http.Request) string {
	if a.opts.Users == nil || len(r.Header["Cookie"]) == 0 {
		return ""
	}
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// bySession finds the account that a session acts as, and makes sure that a change comes from
// our own page.
func (c *call) bySession(token string) (*account.Account, error) {
	s, err := c.api.opts.Users.Session(c.r.Context(), token)
	if err != nil {
		return nil, err
	}
	if !reads(c.r.Method) {
		if err := c.api.cross.Check(c.r); err != nil {
			return nil, wrong("csrf", "the request comes from another site")
		}
		if subtle.ConstantTimeCompare([]byte(c.r.Header.Get(csrfHeader)), []byte(s.CSRF)) != 1 {
			return nil, wrong("csrf", "send csrf_token of GET /api/v1/session as X-CSRF-Token")
		}
	}
	who := c.api.opts.Accounts.ByID(s.User.Account)
	switch {
	case who == nil || who.Disabled:
		return nil, wrong("account_disabled", "the account is disabled")
	case s.User.Role == user.Customer && who.Role == account.Admin:
		return nil, wrong("forbidden", "the user is a customer, and the account has become an admin's")
	}
	c.session = s
	return who, nil
}

// fromScript reports whether a page of a browser makes the request.
func fromScript(r *http.Request) bool {
	mode := r.Header.Get("Sec-Fetch-Mode")
	return r.Header[csrfHeader] != nil || mode != "" && mode != "navigate"
}

func reads(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// permit says whether the role of the session's user may call e.
func (c *call) permit(e *endpoint) error {
	u := c.session.User
	if e.access == signedIn {
		return nil
	}
	if u.MustChange {
		return wrong("password_change_needed", "the password was set by somebody else: change it first (POST /api/v1/session/password)")
	}
	if !e.permits(u.Role, c.r.Method) {
		return wrong("role_forbidden", "the role "+string(u.Role)+" may not do this")
	}
	return nil
}

// operated are the paths below which an operator changes things. What is not here takes an
// admin, until somebody thinks about it.
func operated() []string {
	return []string{
		"/api/v1/messages", "/api/v1/campaigns", "/api/v1/lists", "/api/v1/blacklist", "/api/v1/optouts", "/api/v1/connectors",
		"/api/v1/routes", "/api/v1/inbound", "/api/v1/alerts", "/api/v1/queues", "/api/v1/webhooks/replay",
	}
}

func (e *endpoint) permits(role user.Role, method string) bool {
	looks := (reads(method) || e.harmless()) && !e.revealing()
	switch role {
	case user.Admin:
		return true
	case user.Customer:
		return e.access != admins
	case user.Auditor:
		return looks
	case user.Operator:
		for _, path := range operated() {
			if under(e.path, path) {
				return true
			}
		}
		return looks
	}
	return false
}

// revealing reports whether reading it shows secrets, or costs the platform something.
func (e *endpoint) revealing() bool {
	return e.path == "/api/v1/webhooks" || strings.HasPrefix(e.path, "/debug/")
}

// harmless reports whether the call only tries something out, whatever its method.
func (e *endpoint) harmless() bool {
	switch e.path {
	case "/api/v1/routes/test", "/api/v1/inbound/routes/test", "/api/v1/campaigns/{id}/preview":
		return true
	}
	return false
}

// signIn is POST /api/v1/session.
func (c *call) signIn() error {
	var body struct {
		User     string `json:"user"`
		Password string `json:"password"`
		Code     string `json:"code"`
	}
	if err := c.api.cross.Check(c.r); err != nil {
		return wrong("csrf", "the request comes from another site")
	}
	if _, err := c.into(&body, nil); err != nil {
		return err
	}
	from := c.address()
	s, err := c.api.opts.Users.SignIn(c.r.Context(), user.Credentials{Name: body.User, Password: body.Password, Code: body.Code, Address: from})
	if err != nil {
		if !errors.Is(err, user.ErrCode) {
			c.api.opts.Logger.Warn("sign-in refused", "user", shorten(body.User), "address", from, "why", err)
		}
		return err
	}
	who := c.api.opts.Accounts.ByID(s.User.Account)
	if who == nil {
		return user.ErrRefused
	}
	c.session, c.who = s, who
	c.noteSession("POST")
	c.setCookie(s)
	return c.document(200, c.viewSession())
}

func (c *call) address() string {
	host, _, err := net.SplitHostPort(c.r.RemoteAddr)
	if err != nil {
		return c.r.RemoteAddr
	}
	return host
}

// noteSession puts a sign-in or sign-out into the log of changes.
func (c *call) noteSession(method string) {
	if c.api.opts.Audit == nil {
		return
	}
	ctx, record := c.api.opts.Audit.Begin(c.r.Context(), audit.Entry{
		At: c.api.opts.Now().UTC(), Account: c.who.ID, Name: c.who.Name, User: c.session.User.Name, Address: c.address(),
		RequestID: c.requestID(), Method: method, Path: c.r.URL.Path, Changes: []audit.Change{},
	})
	if err := c.api.opts.Audit.End(ctx, record); err != nil {
		c.api.opts.Logger.Error("the log of changes lacks a sign-in", "user", c.session.User.Name, "err", err)
	}
}

func (c *call) setCookie(s *user.Session) {
	cookie := &http.Cookie{
		Name: sessionCookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: web.OverTLS(c.r), MaxAge: -1,
	}
	if s != nil {
		cookie.Value, cookie.MaxAge = s.Token, int(s.Expires.Sub(c.api.opts.Now()).Seconds())
	}
	http.SetCookie(c.w, cookie)
}

func (c *call) viewSession() sessionView {
	u := c.session.User
	return sessionView{
		User: u.Name, Role: u.Role, Account: c.who.ID, Name: c.who.Name, TwoFactor: u.TwoFactor(), MustChange: u.MustChange,
		CSRF: c.session.CSRF, Expires: c.session.Expires, Version: c.api.opts.Version,
	}
}

// ownSession finds the session of the request's cookie.
func (c *call) ownSession() (err error) {
	token := c.api.sessionToken(c.r)
	if token == "" {
		return wrong("unauthorized", "nobody is signed in: POST /api/v1/session")
	}
	c.who, err = c.bySession(token)
	return err
}

// getSession is GET /api/v1/session.
func (c *call) getSession() error {
	if err := c.ownSession(); err != nil {
		return err
	}
	return c.document(200, c.viewSession())
}

// signOut is DELETE /api/v1/session.
func (c *call) signOut() error {
	if err := c.ownSession(); err != nil {
		return err
	}
	if err := c.api.opts.Users.SignOut(c.r.Context(), c.session.Token); err != nil {
		return err
	}
	c.noteSession("DELETE")
	c.setCookie(nil)
	c.w.WriteHeader(204)
	return nil
}

// prove checks the password of who is signed in once more. What is wrong in it is said at the member.
func (c *call) prove(member, password string) error {
	err := c.api.opts.Users.Prove(c.session.User, password)
	if errors.Is(err, user.ErrPassword) {
		return &problem{code: "validation_failed", detail: member + ": is wrong", faults: []fault{{"/" + member, "wrong_password", "is wrong"}}}
	}
	return err
}

// changeOwnPassword ends all sessions of the user and begins a new one.
func (c *call) changeOwnPassword() error {
	var body struct {
		Current  string `json:"current_password"`
		Password string `json:"password"`
	}
	if _, err := c.into(&body, nil); err != nil {
		return err
	}
	if err := c.prove("current_password", body.Current); err != nil {
		return err
	}
	if body.Password == body.Current {
		return &user.FieldError{Field: "password", Detail: "is the one that you have"}
	}
	name := c.session.User.Name
	if _, err := c.api.opts.Users.SetPassword(c.r.Context(), name, body.Password, false); err != nil {
		return err
	}
	return c.renew(name)
}

// renew gives the user a new session in place of the one that ended.
func (c *call) renew(name string) error {
	s, err := c.api.opts.Users.Renew(c.r.Context(), name, c.address())
	if err != nil {
		return err
	}
	c.session = s
	c.setCookie(s)
	return c.document(200, c.viewSession())
}

// offerTOTP makes a secret for an authenticator. It counts when confirmTOTP has seen a code.
func (c *call) offerTOTP() error {
	secret := user.NewTOTPSecret()
	url := user.TOTPURL("Protei_Bulk", c.session.User.Name, secret)
	qr, err := user.NewQR(url)
	if err != nil {
		return err
	}
	return c.document(200, map[string]any{"secret": secret, "url": url, "qr": qr})
}

// confirmTOTP switches the second factor on.
func (c *call) confirmTOTP() error {
	var body struct {
		Secret   string `json:"secret"`
		Code     string `json:"code"`
		Password string `json:"password"`
	}
	if _, err := c.into(&body, nil); err != nil {
		return err
	}
	if err := c.prove("password", body.Password); err != nil {
		return err
	}
	u, err := c.api.opts.Users.SetTOTP(c.r.Context(), c.session.User.Name, body.Secret, body.Code)
	if err != nil {
		return err
	}
	c.session.User = u
	return c.document(200, c.viewSession())
}

// dropOwnTOTP switches the second factor off.
func (c *call) dropOwnTOTP() error {
	var body struct {
		Password string `json:"password"`
	}
	if _, err := c.into(&body, nil); err != nil {
		return err
	}
	if err := c.prove("password", body.Password); err != nil {
		return err
	}
	u, err := c.api.opts.Users.DropTOTP(c.r.Context(), c.session.User.Name)
	if err != nil {
		return err
	}
	c.session.User = u
	return c.document(200, c.viewSession())
}
