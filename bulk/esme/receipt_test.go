package esme_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/esme"
	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
	"protei-bulk/smpp/smpptest"
)

// settle makes the notice open and pushes it, as the store's hook does.
func (r *rig) settle(n esme.Notice) bool {
	r.outbox.add(n)
	return r.srv.Push(n)
}

func TestReceipt(t *testing.T) {
	r := newRig(t, account.Spec{}, nil)
	d := newDeliveries()
	r.bind(t, smpp.Transceiver, d)
	at := time.Date(2026, 11, 23, 15, 7, 0, 0, time.UTC)
	t.Run("items 50 to 52: delivered", func(t *testing.T) {
		n := r.notice(message.Delivered)
		n.SubmittedAt, n.DoneAt, n.ClientRef = at.UnixMilli(), at.Add(time.Minute).UnixMilli(), "4711"
		n.DoneAt = time.Now().UnixMilli()
		if !r.settle(n) {
			t.Fatal("not taken")
		}
		p := d.next(t)
		want := "id:" + n.MessageID.String() + " sub:001 dlvrd:001 submit date:2611231507 done date:" + time.UnixMilli(n.DoneAt).UTC().Format("0601021504") + " stat:DELIVRD err:000 text:Your code is 123456,"
		if string(p.ShortMessage) != want || !p.IsReceipt() || p.DataCoding != 0 {
			t.Fatalf("\n got %s\nwant %s", p.ShortMessage, want)
		}
		if string(p.Source.Addr) != "4915112345678" || p.Source.TON != 1 || p.Source.NPI != 1 || string(p.Dest.Addr) != "ACME" || p.Dest.TON != 5 || p.Dest.NPI != 0 {
			t.Fatalf("from %+v to %+v", p.Source, p.Dest)
		}
		rec, err := smpp.ParseReceipt(p.ShortMessage, p.TLVs)
		if err != nil || string(rec.ID) != n.MessageID.String() || rec.State != smpp.StateDelivered {
			t.Fatalf("%+v, %v", rec, err)
		}
		if id, ok := p.TLVs.FindCString(smpp.TagReceiptedMessageID); !ok || string(id) != n.MessageID.String() {
			t.Fatalf("receipted_message_id %s", id)
		}
		if ref, ok := p.TLVs.FindUint16(smpp.TagUserMessageReference); !ok || ref != 4711 {
			t.Fatalf("item 27: user_message_reference %d", ref)
		}
		r.outbox.wait(t, n.MessageID)
	})
	for st, want := range map[message.Status]string{
		message.Failed: "UNDELIV", message.Rejected: "REJECTD", message.Expired: "EXPIRED", message.Cancelled: "DELETED", message.Unknown: "UNKNOWN",
	} {
		t.Run("item 53: "+want, func(t *testing.T) {
			n := r.notice(st)
			n.ErrorCode = 27
			r.settle(n)
			p := d.next(t)
			if text := string(p.ShortMessage); !strings.Contains(text, " stat:"+want+" err:027 ") || !strings.Contains(text, " dlvrd:000 ") {
				t.Fatal(text)
			}
			if v, ok := p.TLVs.Find(smpp.TagNetworkErrorCode); !ok || string(v) != "\x03\x00\x1b" {
				t.Fatalf("item 51: network_error_code % x", v)
			}
			r.outbox.wait(t, n.MessageID)
		})
	}
	t.Run("item 50: text of other alphabets", func(t *testing.T) {
		n := r.notice(message.Delivered)
		n.DataCoding, n.Text = 8, []byte("\x00H\x00i\x04\x1f\x00!")
		r.settle(n)
		if text := string(d.next(t).ShortMessage); !strings.HasSuffix(text, "text:Hi?!") {
			t.Fatal(text)
		}
		r.outbox.wait(t, n.MessageID)
	})
}

