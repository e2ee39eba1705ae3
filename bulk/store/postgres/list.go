package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

const (
	// batchSpan is how long after its batch's id a message of the batch may have come.
	batchSpan = time.Hour
)

// where gathers the conditions of a query and their arguments.
type where struct {
	text string
	args []any
}

// add adds a condition; its ? stands for the value.
func (w *where) add(condition string, value any) {
	w.args = append(w.args, value)
	word := " AND "
	if w.text == "" {
		word = " WHERE "
	}
	w.text += word + strings.Replace(condition, "?", "$"+strconv.Itoa(len(w.args)), 1)
}

func (w *where) limit(n int) string { return " LIMIT " + strconv.Itoa(n) }

// List implements store.Store. What it shows is what was committed when it was asked.
func (s *Store) List(ctx context.Context, q store.Query) (msgs []*message.Message, next message.ID, asOf time.Time, err error) {
	asOf = s.opts.Now()
	limit, skip := q.Window()
	list, all, err := s.listOpen(ctx, &q, limit+skip)
	if all {
		list = list[min(skip, len(list)):]
	} else if err == nil {
		list, err = s.listBy(ctx, selectRow, "m.id", (&where{}).conditions(&q), limit, skip)
	}
	if err != nil {
		return nil, 0, asOf, fmt.Errorf("list messages: %w", err)
	}
	msgs = make([]*message.Message, len(list))
	for i := range list {
		msgs[i] = list[i].m
	}
	if len(msgs) == limit {
		next = msgs[len(msgs)-1].ID
	}
	return msgs, next, asOf, nil
}

// listBy lists the messages of from that meet conditions, newest first; order is what their ids are there.
func (s *Store) listBy(ctx context.Context, from, order string, w *where, limit, skip int) ([]found, error) {
	// Planned for these values each time: the best plan for an account with half of all messages
	// reads them all for one that has a few.
	return s.read(ctx, from+w.text+" ORDER BY "+order+" DESC"+w.limit(limit)+" OFFSET "+strconv.Itoa(skip), append([]any{pgx.QueryExecModeCacheDescribe}, w.args...))
}

// bounds returns the ids that a query asks for, the upper one exclusive.
func bounds(q *store.Query) (low, high message.ID) {
	high = ^message.ID(0) >> 1
	if !q.Since.IsZero() {
		low = message.FirstID(q.Since)
	}
	if !q.Until.IsZero() {
		high = message.FirstID(q.Until)
	}
	if q.Cursor != 0 {
		high = min(high, q.Cursor)
	}
	if q.Batch != 0 {
		low, high = max(low, q.Batch), min(high, message.FirstID(q.Batch.Time().Add(batchSpan)))
	}
	return low, high
}

const (
	// fewPending is up to how many messages that wait, of all accounts, a list of them looks at each.
	fewPending = 20_000
	// pendingPage is how many it reads at once.
	pendingPage = 500
	// fewSent is up to how many SENT messages, of all accounts, a list of them all sorts what awaits a receipt.
	fewSent = 500_000
)

// listOpen lists what is in a status that no index of messages has, as it would change with each message:
// PENDING and SENT. false: a walk through the messages finds a page.
func (s *Store) listOpen(ctx context.Context, q *store.Query, limit int) (list []found, all bool, err error) {
	switch q.Status {
	case message.Pending:
		return s.listPending(ctx, q, limit)
	case message.Sent:
		return s.listSent(ctx, q, limit)
	}
	return nil, false, nil
}

