package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

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
	w := conditions(&q)
	rest := w.text + " ORDER BY m.id DESC" + w.limit(limit) + " OFFSET " + strconv.Itoa(skip)
	list, err := s.query(ctx, rest, w.args...)
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

func conditions(q *store.Query) *where {
	w := &where{}
	low, high := message.ID(0), ^message.ID(0)>>1
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
		w.add("m.batch = ?", int64(q.Batch))
	}
	w.add("m.id >= ?", int64(low))
	w.add("m.id < ?", int64(high))
	if q.Account != 0 {
		w.add("m.account = ?", int64(q.Account))
	}
	if q.Status != 0 {
		if r := rare(q.Status); r != 0 {
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
	rest := "WHERE m.rare = $1 AND m.rare <> 0 AND m.id > $2 AND m.connector = ANY($3) ORDER BY m.id LIMIT $4"
	if status == message.Pending {
		rest = joinWaiting + "WHERE m.status = $1 AND w.id > $2 AND w.connector = ANY($3) ORDER BY m.id LIMIT $4"
	}
	list, err := s.query(ctx, rest, int16(status), int64(from.ID), connectors, limit)
	if err != nil {
		return nil, from, fmt.Errorf("load %s messages: %w", status, err)
	}
	var msgs []*message.Message
	for i := range list {
		if m := s.current(&list[i]); want(m) {
			msgs = append(msgs, m)
		}
	}
	if len(list) < limit {
		return msgs, message.Place{}, nil
	}
	return msgs, message.Place{ID: list[len(list)-1].m.ID}, nil
}
