package message

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// ID identifies one message for its whole life: in the API, as SMPP message_id,
// in CDRs and webhooks. It has 63 bits and is ordered by time:
//
//	 62                    21 20      12 11         0
//	+------------------------+----------+------------+
//	| Unix milliseconds (42) | node (9) | sequence   |
//	+------------------------+----------+------------+
//
// The zero ID means "none".
type ID uint64

const (
	seqBits  = 12
	nodeBits = 9
	maxSeq   = 1<<seqBits - 1

	// MaxNode is the highest node number that fits in an ID.
	MaxNode = 1<<nodeBits - 1
	// IDLen is the length of an ID as text: 16 lower-case hex digits.
	IDLen = 16
)

const hexDigits = "0123456789abcdef"

// Append appends the ID as 16 lower-case hex digits.
func (id ID) Append(dst []byte) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[id>>shift&0xf])
	}
	return dst
}

// String returns the ID as 16 lower-case hex digits.
func (id ID) String() string {
	var b [IDLen]byte
	return string(id.Append(b[:0]))
}

// Time returns the moment the ID was issued, to the millisecond. Under load the
// source borrows ahead, so it can lie a little in the future.
func (id ID) Time() time.Time { return time.UnixMilli(int64(id >> (seqBits + nodeBits))) }

// FirstID returns the lowest ID that can be issued at t: the bound of a search by time. Of a
// moment beyond what IDs can say it is the highest one.
func FirstID(t time.Time) ID {
	const last = 1<<42 - 1
	ms := max(t.UnixMilli(), 0)
	if ms > last {
		return ^ID(0) >> 1
	}
	return ID(ms) << (seqBits + nodeBits)
}

// ErrBadID is returned for text that is not an ID.
var ErrBadID = errors.New("an id has 16 hex digits")

// ParseID reads the text form, in either case of letters.
func ParseID(s string) (ID, error) {
	if len(s) != IDLen {
		return 0, fmt.Errorf("%w, not %d characters", ErrBadID, len(s))
	}
	var id ID
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, fmt.Errorf("%w: %q", ErrBadID, s)
		}
		id = id<<4 | ID(c)
	}
	if id>>63 != 0 {
		return 0, fmt.Errorf("%w: %q is above the range", ErrBadID, s)
	}
	return id, nil
}

// IDSource issues IDs. It never goes back: when the clock does, or when a
// millisecond's 4,096 numbers are spent, it borrows from the following ones.
// It is safe for concurrent use.
type IDSource struct {
	now func() time.Time

	mu   sync.Mutex
	last ID // guarded by mu: highest issued, with the node's bits
	node ID
}

// NewIDSource returns a source for the node, whose IDs are all above floor
// (the highest ID that journal and store know). A nil now means time.Now.
func NewIDSource(node uint16, floor ID, now func() time.Time) *IDSource {
	if node > MaxNode {
		panic("message: node number out of range")
	}
	if now == nil {
		now = time.Now
	}
	return &IDSource{now: now, last: floor, node: ID(node) << seqBits}
}

// Next returns an ID above every one issued before.
func (s *IDSource) Next() ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next(FirstID(s.now()))
}

// Fill fills ids with consecutive new IDs under one lock.
func (s *IDSource) Fill(ids []ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clock := FirstID(s.now())
	for i := range ids {
		ids[i] = s.next(clock)
	}
}

// next needs mu.
func (s *IDSource) next(clock ID) ID {
	const tick = ID(1) << (seqBits + nodeBits)
	floor := s.last &^ (tick - 1)
	switch {
	case clock > floor:
		s.last = clock | s.node
	case s.last&(MaxNode<<seqBits) != s.node, s.last&maxSeq == maxSeq:
		s.last = floor + tick | s.node
	default:
		s.last++
	}
	return s.last
}
