package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
	"protei-bulk/bulk/store/receiptindex"
)

// NoteSubmitted implements store.Store.
func (s *Store) NoteSubmitted(key message.ReceiptKey, m *message.Message, part int) {
	sh := s.live.shard(m.ID)
	sh.mu.Lock()
	if e := sh.m[m.ID]; e != nil {
		e.indexed = true
	}
	sh.mu.Unlock()
	dropped := s.receipts.Add(s.receipts.Hash(key), receiptindex.Ref{ID: m.ID, Part: uint16(part)})
	if dropped == 0 || dropped == m.ID {
		return
	}
	sh = s.live.shard(dropped)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e := sh.m[dropped]; e != nil {
		e.indexed = false
		s.release(sh, e)
	}
}

// FindReceipts implements store.Store: it looks in memory only.
func (s *Store) FindReceipts(keys []message.ReceiptKey, dests []string, out []store.ReceiptMatch) int {
	var buf [8]receiptindex.Ref
	n := 0
	for i := range keys {
		if out[i] = s.findReceipt(buf[:0], keys[i], dests[i]); out[i].Found {
			n++
		}
	}
	return n
}

func (s *Store) findReceipt(buf []receiptindex.Ref, key message.ReceiptKey, dest string) (second store.ReceiptMatch) {
	for _, r := range s.receipts.Find(buf, s.receipts.Hash(key)) {
		m, open := s.candidate(r, dest)
		switch {
		case m == nil:
		case open:
			return store.ReceiptMatch{Msg: m, Part: int(r.Part), Found: true}
		case !second.Found:
			second = store.ReceiptMatch{Msg: m, Part: int(r.Part), Found: true}
		}
	}
	return second
}

// candidate returns the message of r if it is here and went to dest, and whether the part still
// awaits its final state.
func (s *Store) candidate(r receiptindex.Ref, dest string) (m *message.Message, open bool) {
	sh := s.live.shard(r.ID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.m[r.ID]
	if e == nil || int(r.Part) >= len(e.m.Parts) || !receiptindex.SameDest(e.m.Dest.Addr, dest) {
		return nil, false
	}
	return e.m, !e.m.Parts[r.Part].Status.Final()
}

// LookupReceipts implements store.Store: memory first, then the database.
func (s *Store) LookupReceipts(ctx context.Context, keys []message.ReceiptKey, dests []string, out []store.ReceiptMatch) error {
	if s.FindReceipts(keys, dests, out) == len(keys) {
		return nil
	}
	var connectors []int16
	var smscIDs []string
	var at []int64
	for i := range keys {
		if !out[i].Found {
			connectors, smscIDs, at = append(connectors, int16(keys[i].Group)), append(smscIDs, keys[i].SMSCID), append(at, int64(i))
		}
	}
	type hit struct {
		key  int64
		part int16
		id   int64
	}
	var hits []hit
	var h hit
	err := s.each(ctx, `SELECT u.i, r.part, r.id FROM unnest($1::smallint[], $2::text[], $3::bigint[]) AS u(connector, smsc_id, i)
JOIN receipts r ON r.connector = u.connector AND r.smsc_id = u.smsc_id`, []any{connectors, smscIDs, at}, []any{&h.key, &h.part, &h.id}, func() error {
		hits = append(hits, h)
		return nil
	})
	if err != nil {
		return fmt.Errorf("look up receipts: %w", err)
	}
	ids := make([]message.ID, len(hits))
	for i := range hits {
		ids[i] = message.ID(hits[i].id)
	}
	slices.Sort(ids)
	list, err := s.queryIDs(ctx, slices.Compact(ids))
	if err != nil {
		return fmt.Errorf("look up receipts: %w", err)
	}
	byID := make(map[int64]*message.Message, len(list))
	for i := range list {
		byID[int64(list[i].m.ID)] = s.current(&list[i])
	}
	// SMSCs use ids again: the newest message without a final state is meant, else the newest.
	slices.SortFunc(hits, func(a, b hit) int { return cmp.Compare(b.id, a.id) })
	open := make(map[int64]bool)
	for _, h := range hits {
		m := byID[h.id]
		if m == nil || open[h.key] {
			continue
		}
		s.View(m, func(m *message.Message) {
			if int(h.part) >= len(m.Parts) || !receiptindex.SameDest(m.Dest.Addr, dests[h.key]) {
				return
			}
			awaits := !m.Parts[h.part].Status.Final()
			if awaits || !out[h.key].Found {
				out[h.key] = store.ReceiptMatch{Msg: m, Part: int(h.part), Found: true}
				open[h.key] = awaits
			}
		})
	}
	return nil
}
