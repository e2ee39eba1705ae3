package web_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"protei-bulk/internal/web"
)

func TestSecure(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { web.Page(w.Header()) })
	const hsts = "Strict-Transport-Security"
	for name, tc := range map[string]struct {
		handler http.Handler
		change  func(*http.Request)
		want    map[string]string // "": absent
	}{
		"an answer": {answer, nil, map[string]string{
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", hsts: "",
		}},
		"a page": {page, nil, map[string]string{
			"Content-Security-Policy": web.PagePolicy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", hsts: "",
		}},
		"over TLS":         {answer, func(r *http.Request) { r.TLS = new(tls.ConnectionState) }, map[string]string{hsts: "max-age=31536000"}},
		"over a TLS proxy": {page, func(r *http.Request) { *r = *web.ViaTLS(r) }, map[string]string{hsts: "max-age=31536000"}},
		"who says so himself": {answer, func(r *http.Request) {
			r.Header.Set("X-Forwarded-Proto", "https")
			r.Header.Set("Forwarded", "proto=https")
			r.URL.Scheme = "https"
		}, map[string]string{hsts: ""}},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			if tc.change != nil {
				tc.change(r)
			}
			w := httptest.NewRecorder()
			web.Secure(tc.handler).ServeHTTP(w, r)
			for header, want := range tc.want {
				if got := w.Header().Get(header); got != want {
					t.Errorf("%s is %q, want %q", header, got, want)
				}
			}
		})
	}
	for _, loose := range []string{"unsafe", "http:", "https:", "*"} {
		if strings.Contains(web.PagePolicy, loose) {
			t.Errorf("the policy of pages has %q: %s", loose, web.PagePolicy)
		}
	}
}

// nothing is a ResponseWriter that keeps its header.
type nothing struct{ header http.Header }

func (n nothing) Header() http.Header         { return n.header }
func (n nothing) Write(b []byte) (int, error) { return len(b), nil }
func (n nothing) WriteHeader(int)             {}

func BenchmarkSecure(b *testing.B) {
	h := web.Secure(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r, w := httptest.NewRequest(http.MethodGet, "/", nil), nothing{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}
