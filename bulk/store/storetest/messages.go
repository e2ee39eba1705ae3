package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// same compares messages without the store's bookkeeping and the place in the lane, which is
// of one run.
var same = cmp.Options{
	cmpopts.IgnoreFields(message.Message{}, "Store", "LaneSeq"),
	cmpopts.IgnoreUnexported(message.Message{}),
}

func messageSurvivesReopening(s *suite) {
	m := s.message(1, func(m *message.Message) {
		m.Batch, m.Campaign, m.Ordinal = 77, 88, 3
		m.ClientRef, m.DLRURL = "ref-1", "https://example.org/dlr"
		m.Flags |= message.NotifyFinal
		m.Payload = []byte("first second")
		parts(2)(m)
	})
	s.accept(m)
	s.record(submitted(m, "a1"))
	s.record(settled(m, message.Delivered))
	want := s.stored(m.ID)
	s.reopen()
	got := s.stored(m.ID)
	if diff := cmp.Diff(want, got, same); diff != "" {
		s.Errorf("message changed (-before +after):\n%s", diff)
	}
	if got.Status != message.Pending || got.Parts[0].Status != message.Delivered || got.Parts[0].SMSCID != "a1" {
		s.Errorf("status %v, first part %+v", got.Status, got.Parts[0])
	}
	if id := s.IDs().Next(); id <= m.ID {
		s.Errorf("new id %s is not above %s", id, m.ID)
	}
	if _, err := s.Message(context.Background(), s.IDs().Next()); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("a message that was never accepted: %v", err)
	}
}

// eventsInAnyOrder: the final state is the same whichever comes first, and a second final
// state changes nothing.
func eventsInAnyOrder(s *suite) {
	first, second, apart := s.message(1), s.message(2), s.message(3)
	s.accept(first, second, apart)
	s.record(submitted(first, "a"), settled(first, message.Delivered), settled(first, message.Failed))
	s.record(settled(second, message.Delivered), submitted(second, "b"))
	s.record(submitted(apart, "c"))
	s.record(settled(apart, message.Failed))
	s.record(settled(apart, message.Delivered))
	for m, want := range map[*message.Message]message.Status{first: message.Delivered, second: message.Delivered, apart: message.Failed} {
		if got := s.stored(m.ID); got.Status != want || got.Parts[0].SMSCID == "" {
			s.Errorf("message %s is %v with the SMSC's id %q, want %v", m.ID, got.Status, got.Parts[0].SMSCID, want)
		}
	}
	s.wantLane(First)
}

func oneObject(s *suite) {
	m := s.message(1)
	s.accept(m)
	s.wantLane(First, m)
	lane, _, err := s.LoadLane(context.Background(), m.Lane(), 0, 10)
	s.must(err)
	loaded, err := s.Load(context.Background(), m.ID)
	s.must(err)
	if lane[0] != loaded {
		s.Error("the message in the lane is another object than the loaded one")
	}
	s.record(submitted(m, "a"))
	s.View(lane[0], func(m *message.Message) {
		if m.Status != message.Sent {
			s.Errorf("the message that was in the lane is %v after submit_sm_resp", m.Status)
		}
	})
}

func listSeesFilters(s *suite) {
	var ids, batches []message.ID
	for b := range 10 {
		var msgs []*message.Message
		batch := s.IDs().Next() // the ids of its messages follow closely
		batches = append(batches, batch)
		for n := range 200 {
			msgs = append(msgs, s.message(b*200+n, func(m *message.Message) {
				m.Batch, m.Account = batch, uint32(1+n%2)
				if n == 13 {
					m.Source.Addr = "Rare"
				}
			}))
		}
		s.accept(msgs...)
		ids = append(ids, idsOf(msgs)...)
		s.record(submitted(msgs[50], "x"), settled(msgs[60], message.Rejected))
		s.flush()
	}
	for name, c := range map[string]struct {
		q    store.Query
		want int
	}{
		"all":                {store.Query{}, 2000},
		"account":            {store.Query{Account: 1}, 1000},
		"unknown account":    {store.Query{Account: 3}, 0},
		"to":                 {store.Query{To: "491700000042"}, 1},
		"to of another":      {store.Query{To: "491700000042", Account: 2}, 0},
		"from":               {store.Query{From: "Rare"}, 10},
		"batch":              {store.Query{Batch: batches[3], Account: 1}, 100},
		"sent":               {store.Query{Status: message.Sent, Account: 1}, 10},
		"sent of all":        {store.Query{Status: message.Sent}, 10},
		"rejected":           {store.Query{Status: message.Rejected, Account: 1}, 10},
		"rejected of all":    {store.Query{Status: message.Rejected}, 10},
		"pending":            {store.Query{Status: message.Pending, Account: 2}, 1000},
		"rejected in batch":  {store.Query{Status: message.Rejected, Batch: batches[1], Account: 1}, 1},
		"nothing of the two": {store.Query{Status: message.Rejected, From: "Rare", Account: 2}, 0},
		"pending from rare":  {store.Query{Status: message.Pending, From: "Rare", Account: 2}, 10},
	} {
		for _, limit := range []int{1000, 7} {
			if got := s.walk(c.q, limit); got != c.want {
				s.Errorf("%s, %d a page: %d messages, want %d", name, limit, got, c.want)
			}
		}
	}
	msgs, _, _, err := s.List(context.Background(), store.Query{Page: 3, Limit: 10})
	if err != nil || len(msgs) != 10 || msgs[0].ID != ids[len(ids)-21] {
		s.Errorf("page 3 begins wrong: %v, %v", idsOf(msgs), err)
	}
}

