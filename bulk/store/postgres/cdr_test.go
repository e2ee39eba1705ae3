package postgres

import (
	"testing"

	"protei-bulk/bulk/message"
)

// recording makes a store keep the ids of the events of each transaction.
func recording(o *Options) {
	o.Records = func(evs []message.Event) []byte {
		var ids []byte
		for i := range evs {
			ids = append(append(ids, evs[i].Msg.ID.String()...), ' ')
		}
		return ids
	}
}

// texts returns what LoadRecords has after a number, and the last number.
func (n *node) texts(after int64) (list []string, last int64) {
	n.t.Helper()
	all, err := n.LoadRecords(n.t.Context(), after, 100)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, r := range all {
		list, last = append(list, string(r.Text)), r.Seq
	}
	return list, last
}

func (n *node) adopt(from uint16) {
	n.t.Helper()
	done := make(chan error, 1)
	n.AdoptRecords(from, func(err error) { done <- err })
	if err := <-done; err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) setBook(name string) {
	n.t.Helper()
	if err := n.SetBook(n.t.Context(), name); err != nil {
		n.t.Fatal(err)
	}
}

// TestRecordsAreAdopted: what a node has not begun to write is another node's when it is gone; what
// it may have written waits for whoever has its files, under any number.
func TestRecordsAreAdopted(t *testing.T) {
	url := database(t)
	a, b := open(t, url, 1, recording), open(t, url, 2, recording)
	a.setBook("folder-a")
	b.setBook("folder-b")
	a.own(1)
	msgs := a.make(3, 1)
	a.accept(msgs)
	a.until("they are in the lane", func() bool { return len(a.lane) == 3 })
	a.must(submitted(msgs[0], "one"), delivered(msgs[0]))
	first, seq := a.texts(0)
	if len(first) == 0 || seq == 0 {
		t.Fatal("there is no record")
	}
	a.must(submitted(msgs[1], "two"), delivered(msgs[1]))
	b.adopt(1)
	got, _ := b.texts(0)
	if len(got) == 0 {
		t.Error("what the node has not begun to write is not adopted")
	}
	for _, text := range got {
		for _, before := range first {
			if text == before {
				t.Errorf("adopted is %q, which the node's files may have", text)
			}
		}
	}
	if again, _ := a.texts(0); len(again) != len(first) || again[0] != first[0] {
		t.Errorf("the node has %q to write, had %q", again, first)
	}
	if more, _ := a.texts(seq); len(more) != 0 {
		t.Errorf("the node writes %q, which another one does", more)
	}

	// A folder without anything takes the number over, and then a's comes back under another one.
	a.must(submitted(msgs[2], "three"), delivered(msgs[2]))
	c := open(t, url, 1, recording)
	c.setBook("folder-c")
	if got, _ := c.texts(0); len(got) == 0 {
		t.Error("who has the number of a node that is gone does not take its records over")
	}
	back := open(t, url, 4, recording)
	back.setBook("folder-a")
	if again, _ := back.texts(0); len(again) != len(first) || again[0] != first[0] {
		t.Errorf("back under another number it has %q to write, had %q", again, first)
	}

	// It does not come back again.
	if err := b.adoptDoubtful(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := b.count("SELECT count(*) FROM cdr_outbox WHERE book = 'folder-a'"); n != len(first) {
		t.Errorf("%d records wait for the node, want %d", n, len(first))
	}
	b.count("WITH x AS (UPDATE cdr_books SET seen = now() - interval '2 hours' WHERE book = 'folder-a' RETURNING 1) SELECT count(*) FROM x")
	if err := b.adoptDoubtful(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.until("records that nobody writes are adopted", func() bool { return b.count("SELECT count(*) FROM cdr_outbox WHERE book = 'folder-a'") == 0 })
}

// TestRecordsOfAnIdleNodeAreItsOwn: a node had nothing to write for hours, and claims its records
// in the moment in which another one takes it for gone: they stay where they are written.
func TestRecordsOfAnIdleNodeAreItsOwn(t *testing.T) {
	url := database(t)
	a, b := open(t, url, 1, recording), open(t, url, 2, recording)
	a.setBook("folder-a")
	b.setBook("folder-b")
	a.own(1)
	msgs := a.make(1, 1)
	a.accept(msgs)
	a.until("it is in the lane", func() bool { return len(a.lane) == 1 })
	a.must(submitted(msgs[0], "one"), delivered(msgs[0]))
	records := a.count("SELECT count(*) FROM cdr_outbox WHERE book = 'folder-a'")
	a.count("WITH x AS (UPDATE cdr_books SET seen = now() - interval '2 hours' WHERE book = 'folder-a' RETURNING 1) SELECT count(*) FROM x")
	claim, err := a.pool.Begin(t.Context()) // as LoadRecords claims them
	if err != nil {
		t.Fatal(err)
	}
	if _, err := claim.Exec(t.Context(), "UPDATE cdr_books SET writing = (SELECT max(seq) FROM cdr_outbox), seen = now() WHERE book = 'folder-a'"); err != nil {
		t.Fatal(err)
	}
	if err := b.adoptDoubtful(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	b.AdoptRecords(99, func(err error) { done <- err }) // comes after it
	b.until("the other node waits, or has done it", func() bool {
		return len(done) > 0 || b.count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") > 0
	})
	if err := claim.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := b.count("SELECT count(*) FROM cdr_outbox WHERE book = 'folder-a'"); n != records {
		t.Errorf("%d of %d records are left to the node that writes them", n, records)
	}
}