func TestNoticeOf(t *testing.T) {
	m := &message.Message{ID: 7, Account: 3, ESMClass: smpp.ESMUDHI, Payload: []byte("\x05\x00\x03\x01\x02\x01helloworld"), Status: message.Failed, DoneAt: 5}
	m.SetParts(2)
	m.Parts[0].End, m.Parts[1].End = 11, 16
	m.Parts[0].Status, m.Parts[1].Status, m.Parts[1].Error = message.Delivered, message.Failed, 34
	n := esme.NoticeOf(m)
	if string(n.Text) != "hello" || n.ErrorCode != 34 || n.Status != message.Failed || n.MessageID != 7 || n.Account != 3 || n.Msg != m {
		t.Fatalf("%+v", n)
	}
}

func TestReceiptsWaitForABind(t *testing.T) {
	r := newRig(t, account.Spec{}, nil)
	n := r.notice(message.Delivered)
	t.Run("item 56: not taken while nobody is bound", func(t *testing.T) {
		if r.settle(n) {
			t.Fatal("taken")
		}
		r.bind(t, smpp.Transmitter, nil)
		if r.srv.Push(n) {
			t.Fatal("taken for a transmitter")
		}
	})
	t.Run("item 56: delivered at the bind", func(t *testing.T) {
		d := newDeliveries()
		r.bind(t, smpp.Receiver, d)
		if p := d.next(t); !strings.Contains(string(p.ShortMessage), n.MessageID.String()) {
			t.Fatalf("%s", p.ShortMessage)
		}
		r.outbox.wait(t, n.MessageID)
	})
}

func TestRetries(t *testing.T) {
	for name, st := range map[string]smpp.Status{
		"item 56: RX_T_APPN": smpp.RXTAPPN, "item 56: RMSGQFUL": smpp.RMSGQFUL, "item 56: RTHROTTLED": smpp.RTHROTTLED, "item 56: RSYSERR": smpp.RSYSERR,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, account.Spec{}, nil)
			d := newDeliveries(st, st)
			r.bind(t, smpp.Transceiver, d)
			n := r.notice(message.Delivered)
			r.settle(n)
			for range 3 {
				if p := d.next(t); !strings.Contains(string(p.ShortMessage), n.MessageID.String()) {
					t.Fatalf("%s", p.ShortMessage)
				}
			}
			r.outbox.wait(t, n.MessageID)
			if s := r.srv.Stats(); s.Receipts != 1 || s.ReceiptRetries != 2 {
				t.Fatalf("%+v", s)
			}
		})
	}
	for name, st := range map[string]smpp.Status{"item 56: RX_P_APPN": smpp.RXPAPPN, "item 56: RX_R_APPN": smpp.RXRAPPN} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, account.Spec{}, nil)
			d := newDeliveries(st)
			r.bind(t, smpp.Transceiver, d)
			n := r.notice(message.Delivered)
			r.settle(n)
			d.next(t)
			r.outbox.wait(t, n.MessageID)
			if s := r.srv.Stats(); s.ReceiptsRefused != 1 || len(d.got) != 0 {
				t.Fatalf("%+v, %d more", s, len(d.got))
			}
		})
	}
	t.Run("item 56: timeout", func(t *testing.T) {
		r := newRig(t, account.Spec{}, func(o *esme.Options, _ *sink) { o.Response = 30 * time.Millisecond })
		silent := smpptest.Dial(t, r.addr)
		silent.Bind(smpp.Receiver, "esme", "secret")
		eventually(t, "bound", func() bool { return r.srv.Stats().Binds == 1 })
		n := r.notice(message.Delivered)
		eventually(t, "taken", func() bool { return r.settle(n) })
		silent.ExpectRequest(smpp.CmdDeliverSM)
		_, seq := silent.ExpectRequest(smpp.CmdDeliverSM) // again
		silent.Send(smpp.Header{ID: smpp.CmdDeliverSMResp, Seq: seq}, &smpp.DeliverSMResp{})
		r.outbox.wait(t, n.MessageID)
	})
	t.Run("item 56: given up after 72 h", func(t *testing.T) {
		r := newRig(t, account.Spec{}, nil)
		n := r.notice(message.Delivered)
		n.DoneAt = time.Now().Add(-73 * time.Hour).UnixMilli()
		r.outbox.add(n)
		d := newDeliveries()
		r.bind(t, smpp.Transceiver, d)
		r.outbox.wait(t, n.MessageID)
		if len(d.got) != 0 || r.srv.Stats().ReceiptsGivenUp != 1 {
			t.Fatal("delivered")
		}
	})
}

