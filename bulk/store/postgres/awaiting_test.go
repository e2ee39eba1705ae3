package postgres

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// TestAwaiting: what awaits a receipt has an open row of receipts: until the receipt comes, or is waited for no
// more; then the row stays, for it may come yet.
func TestAwaiting(t *testing.T) {
	n := open(t, database(t), 1)
	n.own(1)
	n.looked(1)
	msgs := n.make(3, 1, func(m *message.Message) { m.SetParts(2) })
	plain := n.make(1, 1, func(m *message.Message) { m.Flags &^= message.WantReceipt })
	n.accept(slices.Concat(msgs, plain))
	n.until("all are in the lane", func() bool { return len(n.lane) == 4 })
	for i, m := range msgs {
		for part := range 2 {
			ev := submitted(m, fmt.Sprintf("smsc-%d-%d", i, part))
			ev.Part = uint16(part)
			n.must(ev)
		}
	}
	n.must(submitted(plain[0], "plain"))
	rows := func(m *message.Message, open bool) int {
		return n.count("SELECT count(*) FROM receipts WHERE id = $1 AND open = $2 AND account = 7", int64(m.ID), open)
	}
	check := func(m *message.Message, open, closed int) {
		t.Helper()
		if a, b := rows(m, true), rows(m, false); a != open || b != closed {
			t.Errorf("%s %s: %d open rows and %d closed ones, want %d and %d", m.ID, n.row(m.ID).Status, a, b, open, closed)
		}
	}
	sent := func() []message.ID {
		t.Helper()
		list, _, _, err := n.List(t.Context(), store.Query{Status: message.Sent, Account: 7})
		if err != nil {
			t.Fatal(err)
		}
		return idsOf(list)
	}
	for _, m := range msgs {
		check(m, 2, 0)
	}
	if got := sent(); !slices.Equal(got, []message.ID{plain[0].ID, msgs[2].ID, msgs[1].ID, msgs[0].ID}) {
		t.Errorf("SENT are %v", got)
	}
	part := func(m *message.Message, part uint16, status message.Status) message.Event {
		return message.Event{Kind: message.Settle, Msg: m, Part: part, Status: status, At: m.SubmittedAt + 10}
	}
	n.must(part(msgs[0], 0, message.Delivered))
	check(msgs[0], 2, 0)
	n.must(part(msgs[0], 1, message.Delivered))
	check(msgs[0], 0, 0)
	n.must(part(msgs[1], message.AllParts, message.Unknown))
	check(msgs[1], 0, 2)
	if got := sent(); !slices.Equal(got, []message.ID{plain[0].ID, msgs[2].ID}) {
		t.Errorf("SENT are %v", got)
	}
	// Too late, and found all the same, by a node that has nothing of it in memory.
	other := open(t, n.opts.URL, 2)
	var out [2]store.ReceiptMatch
	keys := []message.ReceiptKey{{Group: 1, SMSCID: "smsc-1-1"}, {Group: 1, SMSCID: "smsc-2-0"}}
	if err := other.LookupReceipts(t.Context(), keys, []string{msgs[1].Dest.Addr, msgs[2].Dest.Addr}, out[:]); err != nil {
		t.Fatal(err)
	}
	for i, m := range msgs[1:] {
		if !out[i].Found || out[i].Msg.ID != m.ID || out[i].Part != 1-i {
			t.Errorf("receipt %v: %+v", keys[i], out[i])
		}
	}
	// One that is read anew knows that it has rows.
	other.must(part(out[1].Msg, message.AllParts, message.Delivered))
	check(msgs[2], 0, 0)
}

// TestAwaitingMigrates: what awaited a receipt before there were open rows is found by them.
func TestAwaitingMigrates(t *testing.T) {
	n := open(t, database(t), 1)
	n.own(1)
	n.looked(1)
	msgs := n.make(3, 1)
	msgs[2].Flags &^= message.WantReceipt
	n.accept(msgs)
	for _, m := range msgs {
		n.must(submitted(m, m.ID.String()))
	}
	n.must(message.Event{Kind: message.Settle, Msg: msgs[0], Part: message.AllParts, Status: message.Unknown, At: msgs[0].SubmittedAt + 10})
	p := n.schema()
	if _, err := p.DownTo(t.Context(), 8); err != nil {
		t.Fatal(err)
	}
	if was := n.count("SELECT count(*) FROM messages WHERE rare = 3"); was != 2 {
		t.Errorf("%d messages are found as SENT before, want 2", was)
	}
	if _, err := p.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if open := n.count("SELECT count(*) FROM receipts WHERE open AND account = 7"); open != 1 {
		t.Errorf("%d rows are open, want 1", open)
	}
	list, _, _, err := n.List(t.Context(), store.Query{Account: 7, Status: message.Sent})
	if want := []message.ID{msgs[2].ID, msgs[1].ID}; err != nil || !slices.Equal(idsOf(list), want) {
		t.Errorf("SENT are %v (%v), want %v", idsOf(list), err, want)
	}
}

