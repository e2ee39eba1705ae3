package store

import (
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store/receiptindex"
)

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
