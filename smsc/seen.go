package smsc

import (
	"encoding/binary"
	"math/bits"
	"sync"
)

// seenSet remembers messages by a 64-bit hash: how often each was accepted, and how
// often it was tried. One word a message:
//
//	63                      8 7        4 3        0
//	+------------------------+----------+----------+
//	| hash without its shard | attempts | accepted |   both stop at 15
//	+------------------------+----------+----------+
//
// Open addressing with linear probing, at most 85 % full, doubling: 9.4 to 18.8 octets
// a message. With 50 million messages the chance that any two share a hash is 1 in 3,500.
type seenSet struct {
	shards [seenShards]seenShard
	limit  int // messages a shard
}

type seenShard struct {
	mu    sync.Mutex
	words []uint64 // guarded by mu; the length is a power of two
	n     int      // guarded by mu
	_     [24]byte // shards share no cache line
}

const (
	seenShards    = 64
	seenFirstSize = 256
	seenMaxCount  = 15
	countBits     = 8
)

func newSeenSet(limit int) *seenSet {
	return &seenSet{limit: (limit + seenShards - 1) / seenShards}
}

// lock returns the shard of hash h, locked.
func (s *seenSet) lock(h uint64) *seenShard {
	sh := &s.shards[h%seenShards]
	sh.mu.Lock()
	return sh
}

// find returns the word of h, or nil. It needs mu; the word is valid until it is released.
func (sh *seenShard) find(h uint64) *uint64 {
	if len(sh.words) == 0 {
		return nil
	}
	w := &sh.words[sh.index(h)]
	if *w == 0 {
		return nil
	}
	return w
}

// add returns the word of h, a new one when there was none, or nil beyond limit. A new
// word must be given a count before mu is released.
func (sh *seenShard) add(h uint64, limit int) *uint64 {
	if sh.n >= len(sh.words)*85/100 {
		sh.grow()
	}
	w := &sh.words[sh.index(h)]
	if *w != 0 {
		return w
	}
	if sh.n >= limit {
		return nil
	}
	sh.n++
	*w = h &^ (1<<countBits - 1)
	return w
}

// index returns where h stands or belongs. The words are never all taken.
func (sh *seenShard) index(h uint64) int {
	mask := len(sh.words) - 1
	for i := int(h>>countBits) & mask; ; i = (i + 1) & mask {
		if w := sh.words[i]; w == 0 || w>>countBits == h>>countBits {
			return i
		}
	}
}

func (sh *seenShard) grow() {
	old := sh.words
	sh.words = make([]uint64, max(seenFirstSize, 2*len(old)))
	for _, w := range old {
		if w != 0 {
			sh.words[sh.index(w)] = w
		}
	}
}

func attemptsOf(w uint64) uint64 { return w >> 4 & seenMaxCount }
func acceptedOf(w uint64) uint64 { return w & seenMaxCount }

// tried counts one more attempt in w.
func tried(w *uint64) {
	if attemptsOf(*w) < seenMaxCount {
		*w += 1 << 4
	}
}

// accepted counts one more acceptance in w and reports whether it was the first.
func accepted(w *uint64) (first bool) {
	n := acceptedOf(*w)
	if n < seenMaxCount {
		*w++
	}
	return n == 0
}

// times returns how often the message of hash h was accepted, up to 15.
func (s *seenSet) times(h uint64) int {
	sh := s.lock(h)
	defer sh.mu.Unlock()
	w := sh.find(h)
	if w == nil {
		return 0
	}
	return int(acceptedOf(*w))
}

// size returns the messages remembered and the octets they take.
func (s *seenSet) size() (messages, octets int) {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		messages += sh.n
		octets += 8 * len(sh.words)
		sh.mu.Unlock()
	}
	return messages, octets
}

func (s *seenSet) reset() {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		sh.words, sh.n = nil, 0
		sh.mu.Unlock()
	}
}

// Odd numbers with half their bits set, for mixing.
const (
	mix0 = 0x9E3779B97F4A7C15
	mix1 = 0xC2B2AE3D27D4EB4F
	mix2 = 0x8EBC6AF09C88C6E3
	mix3 = 0x589965CC75374CC3
)

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// hashOf hashes b, the same in every run.
func hashOf(b []byte) uint64 {
	n, h := uint64(len(b)), uint64(mix0)
	for len(b) > 16 {
		h = fold(binary.LittleEndian.Uint64(b)^mix1, binary.LittleEndian.Uint64(b[8:])^h)
		b = b[16:]
	}
	var x, y uint64
	switch {
	case len(b) >= 8:
		x, y = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[len(b)-8:])
	case len(b) >= 4:
		x, y = uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[len(b)-4:]))
	case len(b) > 0:
		x = uint64(b[0])<<16 | uint64(b[len(b)/2])<<8 | uint64(b[len(b)-1])
	}
	return fold(mix2^n, fold(x^mix1, y^h))
}

// hashPair hashes destination and text.
func hashPair(a, b []byte) uint64 { return fold(hashOf(a)^mix2, hashOf(b)^mix3) }
