package gsm

import (
	"hash/maphash"
	"math/rand/v2"
	"sync/atomic"
)

const refCounters = 1 << 16

// Refs gives concatenation references. Two messages between the same two addresses get
// the same one only after 256 (8-bit) or 65,536 (16-bit) others, so that a handset
// never joins parts of different messages; counters start at random values, so that a
// restart does not repeat the last ones. It takes 256 KiB and is safe for concurrent use.
//
// Address pairs share counters by hash: sharing costs references, never uniqueness.
type Refs struct {
	seed     maphash.Seed
	counters [refCounters]atomic.Uint32
}

// NewRefs returns counters at random starts.
func NewRefs() *Refs {
	r := &Refs{seed: maphash.MakeSeed()}
	for i := range r.counters {
		r.counters[i].Store(rand.Uint32())
	}
	return r
}

// Next returns the reference of the next message from source to dest; a message with
// 8-bit references uses its low octet.
func (r *Refs) Next(source, dest string) uint16 {
	h := maphash.String(r.seed, source)*31 + maphash.String(r.seed, dest)
	return uint16(r.counters[h%refCounters].Add(1))
}
