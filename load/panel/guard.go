package panel

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"

	"golang.org/x/time/rate"

	"protei-bulk/internal/web"
)

// guard decides who may ask the page for what.
//
//	every request      without a token: the Host must be this machine's (DNS rebinding); with one: it must be shown
//	POST               not from another site (Sec-Fetch-Site, Origin)
//	GET that changes   /stop and /stats/reset, for scripts written for Locust: never from a browser
type guard struct {
	opts     *Options
	key      [sha256.Size]byte // of the token
	cookie   string            // what a browser shows after it has signed in
	cross    *http.CrossOriginProtection
	attempts *rate.Limiter // of wrong tokens, by everybody together
}

// Wrong tokens: a few at once, then one a second.
const (
	wrongBurst     = 10
	wrongPerSecond = 1
)

// cookieName of the session; several load testers on one host share it, and the token tells them apart.
const cookieName = "protei_bulk_load"

func newGuard(o *Options) *guard {
	g := &guard{opts: o, key: sha256.Sum256([]byte(o.Token)), cross: http.NewCrossOriginProtection(), attempts: rate.NewLimiter(wrongPerSecond, wrongBurst)}
	// The cookie follows from the token: with a token that stays, browsers stay signed in over a restart.
	m := hmac.New(sha256.New, []byte(o.Token))
	m.Write([]byte("protei-bulk load: page session 1"))
	g.cookie = hex.EncodeToString(m.Sum(nil))
	return g
}

func (g *guard) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.Page(w.Header()) // without HSTS, which would bind every other port of the host for a year
		if g.opts.Token == "" && !g.ours(r.Host) {
			http.Error(w, "This page answers to addresses and to localhost only, not to "+printable(r.Host)+
				". Behind a proxy, or under another name, start the load tester with --web-login.", http.StatusMisdirectedRequest)
			return
		}
		if err := g.cross.Check(r); err != nil {
			http.Error(w, "Refused: the request comes from another site.", http.StatusForbidden)
			return
		}
		if g.opts.Token != "" && !g.public(r) && !g.known(w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

// printable keeps a header out of terminals and pages as anything but text.
func printable(s string) string {
	if len(s) > 100 {
		s = s[:100]
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '<' || r == '>' || r == '&' {
			return '?'
		}
		return r
	}, s)
}

// ours says that a Host header can not be a name that somebody else's DNS made point to us.
func (g *guard) ours(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(g.opts.Hosts, host)
}

// public are the sign-in page and the files of the page, which are no secret.
func (g *guard) public(r *http.Request) bool {
	p := strings.TrimPrefix(r.URL.Path, g.opts.BasePath)
	if p == "/login" {
		return true
	}
	switch path.Ext(p) {
	case ".css", ".js", ".mjs", ".svg":
		return r.Method == http.MethodGet || r.Method == http.MethodHead
	}
	return false
}

// known says that the request shows the token; otherwise it is answered.
func (g *guard) known(w http.ResponseWriter, r *http.Request) bool {
	if c, err := r.Cookie(cookieName); err == nil && subtle.ConstantTimeCompare([]byte(c.Value), []byte(g.cookie)) == 1 {
		return true
	}
	if token, shown := shownToken(r); shown {
		if g.right(token) {
			return true
		}
		if g.throttled(w) {
			return false
		}
	}
	if r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, g.opts.BasePath+"/login", http.StatusSeeOther)
		return false
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="protei-bulk load"`)
	http.Error(w, "The token is needed: Authorization: Bearer TOKEN (--web-token, or as printed at the start).", http.StatusUnauthorized)
	return false
}

// shownToken is that of "Authorization: Bearer", or the password of Basic.
func shownToken(r *http.Request) (string, bool) {
	if _, password, ok := r.BasicAuth(); ok {
		return password, true
	}
	return strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
}

func (g *guard) right(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], g.key[:]) == 1
}

// throttled counts a wrong token, and answers when there were too many.
func (g *guard) throttled(w http.ResponseWriter) bool {
	if g.attempts.Allow() {
		return false
	}
	w.Header().Set("Retry-After", "1")
	http.Error(w, "Too many wrong tokens: wait a second.", http.StatusTooManyRequests)
	return true
}

// signIn is POST /login, and GET /login?token= for a link in a terminal.
func (p *Page) signIn(w http.ResponseWriter, r *http.Request) {
	g := p.guard
	home := p.opts.BasePath + "/"
	if p.opts.Token == "" {
		http.Redirect(w, r, home, http.StatusSeeOther)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if token := r.FormValue("token"); g.right(strings.TrimSpace(token)) {
		http.SetCookie(w, &http.Cookie{
			Name: cookieName, Value: g.cookie, Path: home, HttpOnly: true, Secure: p.opts.Secure, SameSite: http.SameSiteStrictMode,
		})
		http.Redirect(w, r, home, http.StatusSeeOther)
		return
	}
	if !g.throttled(w) {
		http.Redirect(w, r, p.opts.BasePath+"/login?wrong", http.StatusSeeOther)
	}
}

// signOut is POST /logout.
func (p *Page) signOut(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: p.opts.BasePath + "/", MaxAge: -1, HttpOnly: true, Secure: p.opts.Secure})
	http.Redirect(w, r, p.opts.BasePath+"/login", http.StatusSeeOther)
}

// fromBrowser says that a browser sent a request: a page elsewhere may have made it do so.
func fromBrowser(r *http.Request) bool {
	for _, name := range []string{"Origin", "Referer", "Cookie", "Sec-Fetch-Site", "Sec-Fetch-Mode"} {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	return strings.HasPrefix(r.UserAgent(), "Mozilla/")
}

// scriptsOnly answers a GET that changes something: scripts for Locust may send it, browsers may not.
func scriptsOnly(do http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if fromBrowser(r) {
			w.Header().Set("Allow", "POST")
			http.Error(w, r.URL.Path+" changes the test: use POST. GET is answered for scripts only, so that no link can do it.", http.StatusMethodNotAllowed)
			return
		}
		do(w, r)
	}
}
