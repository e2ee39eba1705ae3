package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store/receiptindex"
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

// image is a message's row, copied under its shard's lock.
type image struct {
	m        *message.Message
	id       message.ID
	was      message.Status // of the row before, 0: none
	status   message.Status
	lane     int64 // -1: it does not wait
	seq      uint64
	due      int64
	open     bool
	from, to int    // body, in materialiser.bodies
	parts    [2]int // receipt index entries, in materialiser.waiting
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

// snapshot copies the batch's messages into images, sorted by id.
func (m *materialiser) snapshot(b batch) {
	clear(m.images)
	m.newest = 0
	m.images, m.bodies, m.waiting = m.images[:0], m.bodies[:0], m.waiting[:0]
	for _, c := range b.chunks {
		for _, msg := range c.msgs {
			m.image(msg)
		}
	}
	slices.SortFunc(m.images, func(a, b image) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
}

func (m *materialiser) image(msg *message.Message) {
	s := m.e.live.shard(msg.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	img := image{m: msg, id: msg.ID, was: msg.Store.Row, status: msg.Status, lane: -1, from: len(m.bodies)}
	if waits(msg) {
		img.lane, img.seq = laneNumber(msg.Lane()), msg.LaneSeq
	} else if msg.Status == message.Scheduled {
		img.due = max(msg.DueAt, 1)
	}
	img.open = msg.Notify == message.NotifyOpen
	m.bodies = AppendMessage(m.bodies, msg)
	img.to = len(m.bodies)
	img.parts[0] = len(m.waiting)
	m.awaiting(msg)
	img.parts[1] = len(m.waiting)
	m.newest = max(m.newest, msg.Store.Applied)
	msg.Store.Row = msg.Status
	msg.Store.Flags = msg.Store.Flags&^flagDirty | flagWriting
	m.images = append(m.images, img)
	m.count(&img)
	if msg.Tariff != nil {
		m.bill(msg, img.was == 0)
	}
}

// awaiting adds the index entries of the parts that a receipt may still be for.
func (m *materialiser) awaiting(msg *message.Message) {
	if msg.Flags&message.WantReceipt == 0 || msg.Status.Final() && msg.Status != message.Unknown {
		return
	}
	for i := range msg.Parts {
		if p := &msg.Parts[i]; p.SMSCID != "" && (!p.Status.Final() || p.Status == message.Unknown) {
			key := message.ReceiptKey{Group: msg.Connector, SMSCID: p.SMSCID}
			m.waiting = append(m.waiting, entry{msg.ID, uint32(m.e.receipts.Hash(key))})
			m.unpark(msg, i, key)
		}
	}
}

// unpark settles a part whose receipt was parked while the part could be found neither
// in memory nor in SQLite: its entry had been pushed out of a small receipt index.
func (m *materialiser) unpark(msg *message.Message, part int, key message.ReceiptKey) {
	if m.e.parked.none() {
		return
	}
	if r, ok := m.e.parked.get(key); ok && receiptindex.SameDest(msg.Dest.Addr, r.Dest) {
		m.e.unpark(msg, part, &r)
	}
}

// count moves the message between the cells of the ledger that the rows stand for.
func (m *materialiser) count(img *image) {
	c := m.page.of(img.m)
	if img.was != 0 {
		c.rows[cell(img.m, img.was)]--
	} else {
		c.rowsAccepted++
		day, quarter := m.meter.of(img.m)
		day.rows[quarter] += uint32(len(img.m.Parts))
		m.days.add(day, &day.dirty)
	}
	c.rows[cell(img.m, img.status)]++
	m.counts.add(c, &c.dirty)
}

func laneNumber(l message.Lane) int64 { return int64(l.Connector)<<8 | int64(l.Priority) }

// sentDone stands in the status column for SENT without a receipt wanted: nothing more
// happens to such a message, so the indexes of unsettled rows leave it out.
const sentDone = int64(message.Unknown) + 1

func statusColumn(m *message.Message, s message.Status) int64 {
	if s == message.Sent && cell(m, s) == SentDone {
		return sentDone
	}
	return int64(s)
}

func statusOf(column int64) message.Status {
	if column == sentDone {
		return message.Sent
	}
	return message.Status(column)
}

// messages writes the images into their tables.
func (m *materialiser) messages() error {
	if len(m.images) == 0 {
		return nil
	}
	if err := m.cut(); err != nil {
		return err
	}
	m.st.version++
	for rest := m.images; len(rest) > 0; {
		t := m.tableOf(rest[0].id)
		n := 1
		for n < len(rest) && m.tableOf(rest[n].id) == t {
			n++
		}
		if err := m.fill(t, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	m.maxID = max(m.maxID, m.images[len(m.images)-1].id)
	return nil
}

// tableOf returns the table for id; a message older than all goes to the oldest.
func (m *materialiser) tableOf(id message.ID) *table {
	if t := m.cat.of(id); t != nil {
		return t
	}
	return m.cat.tables[0]
}

// cut begins a new table when the last one is full or of another day.
func (m *materialiser) cut() error {
	day := m.e.opts.Now().Unix() / 86400
	if n := len(m.cat.tables); n > 0 {
		last := m.cat.tables[n-1]
		if last.rows == 0 || last.rows < int64(m.e.opts.TableRows) && last.day == day {
			return nil
		}
		m.st.version++
		if err := m.runs.seal(last, m.nextRun); err != nil {
			return err
		}
	}
	first := m.maxID + 1
	if len(m.cat.tables) == 0 {
		first = 0
	}
	return m.cat.addTable(m.conn, first, day)
}

func (m *materialiser) nextRun() int64 {
	m.st.nextRun++
	return m.st.nextRun - 1
}

// fill writes images into t and indexes them.
func (m *materialiser) fill(t *table, images []image) error {
	m.fresh, m.known = m.fresh[:0], m.known[:0]
	for i := range images {
		if images[i].was == 0 {
			m.fresh = append(m.fresh, &images[i])
		} else {
			m.known = append(m.known, &images[i])
		}
	}
	if err := m.insert(t.sql.insert, t.sql.insertOne, m.fresh); err != nil {
		return fmt.Errorf("insert into messages_%d: %w", t.n, err)
	}
	if err := m.insert(t.sql.replace, t.sql.replaceOne, m.known); err != nil {
		return fmt.Errorf("update messages_%d: %w", t.n, err)
	}
	if len(m.fresh) > 0 {
		t.rows += int64(len(m.fresh))
		if err := exec(m.conn, "UPDATE message_tables SET rows = ? WHERE n = ?", t.rows, t.n); err != nil {
			return fmt.Errorf("count rows of messages_%d: %w", t.n, err)
		}
	}
	return m.reindex(t, images)
}

// insert writes images with the statement for many rows, the rest one by one.
func (m *materialiser) insert(many, one string, images []*image) error {
	for len(images) > 0 {
		n, query := rowsPerStatement, many
		if len(images) < n {
			n, query = 1, one
		}
		stmt, err := m.conn.statement(query)
		if err != nil {
			return err
		}
		for i, img := range images[:n] {
			m.bind(stmt, 8*i, img)
		}
		if _, err := stmt.Step(); err != nil {
			return err
		}
		images = images[n:]
	}
	return nil
}

func (m *materialiser) bind(stmt *sqlite.Stmt, at int, img *image) {
	stmt.BindInt64(at+1, int64(img.id))
	stmt.BindInt64(at+2, int64(img.m.Account))
	stmt.BindInt64(at+3, statusColumn(img.m, img.status))
	bindIf(stmt, at+4, img.lane, img.lane >= 0)
	bindIf(stmt, at+5, int64(img.seq), img.lane >= 0)
	bindIf(stmt, at+6, img.due, img.due > 0)
	bindIf(stmt, at+7, 1, img.open)
	stmt.BindBytes(at+8, m.bodies[img.from:img.to])
}

// bindIf binds n, or NULL.
func bindIf(stmt *sqlite.Stmt, at int, n int64, set bool) {
	if set {
		stmt.BindInt64(at, n)
	} else {
		stmt.BindNull(at)
	}
}

// reindex adds the runs for the images of one table.
func (m *materialiser) reindex(t *table, images []image) error {
	m.filters = m.filters[:0]
	var receipts []entry
	h := m.e.hash
	for i := range images {
		img := &images[i]
		if img.was == 0 {
			m.filters = h.appendFilters(m.filters, img.m)
		}
		if img.was != img.status && statusColumn(img.m, img.status) >= int64(message.Delivered) {
			m.filters = append(m.filters, entry{img.id, h.status(img.m.Account, img.status)})
		}
		receipts = append(receipts, m.waiting[img.parts[0]:img.parts[1]]...)
	}
	if len(m.filters) > 0 {
		if err := m.runs.write(t, run{no: m.nextRun(), kind: filterRuns}, m.filters); err != nil {
			return err
		}
	}
	if len(receipts) > 0 {
		if err := m.runs.write(t, run{no: m.nextRun(), kind: receiptRuns}, receipts); err != nil {
			return err
		}
	}
	return m.runs.merge(t, m.nextRun)
}

// appendFilters adds the entries of a message's unchanging properties.
func (h hasher) appendFilters(dst []entry, m *message.Message) []entry {
	dst = append(dst,
		entry{m.ID, h.number(byAccount, uint64(m.Account))},
		entry{m.ID, h.text(byFrom, m.Source.Addr)},
		entry{m.ID, h.text(byTo, m.Dest.Addr)})
	if m.Batch != 0 {
		dst = append(dst, entry{m.ID, h.number(byBatch, uint64(m.Batch))})
	}
	if m.Campaign != 0 {
		dst = append(dst, entry{m.ID, h.number(byCampaign, uint64(m.Campaign))})
	}
	return dst
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
