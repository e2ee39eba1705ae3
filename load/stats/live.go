package stats

import (
	"sync/atomic"
	"time"
)

// liveHistogram is the concurrent form of [Histogram]: recorded into by many goroutines with one atomic add each and
// drained by one. A chunk of counters (1 kB) is allocated when the first value falls into it.
type liveHistogram struct {
	chunks [chunkCount]atomic.Pointer[[chunkSize]uint32]
	sum    atomic.Uint64 // ns
}

func (h *liveHistogram) record(d time.Duration) {
	i := bucketOf(micros(d))
	c := h.chunks[i>>chunkBits].Load()
	if c == nil {
		c = h.grow(i >> chunkBits)
	}
	atomic.AddUint32(&c[i&(chunkSize-1)], 1)
	h.sum.Add(uint64(max(d, 0)))
}

func (h *liveHistogram) grow(i int) *[chunkSize]uint32 {
	c := new([chunkSize]uint32)
	if h.chunks[i].CompareAndSwap(nil, c) {
		return c
	}
	return h.chunks[i].Load()
}

// drainInto moves everything into dst. Counters are exchanged for zero one by one, so a sample recorded meanwhile is
// either moved now or stays for the next drain: it is counted once.
func (h *liveHistogram) drainInto(dst *Histogram) {
	for i := range h.chunks {
		c := h.chunks[i].Load()
		if c == nil {
			continue
		}
		for j := range c {
			if atomic.LoadUint32(&c[j]) == 0 {
				continue
			}
			dst.add(i<<chunkBits+j, uint64(atomic.SwapUint32(&c[j], 0)))
		}
	}
	dst.sum += h.sum.Swap(0)
}
