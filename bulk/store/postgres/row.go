package postgres

import (
	"cmp"
	"context"
	"slices"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// rowColumns are those that row wants. Whether a customer still has to be told is what the outbox
// says: its entries go without a change of the message. So do those of waiting. Both are scalar subqueries, which
// are looked up by row: of a join or an EXISTS the planner may make a hash of all that waits.
const rowColumns = `SELECT m.id, m.version, m.body, (SELECT o.node FROM outbox o WHERE o.id = m.id),
(SELECT 1 FROM waiting w WHERE w.connector = m.connector AND w.priority = m.priority AND w.id = m.id) IS NOT NULL `

const (
	// selectRow reads messages.
	selectRow = rowColumns + "FROM messages m "
	// eachID follows a list u of ids: LIMIT makes it a look into the one partition that has the id,
	// whatever the planner thinks of their number; = ANY looks for each id in each partition.
	eachID = "CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = u.id LIMIT 1) m "
	// selectIDs reads messages by a list of ids.
	selectIDs = rowColumns + "FROM unnest($1::bigint[]) AS u(id) " + eachID
	// selectBodies reads of messages what they are alone.
	selectBodies = "SELECT m.id, m.version, m.body FROM unnest($1::bigint[]) AS u(id) " + eachID
)

// joinWaiting follows selectRow where only what waits is wanted.
const joinWaiting = "JOIN waiting w ON w.connector = m.connector AND w.priority = m.priority AND w.id = m.id "

// row is a row of rowColumns.
type row struct {
	id      int64
	version int32
	body    []byte
	teller  *int16 // node that has the entry in the outbox
	waits   bool   // it has one in waiting
}

func (r *row) columns() []any { return []any{&r.id, &r.version, &r.body, &r.teller, &r.waits} }

// message decodes the row.
func (r *row) message() (*message.Message, error) {
	m, err := store.DecodeMessage(message.ID(r.id), unsafe.String(unsafe.SliceData(r.body), len(r.body)))
	if err != nil {
		return nil, err
	}
	r.body = nil // the message's strings are in it
	m.LaneSeq = 0
	switch {
	case r.teller != nil:
		m.Notify = message.NotifyOpen
	case m.Notify == message.NotifyOpen:
		m.Notify = message.NotifyDone
	}
	return m, nil
}

// found is a message as its row is.
type found struct {
	m       *message.Message
	version int32
	teller  *int16
	waits   bool
	list    *list // that it was found by
}

func (r *row) found(m *message.Message) found {
	return found{m: m, version: r.version, teller: r.teller, waits: r.waits}
}

// query reads messages with what follows selectRow.
func (s *Store) query(ctx context.Context, rest string, args ...any) ([]found, error) {
	return s.read(ctx, selectRow+rest, args)
}

// queryIDs reads those of the messages that are there, oldest first.
func (s *Store) queryIDs(ctx context.Context, ids []message.ID) ([]found, error) {
	list, err := s.read(ctx, selectIDs, []any{ids64(ids)})
	oldestFirst(list)
	return list, err
}

func oldestFirst(list []found) {
	slices.SortFunc(list, func(a, b found) int { return cmp.Compare(a.m.ID, b.m.ID) })
}

func (s *Store) read(ctx context.Context, sql string, args []any) ([]found, error) {
	var list []found
	var r row
	err := s.each(ctx, sql, args, r.columns(), func() error {
		m, err := r.message()
		if err == nil {
			list = append(list, r.found(m))
		}
		return err
	})
	return list, err
}

// adopt makes what was found the object of its id on this node, unless there is one.
func (s *Store) adopt(f *found) *entry {
	e := s.live.adopt(f)
	if e.m == f.m && f.teller != nil && int32(*f.teller) == s.node.Load() {
		sh := s.live.shard(f.m.ID)
		sh.mu.Lock()
		s.tellsOf(e, true)
		sh.mu.Unlock()
	}
	return e
}

func ids64(ids []message.ID) []int64 {
	return unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(ids))), len(ids))
}

// columns are rows of messages as arrays, one for each column, for unnest.
type columns struct {
	id, account, due, campaign, ordinal, batch []int64
	connector, priority, status, rare          []int16
	version                                    []int32
	source, dest                               []string
	body                                       [][]byte
	buf                                        []byte
	waits, waitsNot                            places // rows that waiting gets and loses
}

// places are rows of waiting as arrays.
type places struct {
	connector, priority []int16
	id                  []int64
}

func (p *places) add(connector uint16, m *message.Message) { p.put(connector, m.Priority, m.ID) }

func (p *places) put(connector uint16, priority message.Priority, id message.ID) {
	p.connector, p.priority, p.id = append(p.connector, int16(connector)), append(p.priority, int16(priority)), append(p.id, int64(id))
}