// listSent lists what is SENT, newest first: by receipts what awaits one, by its index the rest.
func (s *Store) listSent(ctx context.Context, q *store.Query, limit int) (list []found, all bool, err error) {
	w := (&where{}).conditions(q)
	if q.To != "" || q.Account == 0 && s.total(message.Sent) > fewSent {
		w.add("m.status = ?", int16(message.Sent)) // a recipient has few messages, and of so many one is near
		list, err = s.listBy(ctx, selectRow, "m.id", w, limit, 0)
		return list, true, err
	}
	w.add("m.rare = ?", int16(message.Sent))
	w.text += " AND m.rare <> 0" // as the index says
	if list, err = s.listBy(ctx, selectRow, "m.id", w, limit, 0); err != nil {
		return nil, true, err
	}
	low, high := bounds(q)
	awaits := 0
	// What awaits a receipt is sorted by account: of all accounts it is sorted anew, the last day's, two days before...
	for span := 24 * time.Hour; high > low && awaits < limit; span *= 2 {
		from := low
		if q.Account == 0 {
			newest := s.opts.Now()
			if t := high.Time(); t.Before(newest) {
				newest = t
			}
			from = max(low, message.FirstID(newest.Add(-span)))
		}
		awaiting, err := s.listAwaiting(ctx, q, from, high, limit-awaits)
		if err != nil {
			return nil, true, err
		}
		awaits += len(awaiting)
		list, high = append(list, awaiting...), from
	}
	slices.SortFunc(list, func(a, b found) int { return cmp.Compare(b.m.ID, a.m.ID) })
	return list[:min(limit, len(list))], true, nil
}

// listAwaiting lists what is SENT and awaits a receipt, of ids from low to below high, newest first.
func (s *Store) listAwaiting(ctx context.Context, q *store.Query, low, high message.ID, limit int) ([]found, error) {
	of := &where{}
	of.add("r.id >= ?", int64(low))
	of.add("r.id < ?", int64(high))
	if q.Account != 0 {
		of.add("r.account = ?", int64(q.Account))
	}
	w := (&where{args: of.args}).conditions(q)
	w.add("m.status = ?", int16(message.Sent))
	return s.listBy(ctx, rowColumns+"FROM (SELECT DISTINCT r.id FROM receipts r"+of.text+" AND r.open ORDER BY r.id DESC) u "+eachID, "u.id", w, limit, 0)
}

// total is how many messages are in a status, of all accounts.
func (s *Store) total(status message.Status) (n int64) {
	for _, l := range s.Ledgers() {
		n += l[status]
	}
	return n
}

// listPending lists what is PENDING, newest first, by what waits and what is claimed: no index of
// messages has it, as it would change with each message sent. false: there is so much of it that
// a walk through the messages finds a page.
func (s *Store) listPending(ctx context.Context, q *store.Query, limit int) (list []found, all bool, err error) {
	if s.total(message.Pending) > fewPending {
		return nil, false, nil
	}
	low, high := bounds(q)
	var ids []message.ID
	var id int64
	err = s.each(ctx, `SELECT id FROM (SELECT id FROM waiting UNION SELECT unnest(ids) FROM waiting_lists UNION SELECT unnest(ids) FROM claims) u WHERE id >= $1 AND id < $2`,
		[]any{int64(low), int64(high)}, []any{&id}, func() error { ids = append(ids, message.ID(id)); return nil })
	slices.SortFunc(ids, func(a, b message.ID) int { return cmp.Compare(b, a) })
	for len(ids) > 0 && len(list) < limit && err == nil {
		n := min(pendingPage, len(ids))
		var page []found
		page, err = s.queryIDs(ctx, ids[:n])
		ids = ids[n:]
		for i := len(page) - 1; i >= 0; i-- {
			if page[i].m.Status == message.Pending && matches(q, page[i].m) && len(list) < limit {
				list = append(list, page[i])
			}
		}
	}
	return list, true, err
}

// matches reports whether m has what q asks for, apart from its id and status.
func matches(q *store.Query, m *message.Message) bool {
	return (q.Account == 0 || q.Account == m.Account) && (q.To == "" || q.To == m.Dest.Addr) && (q.From == "" || q.From == m.Source.Addr) &&
		(q.Campaign == 0 || q.Campaign == m.Campaign) && (q.Batch == 0 || q.Batch == m.Batch)
}

// conditions adds those of a query; that a message is SENT is the caller's to add.
func (w *where) conditions(q *store.Query) *where {
	low, high := bounds(q)
	if q.Batch != 0 {
		w.add("m.batch = ?", int64(q.Batch))
	}
	w.add("m.id >= ?", int64(low))
	w.add("m.id < ?", int64(high))
	if q.Account != 0 {
		w.add("m.account = ?", int64(q.Account))
	}
	if q.Status != 0 && q.Status != message.Sent {
		if r := rare(q.Status, false); r != 0 {
			w.add("m.rare = ?", r)
			w.text += " AND m.rare <> 0" // as the index says
		} else {
			w.add("m.status = ?", int16(q.Status))
		}
	}
	if q.To != "" {
		w.add("m.dest = ?", q.To)
	}
	if q.From != "" {
		w.add("m.source = ?", q.From)
	}
	if q.Campaign != 0 {
		w.add("m.campaign = ?", int64(q.Campaign))
		w.text += " AND m.campaign <> 0"
	}
	return w
}

