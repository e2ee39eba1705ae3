package httpload

import (
	"strconv"
	"strings"
)

// Head is a request line and headers, rendered once; only path suffix and body vary.
type Head struct {
	method  string
	start   string // "GET /base/path"
	rest    string // " HTTP/1.1\r\nHost: …\r\n"
	hasBody bool
}

// Head renders method, path and header lines ("Name: value") for this target.
func (t *Target) Head(method, path string, header ...string) *Head {
	h := &Head{method: method, start: method + " " + t.base + path}
	var b strings.Builder
	b.WriteString(" HTTP/1.1\r\nHost: " + t.host + "\r\nUser-Agent: protei-bulk-load\r\n")
	b.WriteString(t.heads)
	for _, line := range header {
		b.WriteString(line + "\r\n")
	}
	h.rest = b.String()
	switch method {
	case "POST", "PUT", "PATCH":
		h.hasBody = true
	}
	return h
}

// Request is the part of a request that varies. Take one from Client.Request and give
// it to Client.Do, which takes it back: it is not to be used after.
type Request struct {
	Path   []byte // appended to the head's path: "/0123" or "?limit=20"
	Header []byte // further header lines, each with its CRLF
	Body   []byte
	out    []byte
}

const lengthHeader = "Content-Length: "

// render builds the whole request in r.out.
func (r *Request) render(h *Head) {
	out := append(r.out[:0], h.start...)
	out = append(out, r.Path...)
	out = append(out, h.rest...)
	out = append(out, r.Header...)
	if h.hasBody || len(r.Body) > 0 {
		out = append(out, lengthHeader...)
		out = strconv.AppendInt(out, int64(len(r.Body)), 10)
		out = append(out, '\r', '\n')
	}
	out = append(out, '\r', '\n')
	r.out = append(out, r.Body...)
}

// keepBytes is the largest buffer that goes back to a pool.
const keepBytes = 256 << 10

func (t *Target) request() *Request {
	r := t.requests.Get().(*Request)
	r.Path, r.Header, r.Body = r.Path[:0], r.Header[:0], r.Body[:0]
	return r
}

func (t *Target) releaseRequest(r *Request) {
	if cap(r.out)+cap(r.Body) <= keepBytes {
		t.requests.Put(r)
	}
}
