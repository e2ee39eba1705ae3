package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"protei-bulk/bulk/message"
)

const (
	// transactionRows is about how many messages one transaction writes.
	transactionRows = 40_000
	// transactionEvery is the pause between transactions when no caller waits.
	transactionEvery = 500 * time.Millisecond
	// opLinger lets writes of accounts, campaigns and the like share a transaction.
	opLinger = 5 * time.Millisecond
	// housekeepingEvery is how often disk space, retention and parked receipts are looked at.
	housekeepingEvery = time.Second
)

// materialiser is the state of the goroutine of that name: the only one that writes
// to SQLite.
type materialiser struct {
	e     *Embedded
	conn  *database
	cat   *catalog // being changed by the transaction under way
	st    state
	page  page
	meter meter

	counts touched[counts]
	days   touched[usage]
	purses touched[embeddedPurse]

	images  []image
	fresh   []*image // of images: without a row
	known   []*image // of images: with one
	bodies  []byte
	filters []entry
	waiting []entry // receipt index entries
	runs    runWriter
	moved   []move               // movements
	put     []message.Receipt    // parked
	forget  []message.ReceiptKey // parked no more
	later   []op                 // of the next transaction
	maxID   message.ID           // highest id with a row
	newest  uint64               // number of the last record that the images show

	lanesSaved  map[message.Lane][2]uint64 // horizon and next, as stored
	walBytes    int64                      // written since the last checkpoint, about
	nextKeep    time.Time                  // of housekeeping
	nextPurge   time.Time                  // of inbound messages past retention
	purgedUsage int32                      // days since 1970 before which there is no usage
	unswept     bool                       // housekeeping waits for room
	unchecked   bool                       // the checkpoint waits for room
}

// materialise is the materialiser goroutine.
func (e *Embedded) materialise(m *materialiser) {
	defer e.joined.Done()
	timer := time.NewTicker(transactionEvery)
	defer timer.Stop()
	for {
		var ops []op
		final := false
		select {
		case <-timer.C:
		case first := <-e.ops:
			ops = e.collect(first)
		case <-e.applied:
			final = true
			ops = e.drainOps()
		}
		if err := m.cycle(ops, final); err != nil {
			if e.abandoned() || errors.Is(err, errLeft) {
				e.opts.Logger.Warn("the store stops before all is in the database: the next start replays it", "error", err)
				m.refuseOps()
				return
			}
			e.fail(fmt.Errorf("%w: database: %w", ErrFailed, err))
			m.refuseOps()
			return
		}
		if final {
			return
		}
	}
}

// cycle writes what is due, and everything when the store stops. A database that does not keep
// up has always more that is due: writes that came meanwhile ride in each transaction, and the
// housekeeping is done between them.
func (m *materialiser) cycle(ops []op, final bool) error {
	ops = append(m.later, ops...)
	m.later = nil
	for {
		cutoff := m.e.opts.Now().Add(-m.e.opts.Settle)
		if final || m.e.dirty.len() > m.e.opts.MaxBacklog/2 {
			cutoff = m.e.opts.Now()
		}
		b := m.e.dirty.take(cutoff, transactionRows)
		if m.idle(b, ops) {
			return m.keep()
		}
		if err := m.transact(b, ops); err != nil {
			return err
		}
		if final && m.e.abandoned() {
			return nil
		}
		if err := m.keep(); err != nil {
			return err
		}
		ops = m.drain()
	}
}

// idle reports whether a transaction would change nothing.
func (m *materialiser) idle(b batch, ops []op) bool {
	return len(b.chunks) == 0 && len(ops) == 0 && b.upTo.record == m.st.at.record
}

// transact writes one batch with its position in the journal, then lets go of what is
// not needed any more. What it writes is gathered once; how often it is tried is up to the disk.
func (m *materialiser) transact(b batch, ops []op) error {
	started := time.Now()
	_ = m.probe("begin")
	m.snapshot(b)
	m.bookMoves()
	m.put, m.forget = m.e.parked.changes()
	_ = m.probe("copied")
	if f := m.e.opts.Follower; f != nil {
		if err := f.Keep(m.e.stop, max(b.upTo.record, m.newest)); err != nil {
			return fmt.Errorf("follower: %w", err)
		}
	}
	version := m.st.version
	ops, err := m.commit(b, ops)
	if err != nil {
		return err
	}
	_ = m.probe("committed")
	m.cat.version = m.st.version
	m.e.commits.Add(1)
	if m.st.version != version {
		m.e.catalog.Store(m.cat)
	}
	m.counts.written(func(c *counts) *bool { return &c.dirty })
	m.days.written(func(u *usage) *bool { return &u.dirty })
	m.purses.written(func(p *embeddedPurse) *bool { return &p.dirty })
	m.e.dirty.written(b)
	m.e.inbox.written()
	m.e.answers.done()
	m.e.moves.written()
	m.e.asOf.Store(b.asOf.UnixMilli())
	m.e.released.Store(b.upTo.record)
	m.release()
	m.e.log.Release(b.upTo.pos)
	_ = m.probe("released")
	for _, op := range ops {
		op.done <- op.err
	}
	m.e.dbRows.Add(int64(len(m.images)))
	err = m.checkpoint()
	m.e.dbTime.Add(int64(time.Since(started)))
	return err
}

