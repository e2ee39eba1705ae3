package store

import (
	"context"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store/receiptindex"
)

// apply is the applier goroutine: it applies durable groups in order.
func (e *Embedded) apply() {
	defer e.joined.Done()
	defer close(e.applied)
	a := applier{e: e, page: page{books: &e.books}, meter: meter{usages: &e.usages}}
	for g := range e.groups {
		if g.err == nil {
			a.group(g)
		}
		if g.last {
			e.finish(g)
		}
	}
}

// finish answers everybody whose changes g completes.
func (e *Embedded) finish(g *group) {
	e.queue.size.Add(-int64(len(g.pending.events)))
	for _, done := range g.pending.dones {
		done(g.err)
	}
	e.recycle(g.pending)
}

// applier is the state of the applier goroutine, and of the replay before it.
type applier struct {
	e       *Embedded
	page    page
	meter   meter
	purse   *embeddedPurse     // used last
	touched []*message.Message // became dirty in this group
	replay  bool
}

func (a *applier) group(g *group) {
	e := a.e
	if g.last {
		for _, h := range g.pending.horizons {
			a.horizon(h)
		}
		for i := range g.pending.receipts {
			a.receipt(&g.pending.receipts[i])
		}
	}
	for i := range g.moves {
		e.applyMove(&g.moves[i], true)
	}
	for i := range g.inbound {
		e.inbox.apply(&g.inbound[i])
	}
	number := g.first + g.records - uint64(len(g.events)+len(g.stamps))
	stamps := g.stamps
	for i := range g.events {
		if len(stamps) > 0 && stamps[0].at == g.from+i {
			e.answers.apply(stamps[0].answer)
			stamps = stamps[1:]
			number++
		}
		a.event(&g.events[i], number)
		number++
	}
	e.dirty.push(a.touched, progress{pos: g.start, record: g.first - 1}, progress{pos: g.end, record: number - 1}, &e.lanes)
	a.touched = a.touched[:0]
	e.eventCount.Add(int64(len(g.events)))
	if e.opts.Applied != nil && len(g.events) > 0 {
		e.opts.Applied(g.events)
	}
	if e.opts.Follower != nil {
		e.opts.Follower.Follow(g.events, number-1)
	}
}

func (a *applier) horizon(h horizon) {
	a.e.lanes.get(h.lane).horizon.Store(h.seq)
}

// receipt parks r, or settles its part when the Submitted event was quicker.
func (a *applier) receipt(r *message.Receipt) {
	e := a.e
	e.parked.put(*r, e.opts.ParkedMax)
	if a.replay {
		return
	}
	if match := e.findReceipt(nil, r.Key, r.Dest); match.Found {
		e.unpark(match.Msg, match.Part, r)
	}
}

// event applies one event. number is its record's.
func (a *applier) event(ev *message.Event, number uint64) {
	e := a.e
	m := ev.Msg
	s := e.live.shard(m.ID)
	s.mu.Lock()
	for m.Store.Flags&flagGone != 0 {
		s.mu.Unlock()
		if m = e.redirect(ev); m == nil {
			return
		}
		s.mu.Lock()
	}
	if ev.Kind == message.Accept {
		e.live.add(s, m)
	}
	before, lane := cell(m, m.Status), m.Lane()
	var was worth
	if m.Tariff != nil {
		was = worthOf(m)
	}
	ev.Apply()
	after := cell(m, m.Status)
	if ev.Changed {
		m.Store.Applied = number
		if ev.Connector != 0 && m.Store.Flags&flagWaiting != 0 { // it waits in another lane now
			e.lanes.get(lane).waiting.Add(-1)
			e.lanes.get(m.Lane()).waiting.Add(1)
		}
		a.mark(m)
		switch {
		case awaitsReceipt(ev):
			m.Store.Flags |= flagIndexed
		case ev.Kind == message.Requeue:
			m.Store.Flags &^= flagLoaded
		}
	}
	s.mu.Unlock()
	if ev.Changed {
		if m.Tariff != nil {
			a.pay(ev, was)
		}
		a.book(ev, before, after)
	}
	a.follow(ev)
}

