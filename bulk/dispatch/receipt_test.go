package dispatch_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/dispatch"
	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
)

// The five oddities of item 58 of the checklist: before the response, on another bind,
// after a reconnect, for an unknown id, twice.
func TestReceiptBeforeTheResponse(t *testing.T) {
	m := newSMSC(t, 100)
	asked := make(chan func(), 1)
	m.onSubmit(func(s *smpp.Session, r *smpp.Request, _ *smpp.SubmitSM) {
		seq, id := r.Seq, r.ID
		asked <- func() { s.Respond(seq, id, smpp.ROK, &smpp.SubmitSMResp{MessageID: []byte("early")}) }
	})
	r := newRig(t, m, settings{url: "binds=2"})
	msgs := r.send(1)
	respond := <-asked
	eventually(t, "two binds", func() bool { return len(m.bound()) == 2 })
	if st := m.receipt(m.bound()[1], "early", msgs[0].Dest.Addr, "DELIVRD"); st != smpp.ROK {
		t.Fatalf("receipt answered %v", st)
	}
	if n := r.store.Parked(); n != 1 {
		t.Fatalf("%d receipts parked, want 1: it was acknowledged before its message is known", n)
	}
	respond()
	r.expect(message.Delivered, 1)
}

func TestReceiptOvertakesTheResponse(t *testing.T) {
	m := newSMSC(t, 100)
	asked := make(chan func(), 1)
	m.onSubmit(func(s *smpp.Session, r *smpp.Request, _ *smpp.SubmitSM) {
		seq, id := r.Seq, r.ID
		asked <- func() { s.Respond(seq, id, smpp.ROK, &smpp.SubmitSMResp{MessageID: []byte("tight")}) }
	})
	r := newRig(t, m, settings{dispatch: dispatch.Options{ReceiptWait: 300 * time.Millisecond}})
	msgs := r.send(1)
	respond := <-asked
	s := m.bound()[0]
	answer := make(chan smpp.Status, 1)
	go func() { answer <- m.receipt(s, "tight", msgs[0].Dest.Addr, "DELIVRD") }()
	eventually(t, "receipt", func() bool { return r.d.Counters().Receipts == 1 })
	respond()
	// The resolver looks again after ReceiptWait, or stops before; either way the
	// receipt is not lost. A shorter wait is the next test.
	select {
	case st := <-answer:
		if st != smpp.ROK {
			t.Errorf("receipt answered %v", st)
		}
	case <-time.After(patience):
		t.Fatal("receipt not answered")
	}
	if n := r.d.Counters().Parked; n != 0 {
		t.Errorf("%d parked, want 0: the response came within the wait", n)
	}
	r.expect(message.Delivered, 1)
}

func TestReceiptTwiceAndContradicting(t *testing.T) {
	m := newSMSC(t, 100)
	r := newRig(t, m, settings{})
	msgs := r.send(1)
	r.expect(message.Sent, 1)
	for _, stat := range []string{"DELIVRD", "DELIVRD", "UNDELIV", "ENROUTE"} {
		if st := m.receipt(m.bound()[0], "1", msgs[0].Dest.Addr, stat); st != smpp.ROK {
			t.Errorf("%s answered %v", stat, st)
		}
	}
	if got := r.get(msgs[0].ID); got.Status != message.Delivered {
		t.Errorf("%v after a second final state", got.Status)
	}
	if c := r.d.Counters(); c.Receipts != 3 || c.Intermediate != 1 {
		t.Errorf("counters %+v", c)
	}
}

func TestReceiptForAnUnknownID(t *testing.T) {
	m := newSMSC(t, 100)
	r := newRig(t, m, settings{})
	eventually(t, "bind", func() bool { return len(m.bound()) > 0 })
	if st := m.receipt(m.bound()[0], "nobody", "993612345678", "DELIVRD"); st != smpp.ROK {
		t.Errorf("answered %v", st)
	}
	if n := r.store.Parked(); n != 1 {
		t.Errorf("%d parked, want 1", n)
	}
}

func TestReceiptAfterRestartIsFoundOnDisk(t *testing.T) {
	m := newSMSC(t, 100)
	r := newRig(t, m, settings{})
	msgs := r.send(3)
	r.expect(message.Sent, 3)
	sid := r.get(msgs[1].ID).Parts[0].SMSCID
	left := r.crash()
	r2 := newRig(t, m, settings{store: left})
	eventually(t, "new bind", func() bool { return r2.group.Up() })
	bound := m.bound()
	if st := m.receipt(bound[len(bound)-1], sid, msgs[1].Dest.Addr, "DELIVRD"); st != smpp.ROK {
		t.Fatalf("answered %v", st)
	}
	if got := r2.get(msgs[1].ID); got.Status != message.Delivered {
		t.Errorf("message is %v", got.Status)
	}
	if c := r2.d.Counters(); c.Resolved != 1 {
		t.Errorf("counters %+v, want one receipt found on disk", c)
	}
}

