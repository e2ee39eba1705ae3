package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// RecordInbound implements store.Store.
func (s *Store) RecordInbound(m *message.Inbound, done func(error)) {
	if err := s.refusal(); err != nil {
		done(err)
		return
	}
	body := store.AppendInbound(nil, m)
	s.write(func(b *pgx.Batch) {
		b.Queue("INSERT INTO inbound (id, node, account, status, route, url, done_at, body) VALUES ($1,$2,$3,$4,$5,$6,$7,$8) ON CONFLICT (id) DO NOTHING",
			int64(m.ID), int16(s.node.Load()), int64(m.Account), int16(m.Status), int64(m.Route), m.URL, m.DoneAt, body)
		if len(m.Consumed) > 0 {
			b.Queue("DELETE FROM inbound WHERE id = ANY($1)", ids64(m.Consumed))
		}
	}, nil, done)
}

// ChangeInbound implements store.Store. This node tells the customer what is open again.
func (s *Store) ChangeInbound(changes []message.InboundChange, done func(error)) {
	s.write(func(b *pgx.Batch) {
		for i := range changes {
			c := &changes[i]
			b.Queue("UPDATE inbound SET node = $2, account = $3, status = $4, route = $5, url = $6, done_at = $7 WHERE id = $1",
				int64(c.ID), int16(s.node.Load()), int64(c.Account), int16(c.Status), int64(c.Route), c.URL, c.DoneAt)
		}
	}, nil, done)
}

// inbounds reads inbound messages with what follows SELECT … FROM inbound.
func (s *Store) inbounds(ctx context.Context, rest string, args ...any) (list []*message.Inbound, err error) {
	var id, account, route, doneAt int64
	var status int16
	var url string
	var body []byte
	err = s.each(ctx, "SELECT id, account, status, route, url, done_at, body FROM inbound"+rest, args,
		[]any{&id, &account, &status, &route, &url, &doneAt, &body}, func() error {
			m := &message.Inbound{ID: message.ID(id), InboundState: message.InboundState{
				Status: message.InboundStatus(status), Account: uint32(account), Route: message.ID(route), URL: url, DoneAt: doneAt,
			}}
			list = append(list, m)
			return store.DecodeInbound(m, string(body))
		})
	return list, wrap(err, "read inbound messages")
}

// Inbound implements store.Store.
func (s *Store) Inbound(ctx context.Context, id message.ID) (*message.Inbound, error) {
	list, err := s.inbounds(ctx, " WHERE id = $1", int64(id))
	if err == nil && len(list) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// InboundWaiting implements store.Store, for what this node tells.
func (s *Store) InboundWaiting(ctx context.Context, status message.InboundStatus, account uint32, after message.ID, limit int) ([]*message.Inbound, error) {
	w := where{}
	w.add("node = ?", int16(s.node.Load()))
	w.add("status = ?", int16(status))
	w.add("id > ?", int64(after))
	if account != 0 {
		w.add("account = ?", int64(account))
	}
	return s.inbounds(ctx, w.text+" AND status < 3 ORDER BY id"+w.limit(limit), w.args...)
}

// AdoptParts makes this node the one that joins the parts of long messages that came over a
// connector, whichever node took them, and returns them, oldest first.
func (s *Store) AdoptParts(ctx context.Context, connector uint16) (parts []*message.Inbound, err error) {
	own := int16(s.node.Load())
	all, err := s.inbounds(ctx, " WHERE status = $1 AND status < 3 ORDER BY id", int16(message.InboundPart)) // the connector is in the body
	for _, m := range all {
		if m.Connector == connector {
			parts = append(parts, m)
		}
	}
	if err != nil || len(parts) == 0 {
		return nil, err
	}
	ids := make([]message.ID, len(parts))
	for i, m := range parts {
		ids[i] = m.ID
	}
	_, err = s.pool.Exec(ctx, "UPDATE inbound SET node = $1 WHERE id = ANY($2) AND status = $3 AND node <> $1", own, ids64(ids), int16(message.InboundPart))
	return parts, wrap(err, "take over parts of inbound messages")
}

// Inbounds implements store.Store.
func (s *Store) Inbounds(ctx context.Context, q message.InboundQuery) ([]*message.Inbound, error) {
	var found []*message.Inbound
	for below := q.Below; len(found) < q.Limit; {
		w := where{}
		if below != 0 {
			w.add("id < ?", int64(below))
		}
		if q.Account != 0 {
			w.add("account = ?", int64(q.Account))
		}
		if q.Status != 0 {
			w.add("status = ?", int16(q.Status))
		}
		list, err := s.inbounds(ctx, w.text+" ORDER BY id DESC"+w.limit(inboundPage), w.args...)
		if err != nil {
			return nil, err
		}
		for _, m := range list { // addresses are in the body
			if q.Matches(m) {
				found = append(found, m)
			}
		}
		if len(list) < inboundPage {
			break
		}
		below = list[len(list)-1].ID
	}
	return found[:min(len(found), q.Limit)], nil
}

// inboundPage is how many rows a list reads at once.
const inboundPage = 2000