func TestReceiptsMoveToAnotherBind(t *testing.T) {
	t.Run("item 56: what a lost bind did not confirm goes to another", func(t *testing.T) {
		r := newRig(t, account.Spec{}, nil)
		silent := smpptest.Dial(t, r.addr)
		silent.Bind(smpp.Receiver, "esme", "secret")
		n := r.notice(message.Delivered)
		eventually(t, "taken", func() bool { return r.settle(n) })
		silent.ExpectRequest(smpp.CmdDeliverSM)
		d := newDeliveries()
		r.bind(t, smpp.Transceiver, d)
		silent.Close()
		if p := d.next(t); !strings.Contains(string(p.ShortMessage), n.MessageID.String()) {
			t.Fatalf("%s", p.ShortMessage)
		}
		r.outbox.wait(t, n.MessageID)
		if r.outbox.ended[n.MessageID] != 1 {
			t.Fatal("noted twice")
		}
	})
}

// A mailbox with room for 50 gets 1,000 receipts: the rest comes from the outbox, each
// once and none forgotten.
func TestBoundedMemory(t *testing.T) {
	r := newRig(t, account.Spec{}, func(o *esme.Options, _ *sink) { o.MaxPending, o.Sweep = 50, time.Hour })
	d := newDeliveries()
	const n = 1000
	for range n / 2 {
		r.outbox.add(r.notice(message.Delivered))
	}
	r.bind(t, smpp.Transceiver, d)
	for range n / 2 {
		r.settle(r.notice(message.Failed))
		if p := r.srv.Stats().Pending; p > 50 {
			t.Fatalf("%d in memory", p)
		}
	}
	eventually(t, "the outbox is empty", func() bool { return r.outbox.left() == 0 })
	seen := map[string]int{}
	for len(d.got) > 0 {
		rec, err := smpp.ParseReceipt((<-d.got).ShortMessage, nil)
		if err != nil {
			t.Fatal(err)
		}
		seen[string(rec.ID)]++
	}
	if len(seen) != n {
		t.Fatalf("%d receipts came", len(seen))
	}
	for id, times := range seen {
		if times != 1 {
			t.Fatalf("%s came %d times", id, times)
		}
	}
}

func TestFinalStateIsToldOnce(t *testing.T) {
	t.Run("item 55: a second final state while the first is under way", func(t *testing.T) {
		r := newRig(t, account.Spec{}, nil)
		peer := smpptest.Dial(t, r.addr)
		peer.Bind(smpp.Receiver, "esme", "secret")
		n := r.notice(message.Unknown)
		eventually(t, "taken", func() bool { return r.settle(n) })
		_, seq := peer.ExpectRequest(smpp.CmdDeliverSM)
		late := n
		late.Status = message.Delivered
		r.srv.Push(late)
		peer.Send(smpp.Header{ID: smpp.CmdDeliverSMResp, Seq: seq}, &smpp.DeliverSMResp{})
		r.outbox.wait(t, n.MessageID)
		peer.ExpectSilence(30 * time.Millisecond)
	})
}

func TestStopNotesWhatWasConfirmed(t *testing.T) {
	r := newRig(t, account.Spec{}, nil)
	d := newDeliveries()
	r.bind(t, smpp.Transceiver, d)
	n := r.notice(message.Delivered)
	eventually(t, "taken", func() bool { return r.settle(n) })
	d.next(t)
	ctx, cancel := context.WithTimeout(context.Background(), smpptest.Patience)
	defer cancel()
	if err := r.srv.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if r.outbox.left() != 0 {
		t.Fatal("the confirmation was lost")
	}
}

func TestOutboxErrorsPass(t *testing.T) {
	r := newRig(t, account.Spec{}, func(o *esme.Options, _ *sink) { o.Sweep = 20 * time.Millisecond })
	n := r.notice(message.Delivered)
	r.outbox.add(n)
	r.outbox.fail(2)
	d := newDeliveries()
	r.bind(t, smpp.Receiver, d)
	d.next(t)
	r.outbox.wait(t, n.MessageID)
}