func (m *materialiser) probe(point string) error {
	if m.e.opts.probe == nil {
		return nil
	}
	return m.e.opts.probe(point, m.conn)
}

// commit writes the transaction, again and again while the disk has no room: all of it is in memory
// and in the journal. Ops are refused then, and those that were not are returned.
func (m *materialiser) commit(b batch, ops []op) ([]op, error) {
	st, maxID := m.st, m.maxID
	for {
		_ = m.probe("try")
		m.cat = m.e.catalog.Load().clone()
		err := transaction(m.conn, func() error { return m.write(b, ops) })
		if err == nil {
			m.e.has(&m.e.room.database, "database")
			return ops, nil
		}
		if !m.e.noRoom(err) {
			return ops, err
		}
		m.st, m.maxID = st, maxID
		clear(m.lanesSaved)
		m.e.lacks(&m.e.room.database, "database", err)
		ops = m.refuse(ops)
		_ = m.probe("no room")
		if err := m.awaitRoom(); err != nil {
			m.later = append(ops, m.later...)
			return nil, err
		}
	}
}

// write makes one try at the transaction. It changes nothing but what commit puts back.
func (m *materialiser) write(b batch, ops []op) error {
	for i := range ops {
		ops[i].run(m.conn)
		// With the whole transaction undone, or no room for it, nothing else has to be tried.
		if err := ops[i].err; err != nil && (m.conn.AutocommitEnabled() || m.e.noRoom(err)) {
			return err
		}
	}
	if err := m.messages(); err != nil {
		return err
	}
	if err := m.ledgers(); err != nil {
		return err
	}
	if err := m.usageRows(); err != nil {
		return err
	}
	if err := m.lanes(); err != nil {
		return err
	}
	if err := m.parked(); err != nil {
		return err
	}
	if err := m.inboundRows(); err != nil {
		return err
	}
	if err := m.answerRows(); err != nil {
		return err
	}
	if err := m.moveRows(); err != nil {
		return err
	}
	if err := m.purseRows(); err != nil {
		return err
	}
	m.st.at = b.upTo
	if err := m.saveState(); err != nil {
		return err
	}
	return m.probe("written")
}

func (m *materialiser) saveState() error {
	err := exec(m.conn, "UPDATE state SET segment=?, offset=?, record=?, version=?, next_run=?, orphans=?",
		int64(m.st.at.pos.Segment), int64(m.st.at.pos.Offset), int64(m.st.at.record), m.st.version, m.st.nextRun, m.st.orphans)
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return nil
}

func (m *materialiser) ledgers() error {
	for _, c := range m.counts {
		var b []byte
		for _, n := range c.rows {
			b = binary.AppendVarint(b, n)
		}
		b = binary.AppendVarint(b, c.rowsAccepted)
		err := exec(m.conn, "INSERT OR REPLACE INTO ledger VALUES (?,?,?,?)",
			int64(c.key.account), int64(c.key.campaign), int64(c.cursor.Load()), b)
		if err != nil {
			return fmt.Errorf("save ledger of account %d: %w", c.key.account, err)
		}
	}
	return nil
}

func (m *materialiser) lanes() (err error) {
	m.e.lanes.each(func(la *lane) {
		now := [2]uint64{la.horizon.Load(), la.applied.Load() + 1}
		if err != nil || m.lanesSaved[la.key] == now {
			return
		}
		err = exec(m.conn, "INSERT OR REPLACE INTO lanes VALUES (?,?,?,?)",
			int64(la.key.Connector), int64(la.key.Priority), int64(now[0]), int64(now[1]))
		m.lanesSaved[la.key] = now
	})
	if err != nil {
		return fmt.Errorf("save lanes: %w", err)
	}
	return nil
}

func (m *materialiser) parked() error {
	for i := range m.put {
		r := &m.put[i]
		err := exec(m.conn, "INSERT OR REPLACE INTO parked VALUES (?,?,?,?,?,?)",
			int64(r.Key.Group), r.Key.SMSCID, r.Dest, int64(r.Status), int64(r.Error), r.At)
		if err != nil {
			return fmt.Errorf("save parked receipt %s: %w", r.Key.SMSCID, err)
		}
	}
	for _, key := range m.forget {
		if err := exec(m.conn, "DELETE FROM parked WHERE grp = ? AND smsc_id = ?", int64(key.Group), key.SMSCID); err != nil {
			return fmt.Errorf("forget parked receipt %s: %w", key.SMSCID, err)
		}
	}
	m.st.orphans = m.e.parked.orphanCount()
	return nil
}

// release evicts the messages just written that nothing keeps in memory.
func (m *materialiser) release() {
	for i := range m.images {
		msg := m.images[i].m
		s := m.e.live.shard(msg.ID)
		s.mu.Lock()
		msg.Store.Flags &^= flagWriting
		if msg.Store.Flags&(flagDirty|flagGone) == 0 && !m.e.keeps(msg) {
			m.e.forget(s, msg)
		}
		s.mu.Unlock()
	}
}
