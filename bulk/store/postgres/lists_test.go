package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// rows returns how many rows a table has.
func (n *node) rows(table string) int {
	n.t.Helper()
	return n.count("SELECT count(*) FROM " + table)
}

// horizon lets the queue ask for the places up to one.
func (n *node) horizon(lane message.Lane, to uint64) {
	n.t.Helper()
	done := make(chan error, 1)
	n.RecordHorizon(lane, to, func(_ uint64, err error) { done <- err })
	if err := <-done; err != nil {
		n.t.Fatal(err)
	}
}

// routed lets the second of two nodes accept messages for connector 1, which the first one has and is hinted at
// them.
func routed(t *testing.T, count int, options ...func(*Options)) (a, b *node, msgs []*message.Message) {
	t.Helper()
	url := database(t)
	a, b = open(t, url, 1, options...), open(t, url, 2)
	a.own(1)
	a.looked(1)
	msgs = b.make(count, 1)
	b.accept(msgs)
	a.Hinted(msgs[0].Lane(), idsOf(msgs), func(error) {})
	return a, b, msgs
}

// TestListOfAnotherNode: what a node accepts for another one's connector is one row for all of it, which goes
// when the last of them is claimed; none has a row of its own.
func TestListOfAnotherNode(t *testing.T) {
	url := database(t)
	a, b := open(t, url, 1), open(t, url, 2)
	a.own(1)
	a.looked(1)
	msgs := b.make(5, 1)
	shuffled := slices.Clone(msgs)
	shuffled[0], shuffled[3] = shuffled[3], shuffled[0]
	b.accept(shuffled)
	lane := msgs[0].Lane()
	var first int64
	if err := a.pool.QueryRow(t.Context(), "SELECT first FROM waiting_lists").Scan(&first); err != nil || first != int64(msgs[0].ID) {
		t.Errorf("the list begins with %d, want %d (%v)", first, msgs[0].ID, err)
	}
	a.Hinted(lane, idsOf(shuffled), func(error) {})
	a.until("all are in the lane", func() bool { return len(a.lane) == 5 })
	if got := a.arrived(); !slices.Equal(got, idsOf(msgs)) {
		t.Errorf("came %v, want the oldest first: %v", got, idsOf(msgs))
	}
	a.horizon(lane, 3)
	a.must(submitted(msgs[0], "x"))
	if got := a.rows("waiting_lists"); got != 1 {
		t.Errorf("%d lists while two of the messages are in no claim, want 1", got)
	}
	a.horizon(lane, 5)
	a.must(submitted(msgs[1], "y"))
	if lists, rows := a.rows("waiting_lists"), a.rows("waiting"); lists != 0 || rows != 0 {
		t.Errorf("%d lists and %d rows, now that all are claimed", lists, rows)
	}
	a.Hinted(lane, idsOf(msgs), func(error) {}) // once more, too late
	more := b.make(1, 1)
	b.accept(more) // found by looking
	a.until("the next one comes", func() bool { return len(a.lane) == 6 })
	if got := a.arrived()[5]; got != more[0].ID {
		t.Errorf("%s came, want %s", got, more[0].ID)
	}
}

// TestListOutlivesItsOwner: what an owner had brought and not claimed is its successor's, however the owner ended.
func TestListOutlivesItsOwner(t *testing.T) {
	for _, clean := range []bool{true, false} {
		t.Run(fmt.Sprintf("clean=%v", clean), func(t *testing.T) {
			a, b, msgs := routed(t, 6)
			a.until("all are in the lane", func() bool { return len(a.lane) == 6 })
			a.horizon(msgs[0].Lane(), 3)
			a.must(submitted(msgs[0], "x"))
			if err := a.Disown(t.Context(), 1, clean); err != nil {
				t.Fatal(err)
			}
			b.own(1)
			want := idsOf(msgs[1:])
			b.until("all that wait stand in a lane", func() bool { return slices.Equal(b.standingIn(1), want) })
			var evs []message.Event
			for _, m := range msgs[1:] {
				evs = append(evs, submitted(m, m.ID.String()))
			}
			b.must(evs...)
			b.emptied(msgs[0])
		})
	}
}

// standingIn returns what stands in lanes of a connector, oldest first.
func (n *node) standingIn(connector uint16) (ids []message.ID) {
	for p := range message.NumPriorities {
		msgs, _, err := n.LoadLane(context.Background(), message.Lane{Connector: connector, Priority: p}, 0, 1<<20)
		if err != nil {
			n.t.Error(err)
		}
		ids = append(ids, idsOf(msgs)...)
	}
	slices.Sort(ids)
	return ids
}