// walk counts all answers by cursor and checks their order.
func (s *suite) walk(q store.Query, limit int) (n int) {
	s.Helper()
	last := ^message.ID(0)
	for q.Limit = limit; ; {
		msgs, next, _, err := s.List(context.Background(), q)
		s.must(err)
		for _, m := range msgs {
			if m.ID >= last {
				s.Fatalf("%s follows %s", m.ID, last)
			}
			last = m.ID
		}
		n += len(msgs)
		if q.Cursor = next; next == 0 {
			return n
		}
	}
}

// whatWaitsIsFound: in memory and where it stays, also after a start; what waits no more is not.
func whatWaitsIsFound(s *suite) {
	ordered := func(m *message.Message) { m.Flags |= message.Ordered }
	check := func(when string, want ...*message.Message) {
		s.Helper()
		found := map[message.ID]bool{}
		s.must(s.EachWaiting(context.Background(), func(m *message.Message) bool { return m.Flags&message.Ordered != 0 }, func(m *message.Message) { found[m.ID] = true }))
		if len(found) != len(want) {
			s.Errorf("%s: %d found, %d wait", when, len(found), len(want))
		}
		for _, m := range want {
			if !found[m.ID] {
				s.Errorf("%s: %s is missing", when, m.ID)
			}
		}
	}
	check("nothing")
	a, b, c := s.message(1, ordered), s.message(2, ordered), s.message(3, ordered)
	s.accept(a, b, c, s.message(4))
	check("fresh", a, b, c)
	s.flush()
	check("written", a, b, c)
	d := s.message(5, ordered)
	s.accept(d)
	cancelled := settled(b, message.Cancelled)
	cancelled.Part = message.AllParts
	s.record(submitted(a, "1"), cancelled)
	check("one sent, one cancelled", c, d)
	s.reopen()
	check("after a start", c, d)
}

func movedMessage(s *suite) {
	moved, stays, sent, there := s.message(1), s.message(2), s.message(3), s.message(4, func(m *message.Message) { m.Connector = Second })
	s.accept(moved, stays, sent, there)
	s.record(submitted(sent, "a"))
	move := func(m *message.Message) message.Event {
		return message.Event{Kind: message.Requeue, Msg: m, Part: message.AllParts, At: m.SubmittedAt, Connector: Second}
	}
	s.record(move(moved), move(sent))
	for _, when := range []string{"live", "where it stays", "after a start"} {
		s.wantLane(First, stays)
		s.wantLane(Second, there, moved)
		if now := s.stored(moved.ID); now.Connector != Second || now.Status != message.Pending {
			s.Errorf("%s: the moved message is %v on connector %d", when, now.Status, now.Connector)
		}
		if now := s.stored(sent.ID); now.Connector != First || now.Status != message.Sent {
			s.Errorf("%s: a message that the SMSC has moved: %v on connector %d", when, now.Status, now.Connector)
		}
		if when == "live" {
			s.flush()
		} else {
			s.reopen()
		}
	}
}