// LoadOpen implements store.Store, for messages of this node's connectors. Those that are claimed
// it leaves out: their lanes have them in memory.
func (s *Store) LoadOpen(ctx context.Context, status message.Status, from message.Place, limit int, want func(*message.Message) bool) ([]*message.Message, message.Place, error) {
	var connectors []int16
	for _, o := range s.owners.list() {
		connectors = append(connectors, int16(o.connector))
	}
	switch {
	case status == message.Sent:
		return s.loadAwaiting(ctx, connectors, from, limit, want)
	case status == message.Pending && from.Table == listedPlace:
		return s.loadListed(ctx, connectors, from, limit, want)
	}
	rest := "WHERE m.rare = $1 AND m.rare <> 0 AND m.id > $2 AND m.connector = ANY($3) ORDER BY m.id LIMIT $4"
	if status == message.Pending {
		rest = joinWaiting + "WHERE m.status = $1 AND w.id > $2 AND w.connector = ANY($3) ORDER BY m.id LIMIT $4"
	}
	list, err := s.query(ctx, rest, int16(status), int64(from.ID), connectors, limit)
	if err != nil {
		return nil, from, fmt.Errorf("load %s messages: %w", status, err)
	}
	msgs := s.wanted(list, want)
	switch {
	case len(list) == limit:
		return msgs, message.Place{ID: list[len(list)-1].m.ID}, nil
	case status == message.Pending:
		return msgs, message.Place{Table: listedPlace}, nil
	}
	return msgs, message.Place{}, nil
}

// listedPlace is the Table of places in waiting_lists, by their lists: they come after those in waiting.
const listedPlace = 1

// loadListed is LoadOpen for what is PENDING and in a list. It looks at whole lists, and so at more than limit.
func (s *Store) loadListed(ctx context.Context, connectors []int16, from message.Place, limit int, want func(*message.Message) bool) (msgs []*message.Message, next message.Place, err error) {
	next.ID, err = s.eachListed(ctx, connectors, from.ID, limit, func(f *found) {
		if m := s.current(f); f.m.Status == message.Pending && want(m) {
			msgs = append(msgs, m)
		}
	})
	if err != nil {
		return nil, from, fmt.Errorf("load messages of lists: %w", err)
	}
	if next.ID != 0 {
		next.Table = listedPlace
	}
	return msgs, next, nil
}

// loadAwaiting is LoadOpen for what is SENT and awaits a receipt, by account.
func (s *Store) loadAwaiting(ctx context.Context, connectors []int16, from message.Place, limit int, want func(*message.Message) bool) ([]*message.Message, message.Place, error) {
	list, err := s.read(ctx, rowColumns+`FROM (SELECT DISTINCT r.account, r.id FROM receipts r
WHERE (r.account, r.id) > ($1, $2) AND r.open AND r.connector = ANY($3) ORDER BY r.account, r.id LIMIT $4) u `+eachID+"ORDER BY u.account, u.id",
		[]any{int64(from.Account), int64(from.ID), connectors, limit})
	if err != nil {
		return nil, from, fmt.Errorf("load what awaits receipts: %w", err)
	}
	var next message.Place
	if len(list) == limit {
		last := list[limit-1].m
		next = message.Place{Account: last.Account, ID: last.ID}
	}
	sent := slices.DeleteFunc(list, func(f found) bool { return f.m.Status != message.Sent })
	return s.wanted(sent, want), next, nil
}

// wanted returns the objects of those messages that are wanted.
func (s *Store) wanted(list []found, want func(*message.Message) bool) (msgs []*message.Message) {
	for i := range list {
		if m := s.current(&list[i]); want(m) {
			msgs = append(msgs, m)
		}
	}
	return msgs
}
