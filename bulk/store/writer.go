package store

import (
	"errors"
	"fmt"
	"time"

	"protei-bulk/bulk/journal"
	"protei-bulk/bulk/message"
	"protei-bulk/internal/pause"
)

const (
	// maxGroupBytes is where the writer ends a group, half a segment at most; a larger
	// pending takes several.
	maxGroupBytes = 8 << 20
	// groupsAhead is how many durable groups may wait for the applier.
	groupsAhead = 4
	// segmentTries and segmentWait bound the wait for a journal segment that has room and cannot be made.
	segmentTries = 50
	segmentWait  = 100 * time.Millisecond
)

// group is what one journal write made durable: the unit that the applier takes.
type group struct {
	pending *pending
	events  []message.Event // part of pending.events
	inbound []inboundRecord // part of pending.inbound
	moves   []move          // pending.moves, in its first group
	stamps  []stamp         // part of pending.stamps; at counts from pending's first event
	from    int             // index of the first event in pending
	first   uint64          // record number of the first record
	start   journal.Pos     // position before its first record
	end     journal.Pos     // position after its last record
	records uint64          // number of records
	last    bool            // pending's horizons, receipts and dones go with this group
	err     error           // not nil: not durable
}

// write is the writer goroutine: it makes what producers hand over durable, in order.
func (e *Embedded) write() {
	defer e.joined.Done()
	defer close(e.groups)
	w := writer{e: e, pos: e.log.End(), record: e.record, limit: min(maxGroupBytes, e.log.MaxGroupBytes()/2)}
	for {
		p, closed := e.queue.swap(e.spare())
		if p.empty() {
			e.recycle(p)
			if closed != nil {
				return
			}
			<-e.queue.wake
			continue
		}
		w.commit(p)
	}
}

// spare returns an empty pending, used before or new.
func (e *Embedded) spare() *pending {
	select {
	case p := <-e.spares:
		return p
	default:
		return &pending{}
	}
}

func (e *Embedded) recycle(p *pending) {
	p.reset()
	select {
	case e.spares <- p:
	default:
	}
}

// writer is the state of the writer goroutine.
type writer struct {
	e      *Embedded
	buf    journal.Group
	pos    journal.Pos
	record uint64 // number of the last record written
	lane   *lane  // used last
	limit  int    // bytes at which a group ends
	failed error
}

// commit writes all of p, in several groups if it is large, and hands them on.
func (w *writer) commit(p *pending) {
	w.buf.Reset()
	moves := p.moves
	for i := range moves {
		addMove(&w.buf, &moves[i].Movement)
		moves[i].number = w.record + 1 + uint64(i)
	}
	for _, h := range p.horizons {
		addHorizon(&w.buf, h)
	}
	for i := range p.receipts {
		addReceipt(&w.buf, &p.receipts[i])
	}
	inbound := w.inbound(p, &moves)
	from, stamped, whole := 0, 0, 0 // whole: before it no group ends
	next := 0
	for i := range p.events {
		if next < len(p.stamps) && p.stamps[next].at == i {
			addAnswer(&w.buf, &p.stamps[next])
			whole = i + p.stamps[next].n
			next++
		}
		ev := &p.events[i]
		w.number(ev)
		addEvent(&w.buf, ev)
		if w.buf.Size() >= w.limit && i+1 >= whole {
			w.append(&group{pending: p, events: p.events[from : i+1], inbound: inbound, moves: moves, stamps: p.stamps[stamped:next], from: from})
			inbound, moves = nil, nil
			from, stamped = i+1, next
			w.buf.Reset()
		}
	}
	w.append(&group{pending: p, events: p.events[from:], inbound: inbound, moves: moves, stamps: p.stamps[stamped:], from: from, last: true})
}

// inbound encodes p's inbound records and returns those that go with the group begun; the
// others are handed on, the first ones with the moves.
func (w *writer) inbound(p *pending, moves *[]move) []inboundRecord {
	from := 0
	for i := range p.inbound {
		addInbound(&w.buf, &p.inbound[i])
		if w.buf.Size() >= w.limit {
			w.append(&group{pending: p, inbound: p.inbound[from : i+1], moves: *moves})
			*moves = nil
			from = i + 1
			w.buf.Reset()
		}
	}
	return p.inbound[from:]
}

// number gives a message that begins to wait its place in the lane.
func (w *writer) number(ev *message.Event) {
	if ev.Kind != message.Accept && ev.Kind != message.Requeue {
		return
	}
	key := ev.Lane()
	if w.lane == nil || w.lane.key != key {
		w.lane = w.e.lanes.get(key)
	}
	ev.Seq = w.lane.next
	w.lane.next++
}

func (w *writer) append(g *group) {
	g.first, g.start = w.record+1, w.pos
	g.records = uint64(w.buf.Len())
	if w.failed == nil {
		g.end, w.failed = w.sync()
	}
	if g.err = w.failed; g.err == nil {
		w.pos = g.end
		w.record += g.records
	}
	w.e.groups <- g
}

// sync writes the buffer to the journal. On a full disk it waits for room, while nothing new is taken; a
// segment that cannot be made for another reason gets some time; any other fault is the end of the store.
func (w *writer) sync() (journal.Pos, error) {
	started := time.Now()
	var end journal.Pos
	var err error
	for tries := 1; ; tries++ {
		end, err = w.e.log.Append(&w.buf)
		if err == nil || errors.Is(err, journal.ErrFailed) {
			break
		}
		if journal.NoRoom(err) {
			w.e.lacks(&w.e.room.journal, "journal", err)
		} else if !errors.Is(err, journal.ErrNoSegment) || tries == segmentTries {
			break
		} else {
			w.e.opts.Logger.Error("the journal cannot go on: tried again", "error", err)
		}
		if pause.For(w.e.stop, segmentWait) != nil {
			break
		}
	}
	if err == nil {
		w.e.has(&w.e.room.journal, "journal")
	}
	took := time.Since(started)
	w.e.syncTime.Add(int64(took))
	if w.e.opts.Synced != nil {
		w.e.opts.Synced(took)
	}
	if err != nil {
		err = fmt.Errorf("%w: journal: %w", ErrFailed, err)
		w.e.fail(err)
		return end, err
	}
	w.e.groupCount.Add(1)
	return end, nil
}
