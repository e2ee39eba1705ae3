package stats

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	idShards     = 64
	settledKept  = 3584 // settled ids a shard keeps in each of two generations, to tell a duplicate from a stranger
	minTableSize = 64
)

type idMatch uint8

const (
	idUnknown idMatch = iota
	idLive
	idSettled
	idParked
)

// idTable finds messages in flight by the id that the SMSC gave them. Ids are kept as 64-bit hashes (a collision among
// a million in flight has a chance of 1 in 30 million), in open-addressing tables that do not allocate once they have
// grown. A receipt that comes before its response is parked under its id until the response binds it.
type idTable struct {
	seed   maphash.Seed
	shards [idShards]idShard
}

type idShard struct {
	mu        sync.Mutex // guards all below
	live      hashTable  // id → seq
	settled   [2]hashTable
	parked    map[uint64]parkedReceipt
	maxLive   int
	maxParked int
	_         [32]byte
}

type parkedReceipt struct {
	final  Final
	at     time.Duration
	id     string        // of a shared ledger
	next   time.Duration // when it is offered to other workers
	offers int
}

func (t *idTable) init(maxIDs, maxParked int) {
	t.seed = maphash.MakeSeed()
	for i := range t.shards {
		t.shards[i].maxLive = max(maxIDs/idShards, 1)
		t.shards[i].maxParked = max(maxParked/idShards, 1)
	}
}

// hash is never 0, which marks a free slot.
func (t *idTable) hash(id []byte) uint64 { return maphash.Bytes(t.seed, id) | 1 }

func (t *idTable) shard(h uint64) *idShard { return &t.shards[h>>58] }

// bind makes seq findable by id, or returns the receipt that waits for it.
func (t *idTable) bind(h, seq uint64) (p parkedReceipt, found, kept bool) {
	s := t.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, found = s.parked[h]; found {
		delete(s.parked, h)
		s.settle(h, seq)
		return p, true, true
	}
	if s.live.len >= s.maxLive {
		return p, false, false
	}
	s.live.put(h, seq)
	return p, false, true
}

// receipt finds the message of a receipt and settles its id, or parks the receipt.
func (t *idTable) receipt(h uint64, p parkedReceipt) (seq uint64, m idMatch) {
	s := t.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if seq, ok := s.live.take(h); ok {
		s.settle(h, seq)
		return seq, idLive
	}
	for i := range s.settled {
		if seq, ok := s.settled[i].get(h); ok {
			return seq, idSettled
		}
	}
	if _, again := s.parked[h]; again {
		return 0, idSettled
	}
	if len(s.parked) >= s.maxParked {
		return 0, idUnknown
	}
	if s.parked == nil {
		s.parked = make(map[uint64]parkedReceipt)
	}
	s.parked[h] = p
	return 0, idParked
}

// settle remembers a settled id; the older generation is forgotten when the younger one is full.
func (s *idShard) settle(h, seq uint64) {
	if s.settled[0].len >= settledKept {
		s.settled[0], s.settled[1] = s.settled[1], s.settled[0]
		s.settled[0].clear()
	}
	s.settled[0].put(h, seq)
}

func (t *idTable) parked() (n int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.parked)
		s.mu.Unlock()
	}
	return n
}

func (t *idTable) expireParked(before time.Duration) (n int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for h, p := range s.parked {
			if p.at < before {
				delete(s.parked, h)
				n++
			}
		}
		s.mu.Unlock()
	}
	return n
}

func (t *idTable) bytes() (n int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += 16 * (len(s.live.slots) + len(s.settled[0].slots) + len(s.settled[1].slots))
		n += 40 * len(s.parked)
		s.mu.Unlock()
	}
	return n
}

// hashTable maps non-zero hashes to sequence numbers: linear probing, at most 7/8 full, deletion by shifting back.
type hashTable struct {
	slots []idSlot // a power of two
	len   int
}

type idSlot struct{ hash, seq uint64 }

func (t *hashTable) home(h uint64) int { return int(h>>8) & (len(t.slots) - 1) }

// find returns the slot of h, or the free slot where it belongs.
func (t *hashTable) find(h uint64) int {
	i := t.home(h)
	for t.slots[i].hash != 0 && t.slots[i].hash != h {
		i = (i + 1) & (len(t.slots) - 1)
	}
	return i
}

func (t *hashTable) get(h uint64) (seq uint64, ok bool) {
	if t.len == 0 {
		return 0, false
	}
	s := t.slots[t.find(h)]
	return s.seq, s.hash == h
}

func (t *hashTable) put(h, seq uint64) {
	if t.len >= len(t.slots)/8*7 {
		t.resize(max(2*len(t.slots), minTableSize))
	}
	i := t.find(h)
	if t.slots[i].hash == 0 {
		t.len++
	}
	t.slots[i] = idSlot{h, seq}
}

func (t *hashTable) take(h uint64) (seq uint64, ok bool) {
	if t.len == 0 {
		return 0, false
	}
	i := t.find(h)
	if t.slots[i].hash != h {
		return 0, false
	}
	seq = t.slots[i].seq
	t.remove(i)
	return seq, true
}

// remove empties slot i and moves back what probed over it.
func (t *hashTable) remove(i int) {
	mask := len(t.slots) - 1
	for j := (i + 1) & mask; t.slots[j].hash != 0; j = (j + 1) & mask {
		if home := t.home(t.slots[j].hash); (j-home)&mask >= (j-i)&mask {
			t.slots[i] = t.slots[j]
			i = j
		}
	}
	t.slots[i] = idSlot{}
	t.len--
}

func (t *hashTable) resize(n int) {
	old := t.slots
	t.slots, t.len = make([]idSlot, n), 0
	for _, s := range old {
		if s.hash != 0 {
			t.slots[t.find(s.hash)] = s
			t.len++
		}
	}
}

func (t *hashTable) clear() {
	clear(t.slots)
	t.len = 0
}
