// Package template is the template language of scenario files: texts with ${…} in them,
// compiled once by a [Builder] and rendered append-style, without allocating, by
// [Template.Append]. A [Scope] is what one virtual user knows while it renders.
//
//	"/orders/${order_id}?trace=${uuid}"      variable, function
//	"${msisdn(966500000000-966599999999)}"   function with arguments
//	"costs $${price}"                        a literal ${price}
//
// The package starts no goroutine. A Template is safe for concurrent use, a Scope is not.
package template

import (
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"
)

// Escape says for what place a value is escaped.
type Escape uint8

// The places. Text takes values as they are.
const (
	Text   Escape = iota
	JSON          // inside a JSON string
	Query         // a query or form value
	Path          // one segment of a URL's path
	Header        // a header's value: control characters become spaces
)

// Refs writes the reference by which a message is followed.
type Refs interface {
	AppendRef(dst []byte, seq uint64) []byte
}

// Scope is what a user knows: the values of its variables and what it is doing.
type Scope struct {
	Rand *rand.Rand
	Vars [][]byte // by slot
	Rows []int    // current row of each feed, -1 = the next use takes one
	User int
	// Iteration counts the user's tasks from 0.
	Iteration uint64
	// First and Count are the messages of a request, Seq the one that is rendered.
	First, Seq uint64
	Count      int
	Refs       Refs
	// Ref replaces what Refs would write.
	Ref string
	// Wall is the time of day.
	Wall func() time.Time
}

// NewScope returns the scope of a user that knows nothing yet.
func (e *Env) NewScope(r *rand.Rand) *Scope {
	s := &Scope{Rand: r, Vars: make([][]byte, len(e.slots)), Rows: make([]int, len(e.feeds)), Count: 1, Wall: time.Now}
	s.NextIteration()
	return s
}

// NextIteration makes every feed take another row at its next use.
func (s *Scope) NextIteration() {
	for i := range s.Rows {
		s.Rows[i] = -1
	}
}

// Template is a compiled text.
type Template struct {
	ops []op
}

type opKind uint8

const (
	opLiteral opKind = iota
	opVar
	opVarRaw
	opFeed
	opRandom
	opDigits
	opHex
	opLetters
	opNumberIn
	opPattern
	opUUID
	opTime
	opUnix
	opUnixMilli
	opChoice
	opCounter
	opUser
	opIteration
	opSeq
	opRef
	opEach
)

// numeric says that an op writes a whole number.
func (k opKind) numeric() bool {
	switch k {
	case opRandom, opUnix, opUnixMilli, opCounter, opUser, opIteration, opSeq:
		return true
	}
	return false
}

type op struct {
	kind    opKind
	esc     Escape
	slot    int // of a variable; column of a feed
	text    string
	least   int64
	span    uint64
	list    []string
	spans   []span
	feed    *Feed
	counter *atomic.Int64
	each    *Template
}

// span is a range of numbers, each of width digits.
type span struct {
	first, count uint64
	width        int
}

// Static returns the text of a template without anything to fill in.
func (t *Template) Static() (string, bool) {
	switch {
	case t == nil || len(t.ops) == 0:
		return "", true
	case len(t.ops) == 1 && t.ops[0].kind == opLiteral:
		return t.ops[0].text, true
	}
	return "", false
}

// numeric says that the template is nothing but one number.
func (t *Template) numeric() bool {
	return len(t.ops) == 1 && t.ops[0].kind.numeric()
}

// Append renders the template behind dst.
func (t *Template) Append(dst []byte, s *Scope) []byte {
	for i := range t.ops {
		o := &t.ops[i]
		if o.kind == opLiteral {
			dst = append(dst, o.text...)
			continue
		}
		dst = o.append(dst, s)
	}
	return dst
}

