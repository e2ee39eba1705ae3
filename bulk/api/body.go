package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Bounds of bodies.
const (
	maxSingleBody = 64 << 10
	maxBulkBody   = 10 << 20
	maxBulkItems  = 10_000

	firstRead     = 2 << 10
	freeBody      = 64 << 10  // bodies up to this size are not counted
	bodyBudget    = 256 << 20 // octets of larger bodies held at the same time
	maxPooledBody = 1 << 20
)

// text reads the body of at most limit octets and returns it as one string, which lives
// as long as anything that points into it. The memory that a body takes grows as it
// arrives, not as it is announced, and all large bodies together have one budget.
func (c *call) text(limit int) (string, error) {
	if c.r.ContentLength > int64(limit) {
		return "", tooLarge(limit)
	}
	if c.r.ContentLength == 0 || c.r.Body == nil {
		return "", wrong("empty_body", "a JSON object is needed")
	}
	if err := c.read(limit); err != nil {
		return "", err
	}
	text := strings.TrimPrefix(string(c.body), "\ufeff")
	if strings.TrimSpace(text) == "" {
		return "", wrong("empty_body", "a JSON object is needed")
	}
	if !utf8.ValidString(text) {
		return "", wrong("invalid_utf8", fmt.Sprintf("octet %d is not UTF-8", invalidAt(text)))
	}
	return text, nil
}

func (c *call) read(limit int) error {
	c.body = c.body[:0]
	for {
		if len(c.body) > limit {
			return tooLarge(limit)
		}
		if len(c.body) == cap(c.body) {
			if err := c.grow(limit); err != nil {
				return err
			}
		}
		n, err := c.r.Body.Read(c.body[len(c.body):cap(c.body)])
		c.body = c.body[:len(c.body)+n]
		if err == io.EOF {
			if len(c.body) > limit {
				return tooLarge(limit)
			}
			return nil
		}
		if err != nil {
			return readProblem(err)
		}
	}
}

// grow doubles the buffer. What is above freeBody comes out of the budget, twice: the
// buffer and the string made of it.
func (c *call) grow(limit int) error {
	size := min(max(firstRead, 2*cap(c.body)), limit+1)
	if size > freeBody {
		more := int64(2*size) - c.charged
		if c.api.bodies.Add(more) > bodyBudget {
			c.api.bodies.Add(-more)
			return &problem{code: "overloaded", detail: "too many large requests at once; try again later", retry: retryBusy}
		}
		c.charged += more
	}
	bigger := make([]byte, len(c.body), size)
	copy(bigger, c.body)
	c.body = bigger
	return nil
}

func tooLarge(limit int) error {
	return wrong("body_too_large", fmt.Sprintf("the body has more than the %d octets allowed here", limit))
}

func readProblem(err error) error {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return wrong("request_timeout", "the body did not arrive in time")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return wrong("incomplete_body", "the body is shorter than Content-Length says")
	}
	return wrong("incomplete_body", "the body could not be read")
}

func invalidAt(text string) int {
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd") {
			return i + 1
		}
	}
	return len(text)
}

// bodyType checks Content-Type and Content-Encoding, and tells JSON from NDJSON. A
// missing type means JSON.
func bodyType(h http.Header) (ndjson bool, err error) {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return false, wrong("unsupported_media_type", fmt.Sprintf("Content-Encoding %.40q is not supported; send the body as it is", e))
	}
	value := h.Get("Content-Type")
	if value == "" || value == "application/json" {
		return false, nil
	}
	kind, params, err := mime.ParseMediaType(value)
	if err == nil && params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
		return false, wrong("unsupported_media_type", fmt.Sprintf("charset %.40q is not supported; send UTF-8", params["charset"]))
	}
	switch {
	case err == nil && (kind == "application/json" || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json")):
		return false, nil
	case kind == "application/x-ndjson", kind == "application/ndjson", kind == "application/jsonl", kind == "application/x-jsonlines":
		return true, nil
	}
	return false, wrong("unsupported_media_type", fmt.Sprintf("Content-Type %.60q is not supported; send application/json", value))
}
