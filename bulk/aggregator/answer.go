package aggregator

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"protei-bulk/bulk/upstream"
)

// Answer is an HTTP response to be understood.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Cut    bool // the body ended too early
}

// Read says what an answer means: by the rules, else by its status.
func (g *Gateway) Read(a *Answer, now time.Time) upstream.Outcome {
	d := &document{header: a.Header, body: a.Body}
	out := upstream.Outcome{Code: uint32(a.Status), Done: now}
	if text, ok := g.code.find(d); ok {
		if n, err := strconv.ParseUint(text, 10, 32); err == nil {
			out.Code = uint32(n)
		}
	}
	class, ruled := g.ruled(a.Status, d)
	if !ruled {
		class = byStatus(a)
	}
	out.Class = classes[class]
	if out.Class != upstream.Accepted {
		out.Wait = retryAfter(a.Header, now)
		return out
	}
	if g.id.set() {
		id, ok := g.id.find(d)
		if !ok || id == "" || len(id) > maxID || a.Cut {
			out.Class, out.Detail = upstream.Unknown, "accepted, but the answer has no id"
			return out
		}
		out.ID = id
	}
	out.Code = 0
	return out
}

// maxID is the longest id that is kept.
const maxID = 200

var classes = map[string]upstream.Class{
	"accepted": upstream.Accepted, "throttled": upstream.Slow, "temporary": upstream.Temporary,
	"permanent": upstream.Failed, "rejected": upstream.Rejected, "no_route": upstream.NoRoute,
	"unavailable": upstream.Unavailable, "unknown": upstream.Unknown,
}

// ClassName is the name of a class in Rules.
func ClassName(c upstream.Class) string {
	for name, class := range classes {
		if class == c {
			return name
		}
	}
	return ""
}

func (g *Gateway) ruled(status int, d *document) (class string, ok bool) {
	for i := range g.rules {
		if r := &g.rules[i]; r.fits(status, d) {
			return r.class, true
		}
	}
	return "", false
}

func (r *rule) fits(status int, d *document) bool {
	if len(r.status) > 0 && !slices.ContainsFunc(r.status, func(s statusRange) bool { return s.from <= status && status <= s.to }) {
		return false
	}
	if !r.value.set() {
		return true
	}
	v, ok := r.value.find(d)
	return ok && (r.is == nil || slices.Contains(r.is, v)) && (r.like == nil || r.like.MatchString(v))
}

// byStatus is what HTTP itself says (RFC 9110 §15, RFC 6585). What a gateway in between says of
// the server behind it leaves open whether that has the message. What is wrong with us and not
// with the message stops the connector and not the message.
func byStatus(a *Answer) string {
	switch s := a.Status; {
	case s >= 200 && s < 300:
		return "accepted"
	case s == 429, s == 503 && a.Header.Get("Retry-After") != "":
		return "throttled"
	case s == 502, s == 504:
		return "unknown"
	case s >= 500, s == 408, s == 409, s == 423, s == 425:
		return "temporary"
	case s < 400, s == 401, s == 402, s == 403, s == 404, s == 405, s == 407, s == 426:
		return "unavailable"
	}
	return "rejected"
}

// retryAfter reads seconds or a date (RFC 9110 §10.2.3), at most maxWait.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if text == "" {
		return 0
	}
	wait := time.Duration(0)
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		wait = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxWait)
}
