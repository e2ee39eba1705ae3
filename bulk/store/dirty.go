package store

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/journal"
	"protei-bulk/bulk/message"
)

// chunkSpan is how long a chunk takes more messages.
const chunkSpan = 20 * time.Millisecond

// progress is a place in the journal, with the number of the record before it.
type progress struct {
	pos    journal.Pos
	record uint64
}

// chunk is a run of messages that became dirty at about the same time.
type chunk struct {
	start progress  // before the first group that dirtied one of them
	at    time.Time // when it was begun
	marks []mark    // lane sequences applied when its last group was
	msgs  []*message.Message
	taken bool // being written; takes no more
}

// dirtyList holds the messages whose rows are behind, oldest first. Everything before
// the start of its first chunk is in SQLite once the chunks before that are.
type dirtyList struct {
	count atomic.Int64

	mu      sync.Mutex // guards what follows
	chunks  []*chunk
	applied progress // after the last group applied
	marks   []mark   // lane sequences applied then; replaced, never changed
	now     func() time.Time
}

func (d *dirtyList) len() int { return int(d.count.Load()) }

// push adds the messages that a group (before, after] dirtied.
func (d *dirtyList) push(msgs []*message.Message, before, after progress, lanes *lanes) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.applied = after
	d.marks = lanes.marks()
	if len(msgs) > 0 {
		d.add(msgs, before)
	}
}

// touch adds a message that no event changed, for the materialiser to look at. Its
// shard must be locked.
func (d *dirtyList) touch(m *message.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.add([]*message.Message{m}, d.applied)
}

// add needs mu.
func (d *dirtyList) add(msgs []*message.Message, before progress) {
	now := d.now()
	var c *chunk
	if n := len(d.chunks); n > 0 && !d.chunks[n-1].taken && now.Sub(d.chunks[n-1].at) < chunkSpan {
		c = d.chunks[n-1]
	} else {
		c = &chunk{start: before, at: now}
		d.chunks = append(d.chunks, c)
	}
	c.msgs = append(c.msgs, msgs...)
	c.marks = d.marks
	d.count.Add(int64(len(msgs)))
}

// batch is what one transaction writes.
type batch struct {
	chunks []*chunk
	upTo   progress // everything before it is in SQLite after the transaction
	marks  []mark   // so are all waiting messages up to these lane sequences
	asOf   time.Time
}

// take returns the chunks begun before the cutoff, about most messages of them, and the
// progress that writing them makes. An empty batch still has its progress.
func (d *dirtyList) take(cutoff time.Time, most int) batch {
	d.mu.Lock()
	defer d.mu.Unlock()
	var b batch
	n, rows := 0, 0
	for n < len(d.chunks) && !d.chunks[n].at.After(cutoff) && rows < most {
		d.chunks[n].taken = true
		rows += len(d.chunks[n].msgs)
		n++
	}
	b.chunks = slices.Clone(d.chunks[:n])
	switch {
	case n < len(d.chunks):
		b.upTo, b.asOf = d.chunks[n].start, d.chunks[n].at
		if n > 0 {
			b.marks = d.chunks[n-1].marks
		}
	default:
		b.upTo, b.asOf = d.applied, d.now()
		b.marks = d.marks
	}
	return b
}

// written drops the chunks of b, which SQLite holds now, and moves the lanes' floors.
func (d *dirtyList) written(b batch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range b.chunks {
		d.count.Add(-int64(len(c.msgs)))
	}
	d.chunks = slices.Delete(d.chunks, 0, len(b.chunks))
	for _, m := range b.marks {
		m.lane.floor.Store(max(m.seq, m.lane.floor.Load()))
	}
}

// messages returns every message of the list, some of which are clean by now, and the
// lane sequences that had been applied when it held them all.
func (d *dirtyList) messages() (lists [][]*message.Message, marks []mark) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.chunks {
		lists = append(lists, c.msgs[:len(c.msgs):len(c.msgs)])
	}
	return lists, d.marks
}
