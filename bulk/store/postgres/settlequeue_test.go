package postgres

import (
	"bytes"
	"slices"
	"sync"
	"testing"

	"protei-bulk/bulk/message"
)

// ofShard returns changes about n messages of a shard.
func ofShard(shard, n int) (list []*change) {
	for id := message.ID(1); len(list) < n; id++ {
		if shardOf(id) == shard {
			list = append(list, &change{evs: []message.Event{{Kind: message.Notified, Msg: &message.Message{ID: id}}}})
		}
	}
	return list
}

// TestTwoSettleWriters: the second writer takes what is worth it, and the first both shards else; a shard has one
// transaction at a time, in the order in which its changes came.
func TestTwoSettleWriters(t *testing.T) {
	var q settleQueue
	q.init()
	first, second := ofShard(0, 10), ofShard(1, splitAbove)
	few := splitAbove/2 - 1 // each counts as an event and a change
	for _, c := range slices.Concat(first, second[:few]) {
		q.put(c)
	}
	if b, _ := q.take(1); len(b.list) != 0 {
		t.Fatalf("the second writer takes %d changes, which are too few for it", len(b.list))
	}
	b, _ := q.take(0)
	if len(b.list) != 10+few || b.events != 10+few || b.of != [settleShards]bool{true, true} {
		t.Fatalf("the first writer takes %d changes of shards %v, want all %d", len(b.list), b.of, 10+few)
	}
	for _, c := range slices.Concat(first, second) {
		q.put(c)
	}
	if b, _ := q.take(1); len(b.list) != 0 {
		t.Fatal("a shard whose transaction is under way is taken")
	}
	q.done(0, &b)
	b, _ = q.take(0)
	if !slices.Equal(b.list, first) || b.of != [settleShards]bool{true, false} {
		t.Fatalf("the first writer takes %d changes of shards %v, want the first shard's 10", len(b.list), b.of)
	}
	select {
	case <-q.shards[1].wake:
	default:
		t.Error("the second writer is not woken")
	}
	other, _ := q.take(1)
	if !slices.Equal(other.list, second) || other.of != [settleShards]bool{false, true} {
		t.Fatalf("the second writer takes %d changes of shards %v", len(other.list), other.of)
	}
	for _, c := range second {
		q.put(c)
	}
	q.close()
	q.done(0, &b)
	if b, closed := q.take(0); len(b.list) != 0 || closed {
		t.Errorf("the first writer takes %d changes and ends: %v, while the second one's shard is busy", len(b.list), closed)
	}
	if _, closed := q.take(1); !closed {
		t.Error("the second writer does not end")
	}
	q.done(1, &other)
	if b, closed := q.take(0); !slices.Equal(b.list, second) || closed {
		t.Errorf("the first writer takes %d changes and ends: %v, want the rest, as the second one ended while its shard was busy", len(b.list), closed)
	} else {
		q.done(0, &b)
	}
	if _, closed := q.take(0); !closed || q.size.Load() != 0 {
		t.Errorf("the first writer ends: %v, with %d events left", closed, q.size.Load())
	}
}

// TestSettlesSideBySide: many changes at once, over both writers: each message ends as its events say, and the
// books agree.
func TestSettlesSideBySide(t *testing.T) {
	const count = 4 * splitAbove
	n := open(t, database(t), 1)
	n.own(1)
	n.looked(1)
	msgs := n.make(count, 1)
	n.accept(msgs)
	n.until("all are in the lane", func() bool { return len(n.lane) == count })
	var all sync.WaitGroup
	for half := range slices.Chunk(msgs, count/4) {
		var sent, ended []message.Event
		for _, m := range half {
			sent = append(sent, submitted(m, m.ID.String()))
			ended = append(ended, delivered(m), message.Event{Kind: message.Notified, Msg: m})
		}
		for _, evs := range [][]message.Event{sent, ended} {
			all.Add(1)
			n.RecordMany(evs, func(err error) {
				if err != nil {
					t.Error(err)
				}
				all.Done()
			})
		}
	}
	all.Wait()
	if got := n.count("SELECT count(*) FROM messages WHERE status = $1", int16(message.Delivered)); got != count {
		t.Errorf("%d of %d are delivered", got, count)
	}
	if got := n.count("SELECT count(*) FROM outbox"); got != 0 {
		t.Errorf("%d customers are still to be told", got)
	}
	if got := n.count("SELECT sum(" + ledgerColumns[message.Delivered] + ") FROM ledger"); got != count || n.Ledgers()[7][message.Delivered] != count {
		t.Errorf("the books have %d and %v DELIVERED, want %d", got, n.Ledgers()[7], count)
	}
	if got := n.count("SELECT count(DISTINCT writer) FROM ledger WHERE writer >= $1", int16(settleWriter)); got != settleShards {
		t.Errorf("%d writers settled, want %d", got, settleShards)
	}
}

// TestRecordsInOrder: records of one settle writer that are on their way into the database are not overtaken by those
// of the other one: who has read these would go on after them.
func TestRecordsInOrder(t *testing.T) {
	n := open(t, database(t), 1, func(o *Options) {
		o.Records = func(evs []message.Event) []byte { return bytes.Repeat([]byte("x\n"), len(evs)) }
	})
	if err := n.SetBook(t.Context(), "here"); err != nil {
		t.Fatal(err)
	}
	// The commit of a single record takes long.
	if _, err := n.pool.Exec(t.Context(), `CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON cdr_outbox DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (length(NEW.records) = 2) EXECUTE FUNCTION wait()`); err != nil {
		t.Fatal(err)
	}
	n.own(1)
	n.looked(1)
	msgs := n.make(4*splitAbove, 1)
	n.accept(msgs)
	n.until("all are in the lane", func() bool { return len(n.lane) == len(msgs) })
	var first, second []message.Event // of one message of the first shard, of all of the second
	for _, m := range msgs {
		switch {
		case shardOf(m.ID) == 1:
			second = append(second, submitted(m, m.ID.String()))
		case first == nil:
			first = append(first, submitted(m, m.ID.String()), message.Event{Kind: message.Notified, Msg: m}) // it waits for no receipt
		}
	}
	done := make(chan error, 2)
	n.RecordMany(first, func(err error) { done <- err })
	n.until("the first writer commits", func() bool {
		return n.count("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()") == 1
	})
	n.RecordMany(second, func(err error) { done <- err })
	seqs, last := 0, int64(0)
	for seqs < 2 {
		list, err := n.LoadRecords(t.Context(), last, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			if seqs++; seqs == 1 && len(r.Text) != 2 {
				t.Fatalf("the first records read are of %d events, the single one of before is not there yet", bytes.Count(r.Text, []byte("\n")))
			}
			last = r.Seq
		}
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