// TestReceiptsChangeNoIndex: a message that is sent, and delivered later, costs no index of messages an entry.
func TestReceiptsChangeNoIndex(t *testing.T) {
	n := open(t, database(t), 1)
	n.own(1)
	n.looked(1)
	const count = 200
	msgs := n.make(count, 1)
	n.accept(msgs)
	n.until("all are in the lane", func() bool { return len(n.lane) == count })
	var sent, done []message.Event
	for _, m := range msgs {
		sent, done = append(sent, submitted(m, m.ID.String())), append(done, delivered(m))
	}
	n.must(sent...)
	n.must(done...)
	changes, hot := 0, 0
	n.until("PostgreSQL has counted", func() bool {
		changes = n.count("SELECT sum(n_tup_upd) FROM pg_stat_user_tables WHERE relname LIKE 'messages%'")
		hot = n.count("SELECT sum(n_tup_hot_upd) FROM pg_stat_user_tables WHERE relname LIKE 'messages%'")
		return changes >= 2*count
	})
	if changes != 2*count || hot < changes*9/10 {
		t.Errorf("of %d changes of %d messages %d left the indexes alone", changes, count, hot)
	}
}

// TestListOfWhatIsSent: lists by the page, of one account and of all, whether a receipt is wanted or not.
func TestListOfWhatIsSent(t *testing.T) {
	n := open(t, database(t), 1)
	n.own(1)
	n.looked(1)
	var all, sevens []message.ID
	for i := range 12 {
		msgs := n.make(2, 1, func(m *message.Message) {
			m.Account = uint32(7 + i%2)
			if i%3 == 0 {
				m.Flags &^= message.WantReceipt
			}
			if i == 4 {
				m.Source.Addr = "Other"
			}
		})
		n.accept(msgs)
		n.must(submitted(msgs[0], msgs[0].ID.String()), submitted(msgs[1], msgs[1].ID.String()))
		if i%4 == 1 {
			n.must(delivered(msgs[1]))
			msgs = msgs[:1]
		}
		all = append(all, idsOf(msgs)...)
		if i%2 == 0 {
			sevens = append(sevens, idsOf(msgs)...)
		}
	}
	slices.Reverse(all)
	slices.Reverse(sevens)
	for name, test := range map[string]struct {
		account uint32
		want    []message.ID
	}{"one account": {7, sevens}, "all": {0, all}} {
		var got []message.ID
		for cursor := message.ID(0); ; {
			page, next, _, err := n.List(t.Context(), store.Query{Account: test.account, Status: message.Sent, Limit: 5, Cursor: cursor})
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, idsOf(page)...); next == 0 {
				break
			}
			cursor = next
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: listed are %v, want %v", name, got, test.want)
		}
		page, _, _, err := n.List(t.Context(), store.Query{Account: test.account, Status: message.Sent, Limit: 4, Page: 2})
		if err != nil || !slices.Equal(idsOf(page), test.want[4:8]) {
			t.Errorf("%s, page 2: %v (%v), want %v", name, idsOf(page), err, test.want[4:8])
		}
	}
	if page, _, _, err := n.List(t.Context(), store.Query{Account: 7, Status: message.Sent, From: "Other"}); err != nil || len(page) != 2 {
		t.Errorf("by sender: %v (%v)", idsOf(page), err)
	}
	if page, _, _, err := n.List(t.Context(), store.Query{Status: message.Sent, To: n.row(all[0]).Dest.Addr}); err != nil || !slices.Contains(idsOf(page), all[0]) {
		t.Errorf("by recipient: %v (%v)", idsOf(page), err)
	}
	// The sweep comes by each that awaits a receipt.
	var swept []message.ID
	for at := (message.Place{}); ; {
		msgs, next, err := n.LoadOpen(t.Context(), message.Sent, at, 3, func(*message.Message) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		if swept = append(swept, idsOf(msgs)...); next == (message.Place{}) {
			break
		}
		at = next
	}
	awaiting := slices.DeleteFunc(slices.Clone(all), func(id message.ID) bool { return n.row(id).Flags&message.WantReceipt == 0 })
	slices.Sort(swept)
	slices.Sort(awaiting)
	if !slices.Equal(swept, awaiting) {
		t.Errorf("swept are %v, await a receipt %v", swept, awaiting)
	}
}

// TestListOfWhatWasSentBefore: what is SENT of all accounts is looked for day by day, and all of it is found.
func TestListOfWhatWasSentBefore(t *testing.T) {
	var ahead atomic.Int64
	n := open(t, database(t), 1, func(o *Options) { o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) } })
	n.own(1)
	n.looked(1)
	var want []message.ID
	for _, hours := range []time.Duration{0, 25, 49, 70} {
		ahead.Store(int64(hours * time.Hour))
		msgs := n.make(2, 1)
		n.accept(msgs)
		n.must(submitted(msgs[0], msgs[0].ID.String()), submitted(msgs[1], msgs[1].ID.String()))
		want = append(want, idsOf(msgs)...)
	}
	slices.Reverse(want)
	for _, limit := range []int{3, 8, 20} {
		list, _, _, err := n.List(t.Context(), store.Query{Status: message.Sent, Limit: limit})
		if want := want[:min(limit, len(want))]; err != nil || !slices.Equal(idsOf(list), want) {
			t.Errorf("the newest %d: %v (%v), want %v", limit, idsOf(list), err, want)
		}
	}
	list, _, _, err := n.List(t.Context(), store.Query{Status: message.Sent, Cursor: want[4], Since: want[6].Time()})
	if err != nil || !slices.Equal(idsOf(list), want[5:7]) && !slices.Equal(idsOf(list), want[5:]) {
		t.Errorf("between: %v (%v), want %v", idsOf(list), err, want[5:7])
	}
}
