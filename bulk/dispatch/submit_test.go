package dispatch_test

import (
	"fmt"
	"testing"

	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
)

func TestMessagesReachTheSMSCInOrder(t *testing.T) {
	m := newSMSC(t, 100)
	r := newRig(t, m, settings{url: "binds=1&window=10"})
	msgs := r.send(500)
	r.expect(message.Sent, len(msgs))
	got := m.all()
	if len(got) != len(msgs) {
		t.Fatalf("the SMSC has %d submit_sm, want %d", len(got), len(msgs))
	}
	for i, g := range got {
		want := fmt.Sprintf("%v/1", msgs[i].ID)
		if g.trace != want || g.text != fmt.Sprintf("hello %d", i) || g.dest != msgs[i].Dest.Addr {
			t.Fatalf("submit_sm %d is %+v, want trace %s", i, g, want)
		}
		if g.registered != 1 || len(g.validity) != 16 || g.more || g.dup {
			t.Fatalf("submit_sm %d has the wrong fields: %+v", i, g)
		}
	}
	if sid := r.get(msgs[7].ID).Parts[0].SMSCID; sid != "8" {
		t.Errorf("the eighth message has SMSC id %q, want 8", sid)
	}
}

func TestReceiptsSettleMessages(t *testing.T) {
	m := newSMSC(t, 100)
	r := newRig(t, m, settings{url: "binds=2"})
	msgs := r.send(20)
	r.expect(message.Sent, 20)
	s := m.bound()[0]
	for i, msg := range msgs {
		sid := r.get(msg.ID).Parts[0].SMSCID
		stat := [...]string{"DELIVRD", "UNDELIV", "EXPIRED", "REJECTD", "UNKNOWN"}[i%5]
		if st := m.receipt(s, sid, msg.Dest.Addr, stat); st != smpp.ROK {
			t.Fatalf("receipt answered %v", st)
		}
	}
	for _, want := range []message.Status{message.Delivered, message.Failed, message.Expired, message.Rejected, message.Unknown} {
		if n := r.store.Count()[want]; n != 4 {
			t.Errorf("%d messages %v when the receipts are acknowledged, want 4", n, want)
		}
	}
}
