package gsm

import (
	"container/list"
	"errors"
	"time"
)

// ErrNotAPart is returned for a short message without a valid concatenation.
var ErrNotAPart = errors.New("short message is not a part of a longer one")

// AssemblerOptions bounds an Assembler.
type AssemblerOptions struct {
	// MaxOpen is the most incomplete messages kept; 0 means 10,000. Above it the oldest goes.
	MaxOpen int
	// MaxAge is how long an incomplete message waits for its parts; 0 means 24 h.
	MaxAge time.Duration
}

// Assembler joins the parts of received messages, whatever their order, with repeats
// and with several senders interleaved. It is not safe for concurrent use.
type Assembler struct {
	opts   AssemblerOptions
	open   map[assemblyKey]*list.Element
	oldest *list.List // of *assembly, by time of the first part
}

type assemblyKey struct {
	source, dest string
	ref          uint16
	ref16        bool
	total        byte
}

type assembly struct {
	key     assemblyKey
	since   time.Time
	parts   [][]byte // by Seq−1, nil while missing
	missing int
}

// NewAssembler returns an empty Assembler.
func NewAssembler(opts AssemblerOptions) *Assembler {
	if opts.MaxOpen <= 0 {
		opts.MaxOpen = 10_000
	}
	if opts.MaxAge <= 0 {
		opts.MaxAge = 24 * time.Hour
	}
	return &Assembler{opts: opts, open: make(map[assemblyKey]*list.Element), oldest: list.New()}
}

// Open returns how many messages miss parts.
func (a *Assembler) Open() int { return a.oldest.Len() }

// Add takes one short message with its user data header, copying it, and returns the
// octets of the whole message without headers when this was its last missing part. The
// error is ErrNotAPart or a *UDHError.
func (a *Assembler) Add(source, dest string, octets []byte, now time.Time) (whole []byte, done bool, err error) {
	h, text, err := ParseUDH(octets)
	if err != nil {
		return nil, false, err
	}
	c, ok := h.Concat()
	if !ok {
		return nil, false, ErrNotAPart
	}
	a.Expire(now)
	key := assemblyKey{source, dest, c.Ref, c.Ref16, c.Total}
	e := a.find(key, now)
	m := e.Value.(*assembly)
	if m.parts[c.Seq-1] != nil {
		return nil, false, nil
	}
	m.parts[c.Seq-1] = append([]byte{}, text...)
	m.missing--
	if m.missing > 0 {
		return nil, false, nil
	}
	a.drop(e)
	for _, part := range m.parts {
		whole = append(whole, part...)
	}
	return whole, true, nil
}

// Expire forgets what has waited longer than MaxAge and returns how many messages that was.
func (a *Assembler) Expire(now time.Time) (n int) {
	for e := a.oldest.Front(); e != nil; e = a.oldest.Front() {
		if now.Sub(e.Value.(*assembly).since) <= a.opts.MaxAge {
			break
		}
		a.drop(e)
		n++
	}
	return n
}

func (a *Assembler) find(key assemblyKey, now time.Time) *list.Element {
	if e, ok := a.open[key]; ok {
		return e
	}
	if a.oldest.Len() >= a.opts.MaxOpen {
		a.drop(a.oldest.Front())
	}
	e := a.oldest.PushBack(&assembly{
		key: key, since: now, parts: make([][]byte, key.total), missing: int(key.total),
	})
	a.open[key] = e
	return e
}

func (a *Assembler) drop(e *list.Element) {
	a.oldest.Remove(e)
	delete(a.open, e.Value.(*assembly).key)
}
