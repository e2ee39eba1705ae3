package message_test

import (
	"testing"

	"protei-bulk/bulk/message"
)

func sentAndWaiting() *message.Message {
	m := &message.Message{ID: 1, Status: message.Pending, LaneSeq: 7}
	m.SetParts(3)
	ev := message.Event{Kind: message.Submitted, Msg: m, Part: 0, SMSCID: "a", At: 10}
	ev.Apply()
	return m
}

func TestRequeueOfAllPartsLeavesSentOnes(t *testing.T) {
	m := sentAndWaiting()
	ev := message.Event{Kind: message.Requeue, Msg: m, Part: message.AllParts, At: 20, Due: 1020, Seq: 9, Error: 8}
	ev.Apply()
	for i, want := range []message.Status{message.Sent, message.Pending, message.Pending} {
		if got := m.Parts[i].Status; got != want {
			t.Errorf("part %d is %v, want %v", i, got, want)
		}
	}
	if m.LaneSeq != 9 || m.DueAt != 1020 {
		t.Errorf("lane seq %d due %d, want 9 and 1020", m.LaneSeq, m.DueAt)
	}
}

func TestRequeueFarAheadIsScheduled(t *testing.T) {
	for _, c := range []struct {
		due  int64
		want message.Status
	}{{0, message.Pending}, {20 + message.FarDue, message.Pending}, {21 + message.FarDue, message.Scheduled}} {
		m := &message.Message{ID: 1, Status: message.Pending, LaneSeq: 7}
		m.SetParts(1)
		ev := message.Event{Kind: message.Requeue, Msg: m, Part: message.AllParts, At: 20, Due: c.due, Seq: 9}
		ev.Apply()
		if m.Status != c.want {
			t.Errorf("due %d: %v, want %v", c.due, m.Status, c.want)
		}
	}
}

func TestSubmittedKeepsTheDuplicateMark(t *testing.T) {
	m := &message.Message{ID: 1, Status: message.Pending, LaneSeq: 7}
	m.SetParts(1)
	ev := message.Event{Kind: message.Submitted, Msg: m, SMSCID: "a", At: 10, Dup: true}
	ev.Apply()
	if !m.PossibleDuplicate {
		t.Error("possible duplicate was not set")
	}
}

func TestHoldOfAllPartsLeavesSentOnes(t *testing.T) {
	m := sentAndWaiting()
	hold := message.Event{Kind: message.Hold, Msg: m, Part: message.AllParts, At: 20}
	hold.Apply()
	for i, want := range []message.Status{message.Sent, message.Held, message.Held} {
		if got := m.Parts[i].Status; got != want {
			t.Errorf("part %d is %v, want %v", i, got, want)
		}
	}
	if m.Status != message.Held || m.LaneSeq != 0 {
		t.Fatalf("%v with lane seq %d, want HELD in no lane", m.Status, m.LaneSeq)
	}
	release := message.Event{Kind: message.Requeue, Msg: m, Part: message.AllParts, At: 30, Seq: 9, Dup: true}
	release.Apply()
	for i, want := range []message.Status{message.Sent, message.Pending, message.Pending} {
		if got := m.Parts[i].Status; got != want {
			t.Errorf("released: part %d is %v, want %v", i, got, want)
		}
	}
	if m.LaneSeq != 9 || !m.PossibleDuplicate {
		t.Errorf("released: lane seq %d, possible duplicate %v", m.LaneSeq, m.PossibleDuplicate)
	}
}
