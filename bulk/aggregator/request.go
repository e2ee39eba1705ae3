package aggregator

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/upstream"
	"protei-bulk/gsm"
)

// Rendered is a request as it goes out.
type Rendered struct {
	Method, URL string
	Header      http.Header
	Body        []byte
}

// errNoOctets and errNoHeader refuse what the template cannot carry: nothing is cut.
var (
	errNoOctets = errors.New("a binary message needs hex or base64 in the template")
	errNoHeader = errors.New("a message with a user data header needs udh in the template")
)

// Render makes the request for a message, or for one part of it.
func (g *Gateway) Render(sub *upstream.Submission, now time.Time) (*Rendered, error) {
	v := valuesOf(sub, &g.auth, g.Whole(), now)
	if gsm.Encoding(sub.Msg.Encoding) == gsm.Binary && !g.has("hex", "base64") {
		return nil, errNoOctets
	}
	if len(v.udh) > 0 && !g.has("udh") {
		return nil, errNoHeader
	}
	r := &Rendered{Method: g.set.Method, Header: make(http.Header, len(g.headers)+2)}
	text, err := g.url.append(nil, v)
	if err != nil {
		return nil, err
	}
	r.URL = string(text)
	if g.set.Body != "" {
		if r.Body, err = g.body.append(make([]byte, 0, len(g.set.Body)+len(v.data)+64), v); err != nil {
			return nil, err
		}
		r.Header["Content-Type"] = []string{contentTypes[g.set.Format]}
	}
	switch g.set.Auth {
	case "basic":
		pair := g.auth.Username + ":" + g.auth.Password
		r.Header["Authorization"] = []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(pair))}
	case "bearer":
		r.Header["Authorization"] = []string{"Bearer " + g.auth.Password}
	}
	for i := range g.headers {
		h := &g.headers[i]
		value, err := h.value.append(nil, v)
		if err != nil {
			return nil, err
		}
		if len(value) > 0 {
			r.Header[h.name] = []string{string(value)}
		}
	}
	return r, nil
}

var contentTypes = map[string]string{
	"": "application/json", "json": "application/json", "form": "application/x-www-form-urlencoded",
	"xml": "application/xml; charset=utf-8", "text": "text/plain; charset=utf-8",
}

func (g *Gateway) has(names ...string) bool {
	return g.url.has(names...) || g.body.has(names...) || g.heads(names...)
}

// heads reports whether a header has one of the fields.
func (g *Gateway) heads(names ...string) bool {
	for i := range g.headers {
		if g.headers[i].value.has(names...) {
			return true
		}
	}
	return false
}

// request makes the HTTP request. What net/http may send again by itself are requests of which
// nothing was written. It would also repeat a GET that was, when its connection ends: a body
// that it cannot rewind keeps it from that.
func (r *Rendered) request(ctx context.Context) (*http.Request, error) {
	if len(r.Body) > 0 {
		req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
		if err != nil {
			return nil, err
		}
		req.Header = r.Header
		return req, nil
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header, req.GetBody = r.Header, nil
	if r.Method == http.MethodGet {
		req.Body = io.NopCloser(bytes.NewReader(nil))
	}
	return req, nil
}

// Sample is a message for a dry run.
func Sample(from, to, text string, enc gsm.Encoding) (*message.Message, error) {
	payload, ends, info, err := gsm.Segment(nil, nil, text, gsm.Options{Encoding: enc, Ref: 42, MaxParts: 255})
	if err != nil {
		return nil, err
	}
	m := &message.Message{
		ID: 0x0123456789abcdef, Account: 1, Priority: message.Normal,
		Source: message.Address{TON: 5, Addr: from}, Dest: message.Address{TON: 1, NPI: 1, Addr: to},
		Encoding: uint8(info.Encoding), DataCoding: info.DataCoding, Flags: message.WantReceipt,
		ClientRef: "order-17", Payload: payload,
	}
	if info.UDHI {
		m.ESMClass = udhIndicator
	}
	m.SetParts(len(ends))
	for i, end := range ends {
		m.Parts[i].End = end
	}
	return m, nil
}

// sample renders a message whose text tries every kind of escape.
func (c *compiler) sample(g *Gateway) {
	text := "a\"b'c\\d <e>&=+%/?#{f} ü"
	if !g.heads("text") {
		text += "\n"
	}
	m, err := Sample("SHOP", "15550001234", text, gsm.UCS2)
	if err != nil {
		c.bad("body", "%s", err)
		return
	}
	r, err := g.Render(&upstream.Submission{Msg: m, Source: m.Source, Dest: m.Dest}, time.Unix(1_800_000_000, 0))
	if err != nil {
		c.bad("body", "%s", err)
		return
	}
	if _, err := url.Parse(r.URL); err != nil {
		c.bad("url", "is none: %s", errors.Unwrap(err))
	}
	if (g.set.Format == "" || g.set.Format == "json") && g.set.Body != "" && !json.Valid(r.Body) {
		var any json.RawMessage
		err := json.Unmarshal(r.Body, &any)
		c.bad("body", "does not become JSON (%v): text fields stand between quotes, \"{{text}}\"; made of a sample it is %.300s", err, r.Body)
	}
	if !g.has("to") {
		c.bad("body", "{{to}} is in neither url, headers nor body")
	}
	if !g.has("text", "hex", "base64", "ucs2_hex") {
		c.bad("body", "{{text}}, {{hex}}, {{base64}} or {{ucs2_hex}} is in neither url, headers nor body")
	}
	if g.set.Split == "part" && !g.has("udh", "part") {
		c.bad("body", "with split=part, {{udh}} or {{part}} and {{parts}} join the parts")
	}
}

// String shows a request, for a person.
func (r *Rendered) String() string { return fmt.Sprintf("%s %s\n%s", r.Method, r.URL, r.Body) }
