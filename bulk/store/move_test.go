package store_test

import (
	"context"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// waitingIn returns the ids that wait in a connector's lane.
func waitingIn(t *testing.T, s *store.Embedded, connector uint16) (ids []message.ID) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	msgs, _, err := s.LoadLane(ctx, message.Lane{Connector: connector, Priority: message.Normal}, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range msgs {
		ids = append(ids, m.ID)
	}
	return ids
}

func TestMovedMessageWaitsInOneLaneOnly(t *testing.T) {
	m := newMachine(t, store.Options{})
	normal := func(c uint16) func(*message.Message) {
		return func(m *message.Message) { m.Connector, m.Priority = c, message.Normal }
	}
	moved, stays, sent := newMessage(m.s, 1, normal(3)), newMessage(m.s, 2, normal(3)), newMessage(m.s, 3, normal(3))
	accept(t, m.s, moved, stays, sent, newMessage(m.s, 4, normal(4)))
	record(t, m.s, submitted(sent, "a"))
	move := func(msg *message.Message) message.Event {
		return message.Event{Kind: message.Requeue, Msg: msg, Part: message.AllParts, At: msg.SubmittedAt, Connector: 4}
	}
	record(t, m.s, move(moved), move(sent))
	check := func(when string) {
		t.Helper()
		if a, b := waitingIn(t, m.s, 3), waitingIn(t, m.s, 4); len(a) != 1 || a[0] != stays.ID || len(b) != 2 || b[1] != moved.ID {
			t.Errorf("%s: %v wait in lane 3 and %v in lane 4", when, a, b)
		}
		now, err := m.s.Message(t.Context(), moved.ID)
		if err != nil || now.Connector != 4 || now.Status != message.Pending {
			t.Errorf("%s: %+v, %v", when, now, err)
		}
		if now, err := m.s.Message(t.Context(), sent.ID); err != nil || now.Connector != 3 || now.Status != message.Sent {
			t.Errorf("%s: a message that the SMSC has moved: %+v, %v", when, now, err)
		}
	}
	check("live")
	flush(t, m.s)
	check("in the database")
	accept(t, m.s, newMessage(m.s, 5, normal(9))) // something to write
	if err := m.crashAt("committed"); err != nil {
		t.Fatal(err)
	}
	check("after a crash")
	var next uint64
	for _, lane := range m.s.Recovery() {
		if lane.Lane == (message.Lane{Connector: 4, Priority: message.Normal}) {
			next = lane.Next
		}
	}
	if next < 3 {
		t.Errorf("lane 4 goes on with %d, and two messages wait in it", next)
	}
}
