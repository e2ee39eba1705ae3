package store

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"protei-bulk/bulk/message"
)

// receiptShards is the number of locks of the receipt index.
const receiptShards = 64

// ref names one part of one message.
type ref struct {
	id   message.ID
	part uint16
}

// receiptIndex finds the part that a receipt is about: a bounded map from the hash of
// (connector group, SMSC id) to the part, without pointers, so that a million entries
// cost the garbage collector nothing. The oldest entry makes room for the newest; its
// message then leaves the live table too, unless something else keeps it there.
type receiptIndex struct {
	seed   uint64
	size   atomic.Int64
	shards [receiptShards]receiptShard
}

type receiptShard struct {
	mu    sync.Mutex // guards what follows
	m     map[uint64]ref
	older map[uint64][]ref // parts whose SMSC id was given again before they settled
	order []entry64        // ring of what was added, oldest at head
	head  int
	cap   int
	// settled is a ring of the parts settled last. They stay findable for a moment, so that
	// a receipt that comes twice is known, and then leave m: it holds what is awaited, and
	// stays small enough for the processor's caches however many receipts pass.
	settled [settledKept]entry64
	next    int // of settled
}

// settledKept is how many settled parts a shard remembers: 65,536 in all, about half a
// second's worth at full speed.
const settledKept = 1024

type entry64 struct {
	hash uint64
	id   message.ID
}

func (x *receiptIndex) init(seed uint64, capacity int) {
	x.seed = seed
	for i := range x.shards {
		s := &x.shards[i]
		s.m = make(map[uint64]ref)
		s.cap = max(capacity/receiptShards, 1)
	}
}

func (x *receiptIndex) hash(key message.ReceiptKey) uint64 {
	return hashString(x.seed^uint64(key.Group)*0x9E3779B97F4A7C15, key.SMSCID)
}

func (x *receiptIndex) shard(h uint64) *receiptShard { return &x.shards[h>>58] }

// add makes the part findable. It returns the id of the message that lost its place, or 0.
func (x *receiptIndex) add(h uint64, r ref) (dropped message.ID) {
	s := x.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	old, taken := s.m[h]
	if taken && old == r {
		return 0
	}
	if taken {
		if s.older == nil {
			s.older = make(map[uint64][]ref)
		}
		s.older[h] = append(s.older[h], old)
	}
	s.m[h] = r
	if len(s.order) < s.cap {
		s.order = append(s.order, entry64{h, r.id})
		x.size.Add(1)
		return 0
	}
	dropped = s.drop(s.order[s.head])
	s.order[s.head] = entry64{h, r.id}
	s.head = (s.head + 1) % s.cap
	return dropped
}

// settle notes that a part has its final state, and forgets the one settled 1,024 parts
// before it.
func (x *receiptIndex) settle(h uint64, id message.ID) {
	s := x.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.settled[s.next]
	s.settled[s.next] = entry64{h, id}
	s.next = (s.next + 1) % settledKept
	if r, ok := s.m[old.hash]; ok && r.id == old.id {
		delete(s.m, old.hash)
	}
}

// drop forgets the oldest entry. The shard must be locked.
func (s *receiptShard) drop(e entry64) message.ID {
	if r, ok := s.m[e.hash]; ok && r.id == e.id {
		delete(s.m, e.hash)
		return e.id
	}
	list := s.older[e.hash]
	for i, r := range list {
		if r.id == e.id {
			if list = slices.Delete(list, i, i+1); len(list) == 0 {
				delete(s.older, e.hash)
			} else {
				s.older[e.hash] = list
			}
			return e.id
		}
	}
	return 0
}

// find appends the parts known by the hash to dst, newest first.
func (x *receiptIndex) find(dst []ref, h uint64) []ref {
	s := x.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.m[h]
	if !ok {
		return dst
	}
	dst = append(dst, r)
	if s.older != nil {
		list := s.older[h]
		for i := len(list) - 1; i >= 0; i-- {
			dst = append(dst, list[i])
		}
	}
	return dst
}

// hashString is a keyed 64-bit hash (FNV-1a over words with a final mix). Its values
// are stored: the seed belongs to the store.
func hashString(seed uint64, s string) uint64 {
	const prime = 0x100000001b3
	h := seed ^ 0xcbf29ce484222325 ^ uint64(len(s))
	for len(s) >= 8 {
		h = (h ^ word(s)) * 0x9E3779B97F4A7C15
		h ^= h >> 29
		s = s[8:]
	}
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * prime
	}
	return mix(h)
}

func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func mix(h uint64) uint64 {
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>32
}

// minCommonDigits is how many last digits two spellings of a number must share.
const minCommonDigits = 6

// sameDest reports whether two addresses name the same subscriber: equal, or one ends
// with the other's digits (national and international spelling). An empty one matches.
func sameDest(a, b string) bool {
	if a == b || a == "" || b == "" {
		return true
	}
	a, b = significant(a), significant(b)
	if len(a) < len(b) {
		a, b = b, a
	}
	return len(b) >= minCommonDigits && strings.HasSuffix(a, b)
}

func significant(addr string) string { return strings.TrimLeft(addr, "+0") }

// NoteSubmitted makes a part findable by its SMSC id at once, before its Submitted
// event is durable: a receipt may come on another bind in the same instant.
func (e *Embedded) NoteSubmitted(key message.ReceiptKey, m *message.Message, part int) {
	e.index(e.receipts.hash(key), m, part)
}

func (e *Embedded) index(h uint64, m *message.Message, part int) {
	if dropped := e.receipts.add(h, ref{m.ID, uint16(part)}); dropped != 0 && dropped != m.ID {
		e.unindex(dropped)
	}
}

// unindex lets go of a message whose receipt index entry was the oldest.
func (e *Embedded) unindex(id message.ID) {
	s := e.live.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.m[id]
	if m == nil {
		return
	}
	m.Store.Flags &^= flagIndexed
	if m.Store.Flags&(flagDirty|flagWriting) == 0 && m.Store.Row != 0 && !e.keeps(m) {
		e.forget(s, m)
	}
}

// FindReceipts looks the keys up in memory only, so that a read goroutine may call it.
// dests are the recipients as the receipts name them (an empty one matches all); out
// has the length of keys. It returns how many were found.
func (e *Embedded) FindReceipts(keys []message.ReceiptKey, dests []string, out []ReceiptMatch) int {
	var buf [8]ref
	n := 0
	for i := range keys {
		out[i] = ReceiptMatch{}
		if out[i] = e.findReceipt(buf[:0], keys[i], dests[i]); out[i].Found {
			n++
		}
	}
	return n
}

func (e *Embedded) findReceipt(buf []ref, key message.ReceiptKey, dest string) ReceiptMatch {
	var second ReceiptMatch
	for _, r := range e.receipts.find(buf, e.receipts.hash(key)) {
		m, open := e.candidate(r, dest)
		if m == nil {
			continue
		}
		match := ReceiptMatch{Msg: m, Part: int(r.part), Found: true}
		if open {
			return match
		}
		if !second.Found {
			second = match
		}
	}
	return second
}

// candidate returns the live message of r if it went to dest, and whether the part
// still awaits its final state.
func (e *Embedded) candidate(r ref, dest string) (m *message.Message, open bool) {
	s := e.live.shard(r.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	m = s.m[r.id]
	if m == nil || int(r.part) >= len(m.Parts) || !sameDest(m.Dest.Addr, dest) {
		return nil, false
	}
	return m, !m.Parts[r.part].Status.Final()
}
