package store

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/message"
)

const (
	parkedAge    = 24 * time.Hour // how long a receipt waits for its message
	parkedSlack  = 1024           // names of receipts that are gone, at least
	strangersMax = 5000           // looked up in SQLite at a time: about 0.2 s
)

// parked holds receipts that came before their message's submit_sm_resp was recorded,
// or whose message is not known. One is kept until a Settle with its key is applied,
// so that a crash in between loses nothing.
type parked struct {
	size atomic.Int64 // of byKey, to ask without the lock

	mu      sync.Mutex // guards what follows
	byKey   map[message.ReceiptKey]message.Receipt
	order   []parkedKey          // oldest first; may name receipts that are gone
	fresh   []message.ReceiptKey // not looked up in SQLite yet; likewise
	orphans int64
	changed map[message.ReceiptKey]bool // since the last transaction
}

type parkedKey struct {
	key message.ReceiptKey
	at  int64
}

func (p *parked) init() {
	p.byKey = make(map[message.ReceiptKey]message.Receipt)
	p.changed = make(map[message.ReceiptKey]bool)
}

// none is a quick way to learn that nothing is parked.
func (p *parked) none() bool { return p.size.Load() == 0 }

// put keeps r. Above most the oldest is given up.
func (p *parked) put(r message.Receipt, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byKey[r.Key] = r
	p.changed[r.Key] = true
	p.order = append(p.order, parkedKey{r.Key, r.At})
	p.fresh = append(p.fresh, r.Key)
	p.compact()
	for len(p.byKey) > most {
		p.dropOldest()
	}
	p.size.Store(int64(len(p.byKey)))
}

// compact drops the names of receipts that are gone once they are the most: where an SMSC
// sends each receipt before its response, all of them are parked for a moment. It needs mu.
func (p *parked) compact() {
	most := 2*len(p.byKey) + parkedSlack
	if len(p.order) > most {
		p.order = slices.DeleteFunc(p.order, func(o parkedKey) bool {
			r, ok := p.byKey[o.key]
			return !ok || r.At != o.at
		})
	}
	if len(p.fresh) > most {
		p.fresh = slices.DeleteFunc(p.fresh, func(key message.ReceiptKey) bool {
			_, ok := p.byKey[key]
			return !ok
		})
	}
}

// strangers returns up to n receipts that nobody has looked up in SQLite since they came.
func (p *parked) strangers(n int) []message.Receipt {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []message.Receipt
	for len(p.fresh) > 0 && len(list) < n {
		if r, ok := p.byKey[p.fresh[0]]; ok {
			list = append(list, r)
		}
		p.fresh = p.fresh[1:]
	}
	return list
}

// get returns the receipt with the key.
func (p *parked) get(key message.ReceiptKey) (message.Receipt, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.byKey[key]
	return r, ok
}

// settled forgets the receipt that was waiting for the key.
func (p *parked) settled(key message.ReceiptKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.byKey[key]; ok {
		delete(p.byKey, key)
		p.changed[key] = true
		p.size.Store(int64(len(p.byKey)))
	}
}

// expire gives up what is older than before (Unix ms).
func (p *parked) expire(before int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.order) > 0 && p.order[0].at < before {
		p.dropOldest()
	}
	p.size.Store(int64(len(p.byKey)))
}

// dropOldest needs mu and an entry.
func (p *parked) dropOldest() {
	oldest := p.order[0]
	p.order = p.order[1:]
	if r, ok := p.byKey[oldest.key]; ok && r.At == oldest.at {
		delete(p.byKey, oldest.key)
		p.changed[oldest.key] = true
		p.orphans++
	}
}

// changes returns what changed since the last call: the receipts to store and the keys
// to forget. The transaction that gets them is tried until it succeeds, or the store ends, so nothing
// has to be undone.
func (p *parked) changes() (put []message.Receipt, forget []message.ReceiptKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key := range p.changed {
		if r, ok := p.byKey[key]; ok {
			put = append(put, r)
		} else {
			forget = append(forget, key)
		}
	}
	clear(p.changed)
	return put, forget
}

func (p *parked) orphanCount() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.orphans
}

// ParkReceipt journals a receipt whose message is not known (yet). done runs after it
// is durable, on the applier goroutine. When the message turns out to be known, now or
// by a later Submitted event, the store records the Settle itself.
func (e *Embedded) ParkReceipt(r message.Receipt, done func(error)) {
	e.queue.put(done, func(p *pending) { p.receipts = append(p.receipts, r) })
}

// unpark records the Settle for a part whose receipt had come before.
func (e *Embedded) unpark(m *message.Message, part int, r *message.Receipt) {
	e.Record(message.Event{
		Kind: message.Settle, Msg: m, Part: uint16(part),
		Status: r.Status, Error: r.Error, At: r.At,
	}, nil)
}
