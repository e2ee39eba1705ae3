// Package receiptindex finds in memory the part of a message that a delivery receipt is
// about. It starts no goroutine; an Index is safe for concurrent use.
package receiptindex

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"protei-bulk/bulk/message"
)

// shardCount is the number of locks of an Index.
const shardCount = 64

// Ref names one part of one message.
type Ref struct {
	ID   message.ID
	Part uint16
}

// Index finds the part that a receipt is about: a bounded map from the hash of
// (connector group, SMSC id) to the part, without pointers, so that a million entries
// cost the garbage collector nothing. The oldest entry makes room for the newest; its
// message then leaves the live table too, unless something else keeps it there.
type Index struct {
	seed   uint64
	size   atomic.Int64 // entries
	shards [shardCount]shard
}

type shard struct {
	mu    sync.Mutex // guards what follows
	m     map[uint64]Ref
	older map[uint64][]Ref // parts whose SMSC id was given again before they settled
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

// Init prepares x for up to capacity parts; the seed of its hashes may be stored.
func (x *Index) Init(seed uint64, capacity int) {
	x.seed = seed
	for i := range x.shards {
		s := &x.shards[i]
		s.m = make(map[uint64]Ref)
		s.cap = max(capacity/shardCount, 1)
	}
}

// Len returns the number of entries.
func (x *Index) Len() int { return int(x.size.Load()) }

// Hash returns what stands for a key.
func (x *Index) Hash(key message.ReceiptKey) uint64 {
	return HashString(x.seed^uint64(key.Group)*0x9E3779B97F4A7C15, key.SMSCID)
}

func (x *Index) shard(h uint64) *shard { return &x.shards[h>>58] }

// Add makes the part findable. It returns the id of the message that lost its place, or 0.
func (x *Index) Add(h uint64, r Ref) (dropped message.ID) {
	s := x.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	old, taken := s.m[h]
	if taken && old == r {
		return 0
	}
	if taken {
		if s.older == nil {
			s.older = make(map[uint64][]Ref)
		}
		s.older[h] = append(s.older[h], old)
	}
	s.m[h] = r
	if len(s.order) < s.cap {
		s.order = append(s.order, entry64{h, r.ID})
		x.size.Add(1)
		return 0
	}
	dropped = s.drop(s.order[s.head])
	s.order[s.head] = entry64{h, r.ID}
	s.head = (s.head + 1) % s.cap
	return dropped
}

// Settle notes that a part has its final state, and forgets the one settled 1,024 parts
// before it.
func (x *Index) Settle(h uint64, id message.ID) {
	s := x.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.settled[s.next]
	s.settled[s.next] = entry64{h, id}
	s.next = (s.next + 1) % settledKept
	if r, ok := s.m[old.hash]; ok && r.ID == old.id {
		delete(s.m, old.hash)
	}
}

// drop forgets the oldest entry. The shard must be locked.
func (s *shard) drop(e entry64) message.ID {
	if r, ok := s.m[e.hash]; ok && r.ID == e.id {
		delete(s.m, e.hash)
		return e.id
	}
	list := s.older[e.hash]
	for i, r := range list {
		if r.ID == e.id {
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

// Find appends the parts known by the hash to dst, newest first.
func (x *Index) Find(dst []Ref, h uint64) []Ref {
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

// HashString is a keyed 64-bit hash (FNV-1a over words with a final mix). Its values
// are stored: the seed belongs to the store.
func HashString(seed uint64, s string) uint64 {
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
	return Mix(h)
}

func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// Mix spreads the bits of h over all 64.
func Mix(h uint64) uint64 {
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>32
}

// minCommonDigits is how many last digits two spellings of a number must share.
const minCommonDigits = 6

// SameDest reports whether two addresses name the same subscriber: equal, or one ends
// with the other's digits (national and international spelling). An empty one matches.
func SameDest(a, b string) bool {
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
