package message_test

import (
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"protei-bulk/bulk/message"
)

func TestIDsRiseWhenTheClockFallsBack(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	src := message.NewIDSource(7, 0, func() time.Time { return now })
	last := src.Next()
	for i := range 10_000 {
		if i%3000 == 2999 {
			now = now.Add(-time.Minute)
		}
		id := src.Next()
		if id <= last {
			t.Fatalf("id %s after %s", id, last)
		}
		last = id
	}
	if ahead := last.Time().Sub(time.UnixMilli(1_700_000_000_000)); ahead > 4*time.Millisecond {
		t.Errorf("10,000 ids borrowed %v: 4,096 fit in a millisecond", ahead)
	}
}

func TestIDsStayAboveTheFloor(t *testing.T) {
	floor := message.FirstID(time.UnixMilli(1_800_000_000_000)) + 3<<12 + 4095
	src := message.NewIDSource(3, floor, func() time.Time { return time.UnixMilli(1_700_000_000_000) })
	if id := src.Next(); id <= floor {
		t.Fatalf("%s is not above the floor %s", id, floor)
	}
}

func TestIDsOfTwoNodesNeverMeet(t *testing.T) {
	now := func() time.Time { return time.UnixMilli(1_700_000_000_000) }
	seen := map[message.ID]bool{}
	for _, node := range []uint16{0, 1, message.MaxNode} {
		src := message.NewIDSource(node, 0, now)
		ids := make([]message.ID, 9000)
		src.Fill(ids)
		for _, id := range ids {
			if seen[id] {
				t.Fatalf("%s was issued twice", id)
			}
			seen[id] = true
		}
	}
}

func TestIDsAreUniqueAcrossGoroutines(t *testing.T) {
	src := message.NewIDSource(1, 0, nil)
	got := make([][]message.ID, 8)
	var wg sync.WaitGroup
	for g := range got {
		wg.Go(func() {
			for range 2000 {
				got[g] = append(got[g], src.Next())
			}
		})
	}
	wg.Wait()
	seen := map[message.ID]bool{}
	for _, ids := range got {
		for _, id := range ids {
			if seen[id] {
				t.Fatal("issued twice:", id)
			}
			seen[id] = true
		}
	}
}

func TestIDText(t *testing.T) {
	id := message.ID(0x0123456789abcdef)
	if id.String() != "0123456789abcdef" {
		t.Error(id.String())
	}
	for _, s := range []string{"0123456789abcdef", "0123456789ABCDEF"} {
		if got, err := message.ParseID(s); err != nil || got != id {
			t.Errorf("ParseID(%q) = %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "0123456789abcde", "0123456789abcdefa", "0123456789abcdeg", "8123456789abcdef", "+123456789abcdef"} {
		if got, err := message.ParseID(s); err == nil {
			t.Errorf("ParseID(%q) = %v, want an error", s, got)
		}
	}
}

func TestFinalStatusIsNeverOverwritten(t *testing.T) {
	for _, from := range message.Statuses() {
		for _, to := range message.Statuses() {
			if from.Final() && from != message.Unknown && from.CanBecome(to) {
				t.Errorf("%s may become %s", from, to)
			}
			if from == message.Unknown && from.CanBecome(to) && !to.Final() {
				t.Errorf("UNKNOWN may become %s", to)
			}
		}
		if back, err := message.ParseStatus(from.String()); err != nil || back != from {
			t.Errorf("ParseStatus(%s) = %v, %v", from, back, err)
		}
	}
}

func newMessage(parts int) *message.Message {
	m := &message.Message{ID: 1, Flags: message.NotifyFinal | message.WantReceipt, Status: message.Pending}
	m.SetParts(parts)
	return m
}

func TestLongMessageEndsWithItsWorstPart(t *testing.T) {
	m := newMessage(3)
	apply := func(e message.Event) message.Event { e.Msg = m; e.Apply(); return e }
	apply(message.Event{Kind: message.Accept, Seq: 9})
	for i := range 3 {
		apply(message.Event{Kind: message.Submitted, Part: uint16(i), SMSCID: "a", At: 10})
		if want := i < 2; (m.LaneSeq != 0) != want {
			t.Errorf("after part %d: lane sequence %d", i, m.LaneSeq)
		}
	}
	apply(message.Event{Kind: message.Settle, Part: 0, Status: message.Delivered, At: 11})
	apply(message.Event{Kind: message.Settle, Part: 1, Status: message.Failed, Error: 5, At: 12})
	if m.Status != message.Sent || m.Notify != message.NotifyNone {
		t.Fatalf("with a part open: %s, notify %d", m.Status, m.Notify)
	}
	e := apply(message.Event{Kind: message.Settle, Part: 2, Status: message.Delivered, At: 13})
	if !e.Changed || e.Was != message.Sent || e.Now != message.Failed || m.Notify != message.NotifyOpen || m.DoneAt != 13 {
		t.Fatalf("%+v notify %d done %d", e, m.Notify, m.DoneAt)
	}
	if e := apply(message.Event{Kind: message.Settle, Part: 2, Status: message.Failed, At: 14}); e.Changed {
		t.Error("a second final state changed the message")
	}
	if e := apply(message.Event{Kind: message.Notified}); !e.Changed || m.Notify != message.NotifyDone {
		t.Error("Notified did not end the outbox entry")
	}
	if e := apply(message.Event{Kind: message.Notified}); e.Changed {
		t.Error("Notified twice counted twice")
	}
}

func TestReceiptBeforeItsResponse(t *testing.T) {
	m := newMessage(1)
	settle := message.Event{Kind: message.Settle, Msg: m, Status: message.Delivered, At: 5}
	settle.Apply()
	late := message.Event{Kind: message.Submitted, Msg: m, SMSCID: "x", At: 6}
	late.Apply()
	if m.Status != message.Delivered || m.Parts[0].SMSCID != "x" {
		t.Fatalf("%s, SMSC id %q", m.Status, m.Parts[0].SMSCID)
	}
}

func TestFailureOnlyReceiptsStayQuietOnDelivery(t *testing.T) {
	for status, want := range map[message.Status]message.NotifyState{
		message.Delivered: message.NotifyNone, message.Expired: message.NotifyOpen,
	} {
		m := newMessage(1)
		m.Flags |= message.NotifyFailureOnly
		e := message.Event{Kind: message.Settle, Msg: m, Part: message.AllParts, Status: status}
		e.Apply()
		if m.Notify != want {
			t.Errorf("%s: notify %d, want %d", status, m.Notify, want)
		}
	}
}

// TestEventsReplay: applying any history twice over gives the state of applying it
// once, as far as final states go: what recovery relies on.
func TestEventsReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMessage(rapid.IntRange(1, 4).Draw(t, "parts"))
		for range rapid.IntRange(0, 30).Draw(t, "events") {
			e := message.Event{
				Kind:   message.Kind(rapid.IntRange(2, 6).Draw(t, "kind")),
				Msg:    m,
				Part:   uint16(rapid.SampledFrom([]int{0, 1, 2, 3, message.AllParts}).Draw(t, "part")),
				Status: message.Status(rapid.IntRange(int(message.Delivered), int(message.Unknown)).Draw(t, "status")),
				SMSCID: "id", Seq: 5, At: 1,
			}
			before := make([]message.Part, len(m.Parts))
			copy(before, m.Parts)
			e.Apply()
			for i, p := range m.Parts {
				if was := before[i].Status; was != p.Status && !was.CanBecome(p.Status) {
					t.Fatalf("part %d went from %s to %s", i, was, p.Status)
				}
			}
			if m.Status.Final() {
				for _, p := range m.Parts {
					if !p.Status.Final() {
						t.Fatalf("message is %s with a part %s", m.Status, p.Status)
					}
				}
			}
			again := e
			again.Apply()
			if again.Changed && e.Kind == message.Settle && e.Status != message.Unknown {
				t.Fatalf("%+v changed the message twice", e)
			}
		}
	})
}

