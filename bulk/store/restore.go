package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/journal"
	"protei-bulk/bulk/message"
)

// replaySpan is how many records of the replay share a chunk of the dirty list.
const replaySpan = 4096

// restore reads what the database says about everything but messages.
func (e *Embedded) restore(conn *database) (*materialiser, error) {
	st, err := readState(conn)
	if err != nil {
		return nil, err
	}
	cat, err := readCatalog(conn, st.version)
	if err != nil {
		return nil, err
	}
	e.catalog.Store(cat)
	e.hash = hasher{st.seed}
	e.receipts.Init(st.seed, e.opts.ReceiptCache)
	m := &materialiser{
		e: e, conn: conn, cat: cat, st: st, page: page{books: &e.books}, meter: meter{usages: &e.usages},
		runs: runWriter{conn: conn}, lanesSaved: make(map[message.Lane][2]uint64),
	}
	e.released.Store(st.at.record)
	if m.maxID, err = highestRow(conn, cat); err != nil {
		return nil, err
	}
	return m, errors.Join(e.restoreLanes(conn), e.restoreLedger(conn), e.restoreUsage(conn), e.restorePurses(conn), e.restoreParked(conn, st.orphans), e.restoreInbound(conn))
}

func highestRow(conn *database, cat *catalog) (highest message.ID, err error) {
	for i := len(cat.tables) - 1; i >= 0 && highest == 0; i-- {
		err := query1(conn, fmt.Sprintf("SELECT max(id) FROM messages_%d", cat.tables[i].n), func(stmt *sqlite.Stmt) error {
			highest = message.ID(stmt.ColumnInt64(0))
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("highest id of messages_%d: %w", cat.tables[i].n, err)
		}
	}
	return highest, nil
}

func (e *Embedded) restoreLanes(conn *database) error {
	err := query1(conn, "SELECT connector, priority, horizon, next FROM lanes", func(stmt *sqlite.Stmt) error {
		la := e.lanes.get(message.Lane{
			Connector: uint16(stmt.ColumnInt64(0)), Priority: message.Priority(stmt.ColumnInt64(1)),
		})
		la.horizon.Store(uint64(stmt.ColumnInt64(2)))
		la.next = uint64(stmt.ColumnInt64(3))
		la.applied.Store(la.next - 1)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read lanes: %w", err)
	}
	return nil
}

func (e *Embedded) restoreLedger(conn *database) error {
	err := query1(conn, "SELECT account, campaign, cursor, counts FROM ledger", func(stmt *sqlite.Stmt) error {
		c := e.books.Get(ledgerKey{uint32(stmt.ColumnInt64(0)), message.ID(stmt.ColumnInt64(1))}, newCounts)
		c.cursor.Store(uint32(stmt.ColumnInt64(2)))
		b := columnBytes(stmt, 3)
		for s := range c.rows {
			n, size := binary.Varint(b)
			if size <= 0 {
				return fmt.Errorf("%w: ledger of account %d", errCodec, c.key.account)
			}
			b = b[size:]
			c.rows[s] = n
			c.now[s].Store(n)
		}
		n, size := binary.Varint(b)
		if size <= 0 {
			return fmt.Errorf("%w: ledger of account %d", errCodec, c.key.account)
		}
		c.rowsAccepted = n
		c.accepted.Store(n)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	return nil
}

func (e *Embedded) restoreParked(conn *database, orphans int64) error {
	err := query1(conn, "SELECT grp, smsc_id, dest, status, error, at FROM parked ORDER BY at", func(stmt *sqlite.Stmt) error {
		e.parked.put(message.Receipt{
			Key:  message.ReceiptKey{Group: uint16(stmt.ColumnInt64(0)), SMSCID: stmt.ColumnText(1)},
			Dest: stmt.ColumnText(2), Status: message.Status(stmt.ColumnInt64(3)),
			Error: uint32(stmt.ColumnInt64(4)), At: stmt.ColumnInt64(5),
		}, e.opts.ParkedMax)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read parked receipts: %w", err)
	}
	e.parked.orphans = orphans
	return nil
}

// replay applies what the journal has beyond the database's position. Both may have the
// effect of a record: a row carries the number of the last one that changed it, and
// records up to that are passed over, so that none counts twice.
func (e *Embedded) replay(from progress) error {
	e.record = from.record
	r := replayer{
		e: e, highest: e.highestKnown(), at: from, span: from,
		applier: applier{e: e, page: page{books: &e.books}, meter: meter{usages: &e.usages}, replay: true},
	}
	e.dirty.applied = from
	if _, err := e.log.Replay(from.pos, r.record); err != nil {
		return err
	}
	r.drop()
	r.flush()
	e.record = r.at.record
	if f := e.opts.Follower; f != nil { // the last records may be no events, or known ones
		f.Follow(nil, e.record)
	}
	e.lanes.each(func(la *lane) {
		la.next = max(la.next, la.applied.Load()+1)
		la.applied.Store(la.next - 1)
	})
	if n := r.at.record - from.record; n > 0 {
		e.opts.Logger.Info("replayed the journal", "records", n, "messages", e.live.size.Load())
	}
	return nil
}

// highestKnown is the highest id with a row: above it a record's message has none.
func (e *Embedded) highestKnown() (highest message.ID) {
	conn := e.readers.take()
	defer e.readers.put(conn)
	highest, err := highestRow(conn, e.catalog.Load())
	if err != nil {
		return ^message.ID(0)
	}
	return highest
}

type replayer struct {
	e       *Embedded
	applier applier
	highest message.ID
	span    progress // start of the chunk being filled
	at      progress // after the last record

	stamp *stamp // answer whose messages are not complete yet, or nil
	held  []held // those of them that came
}

// held is an accept record that waits for the rest of its request.
type held struct {
	rec    record
	number uint64
}

func (r *replayer) record(pos journal.Pos, kind byte, payload []byte) error {
	rec, err := decodeRecord(kind, payload)
	if err != nil {
		return fmt.Errorf("record %d that ends at %s: %w", r.at.record+1, pos, err)
	}
	number := r.at.record + 1
	if r.stamp != nil && !r.stamp.owns(&rec, r.held) {
		r.drop()
	}
	switch kind {
	case recordIdempotency:
		r.stamp = &rec.stamp
	case recordMoney:
		r.e.applyMove(&move{rec.move, number}, false)
	case recordParked:
		r.applier.receipt(&rec.receipt)
	case recordHorizon:
		r.applier.horizon(rec.horizon)
	case recordInbound:
		r.e.inbox.apply(&rec.inbound)
	default:
		if r.stamp != nil {
			r.held = append(r.held, held{rec, number})
			err = r.complete()
		} else {
			err = r.event(&rec, number)
		}
	}
	r.at = progress{pos, number}
	if number-r.span.record >= replaySpan && r.stamp == nil {
		r.flush()
	}
	return err
}

// complete accepts the messages of a stamped request, with its answer, when all are there.
func (r *replayer) complete() error {
	if len(r.held) < r.stamp.n {
		return nil
	}
	r.e.answers.apply(r.stamp.answer)
	for i := range r.held {
		if err := r.event(&r.held[i].rec, r.held[i].number); err != nil {
			return err
		}
	}
	r.stamp, r.held = nil, nil
	return nil
}

// drop forgets a stamped request that a crash cut short in the journal: nobody was
// answered, nothing was sent, and its repeat is accepted as the first one.
func (r *replayer) drop() {
	for i := range r.held {
		r.e.dropped = max(r.e.dropped, r.held[i].rec.id)
	}
	r.stamp, r.held = nil, nil
}

func (r *replayer) flush() {
	r.e.dirty.push(r.applier.touched, r.span, r.at, &r.e.lanes)
	r.applier.touched = r.applier.touched[:0]
	r.span = r.at
}

func (r *replayer) event(rec *record, number uint64) error {
	ev := &rec.event
	var lane message.Lane // that an accept record gives a place in
	if ev.Kind == message.Accept {
		lane = ev.Msg.Lane()
	}
	m, err := r.message(rec.id)
	switch {
	case err != nil:
		return err
	case ev.Kind == message.Accept && m == nil:
		ev.Msg.Store = message.Bookkeeping{}
		r.apply(ev, number)
		return nil
	case m == nil: // dropped with its table
		return nil
	}
	ev.Msg = m
	if ev.Kind == message.Accept || m.Store.Applied >= number {
		if lane == (message.Lane{}) {
			lane = ev.Lane()
		}
		r.passed(ev, lane)
		return nil
	}
	r.apply(ev, number)
	return nil
}

func (r *replayer) apply(ev *message.Event, number uint64) {
	r.applier.event(ev, number)
	if f := r.e.opts.Follower; f != nil {
		f.Follow([]message.Event{*ev}, number)
	}
}

// passed does what is left of a record whose effect the message has already.
func (r *replayer) passed(ev *message.Event, lane message.Lane) {
	if ev.Seq != 0 {
		la := r.e.lanes.get(lane)
		la.applied.Store(max(la.applied.Load(), ev.Seq))
	}
	r.applier.follow(ev)
}

// message returns the message of a record, from the live table or the database, or nil.
func (r *replayer) message(id message.ID) (*message.Message, error) {
	if m := r.e.live.find(id); m != nil || id > r.highest {
		return m, nil
	}
	m, err := r.e.Load(r.e.stop, id)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return m, err
}
