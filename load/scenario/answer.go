package scenario

import (
	"bytes"
	"strconv"
	"strings"

	"protei-bulk/load/httpload"
)

// notJSON names the answer's content type when the answer is no JSON object or list.
func notJSON(res *httpload.Response, fault string) string {
	if body := bytes.TrimLeft(res.Body, " \t\r\n"); len(body) > 0 && (body[0] == '{' || body[0] == '[') {
		return fault // servers mislabel JSON
	}
	kind, _, _ := strings.Cut(string(res.Header("Content-Type")), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if kind == "" || strings.HasSuffix(kind, "json") || len(kind) > 60 {
		return fault
	}
	return "answer is " + kind + ", not JSON"
}

// statusText names a refusal by its status and the code of its problem document.
func statusText(res *httpload.Response) string {
	text := "HTTP " + strconv.Itoa(res.Status)
	if code := member(res.Body, "code"); len(code) > 0 && len(code) <= 60 {
		text += " " + string(code)
	}
	return text
}

// indexSet is a set of small numbers; the first 64 cost nothing.
type indexSet struct {
	low  uint64
	more map[int]struct{}
}

func (s *indexSet) add(i int) {
	if i < 64 {
		s.low |= 1 << i
		return
	}
	if s.more == nil {
		s.more = make(map[int]struct{})
	}
	s.more[i] = struct{}{}
}

func (s *indexSet) has(i int) bool {
	if i < 64 {
		return s.low&(1<<i) != 0
	}
	_, ok := s.more[i]
	return ok
}

// recentIDs are the last ids that a user was given.
type recentIDs struct {
	ids  [4]shortID
	next uint8
}

type shortID struct {
	n uint8
	b [39]byte
}

func (r *recentIDs) add(id []byte) {
	if len(id) > len(r.ids[0].b) {
		return
	}
	s := &r.ids[r.next%uint8(len(r.ids))]
	s.n = uint8(copy(s.b[:], id))
	r.next = (r.next + 1) % uint8(len(r.ids))
}

// pick returns one of them, nil when there is none.
func (r *recentIDs) pick(random uint32) []byte {
	for i := range uint32(len(r.ids)) {
		if s := &r.ids[(random+i)%uint32(len(r.ids))]; s.n > 0 {
			return s.b[:s.n]
		}
	}
	return nil
}