// emptied waits until no claim, row or list is left. They go with a transaction about any message.
func (n *node) emptied(m *message.Message) {
	n.t.Helper()
	n.eventually("claims, rows and lists are gone, as nothing waits", func() bool {
		n.must(message.Event{Kind: message.Notified, Part: message.Reopen, Msg: m})
		return n.rows("claims")+n.rows("waiting")+n.rows("waiting_lists") == 0
	})
}

// TestListOfAFullLane: a lane takes of a list what it has room for, and the rest later, each message once.
func TestListOfAFullLane(t *testing.T) {
	url := database(t)
	var a *node
	room := 3 // guarded by a.mu
	a = open(t, url, 1, func(o *Options) {
		o.Room = func(message.Lane) int {
			a.mu.Lock()
			defer a.mu.Unlock()
			return room - len(a.lane)
		}
	})
	b := open(t, url, 2)
	a.own(1)
	a.looked(1)
	msgs := b.make(10, 1)
	b.accept(msgs)
	a.Hinted(msgs[0].Lane(), idsOf(msgs), func(error) {})
	for want := room; want <= len(msgs); want++ {
		a.until("the lane is full", func() bool { return len(a.lane) == want })
		if got := a.arrived(); !slices.Equal(got, idsOf(msgs[:want])) {
			t.Fatalf("came %v, want %v", got, idsOf(msgs[:want]))
		}
		a.mu.Lock()
		room++
		a.mu.Unlock()
	}
}

// TestRowBesideAList: a message of a list that was held and let go waits by a row of its own. Its list goes without
// it; and the row goes when a successor found the message by the list.
func TestRowBesideAList(t *testing.T) {
	a, b, msgs := routed(t, 3)
	a.until("all are in the lane", func() bool { return len(a.lane) == 3 })
	a.must(message.Event{Kind: message.Hold, Part: message.AllParts, Msg: msgs[1]})
	a.must(message.Event{Kind: message.Requeue, Part: message.AllParts, Msg: msgs[1]})
	if lists, rows := a.rows("waiting_lists"), a.rows("waiting"); lists != 1 || rows != 1 {
		t.Fatalf("%d lists and %d rows, want 1 and 1", lists, rows)
	}
	if err := a.Disown(t.Context(), 1, false); err != nil {
		t.Fatal(err)
	}
	b.own(1)
	b.until("all stand in a lane", func() bool { return slices.Equal(b.standingIn(1), idsOf(msgs)) })
	if len(b.lane) != 3 {
		t.Errorf("%d places were given to 3 messages", len(b.lane))
	}
	b.must(submitted(msgs[0], "x"), submitted(msgs[1], "y"), submitted(msgs[2], "z"))
	b.emptied(msgs[0])
}

// TestDropRows: a row of waiting goes when its message does not wait by it.
func TestDropRows(t *testing.T) {
	n := open(t, database(t), 1)
	n.own(1)
	n.looked(1)
	msgs := n.make(2, 2)
	n.accept(msgs)
	for _, m := range msgs {
		if _, err := n.pool.Exec(t.Context(), "INSERT INTO waiting VALUES (1, $1, $2)", int16(message.Normal), int64(m.ID)); err != nil {
			t.Fatal(err)
		}
	}
	n.until("rows without a reason are dropped", func() bool { return n.rows("waiting") == 0 })
	if got := n.count("SELECT count(*) FROM messages"); got != 2 {
		t.Errorf("%d messages", got)
	}
	if len(n.standingIn(1)) != 0 {
		t.Error("a message of another connector came into the lane")
	}
}

// TestAfterAnOlderOwner: an owner of the schema before knows no lists and puts what it accepts into rows. What others
// accept for it meanwhile waits until its lease ends, and goes then, together with its own.
func TestAfterAnOlderOwner(t *testing.T) {
	url := database(t)
	older, newer := open(t, url, 1), open(t, url, 2)
	older.lease(1) // and it looks at no list
	var all []message.ID
	for range 3 {
		rows := older.make(2, 1)
		older.accept(rows)
		tx := "WITH l AS (DELETE FROM waiting_lists WHERE first = $1 RETURNING *) INSERT INTO waiting SELECT connector, priority, unnest(ids) FROM l"
		if _, err := older.pool.Exec(t.Context(), tx, int64(rows[0].ID)); err != nil {
			t.Fatal(err)
		}
		lists := newer.make(2, 1)
		newer.accept(lists)
		all = append(all, idsOf(append(rows, lists...))...)
	}
	if rows, lists := newer.rows("waiting"), newer.rows("waiting_lists"); rows != 6 || lists != 3 {
		t.Fatalf("%d rows and %d lists wait, want 6 and 3", rows, lists)
	}
	newer.own(1)
	slices.Sort(all)
	newer.until("all stand in a lane", func() bool { return slices.Equal(newer.standingIn(1), all) })
}