func (p *places) reset() { p.connector, p.priority, p.id = p.connector[:0], p.priority[:0], p.id[:0] }

// queue runs a statement with the rows, if there are any.
func (p *places) queue(b *pgx.Batch, statement string) {
	if len(p.id) > 0 {
		b.Queue(statement, p.connector, p.priority, p.id)
	}
}

const (
	placesOf    = "unnest($1::smallint[], $2::smallint[], $3::bigint[]) AS u(connector, priority, id)"
	insertWaits = "INSERT INTO waiting (connector, priority, id) SELECT * FROM " + placesOf + " ON CONFLICT DO NOTHING"
	deleteWaits = "DELETE FROM waiting w USING " + placesOf + " WHERE w.connector = u.connector AND w.priority = u.priority AND w.id = u.id"
	deleteLists = "DELETE FROM waiting_lists w USING " + placesOf + " WHERE w.connector = u.connector AND w.priority = u.priority AND w.first = u.id"
)

func (c *columns) reset() {
	clear(c.source)
	clear(c.dest)
	clear(c.body)
	c.waits.reset()
	c.waitsNot.reset()
	*c = columns{
		id: c.id[:0], account: c.account[:0], due: c.due[:0], campaign: c.campaign[:0], ordinal: c.ordinal[:0], batch: c.batch[:0],
		connector: c.connector[:0], priority: c.priority[:0], status: c.status[:0], rare: c.rare[:0], version: c.version[:0],
		source: c.source[:0], dest: c.dest[:0], body: c.body[:0], buf: c.buf[:0], waits: c.waits, waitsNot: c.waitsNot,
	}
}

// change adds what changes of a row. The message's shard must be locked.
func (c *columns) change(m *message.Message, version int32, awaits bool) {
	c.id = append(c.id, int64(m.ID))
	c.version = append(c.version, version)
	c.connector = append(c.connector, int16(m.Connector))
	c.status = append(c.status, int16(m.Status))
	c.rare = append(c.rare, rare(m.Status, awaits))
	c.due = append(c.due, m.DueAt)
	from := len(c.buf)
	c.buf = store.AppendMessage(c.buf, m)
	c.body = append(c.body, c.buf[from:len(c.buf):len(c.buf)])
}

// standsOrShould reports whether a message belongs in waiting, unless it is claimed.
func standsOrShould(m *message.Message) bool { return m.Waits() && m.Status != message.Held }

// rare is what a status is found by; 0: what is PENDING is found by waiting and claims, what is SENT and
// awaits a receipt by receipts.
func rare(status message.Status, awaits bool) int16 {
	if status == message.Pending || status == message.Delivered || status == message.Sent && awaits {
		return 0
	}
	return int16(status)
}

// add adds a new row.
func (c *columns) add(m *message.Message) {
	c.change(m, 0, false)
	c.account = append(c.account, int64(m.Account))
	c.priority = append(c.priority, int16(m.Priority))
	c.campaign = append(c.campaign, int64(m.Campaign))
	c.ordinal = append(c.ordinal, int64(m.Ordinal))
	c.batch = append(c.batch, int64(m.Batch))
	c.source = append(c.source, m.Source.Addr)
	c.dest = append(c.dest, m.Dest.Addr)
}

const insertRows = `INSERT INTO messages (id, account, connector, priority, status, rare, version, due, campaign, ordinal, batch, source, dest, body)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::smallint[], $5::smallint[], $6::smallint[], $7::integer[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::text[], $14::bytea[])`

// insert adds the rows: few by a statement, many by what is returned for copyRows, appended to buf.
func (c *columns) insert(b *pgx.Batch, buf []byte) []byte {
	if len(c.id) >= copyFrom {
		return c.appendCopy(buf)
	}
	b.Queue(insertRows, c.id, c.account, c.connector, c.priority, c.status, c.rare, c.version, c.due, c.campaign, c.ordinal, c.batch, c.source, c.dest, c.body)
	return buf
}

// updateRows changes rows that have the version they are thought to have, and returns their ids.
const updateRows = `UPDATE messages m SET version = m.version + 1, connector = u.connector, status = u.status, rare = u.rare, due = u.due, body = u.body
FROM unnest($1::bigint[], $2::integer[], $3::smallint[], $4::smallint[], $5::smallint[], $6::bigint[], $7::bytea[]) AS u(id, version, connector, status, rare, due, body)
WHERE m.id = u.id AND m.version = u.version RETURNING m.id`

func (c *columns) update(b *pgx.Batch) *pgx.QueuedQuery {
	q := b.Queue(updateRows, c.id, c.version, c.connector, c.status, c.rare, c.due, c.body)
	c.waitsNot.queue(b, deleteWaits)
	c.waits.queue(b, insertWaits)
	return q
}
