package dispatch_test

import (
	"fmt"
	"testing"
	"time"

	"protei-bulk/bulk/dispatch"
	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
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

func TestLongTextInUCS2GoesAsAWhole(t *testing.T) {
	m := newSMSC(t, 100)
	r := newRig(t, m, settings{url: "binds=1", dispatch: dispatch.Options{Charset: dispatch.UCS2, RetryMin: 10 * time.Millisecond}})
	refusals := make(chan smpp.Status, 3)
	for _, st := range []smpp.Status{smpp.RTHROTTLED, smpp.RSYSERR} {
		refusals <- st
	}
	m.onSubmit(func(s *smpp.Session, req *smpp.Request, _ *smpp.SubmitSM) {
		select {
		case st := <-refusals:
			s.Respond(req.Seq, req.ID, st, nil)
		default:
			m.accept(s, req)
		}
	})
	text := func(i int, parts ...string) *message.Message {
		m := r.message(i, parts...)
		m.Encoding = uint8(gsm.GSM7)
		return m
	}
	long := text(1, "one ", "two ", "three")
	r.accept(long)
	r.expect(message.Sent, 1)
	if n := len(m.all()); n != 3 { // throttled, refused for now, taken
		t.Errorf("%d submit_sm, want 3", n)
	}
	if st := m.receipt(m.bound()[0], "1", "99361000001", "DELIVRD"); st != smpp.ROK {
		t.Errorf("receipt: %v", st)
	}
	r.expect(message.Delivered, 1)
	got := r.get(long.ID)
	for i := range got.Parts {
		if got.Parts[i].SMSCID != "1" || got.Parts[i].Status != message.Delivered {
			t.Errorf("part %d is %+v", i, got.Parts[i])
		}
	}
	refusals <- smpp.RINVDSTADR
	r.accept(text(2, "one ", "two "))
	r.expect(message.Rejected, 1)
}
