package panel_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"protei-bulk/load/panel"
)

// TestGuard: who may ask for what.
func TestGuard(t *testing.T) {
	const token = "a-token-of-some-length"
	type req struct {
		method, path, host string
		header             map[string]string
	}
	h := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	for name, tc := range map[string]struct {
		token string
		req   req
		want  int
		does  bool // it reaches the Control
	}{
		"page on loopback":                     {"", req{"GET", "/", "127.0.0.1:8089", nil}, 200, false},
		"page by localhost":                    {"", req{"GET", "/", "localhost:8089", nil}, 200, false},
		"page by IPv6":                         {"", req{"GET", "/", "[::1]:8089", nil}, 200, false},
		"page by the name given":               {"", req{"GET", "/", "tester.example:8089", nil}, 200, false},
		"DNS rebinding reads":                  {"", req{"GET", "/stats/requests", "evil.example:8089", nil}, 421, false},
		"DNS rebinding stops":                  {"", req{"POST", "/stop", "evil.example:8089", nil}, 421, false},
		"a name that ends in an address":       {"", req{"POST", "/stop", "127.0.0.1.evil.example", nil}, 421, false},
		"script stops":                         {"", req{"POST", "/stop", "127.0.0.1:8089", nil}, 200, true},
		"page stops":                           {"", req{"POST", "/stop", "127.0.0.1:8089", h("Origin", "http://127.0.0.1:8089", "Sec-Fetch-Site", "same-origin")}, 200, true},
		"other site stops":                     {"", req{"POST", "/stop", "127.0.0.1:8089", h("Sec-Fetch-Site", "cross-site", "Origin", "http://evil.example")}, 403, false},
		"other port stops":                     {"", req{"POST", "/stop", "127.0.0.1:8089", h("Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:80")}, 403, false},
		"other site, old browser":              {"", req{"POST", "/swarm", "127.0.0.1:8089", h("Origin", "http://evil.example")}, 403, false},
		"no site at all":                       {"", req{"POST", "/swarm", "127.0.0.1:8089", h("Origin", "null")}, 403, false},
		"script of Locust stops by GET":        {"", req{"GET", "/stop", "127.0.0.1:8089", h("User-Agent", "python-requests/2")}, 200, true},
		"script of Locust resets by GET":       {"", req{"GET", "/stats/reset", "127.0.0.1:8089", nil}, 200, true},
		"image stops by GET":                   {"", req{"GET", "/stop", "127.0.0.1:8089", h("Sec-Fetch-Site", "cross-site")}, 405, false},
		"link stops by GET":                    {"", req{"GET", "/stop", "127.0.0.1:8089", h("Referer", "http://evil.example/")}, 405, false},
		"old browser stops by GET":             {"", req{"GET", "/stop", "127.0.0.1:8089", h("User-Agent", "Mozilla/5.0")}, 405, false},
		"old browser resets by GET":            {"", req{"GET", "/stats/reset", "127.0.0.1:8089", h("User-Agent", "Mozilla/5.0")}, 405, false},
		"HEAD does not stop":                   {"", req{"HEAD", "/stop", "127.0.0.1:8089", h("User-Agent", "Mozilla/5.0")}, 405, false},
		"start by GET":                         {"", req{"GET", "/swarm", "127.0.0.1:8089", nil}, 404, false},
		"token is needed to look":              {token, req{"GET", "/stats/requests", "load.example", nil}, 401, false},
		"token is needed to start":             {token, req{"POST", "/swarm", "load.example", nil}, 401, false},
		"token is needed to start, by the API": {token, req{"POST", "/api/start", "load.example", nil}, 401, false},
		"token is needed to stop":              {token, req{"GET", "/stop", "load.example", nil}, 401, false},
		"token is needed for events":           {token, req{"GET", "/api/events", "load.example", nil}, 401, false},
		"a dot does not help":                  {token, req{"POST", "/swarm/x.css", "load.example", nil}, 401, false},
		"page without token":                   {token, req{"GET", "/", "load.example", h("Accept", "text/html")}, 303, false},
		"sign-in page":                         {token, req{"GET", "/login", "load.example", nil}, 200, false},
		"files are no secret":                  {token, req{"GET", "/tokens.css", "load.example", nil}, 200, false},
		"bearer":                               {token, req{"POST", "/stop", "load.example", h("Authorization", "Bearer "+token)}, 200, true},
		"basic":                                {token, req{"POST", "/stop", "load.example", h("Authorization", "Basic dTphLXRva2VuLW9mLXNvbWUtbGVuZ3Ro")}, 200, true},
		"wrong bearer":                         {token, req{"POST", "/stop", "load.example", h("Authorization", "Bearer a-token-of-some-lengt")}, 401, false},
		"empty bearer":                         {token, req{"POST", "/stop", "load.example", h("Authorization", "Bearer ")}, 401, false},
		"forged cookie":                        {token, req{"POST", "/stop", "load.example", h("Cookie", "protei_bulk_load="+token)}, 401, false},
		"right token, other site":              {token, req{"POST", "/stop", "load.example", h("Authorization", "Bearer "+token, "Sec-Fetch-Site", "cross-site")}, 403, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlayer(t, panel.Options{Token: tc.token, Hosts: []string{"tester.example"}}, 1)
			r := httptest.NewRequest(tc.req.method, tc.req.path, nil)
			r.Host = tc.req.host
			for k, v := range tc.req.header {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			p.page.ServeHTTP(w, r)
			if w.Code != tc.want || (len(p.asked) > 0) != tc.does {
				t.Errorf("%d, want %d; it did %q; %s", w.Code, tc.want, p.asked, w.Body)
			}
			if w.Header().Get("Content-Security-Policy") == "" {
				t.Error("no content security policy")
			}
		})
	}
}