// TestListsMigrate: what is in lists waits by rows of its own in the schema before, and goes on doing so.
func TestListsMigrate(t *testing.T) {
	n := open(t, database(t), 1)
	msgs := n.make(3, 1)
	n.accept(msgs)
	p := n.schema()
	if _, err := p.DownTo(t.Context(), 9); err != nil {
		t.Fatal(err)
	}
	if got := n.rows("waiting"); got != 3 {
		t.Errorf("%d messages wait in the schema before, want 3", got)
	}
	if _, err := p.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.own(1)
	n.until("all stand in a lane", func() bool { return slices.Equal(n.standingIn(1), idsOf(msgs)) })
}

// TestNothingIsForgotten: two nodes accept, hold, let go, move, claim, end and hand over connectors in any order;
// then each message that waits stands in a lane of who has its connector, once; and when all have ended, no
// claim, row or list is left.
func TestNothingIsForgotten(t *testing.T) {
	seed, runs := uint64(time.Now().UnixNano()), uint64(2)
	if testing.Short() {
		runs = 1
	}
	for i := range runs {
		t.Run(fmt.Sprintf("seed=%d", seed+i), func(t *testing.T) { forgetNothing(t, seed+i) })
	}
}

func forgetNothing(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	url := database(t)
	full := func(o *Options) { o.Room = func(message.Lane) int { return 1 << 20 } }
	nodes := [2]*node{open(t, url, 1, full), open(t, url, 2, full)}
	owners := map[uint16]*node{1: nodes[0], 2: nodes[1]}
	for c, n := range owners {
		n.own(c)
	}
	all := make(map[message.ID]*message.Message)
	for step := 0; step < 120; step++ {
		connector := uint16(1 + r.IntN(2))
		owner := owners[connector]
		lane := message.Lane{Connector: connector, Priority: message.Normal}
		switch r.IntN(10) {
		case 0, 1, 2:
			n := nodes[r.IntN(2)]
			msgs := n.make(1+r.IntN(20), connector, func(m *message.Message) { m.Flags, m.DLRURL = 0, "" }) // it is let go when it has ended
			n.accept(msgs)
			for _, m := range msgs {
				all[m.ID] = m
			}
			if r.IntN(2) == 0 {
				owner.Hinted(lane, idsOf(msgs), func(error) {})
			}
		case 3:
			if err := owner.Disown(t.Context(), connector, r.IntN(2) == 0); err != nil {
				t.Fatal(err)
			}
			owner = nodes[r.IntN(2)]
			owner.own(connector)
			owners[connector] = owner
		case 4:
			owner.horizon(lane, uint64(1+r.IntN(60)))
		default:
			owner.change(r, connector, slices.Collect(maps.Values(all)))
		}
	}
	var lost []message.ID
	defer func() {
		if t.Failed() {
			t.Logf("of %d messages these stand in no lane, or twice: %v", len(all), lost)
		}
	}()
	nodes[0].eventually("what waits stands in a lane", func() bool {
		lost = missing(nodes, owners, all)
		return len(lost) == 0
	})
	var any *message.Message
	for id := range all {
		any = nodes[0].row(id)
		owners[any.Connector].must(message.Event{Kind: message.Settle, Msg: any, Part: message.AllParts, Status: message.Cancelled, At: 1})
	}
	nodes[0].must(message.Event{Kind: message.Notified, Part: message.Reopen, Msg: any})
	nodes[1].emptied(any)
}

// change does something to a message of a connector that waits, or is held.
func (n *node) change(r *rand.Rand, connector uint16, all []*message.Message) {
	n.t.Helper()
	if len(all) == 0 {
		return
	}
	m := n.row(all[r.IntN(len(all))].ID)
	if m.Connector != connector || m.Status != message.Pending && m.Status != message.Held {
		return
	}
	ev := message.Event{Msg: m, Part: message.AllParts, At: 1}
	switch r.IntN(4) {
	case 0:
		ev.Kind, ev.Status = message.Settle, message.Cancelled
	case 1:
		ev.Kind = message.Hold
	case 2:
		ev.Kind = message.Requeue
	case 3:
		ev.Kind, ev.Connector = message.Requeue, 3-connector
	}
	if err := n.record(ev); err != nil && !errors.Is(err, store.ErrFenced) {
		n.t.Fatal(err)
	}
}

// missing returns the messages that wait and do not stand in a lane of their connector's owner, or stand twice.
func missing(nodes [2]*node, owners map[uint16]*node, all map[message.ID]*message.Message) (ids []message.ID) {
	places := make(map[message.ID]int)
	for c, n := range owners {
		for _, id := range n.standingIn(c) {
			places[id]++
		}
	}
	for id := range all {
		want := 0
		if standsOrShould(nodes[0].row(id)) {
			want = 1
		}
		if places[id] != want {
			ids = append(ids, id)
		}
	}
	return ids
}
