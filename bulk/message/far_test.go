package message

import "testing"

// TestFarRetryOfAPart: a long message of which a part is SENT keeps its one place, in its lane,
// when the retry of another part is far away and the first one's receipt comes.
func TestFarRetryOfAPart(t *testing.T) {
	m := &Message{Status: Pending, Flags: WantReceipt, LaneSeq: 1}
	m.SetParts(2)
	for _, ev := range []Event{
		{Kind: Submitted, Msg: m, Part: 0, SMSCID: "a", At: 1},
		{Kind: Requeue, Msg: m, Part: 1, Error: 8, At: 2, Due: 2 + 2*FarDue, Seq: 7},
		{Kind: Settle, Msg: m, Part: 0, Status: Delivered, At: 3},
	} {
		ev.Apply()
		if m.Status == Scheduled || !m.Waits() {
			t.Fatalf("after event %d it is %v and waits: %v", ev.Kind, m.Status, m.Waits())
		}
	}
	if m.Status != Pending || m.LaneSeq != 7 || m.DueAt != 2+2*FarDue {
		t.Errorf("%v at place %d, due %d", m.Status, m.LaneSeq, m.DueAt)
	}
	whole := &Message{Status: Pending, LaneSeq: 1}
	whole.SetParts(2)
	ev := Event{Kind: Requeue, Msg: whole, Part: AllParts, Error: 8, At: 2, Due: 2 + 2*FarDue, Seq: 9}
	if ev.Apply(); whole.Status != Scheduled {
		t.Errorf("of which nothing is sent: %v", whole.Status)
	}
}
