package target

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Redis's protocol, RESP 2, as far as INFO and the lengths of keys need it. A library would serve as well, were it not
// that a peer which is no Redis may claim a text of any length: here every length is checked before it is believed.
const (
	maxRESPText  = 1 << 20 // bytes
	maxRESPItems = 10_000  // in one answer
	maxRESPDepth = 5
)

var errRESP = errors.New("this is not Redis: its answer is not understood")

// redisError is an error that Redis answered with.
type redisError string

func (e redisError) Error() string { return string(e) }

// appendCommand appends a command.
func appendCommand(dst []byte, words ...string) []byte {
	dst = fmt.Appendf(dst, "*%d\r\n", len(words))
	for _, w := range words {
		dst = fmt.Appendf(dst, "$%d\r\n%s\r\n", len(w), w)
	}
	return dst
}

// respReader reads answers: a string, an int64, a []any, a redisError, or nil.
type respReader struct {
	*bufio.Reader
	items int // left in this answer
}

func (r *respReader) answer() (any, error) {
	r.items = maxRESPItems
	return r.value(0)
}

func (r *respReader) value(depth int) (any, error) {
	if r.items--; r.items < 0 || depth > maxRESPDepth {
		return nil, errRESP
	}
	line, err := r.line()
	if err != nil {
		return nil, err
	}
	kind, text := line[0], line[1:]
	switch kind {
	case '+':
		return text, nil
	case '-':
		return redisError(text), nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return nil, errRESP
	case kind == ':':
		return n, nil
	case n == -1 && (kind == '$' || kind == '*'):
		return nil, nil
	case kind == '$' && n >= 0 && n <= maxRESPText:
		return r.text(int(n))
	case kind == '*' && n >= 0 && n <= maxRESPItems:
		return r.array(int(n), depth)
	}
	return nil, errRESP
}

// line is one line without its end; it has a first character.
func (r *respReader) line() (string, error) {
	raw, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", errRESP
	}
	if err != nil {
		return "", err
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
	if line == "" {
		return "", errRESP
	}
	return line, nil
}

func (r *respReader) text(n int) (any, error) {
	buf := make([]byte, n+2)
	if _, err := io.ReadFull(r, buf); err != nil {
		return nil, err
	}
	if buf[n] != '\r' || buf[n+1] != '\n' {
		return nil, errRESP
	}
	return string(buf[:n]), nil
}

func (r *respReader) array(n, depth int) (any, error) {
	var list []any // grows as items come: a length is only a claim
	for range n {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}
