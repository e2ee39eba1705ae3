package httpload

import (
	"bytes"
	"errors"
	"fmt"
)

const (
	readBytes    = 8 << 10  // a first read; holds nearly every answer
	maxHeadBytes = 64 << 10 // status line and headers
	maxChunkLine = 4 << 10
	maxInterim   = 8 // 1xx answers before the final one
)

// answerHead is the part of an answer's head that decides how to go on.
type answerHead struct {
	status    int
	http10    bool
	chunked   bool
	close     bool
	keepAlive bool
	length    int64 // -1: none given
	retry     []byte
	bytes     int // length of the head, the empty line included
}

var (
	errNoHTTP    = errors.New("no HTTP status line")
	errBigHead   = fmt.Errorf("head longer than %d bytes", maxHeadBytes)
	errLength    = errors.New("Content-Length is no number, or two that differ")
	errBadHeader = errors.New("header line without a colon")
	errInterim   = errors.New("too many 1xx answers")
	errUpgrade   = errors.New("101 without an upgrade asked")
	errChunk     = errors.New("bad chunk")
	errCoding    = errors.New("unknown Transfer-Encoding")
)

// parseHead reads status line and headers; ok is false when b ends before them.
func parseHead(b []byte) (h answerHead, ok bool, err error) {
	h.length = -1
	line, rest, found := cutLine(b)
	if !found {
		return h, false, checkStart(b)
	}
	if err := h.statusLine(line); err != nil {
		return h, false, err
	}
	for {
		line, rest, found = cutLine(rest)
		if !found {
			if len(b) > maxHeadBytes {
				return h, false, errBigHead
			}
			return h, false, nil
		}
		if len(line) == 0 {
			h.bytes = len(b) - len(rest)
			return h, true, nil
		}
		if err := h.header(line); err != nil {
			return h, false, err
		}
	}
}

// cutLine cuts at LF and drops a CR before it.
func cutLine(b []byte) (line, rest []byte, found bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return nil, b, false
	}
	line = b[:i]
	if i > 0 && b[i-1] == '\r' {
		line = b[:i-1]
	}
	return line, b[i+1:], true
}

// checkStart refuses garbage before its line ends, so that it does not wait for more.
func checkStart(b []byte) error {
	const want = "HTTP/1."
	if n := min(len(b), len(want)); string(b[:n]) != want[:n] {
		return errNoHTTP
	}
	if len(b) > maxHeadBytes {
		return errBigHead
	}
	return nil
}

// statusLine reads "HTTP/1.1 201 Created"; the reason may be missing.
func (h *answerHead) statusLine(line []byte) error {
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[8] != ' ' || (len(line) > 12 && line[12] != ' ') {
		return errNoHTTP
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return errNoHTTP
		}
		h.status = h.status*10 + int(c-'0')
	}
	if h.status < 100 {
		return errNoHTTP
	}
	h.http10 = line[7] == '0'
	return nil
}

func (h *answerHead) header(line []byte) error {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return errBadHeader
	}
	switch name := line[:colon]; colon {
	case len("connection"):
		if equalFold(name, "connection") {
			h.connection(line[colon+1:])
		}
	case len("retry-after"):
		if equalFold(name, "retry-after") {
			h.retry = trim(line[colon+1:])
		}
	case len("content-length"):
		if equalFold(name, "content-length") {
			return h.contentLength(trim(line[colon+1:]))
		}
	case len("transfer-encoding"):
		if equalFold(name, "transfer-encoding") {
			if !equalFold(trim(line[colon+1:]), "chunked") {
				return errCoding
			}
			h.chunked = true
		}
	}
	return nil
}

func (h *answerHead) connection(v []byte) {
	for len(v) > 0 {
		var item []byte
		item, v, _ = bytes.Cut(v, []byte{','})
		switch item = trim(item); {
		case equalFold(item, "close"):
			h.close = true
		case equalFold(item, "keep-alive"):
			h.keepAlive = true
		}
	}
}

func (h *answerHead) contentLength(v []byte) error {
	if len(v) == 0 || len(v) > 18 {
		return errLength
	}
	var n int64
	for _, c := range v {
		if c < '0' || c > '9' {
			return errLength
		}
		n = n*10 + int64(c-'0')
	}
	if h.length >= 0 && h.length != n {
		return errLength
	}
	h.length = n
	return nil
}

// bodyless says that no body follows, whatever the headers say.
func (h *answerHead) bodyless(method string) bool {
	return h.status < 200 || h.status == 204 || h.status == 304 || method == "HEAD"
}

// reusable says that the connection may carry another exchange.
func (h *answerHead) reusable() bool {
	if h.close {
		return false
	}
	return !h.http10 || h.keepAlive
}

// chunks decodes a chunked body in place: b[:w] is body, b[r:] is not yet decoded.
//
//	+--------- body ---------+- gap -+-------- raw --------+
//	0                        w       r                  len(b)
type chunks struct {
	w, r int
	left int64 // bytes of the current chunk still to come
	crlf bool  // the line end after a chunk's data is due
	tail bool  // the last chunk was seen: trailers follow
	lead int   // bytes of trailers so far
}

// decode goes on as far as b reaches and says whether the body is complete.
func (c *chunks) decode(b []byte) (done bool, err error) {
	for {
		if c.left > 0 {
			n := int(min(c.left, int64(len(b)-c.r)))
			if n == 0 {
				return false, nil
			}
			copy(b[c.w:], b[c.r:c.r+n])
			c.w, c.r, c.left = c.w+n, c.r+n, c.left-int64(n)
			if c.left > 0 {
				return false, nil
			}
			c.crlf = true
		}
		line, _, found := cutLine(b[c.r:])
		size := len(b) - c.r // of the line so far
		if found {
			size = bytes.IndexByte(b[c.r:], '\n')
		}
		if size > maxChunkLine { // also of one that comes all at once
			return false, errChunk
		}
		if !found {
			return false, nil
		}
		c.r += size + 1
		switch {
		case c.tail:
			if len(line) == 0 {
				return true, nil
			}
			if c.lead += len(line); c.lead > maxHeadBytes {
				return false, errChunk
			}
		case c.crlf:
			if len(line) != 0 {
				return false, errChunk
			}
			c.crlf = false
		default:
			if c.left, err = chunkSize(line); err != nil {
				return false, err
			}
			c.tail = c.left == 0
		}
	}
}

// chunkSize reads the hexadecimal size; extensions after ';' are skipped.
func chunkSize(line []byte) (int64, error) {
	var n int64
	digits := 0
	for _, ch := range line {
		var d byte
		switch {
		case ch >= '0' && ch <= '9':
			d = ch - '0'
		case ch >= 'a' && ch <= 'f':
			d = ch - 'a' + 10
		case ch >= 'A' && ch <= 'F':
			d = ch - 'A' + 10
		case (ch == ';' || ch == ' ' || ch == '\t') && digits > 0:
			return n, nil
		default:
			return 0, errChunk
		}
		if digits++; digits > 15 {
			return 0, errChunk
		}
		n = n<<4 | int64(d)
	}
	if digits == 0 {
		return 0, errChunk
	}
	return n, nil
}

func trim(b []byte) []byte { return bytes.Trim(b, " \t") }

// equalFold compares ASCII; lower must be in lower case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