func heldMessage(s *suite) {
	m := s.message(1)
	s.accept(m)
	s.wantLane(First, m)
	s.record(message.Event{Kind: message.Hold, Msg: m, Part: message.AllParts, At: m.SubmittedAt})
	s.reopen()
	if got := s.stored(m.ID); got.Status != message.Held {
		s.Errorf("held, and yet %v", got.Status)
	}
	s.wantLane(First)
	held, _, err := s.LoadOpen(context.Background(), message.Held, message.Place{}, 10, func(*message.Message) bool { return true })
	if err != nil || !slices.Equal(idsOf(held), []message.ID{m.ID}) {
		s.Errorf("held are %v (%v)", idsOf(held), err)
	}
	s.record(message.Event{Kind: message.Requeue, Msg: m, Part: message.AllParts, At: m.SubmittedAt})
	s.wantLane(First, m)
}

func scheduledMessage(s *suite) {
	due := time.Now().Add(time.Hour).UnixMilli()
	m := s.message(1, scheduled(due))
	s.accept(m, s.message(2, scheduled(due+3_600_000)))
	s.wantLane(First)
	load := func(before int64) []message.ID {
		msgs, err := s.LoadDue(context.Background(), before, 10)
		s.must(err)
		return idsOf(msgs)
	}
	for range 2 {
		if got := load(due - 1); len(got) != 0 {
			s.Errorf("due are %v before their time", got)
		}
		if got := load(due + 1); !slices.Equal(got, []message.ID{m.ID}) {
			s.Errorf("due are %v, want %s", got, m.ID)
		}
		s.flush()
	}
	s.record(message.Event{Kind: message.Requeue, Msg: m, Part: message.AllParts, At: due})
	s.wantLane(First, m)
	if got := load(due + 1); len(got) != 0 {
		s.Errorf("due is %v once more", got)
	}
}

// scheduled makes a message one that waits for its time.
func scheduled(due int64) func(*message.Message) {
	return func(m *message.Message) {
		m.ScheduleAt, m.DueAt, m.Status = due, due, message.Scheduled
		for i := range m.Parts {
			m.Parts[i].Status = message.Scheduled
		}
	}
}

// outbox: what is final and not told yet is there, in the order of its ids, until it is told.
func outbox(s *suite) {
	const count, page = 50, 7
	tells := func(m *message.Message) { m.Flags |= message.NotifyFinal }
	msgs := make([]*message.Message, count)
	var evs []message.Event
	for i := range msgs {
		msgs[i] = s.message(i, tells)
		evs = append(evs, submitted(msgs[i], msgs[i].ID.String()), settled(msgs[i], message.Delivered))
	}
	quiet, waits := s.message(count), s.message(count+1, tells)
	s.accept(append(slices.Clone(msgs), quiet, waits)...)
	s.record(append(evs, submitted(quiet, "q"), settled(quiet, message.Delivered))...)
	told := func(m *message.Message, part uint16) message.Event {
		return message.Event{Kind: message.Notified, Msg: m, Part: part}
	}
	var done []message.Event
	for _, m := range msgs[10:30] {
		done = append(done, told(m, 0))
	}
	check := func(when string, want []*message.Message) {
		s.Helper()
		var got []message.ID
		for after := message.ID(0); ; after = got[len(got)-1] {
			list, err := s.LoadNotify(context.Background(), after, page)
			s.must(err)
			if len(list) == 0 {
				break
			}
			got = append(got, idsOf(list)...)
		}
		if !slices.Equal(got, idsOf(want)) {
			s.Errorf("%s: the outbox has %d messages, want %d: %v", when, len(got), len(want), got)
		}
	}
	check("final", msgs)
	s.flush()
	s.record(done...)
	left := append(slices.Clone(msgs[:10]), msgs[30:]...)
	check("some are told", left)
	s.reopen()
	check("after a start", left)
	s.record(told(msgs[10], message.Reopen))
	check("to be told again", append(slices.Clone(msgs[:11]), msgs[30:]...))
}

func nothingAfterStop(s *suite) {
	m := s.message(1)
	s.must(s.Stop(context.Background()), s.Stop(context.Background()))
	if err := s.Accept(context.Background(), []*message.Message{m}, store.AcceptExtra{}); !errors.Is(err, store.ErrStopped) {
		s.Errorf("a message after Stop: %v", err)
	}
	if err := s.wait(func(done func(error)) { s.Record(submitted(m, "a"), done) }); !errors.Is(err, store.ErrStopped) {
		s.Errorf("an event after Stop: %v", err)
	}
}
