package api

import (
	"container/list"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

// Bounds of what is remembered for Idempotency-Key. The oldest goes first.
const (
	maxIdempotencyKey   = 255
	idempotencyAge      = 24 * time.Hour
	maxIdempotencyKeys  = 100_000
	maxIdempotencyBytes = 64 << 20
)

// idempotency remembers the answers to requests with an Idempotency-Key, so that one that
// is sent again is answered again and not carried out again. It lives as long as the
// process. The zero value is empty.
type idempotency struct {
	mu    sync.Mutex
	byKey map[idempotencyKey]*list.Element
	order list.List // of *remembered, oldest first
	bytes int
}

type idempotencyKey struct {
	account uint32
	key     string
}

// remembered is one request; its answer is nil while it is being carried out.
type remembered struct {
	key      idempotencyKey
	body     [sha256.Size]byte
	at       time.Time
	answer   []byte
	location string
}

// size is what an entry counts against the bound.
func (r *remembered) size() int { return 200 + len(r.key.key) + len(r.answer) + len(r.location) }

// begin registers a request. It returns the answer of an earlier one with the same key and
// body, or a problem: the body is another, or the earlier one is not done.
func (i *idempotency) begin(k idempotencyKey, body [sha256.Size]byte, now time.Time) (*remembered, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.byKey == nil {
		i.byKey = make(map[idempotencyKey]*list.Element)
	}
	i.forget(now)
	if e := i.byKey[k]; e != nil {
		r := e.Value.(*remembered)
		switch {
		case r.body != body:
			return nil, wrong("idempotency_key_reused", "the Idempotency-Key was used for another request")
		case r.answer == nil:
			return nil, wrong("idempotency_in_progress", "the first request with this Idempotency-Key is still being carried out")
		}
		return r, nil
	}
	r := &remembered{key: k, body: body, at: now}
	i.byKey[k] = i.order.PushBack(r)
	i.bytes += r.size()
	return nil, nil
}

// end keeps the answer of a request that was carried out; without one the key is free again.
func (i *idempotency) end(k idempotencyKey, answer []byte, location string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	e := i.byKey[k]
	if e == nil {
		return
	}
	if answer == nil {
		i.remove(e)
		return
	}
	r := e.Value.(*remembered)
	i.bytes -= r.size()
	// A copy with the answer replaces the entry: begin hands entries out.
	e.Value = &remembered{key: k, body: r.body, at: r.at, answer: append([]byte(nil), answer...), location: location}
	i.bytes += e.Value.(*remembered).size()
}

// forget needs mu.
func (i *idempotency) forget(now time.Time) {
	for e := i.order.Front(); e != nil; e = i.order.Front() {
		old := now.Sub(e.Value.(*remembered).at) > idempotencyAge
		if !old && len(i.byKey) < maxIdempotencyKeys && i.bytes < maxIdempotencyBytes {
			return
		}
		i.remove(e)
	}
}

// remove needs mu.
func (i *idempotency) remove(e *list.Element) {
	r := i.order.Remove(e).(*remembered)
	delete(i.byKey, r.key)
	i.bytes -= r.size()
}

// once carries a request out unless one with the same Idempotency-Key and body was; then
// it sends that one's answer again. work leaves the answer of a success in c.answer.
func (c *call) once(text string, work func() error) error {
	key := c.r.Header.Get("Idempotency-Key")
	if key == "" {
		return work()
	}
	if len(key) > maxIdempotencyKey {
		return wrong("invalid_parameter", fmt.Sprintf("the Idempotency-Key has %d octets, at most %d are allowed", len(key), maxIdempotencyKey))
	}
	k := idempotencyKey{c.who.ID, c.r.URL.Path + " " + key}
	earlier, err := c.api.repeats.begin(k, sha256.Sum256([]byte(text)), c.api.opts.Now())
	if err != nil {
		return err
	}
	if earlier != nil {
		if earlier.location != "" {
			c.w.Header().Set("Location", earlier.location)
		}
		c.w.Header().Set("Idempotency-Replayed", "true")
		c.reply(201, earlier.answer)
		return nil
	}
	done := false
	defer func() { // also when work panics
		if !done {
			c.api.repeats.end(k, nil, "")
		}
	}()
	if err := work(); err != nil {
		return err
	}
	done = true
	c.api.repeats.end(k, c.answer, c.w.Header().Get("Location"))
	return nil
}