func BenchmarkEventApply(b *testing.B) {
	m := newMessage(1)
	b.ReportAllocs()
	for b.Loop() {
		m.Status, m.Parts[0].Status, m.Notify = message.Pending, message.Pending, 0
		for _, e := range []message.Event{
			{Kind: message.Accept, Msg: m, Seq: 1},
			{Kind: message.Submitted, Msg: m, SMSCID: "1"},
			{Kind: message.Settle, Msg: m, Status: message.Delivered},
		} {
			e.Apply()
		}
	}
}

func TestReopenTellsAgain(t *testing.T) {
	m := newMessage(1)
	apply := func(e message.Event) bool { e.Msg = m; e.Apply(); return e.Changed }
	if apply(message.Event{Kind: message.Notified, Part: message.Reopen}) {
		t.Error("a message on its way was opened")
	}
	apply(message.Event{Kind: message.Settle, Status: message.Failed, At: 3})
	apply(message.Event{Kind: message.Notified})
	if !apply(message.Event{Kind: message.Notified, Part: message.Reopen}) || m.Notify != message.NotifyOpen {
		t.Errorf("notify %d after it was told, want open", m.Notify)
	}
	if apply(message.Event{Kind: message.Notified, Part: message.Reopen}) {
		t.Error("opened twice")
	}
	if !apply(message.Event{Kind: message.Notified}) || m.Notify != message.NotifyDone || m.DoneAt != 3 {
		t.Errorf("notify %d, done at %d", m.Notify, m.DoneAt)
	}
}

// What expires in a lane says why its last try failed; any other end says its own reason.
func TestExpiredKeepsTheErrorOfTheLastTry(t *testing.T) {
	for status, want := range map[message.Status]uint32{message.Expired: 0x64, message.Delivered: 0} {
		m := &message.Message{Status: message.Pending}
		m.SetParts(1)
		for _, ev := range []message.Event{
			{Kind: message.Requeue, Msg: m, Error: 0x64, At: 1, Due: 2}, {Kind: message.Settle, Msg: m, Status: status, At: 3},
		} {
			ev.Apply()
		}
		if m.Parts[0].Error != want || m.Status != status {
			t.Errorf("%v: error %#x, want %#x", m.Status, m.Parts[0].Error, want)
		}
	}
}
