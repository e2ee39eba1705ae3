package inbound

import (
	"bytes"
	"container/list"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
)

// assembler holds the durable parts of messages that are not complete. It is not safe for
// concurrent use.
type assembler struct {
	most   int           // incomplete messages; above it the oldest goes
	age    time.Duration // how long one waits
	open   map[assemblyKey]*list.Element
	oldest *list.List // of *assembly, by time of the first part
	// recent are the last messages that were joined, so that a part which the SMSC brings
	// again is known and does not wait for a message of the future.
	recent map[assemblyKey]*message.Inbound
	row    []assemblyKey // of recent, oldest first
}

// maxRecent bounds the joined messages that are remembered.
const maxRecent = 10_000

type assemblyKey struct {
	connector    uint16
	source, dest string
	ref          uint16
	wide         bool
	total        uint8
}

type assembly struct {
	key     assemblyKey
	since   time.Time
	parts   []*message.Inbound // by Seq−1
	repeats []message.ID       // parts that came twice
	missing int
}

func newAssembler(most int, age time.Duration) *assembler {
	return &assembler{
		most: most, age: age, open: make(map[assemblyKey]*list.Element), oldest: list.New(),
		recent: make(map[assemblyKey]*message.Inbound),
	}
}

func keyOf(m *message.Inbound) assemblyKey {
	return assemblyKey{m.Connector, m.Source.Addr, m.Dest.Addr, m.Ref, m.Wide, m.Total}
}

// known reports whether m is a part of a message that was joined already.
func (a *assembler) known(m *message.Inbound) bool {
	whole := a.recent[keyOf(m)]
	if whole == nil || m.ReceivedAt-whole.ReceivedAt > a.age.Milliseconds() {
		return false
	}
	_, text := split(m)
	_, all := split(whole)
	return bytes.Contains(all, text)
}

// add takes a durable part. When it was the last one missing it returns the joined message,
// without an id, in place of its parts; gone are parts that were given up to make room, or
// that belong to an older message with the same reference.
func (a *assembler) add(m *message.Inbound) (whole *message.Inbound, gone []*message.Inbound) {
	e := a.open[keyOf(m)]
	if e != nil && stale(e.Value.(*assembly), m) {
		gone = a.drop(e)
		e = nil
	}
	if e == nil {
		if a.oldest.Len() >= a.most {
			gone = append(gone, a.drop(a.oldest.Front())...)
		}
		e = a.oldest.PushBack(&assembly{
			key: keyOf(m), since: time.UnixMilli(m.ReceivedAt), parts: make([]*message.Inbound, m.Total), missing: int(m.Total),
		})
		a.open[keyOf(m)] = e
	}
	as := e.Value.(*assembly)
	if old := as.parts[m.Seq-1]; old != nil {
		if old.ID == m.ID {
			return nil, gone // it is this one
		}
		as.repeats = append(as.repeats, m.ID)
		return nil, gone
	}
	as.parts[m.Seq-1] = m
	if as.missing--; as.missing > 0 {
		return nil, gone
	}
	a.drop(e)
	whole = as.join()
	a.remember(as.key, whole)
	return whole, gone
}

// stale reports whether m says something else than the part in its place: the sender uses
// the reference again.
func stale(as *assembly, m *message.Inbound) bool {
	old := as.parts[m.Seq-1]
	return old != nil && !bytes.Equal(old.Octets, m.Octets)
}

func (a *assembler) remember(key assemblyKey, whole *message.Inbound) {
	if a.recent[key] == nil {
		a.row = append(a.row, key)
	}
	a.recent[key] = whole
	for len(a.row) > maxRecent {
		delete(a.recent, a.row[0])
		a.row = a.row[1:]
	}
}

// drop forgets an incomplete message and returns its parts.
func (a *assembler) drop(e *list.Element) []*message.Inbound {
	as := a.oldest.Remove(e).(*assembly)
	delete(a.open, as.key)
	var parts []*message.Inbound
	for _, m := range as.parts {
		if m != nil {
			parts = append(parts, m)
		}
	}
	for _, id := range as.repeats {
		parts = append(parts, &message.Inbound{ID: id})
	}
	return parts
}

// letGo forgets what came over a connector.
func (a *assembler) letGo(connector uint16) {
	for key, e := range a.open {
		if key.connector == connector {
			a.drop(e)
		}
	}
}

// expire gives up what has waited too long and returns the parts.
func (a *assembler) expire(now time.Time) (gone []*message.Inbound) {
	for e := a.oldest.Front(); e != nil && now.Sub(e.Value.(*assembly).since) > a.age; e = a.oldest.Front() {
		gone = append(gone, a.drop(e)...)
	}
	return gone
}

// join makes one message of all parts: the octets without their headers, behind what the
// first header says besides the concatenation.
func (as *assembly) join() *message.Inbound {
	whole := *as.parts[0]
	whole.ID, whole.Seq, whole.Parts = 0, 0, whole.Total
	whole.Consumed = as.repeats
	header, _ := split(as.parts[0])
	whole.Octets = withoutConcat(header)
	whole.ESMClass &^= udhIndicator
	if len(whole.Octets) > 0 {
		whole.ESMClass |= udhIndicator
	}
	for _, p := range as.parts {
		_, text := split(p)
		whole.Octets = append(whole.Octets, text...)
		whole.Consumed = append(whole.Consumed, p.ID)
		whole.ReceivedAt = max(whole.ReceivedAt, p.ReceivedAt)
	}
	return &whole
}

// udhIndicator is the bit of esm_class that says that there is a user data header (SMPP
// 3.4 §5.2.12).
const udhIndicator = 0x40

// split separates the user data header from the text.
func split(m *message.Inbound) (header gsm.UDH, text []byte) {
	if m.ESMClass&udhIndicator == 0 {
		return nil, m.Octets
	}
	h, text, err := gsm.ParseUDH(m.Octets)
	if err != nil {
		return nil, m.Octets
	}
	return h, text
}

// withoutConcat returns the header, length octet included, without its concatenation
// elements; nil when nothing is left.
func withoutConcat(h gsm.UDH) []byte {
	out := []byte{0}
	for id, data := range h.All() {
		if id != gsm.IEConcat8 && id != gsm.IEConcat16 {
			out = append(append(out, id, byte(len(data))), data...)
		}
	}
	if len(out) == 1 {
		return nil
	}
	out[0] = byte(len(out) - 1)
	return out
}
