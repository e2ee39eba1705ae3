package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
)

// Records are what Options.Records made of the events of one transaction.
type Records struct {
	Seq  int64 // rises from one transaction of the node to the next
	Text []byte
}

// noteRecords puts what the book of events keeps of the transaction into it.
func (g *settling) noteRecords(b *pgx.Batch) {
	if g.s.opts.Records == nil {
		return
	}
	var evs []message.Event
	for _, c := range g.list {
		for i := range c.evs {
			if t := g.by[c.evs[i].Msg.ID]; t.e != nil && t.refused == nil && c.evs[i].Changed {
				evs = append(evs, c.evs[i])
			}
		}
	}
	if text := g.s.opts.Records(evs); len(text) > 0 {
		g.s.inOrder(b)
		b.Queue("INSERT INTO cdr_outbox (node, book, records) VALUES ($1,$2,$3)", int16(g.s.node.Load()), g.s.bookName(), text)
	}
}

// recordsLock is the class of the advisory locks, one for each node, under which records get their numbers.
const recordsLock = 0x70726f74

// inOrder makes the numbers that records get in a transaction from here on rise in the order of this node's commits:
// who reads them goes on after the highest.
func (s *Store) inOrder(b *pgx.Batch) {
	b.Queue("SELECT pg_advisory_xact_lock($1, $2)", int32(recordsLock), s.node.Load())
}

// SetBook names the files that this node's records go into, before the first of them: the number
// of a node may be another one's tomorrow, the files stay. Records of nodes that had this number
// before go into them too.
func (s *Store) SetBook(ctx context.Context, book string) error {
	_, err := s.pool.Exec(ctx, "INSERT INTO cdr_books (book, writing, seen) VALUES ($1, 0, now()) ON CONFLICT (book) DO UPDATE SET seen = now()", book)
	if err != nil {
		return wrap(err, "enter the CDR files")
	}
	s.book.Store(&book)
	adopted := make(chan error, 1)
	s.AdoptRecords(uint16(s.node.Load()), func(err error) { adopted <- err })
	select {
	case err := <-adopted:
		return wrap(err, "take over records")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) bookName() string {
	if name := s.book.Load(); name != nil {
		return *name
	}
	return ""
}

// LoadRecords returns the records for this node's files after a number, oldest first. From then on
// they may be in the files: no other node takes them over, unless this one does not come back.
func (s *Store) LoadRecords(ctx context.Context, after int64, limit int) (list []Records, err error) {
	book := s.bookName()
	var last int64
	err = s.one(ctx, "SELECT coalesce(max(seq), 0) FROM (SELECT seq FROM cdr_outbox WHERE book = $1 AND seq > $2 ORDER BY seq LIMIT $3) p", []any{book, after, limit}, &last)
	if err != nil || last == 0 {
		return nil, wrap(err, "read records")
	}
	if _, err := s.pool.Exec(ctx, "UPDATE cdr_books SET writing = $2, seen = now() WHERE book = $1", book, last); err != nil {
		return nil, wrap(err, "claim records")
	}
	// Read after the claim: those that another node took over before it are not there any more.
	var r Records
	err = s.each(ctx, "SELECT seq, records FROM cdr_outbox WHERE book = $1 AND seq > $2 AND seq <= $3 ORDER BY seq", []any{book, after, last},
		[]any{&r.Seq, &r.Text}, func() error {
			list = append(list, r)
			r.Text = nil
			return nil
		})
	return list, wrap(err, "read records")
}

// DropRecords forgets those up to a number, which are kept elsewhere.
func (s *Store) DropRecords(ctx context.Context, upTo int64) error {
	_, err := s.pool.Exec(ctx, "DELETE FROM cdr_outbox WHERE book = $1 AND seq <= $2", s.bookName(), upTo)
	return wrap(err, "forget records")
}

// adoptRecords is followed by what tells which records: they become records for this node's files,
// with new numbers.
const adoptRecords = `WITH theirs AS (DELETE FROM cdr_outbox o USING cdr_books b WHERE b.book = o.book AND o.book <> $1 AND %s RETURNING o.seq, o.records)
INSERT INTO cdr_outbox (node, book, records) SELECT $2, $1, records FROM theirs ORDER BY seq`

// AdoptRecords makes the records of another node this node's, but for those that its files may
// have: only who has the files knows.
func (s *Store) AdoptRecords(from uint16, done func(error)) {
	s.write(func(b *pgx.Batch) {
		s.inOrder(b)
		// A node that is taken for dead, and is not, claims none of them meanwhile.
		b.Queue("SELECT FROM cdr_books WHERE book IN (SELECT book FROM cdr_outbox WHERE node = $1) ORDER BY book FOR UPDATE", int16(from))
		b.Queue(fmt.Sprintf(adoptRecords, "o.node = $3 AND o.seq > b.writing"), s.bookName(), int16(s.node.Load()), int16(from))
	}, nil, done)
}

// doubtAge is how long records that may be in a node's files wait for it to come back with them.
const doubtAge = time.Hour

// adoptDoubtful takes over the records of nodes that have not come back. Those that they had written
// are written twice.
func (s *Store) adoptDoubtful(ctx context.Context) error {
	if s.bookName() == "" {
		return nil
	}
	var some bool
	const doubtful = "b.seen < now() - $3::interval"
	err := s.one(ctx, "SELECT EXISTS (SELECT FROM cdr_outbox o JOIN cdr_books b ON b.book = o.book WHERE b.book <> $1 AND b.seen < now() - $2::interval)",
		[]any{s.bookName(), doubtAge}, &some)
	if err != nil || !some {
		return wrap(err, "look for records that nobody writes")
	}
	s.log.Warn("a node does not come back: its last CDR records are taken over, and may be in its files too")
	s.write(func(b *pgx.Batch) {
		s.inOrder(b)
		// A node that had nothing to write for so long, and has now, claims none of them meanwhile.
		b.Queue("SELECT FROM cdr_books WHERE seen < now() - $1::interval ORDER BY book FOR UPDATE", doubtAge)
		b.Queue(fmt.Sprintf(adoptRecords, doubtful), s.bookName(), int16(s.node.Load()), doubtAge)
	}, nil, nil)
	return nil
}
