package postgres

import (
	"testing"
	"time"

	"protei-bulk/bulk/message"
)

// TestFeederOfAFullLane: what a lane has no room for comes when there is room, in order and each
// message once, whether it was hinted at, accepted here or is older than all of them.
func TestFeederOfAFullLane(t *testing.T) {
	db := database(t)
	const most = 10
	var a *node
	sent := 0 // guarded by a.mu
	a = open(t, db, 3, func(o *Options) {
		o.Room = func(message.Lane) int {
			a.mu.Lock()
			defer a.mu.Unlock()
			return most - (len(a.lane) - sent)
		}
	})
	b := open(t, db, 4)
	a.own(1)
	a.looked(1)
	// Older than a walk that goes on would look, and in today's partition.
	old := b.make(30, 1)
	before := time.Now().Add(-3 * lateCommit)
	for i, m := range old {
		m.ID = message.FirstID(before.Add(time.Duration(i)*time.Millisecond)) + 1
	}
	msgs := a.make(40, 1)
	a.accept(msgs)
	b.accept(old)
	a.Hinted(msgs[0].Lane(), idsOf(old), func(error) {})
	msgs = append(msgs, b.make(40, 1)...)
	b.accept(msgs[40:]) // nobody hints at these
	want := len(old) + len(msgs)
	for sent < want {
		var evs []message.Event
		a.until("the lane has more", func() bool {
			for _, ev := range a.lane[sent:] {
				evs = append(evs, submitted(ev.Msg, ev.Msg.ID.String()))
			}
			return len(evs) > 0
		})
		if len(evs) > most {
			t.Fatalf("%d messages are in a lane that has room for %d", len(evs), most)
		}
		a.must(evs...)
		a.mu.Lock()
		sent += len(evs)
		a.mu.Unlock()
	}
	seen := make(map[message.ID]bool)
	for _, id := range a.arrived() {
		if seen[id] {
			t.Errorf("%s came twice", id)
		}
		seen[id] = true
	}
	if len(seen) != want {
		t.Errorf("%d of %d came", len(seen), want)
	}
	a.until("it is behind no more", func() bool { return !a.owners.of(1).behind(int(message.Normal)) })
}

// TestHintsAreBounded: hints count until they are done, also those that the feeder has taken out and
// has no room for.
func TestHintsAreBounded(t *testing.T) {
	var f feed
	f.init()
	half := make([]message.ID, maxHints/2)
	if !f.add(message.Normal, hint{ids: half}) || !f.add(message.High, hint{ids: half}) {
		t.Fatal("there is room, and yet they are refused")
	}
	if list := f.take(int(message.Normal)); len(list) != 1 {
		t.Errorf("%d hints are taken out", len(list))
	}
	if f.add(message.Normal, hint{ids: half[:1]}) {
		t.Error("one more than the bound is taken while none is done")
	}
	f.done(1)
	if !f.add(message.Normal, hint{ids: half[:1]}) {
		t.Error("one is done, and no other one is taken for it")
	}
}