// redirect finds the current object of an event whose message had left the live table.
// It returns nil when the message is no more.
func (e *Embedded) redirect(ev *message.Event) *message.Message {
	e.redirected.Add(1)
	m, err := e.Load(context.Background(), ev.Msg.ID)
	if err != nil {
		e.opts.Logger.Warn("event for a message that is gone", "message", ev.Msg.ID, "error", err)
		ev.Changed, ev.Was, ev.Now = false, ev.Msg.Status, ev.Msg.Status
		return nil
	}
	ev.Msg = m
	return m
}

// mark notes that m's row is behind and keeps the bounded sets' counts. The shard must
// be locked.
func (a *applier) mark(m *message.Message) {
	b := &m.Store
	if b.Flags&flagDirty == 0 {
		b.Flags |= flagDirty
		a.touched = append(a.touched, m)
	}
	if waiting := waits(m); waiting != (b.Flags&flagWaiting != 0) {
		la := a.e.lanes.get(m.Lane())
		if waiting {
			la.waiting.Add(1)
		} else {
			la.waiting.Add(-1)
			b.Flags &^= flagLoaded
		}
		b.Flags ^= flagWaiting
	}
	if open := m.Notify == message.NotifyOpen; open != (b.Flags&flagOpen != 0) {
		if open {
			a.e.open.Add(1)
		} else {
			a.e.open.Add(-1)
		}
		b.Flags ^= flagOpen
	}
}

// book keeps the ledger and the lane's sequence.
func (a *applier) book(ev *message.Event, before, after message.Status) {
	c := a.page.of(ev.Msg)
	switch {
	case ev.Kind == message.Accept:
		c.now[after].Add(1)
		c.accepted.Add(1)
		day, quarter := a.meter.of(ev.Msg)
		day.now[quarter].Add(uint32(len(ev.Msg.Parts)))
		if ev.Msg.Ordinal > c.cursor.Load() {
			c.cursor.Store(ev.Msg.Ordinal)
		}
	case before != after:
		c.now[before].Add(-1)
		c.now[after].Add(1)
	}
	if ev.Seq != 0 {
		a.e.lanes.get(ev.Lane()).applied.Store(ev.Seq)
	}
}

// follow keeps receipt index and parked receipts in step with an applied event.
func (a *applier) follow(ev *message.Event) {
	e := a.e
	switch ev.Kind {
	case message.Submitted:
		if !awaitsReceipt(ev) {
			return
		}
		key := message.ReceiptKey{Group: ev.Msg.Connector, SMSCID: ev.SMSCID}
		e.NoteSubmitted(key, ev.Msg, int(ev.Part))
		if e.parked.none() || a.replay {
			return
		}
		if r, ok := e.parked.get(key); ok && receiptindex.SameDest(ev.Msg.Dest.Addr, r.Dest) {
			e.unpark(ev.Msg, int(ev.Part), &r)
		}
	case message.Settle:
		if int(ev.Part) >= len(ev.Msg.Parts) || ev.Msg.Parts[ev.Part].SMSCID == "" {
			return
		}
		key := message.ReceiptKey{Group: ev.Msg.Connector, SMSCID: ev.Msg.Parts[ev.Part].SMSCID}
		if ev.Status != message.Unknown { // a late receipt may still correct UNKNOWN
			e.receipts.Settle(e.receipts.Hash(key), ev.Msg.ID)
		}
		if !e.parked.none() {
			e.parked.settled(key)
		}
	}
}

// awaitsReceipt reports whether ev gives a part the SMSC id that a receipt will name.
func awaitsReceipt(ev *message.Event) bool {
	return ev.Kind == message.Submitted && ev.SMSCID != "" && ev.Msg.Flags&message.WantReceipt != 0
}