func (o *op) append(dst []byte, s *Scope) []byte {
	switch o.kind {
	case opVar:
		return appendEscaped(dst, s.Vars[o.slot], o.esc)
	case opVarRaw:
		if len(s.Vars[o.slot]) == 0 {
			return append(dst, "null"...)
		}
		return append(dst, s.Vars[o.slot]...)
	case opFeed:
		return appendEscaped(dst, o.feed.value(s, o.slot), o.esc)
	case opChoice:
		return append(dst, o.list[s.Rand.IntN(len(o.list))]...)
	case opSeq:
		return strconv.AppendUint(dst, s.Seq, 10)
	case opRef:
		return s.appendRef(dst)
	case opUser:
		return strconv.AppendInt(dst, int64(s.User), 10)
	case opIteration:
		return strconv.AppendUint(dst, s.Iteration, 10)
	case opCounter:
		return strconv.AppendInt(dst, o.counter.Add(1)-1, 10)
	case opEach:
		return o.appendEach(dst, s)
	case opTime:
		return s.Wall().UTC().AppendFormat(dst, o.text)
	case opUnix:
		return strconv.AppendInt(dst, s.Wall().Unix(), 10)
	case opUnixMilli:
		return strconv.AppendInt(dst, s.Wall().UnixMilli(), 10)
	}
	return o.appendRandom(dst, s.Rand)
}

func (o *op) appendRandom(dst []byte, r *rand.Rand) []byte {
	switch o.kind {
	case opRandom:
		if o.span == 0 { // all 64 bits
			return strconv.AppendInt(dst, int64(r.Uint64()), 10)
		}
		return strconv.AppendInt(dst, o.least+int64(r.Uint64N(o.span)), 10)
	case opDigits:
		return appendDigits(dst, r, o.slot)
	case opHex:
		return appendLetters(dst, r, "0123456789abcdef", o.slot)
	case opLetters:
		return appendLetters(dst, r, "abcdefghijklmnopqrstuvwxyz", o.slot)
	case opNumberIn:
		return appendNumber(dst, r, o.spans, o.span)
	case opPattern:
		return appendPattern(dst, r, o.text)
	case opUUID:
		return appendUUID(dst, r)
	}
	return dst
}

func (s *Scope) appendRef(dst []byte) []byte {
	switch {
	case s.Ref != "":
		return append(dst, s.Ref...)
	case s.Refs == nil:
		return strconv.AppendUint(dst, s.Seq, 10)
	}
	return s.Refs.AppendRef(dst, s.Seq)
}

func (o *op) appendEach(dst []byte, s *Scope) []byte {
	kept := s.Seq
	for i := range s.Count {
		if i > 0 {
			dst = append(dst, o.text...)
		}
		s.Seq = s.First + uint64(i)
		dst = o.each.Append(dst, s)
	}
	s.Seq = kept
	return dst
}

// appendDigits appends n random digits, up to 18 from one draw.
func appendDigits(dst []byte, r *rand.Rand, n int) []byte {
	for n > 0 {
		part := min(n, 18)
		dst = appendPadded(dst, r.Uint64N(tens[part]), part)
		n -= part
	}
	return dst
}

var tens = func() (t [19]uint64) {
	t[0] = 1
	for i := 1; i < len(t); i++ {
		t[i] = t[i-1] * 10
	}
	return t
}()

// appendPadded appends v with leading zeros up to width.
func appendPadded(dst []byte, v uint64, width int) []byte {
	var b [20]byte
	i := len(b)
	for ; width > 0 || v > 0; width-- {
		i--
		b[i] = '0' + byte(v%10)
		v /= 10
	}
	return append(dst, b[i:]...)
}

func appendLetters(dst []byte, r *rand.Rand, of string, n int) []byte {
	for range n {
		dst = append(dst, of[r.IntN(len(of))])
	}
	return dst
}

func appendNumber(dst []byte, r *rand.Rand, spans []span, total uint64) []byte {
	at := r.Uint64N(total)
	for _, s := range spans {
		if at < s.count {
			return appendPadded(dst, s.first+at, s.width)
		}
		at -= s.count
	}
	return dst
}

// appendPattern writes a digit for each X.
func appendPattern(dst []byte, r *rand.Rand, pattern string) []byte {
	for i := 0; i < len(pattern); i++ {
		if pattern[i] == 'X' {
			dst = append(dst, '0'+byte(r.UintN(10)))
		} else {
			dst = append(dst, pattern[i])
		}
	}
	return dst
}

// appendUUID appends a random UUID (RFC 9562 version 4).
func appendUUID(dst []byte, r *rand.Rand) []byte {
	const hex = "0123456789abcdef"
	hi, lo := r.Uint64(), r.Uint64()
	hi = hi&^0xF000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	for i := range 32 {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			dst = append(dst, '-')
		}
		if i < 16 {
			dst = append(dst, hex[hi>>(60-4*i)&15])
		} else {
			dst = append(dst, hex[lo>>(60-4*(i-16))&15])
		}
	}
	return dst
}