func TestReceiptsInAnotherBase(t *testing.T) {
	for _, c := range []struct{ mode, response, receipt string }{
		{"auto", "1a2b3c4d", "439041101"},
		{"auto", "1A2B3C4D", "439041101"},
		{"auto", "0A2B3C4D", "170605645"},
		{"auto", "439041101", "1A2B3C4D"},
		{"auto", "0170605645", "a2b3c4d"},
		{"dec2hex", "1a2b3c4d", "439041101"},
		{"hex2dec", "439041101", "1a2b3c4d"},
		{"raw", "439041101", "439041101"},
	} {
		t.Run(c.mode+"/"+c.response, func(t *testing.T) {
			m := newSMSC(t, 100)
			m.onSubmit(func(s *smpp.Session, r *smpp.Request, _ *smpp.SubmitSM) {
				s.Respond(r.Seq, r.ID, smpp.ROK, &smpp.SubmitSMResp{MessageID: []byte(c.response)})
			})
			r := newRig(t, m, settings{url: "ids=" + c.mode})
			msgs := r.send(1)
			r.expect(message.Sent, 1)
			if st := m.receipt(m.bound()[0], c.receipt, msgs[0].Dest.Addr, "DELIVRD"); st != smpp.ROK {
				t.Fatalf("answered %v", st)
			}
			if got := r.get(msgs[0].ID); got.Status != message.Delivered {
				t.Errorf("message is %v", got.Status)
			}
		})
	}
}

func TestRawModeDoesNotConvert(t *testing.T) {
	m := newSMSC(t, 100)
	m.onSubmit(func(s *smpp.Session, r *smpp.Request, _ *smpp.SubmitSM) {
		s.Respond(r.Seq, r.ID, smpp.ROK, &smpp.SubmitSMResp{MessageID: []byte("ff")})
	})
	r := newRig(t, m, settings{url: "ids=raw"})
	msgs := r.send(1)
	r.expect(message.Sent, 1)
	m.receipt(m.bound()[0], "255", msgs[0].Dest.Addr, "DELIVRD")
	if n := r.store.Parked(); n != 1 {
		t.Errorf("%d parked, want 1", n)
	}
}

func TestReceiptForms(t *testing.T) {
	id := smpp.TLVs(nil).AppendCString(smpp.TagReceiptedMessageID, []byte("1")).AppendByte(smpp.TagMessageState, byte(smpp.StateDelivered))
	for name, c := range map[string]struct {
		pdu    smpp.DeliverSM
		answer smpp.Status
		want   message.Status
	}{
		"TLVs only":                {smpp.DeliverSM{ESMClass: smpp.ESMReceipt, TLVs: id}, smpp.ROK, message.Delivered},
		"intermediate":             {smpp.DeliverSM{ESMClass: smpp.ESMIntermediate, ShortMessage: []byte("id:1 stat:ENROUTE")}, smpp.ROK, message.Sent},
		"accepted is not final":    {smpp.DeliverSM{ESMClass: smpp.ESMReceipt, ShortMessage: []byte("id:1 stat:ACCEPTD err:000")}, smpp.ROK, message.Sent},
		"neither id nor state":     {smpp.DeliverSM{ESMClass: smpp.ESMReceipt, ShortMessage: []byte("hello")}, smpp.RXPAPPN, message.Sent},
		"mobile-originated":        {smpp.DeliverSM{ShortMessage: []byte("STOP")}, smpp.RXPAPPN, message.Sent},
		"text in message_payload":  {smpp.DeliverSM{ESMClass: smpp.ESMReceipt, TLVs: smpp.TLVs(nil).Append(smpp.TagMessagePayload, []byte("id:1 stat:DELIVRD"))}, smpp.ROK, message.Delivered},
		"another subscriber's id":  {smpp.DeliverSM{ESMClass: smpp.ESMReceipt, Source: smpp.Address{Addr: []byte("99369999999")}, ShortMessage: []byte("id:1 stat:DELIVRD")}, smpp.ROK, message.Sent},
		"deleted counts as failed": {smpp.DeliverSM{ESMClass: smpp.ESMReceipt, ShortMessage: []byte("id:1 stat:DELETED err:042")}, smpp.ROK, message.Failed},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			m := newSMSC(t, 100)
			r := newRig(t, m, settings{})
			msgs := r.send(1)
			r.expect(message.Sent, 1)
			if st := m.deliver(m.bound()[0], &c.pdu); st != c.answer {
				t.Errorf("answered %v, want %v", st, c.answer)
			}
			if got := r.get(msgs[0].ID); got.Status != c.want {
				t.Errorf("message is %v, want %v", got.Status, c.want)
			}
		})
	}
}

func TestReceiptErrorCodeIsKept(t *testing.T) {
	m := newSMSC(t, 100)
	r := newRig(t, m, settings{})
	msgs := r.send(1)
	r.expect(message.Sent, 1)
	m.receipt(m.bound()[0], "1", msgs[0].Dest.Addr, "UNDELIV")
	if got := r.get(msgs[0].ID).Parts[0]; got.Status != message.Failed || got.Error != 7 {
		t.Errorf("part is %+v", got)
	}
}

func TestReceiptsOverTheBoundComeAgain(t *testing.T) {
	m := newSMSC(t, 100)
	r := newRig(t, m, settings{dispatch: dispatch.Options{ReceiptQueue: 1, ReceiptWait: time.Nanosecond}})
	eventually(t, "bind", func() bool { return len(m.bound()) > 0 })
	r.store.CommitTime = 0
	s := m.bound()[0]
	var later atomic.Int64
	done := make(chan struct{}, 1000)
	for i := range 1000 {
		go func() {
			defer func() { done <- struct{}{} }()
			id := fmt.Sprintf("none%d", i)
			for m.receipt(s, id, "", "DELIVRD") == smpp.RXTAPPN {
				later.Add(1)
			}
		}()
	}
	for range 1000 {
		<-done
	}
	if n := r.store.Parked(); n != 1000 {
		t.Errorf("%d parked, want all 1000", n)
	}
	if later.Load() != int64(r.d.Counters().Refused) {
		t.Errorf("%d answered ESME_RX_T_APPN, %d counted", later.Load(), r.d.Counters().Refused)
	}
}
