package web

import (
	"context"
	"net/http"
)

// PagePolicy is the Content-Security-Policy of a page that loads its own files and asks its own host, and nothing
// else: no inline script, no frame around it, no other host.
const PagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Header values that are the same in every answer: shared, never changed.
var (
	answerPolicy = []string{"default-src 'none'; frame-ancestors 'none'"}
	pagePolicy   = []string{PagePolicy}
	noSniff      = []string{"nosniff"}
	noReferrer   = []string{"no-referrer"}
	deny         = []string{"DENY"}
	sameOrigin   = []string{"same-origin"}
	oneYear      = []string{"max-age=31536000"}
)

// Secure puts the security headers of an answer that is no page on everything that next answers: a browser that is
// led to it runs nothing of it, shows it in no frame and guesses no other type. An answer over TLS ([OverTLS]) also
// keeps browsers with TLS for a year (HSTS, RFC 6797). A page replaces the policy: [Page].
func Secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Content-Security-Policy"] = answerPolicy
		h["X-Content-Type-Options"] = noSniff
		h["Referrer-Policy"] = noReferrer
		if OverTLS(r) {
			h["Strict-Transport-Security"] = oneYear
		}
		next.ServeHTTP(w, r)
	})
}

// Page puts the security headers of a page on h, with [PagePolicy].
func Page(h http.Header) {
	h["Content-Security-Policy"] = pagePolicy
	h["X-Content-Type-Options"] = noSniff
	h["Referrer-Policy"] = noReferrer
	h["X-Frame-Options"] = deny
	h["Cross-Origin-Opener-Policy"] = sameOrigin
	h["Cross-Origin-Resource-Policy"] = sameOrigin
}

type proxyTLS struct{}

// ViaTLS returns r as a request whose client has TLS to a proxy in front of us: somebody who knows the proxy says so.
func ViaTLS(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), proxyTLS{}, true))
}

// OverTLS reports whether the client has TLS: to us, or to a proxy ([ViaTLS]). What the request itself says of it in
// its headers is anybody's word.
func OverTLS(r *http.Request) bool {
	return r.TLS != nil || r.Context().Value(proxyTLS{}) != nil
}
