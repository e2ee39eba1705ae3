package postgres

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// TestCopiedRowsAreInsertedRows: many messages, which COPY brings, have the rows that they have when
// they come one by one, in each column and in waiting.
func TestCopiedRowsAreInsertedRows(t *testing.T) {
	n := open(t, database(t), 1)
	kinds := []func(*message.Message){
		func(*message.Message) {},
		func(m *message.Message) { m.Source.Addr, m.Dest.Addr = "Grüße ✓", "" },
		func(m *message.Message) { m.Priority, m.Connector, m.Account = message.Critical, 65_535, 1<<32-1 },
		func(m *message.Message) { m.Campaign, m.Ordinal, m.Batch = 77, 5, 4711 },
		func(m *message.Message) { m.Status, m.DueAt = message.Scheduled, m.SubmittedAt+3_600_000 },
		func(m *message.Message) { m.Payload, m.ClientRef = make([]byte, 3000), "ref" },
	}
	change := func(msgs []*message.Message) []*message.Message {
		for i, m := range msgs {
			m.SubmittedAt = 1_700_000_000_000
			m.Dest.Addr = "+967770000000"
			kinds[i%len(kinds)](m)
			m.Parts[0].End = uint32(len(m.Payload))
		}
		return msgs
	}
	rows := func(msgs []*message.Message) (all []string) {
		t.Helper()
		for _, m := range msgs {
			var text string
			err := n.pool.QueryRow(t.Context(), `SELECT concat_ws('|', account, connector, priority, status, rare, version, due, campaign, ordinal, batch, source, dest,
	length(body), EXISTS (SELECT FROM waiting_lists w WHERE m.id = ANY(w.ids))) FROM messages m WHERE id = $1`, int64(m.ID)).Scan(&text)
			if err != nil {
				t.Fatalf("%v: %v", m.ID, err)
			}
			if got := n.row(m.ID); got.Dest != m.Dest || got.Source != m.Source || string(got.Payload) != string(m.Payload) {
				t.Errorf("%+v became %+v", m, got)
			}
			all = append(all, text)
		}
		return all
	}
	single, many := change(n.make(len(kinds), 1)), change(n.make(copyFrom, 1))
	for _, m := range single {
		n.accept([]*message.Message{m})
	}
	n.accept(many)
	want := rows(single)
	if d := cmp.Diff(want, rows(many[:len(kinds)])); d != "" {
		t.Error(d)
	}
	if got := n.count("SELECT count(*) FROM messages"); got != len(kinds)+copyFrom {
		t.Errorf("%d rows, want %d", got, len(kinds)+copyFrom)
	}
}

// TestCopyIsPartOfTheTransaction: many messages of which one cannot be stored leave nothing behind,
// and the connection is good for the next ones.
func TestCopyIsPartOfTheTransaction(t *testing.T) {
	n := open(t, database(t), 1)
	first := n.make(1, 1)
	n.accept(first)
	twice := n.make(copyFrom, 1)
	twice[copyFrom-1].ID = first[0].ID
	if err := n.Accept(context.Background(), twice, store.AcceptExtra{}); err == nil {
		t.Error("an id that is there already was accepted")
	}
	if got := n.count("SELECT count(*) FROM messages"); got != 1 {
		t.Errorf("%d rows, want the one", got)
	}
	if got := n.count("SELECT count(*) FROM (SELECT unnest(ids) FROM waiting_lists) w"); got != 1 {
		t.Errorf("%d messages wait, want the one", got)
	}
	n.accept(n.make(copyFrom, 1))
	if got := n.count("SELECT count(*) FROM messages"); got != copyFrom+1 {
		t.Errorf("%d rows, want %d", got, copyFrom+1)
	}
}