// TestSignIn: the token becomes a cookie that opens the page, and that a restart with the same token still takes.
func TestSignIn(t *testing.T) {
	const token = "a-token-of-some-length"
	p := newPlayer(t, panel.Options{Token: token, BasePath: "/load"}, 1)
	sign := func(body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/load/login", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		p.page.ServeHTTP(w, r)
		return w
	}
	if w := sign("token=wrong"); w.Code != 303 || w.Header().Get("Location") != "/load/login?wrong" || len(w.Result().Cookies()) > 0 {
		t.Errorf("a wrong token: %d %v", w.Code, w.Header())
	}
	w := sign("token=" + token)
	if w.Code != 303 || w.Header().Get("Location") != "/load/" || len(w.Result().Cookies()) != 1 {
		t.Fatalf("the token: %d %v", w.Code, w.Header())
	}
	c := w.Result().Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/load/" || strings.Contains(c.Value, token) {
		t.Errorf("the cookie is %+v", c)
	}
	restarted := newPlayer(t, panel.Options{Token: token, BasePath: "/load"}, 1)
	other := newPlayer(t, panel.Options{Token: token + "2", BasePath: "/load"}, 1)
	for _, tc := range []struct {
		p    *player
		want int
	}{{p, 200}, {restarted, 200}, {other, 401}} {
		r := httptest.NewRequest(http.MethodGet, "/load/stats/requests", nil)
		r.AddCookie(c)
		w := httptest.NewRecorder()
		tc.p.page.ServeHTTP(w, r)
		if w.Code != tc.want {
			t.Errorf("with the cookie: %d, want %d", w.Code, tc.want)
		}
	}
}

// TestWrongTokensAreSlowedDown: guessing is answered with 429, also by a script that shows the right one late.
func TestWrongTokensAreSlowedDown(t *testing.T) {
	p := newPlayer(t, panel.Options{Token: "a-token-of-some-length"}, 1)
	counts := map[int]int{}
	for range 40 {
		r := httptest.NewRequest(http.MethodGet, "/stats/requests", nil)
		r.Header.Set("Authorization", "Bearer guess-guess")
		w := httptest.NewRecorder()
		p.page.ServeHTTP(w, r)
		counts[w.Code]++
	}
	if counts[http.StatusTooManyRequests] < 20 || counts[http.StatusUnauthorized] < 5 {
		t.Errorf("answers %v", counts)
	}
	r := httptest.NewRequest(http.MethodGet, "/stats/requests", nil)
	r.Header.Set("Authorization", "Bearer a-token-of-some-length")
	w := httptest.NewRecorder()
	if p.page.ServeHTTP(w, r); w.Code != 200 {
		t.Errorf("the right token after the guesses: %d", w.Code)
	}
}

func TestBasePath(t *testing.T) {
	p := newPlayer(t, panel.Options{BasePath: "/load/"}, 1)
	for path, want := range map[string]int{"/load/": 200, "/load": 308, "/load/app.js": 200, "/load/stats/requests": 200, "/": 404, "/stats/requests": 404} {
		if w := get(p, path); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	if _, err := panel.New(panel.Options{Control: p, BasePath: "load"}); err == nil {
		t.Error("a base path without / is taken")
	}
}
