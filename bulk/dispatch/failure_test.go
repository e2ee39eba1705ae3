package dispatch_test

import (
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/dispatch"
	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
)

func TestThrottledBindPausesAndResumes(t *testing.T) {
	m := newSMSC(t, 100)
	var until atomic.Int64 // Unix ms
	until.Store(time.Now().Add(300 * time.Millisecond).UnixMilli())
	var refused atomic.Int64
	m.onSubmit(func(s *smpp.Session, r *smpp.Request, _ *smpp.SubmitSM) {
		if time.Now().UnixMilli() < until.Load() {
			refused.Add(1)
			st := smpp.RTHROTTLED
			if refused.Load()%2 == 0 {
				st = smpp.RMSGQFUL
			}
			s.Respond(r.Seq, r.ID, st, nil)
			return
		}
		m.accept(s, r)
	})
	r := newRig(t, m, settings{url: "binds=1&window=10"})
	msgs := r.send(200)
	r.expect(message.Sent, len(msgs))
	if late := time.Now().UnixMilli() - until.Load(); late > 2000 {
		t.Errorf("sending went on %d ms after the SMSC took messages again, want < 2000", late)
	}
	// 10 in flight for each pause of 50, 100, 200 ms; without a pause it would be thousands.
	if n := refused.Load(); n == 0 || n > 60 {
		t.Errorf("%d submit_sm were throttled, want one window per pause", n)
	}
	if got := m.all(); got[len(got)-1].text != "hello 199" {
		t.Errorf("the last submit_sm is %q: the throttled ones did not go first", got[len(got)-1].text)
	}
	if st := r.group.States()[0]; st.Pauses == 0 || st.Pauses > 6 {
		t.Errorf("%d pauses", st.Pauses)
	}
	if n := r.d.Counters().Retried; n != 0 {
		t.Errorf("%d throttled messages went back to the store", n)
	}
}

func TestPermanentErrorRejects(t *testing.T) {
	m := newSMSC(t, 100)
	m.onSubmit(func(s *smpp.Session, r *smpp.Request, p *smpp.SubmitSM) {
		if string(p.ShortMessage) == "hello 3" {
			s.Respond(r.Seq, r.ID, smpp.RINVDSTADR, nil)
			return
		}
		m.accept(s, r)
	})
	r := newRig(t, m, settings{})
	msgs := r.send(10)
	r.expect(message.Sent, 9)
	r.expect(message.Rejected, 1)
	if got := r.get(msgs[3].ID); got.Status != message.Rejected || got.Parts[0].Error != uint32(smpp.RINVDSTADR) || got.Parts[0].Attempts != 1 {
		t.Errorf("message 3 is %v with error %#x", got.Status, got.Parts[0].Error)
	}
	if len(m.all()) != 10 {
		t.Errorf("%d submit_sm, want 10: a rejected one must not be repeated", len(m.all()))
	}
}

func TestClassesCanBeOverridden(t *testing.T) {
	m := newSMSC(t, 100)
	var tries atomic.Int64
	m.onSubmit(func(s *smpp.Session, r *smpp.Request, _ *smpp.SubmitSM) {
		if tries.Add(1) == 1 {
			s.Respond(r.Seq, r.ID, smpp.RSUBMITFAIL, nil)
			return
		}
		m.accept(s, r)
	})
	r := newRig(t, m, settings{dispatch: dispatch.Options{
		RetryMin: 10 * time.Millisecond, Classes: map[smpp.Status]dispatch.Class{smpp.RSUBMITFAIL: dispatch.Temporary},
	}})
	r.send(1)
	r.expect(message.Sent, 1)
}

func TestTemporaryErrorIsTriedAgainLater(t *testing.T) {
	m := newSMSC(t, 100)
	var tries atomic.Int64
	m.onSubmit(func(s *smpp.Session, r *smpp.Request, _ *smpp.SubmitSM) {
		if tries.Add(1) <= 3 {
			s.Respond(r.Seq, r.ID, smpp.RSYSERR, nil)
			return
		}
		m.accept(s, r)
	})
	r := newRig(t, m, settings{dispatch: dispatch.Options{RetryMin: 100 * time.Millisecond}})
	msgs := r.send(1)
	r.expect(message.Sent, 1)
	got := m.all()
	for i, atLeast := range []time.Duration{90 * time.Millisecond, 180 * time.Millisecond, 360 * time.Millisecond} {
		if gap := got[i+1].at.Sub(got[i].at); gap < atLeast {
			t.Errorf("try %d came after %v, want at least %v", i+2, gap, atLeast)
		}
	}
	if p := r.get(msgs[0].ID).Parts[0]; p.Attempts != 4 || p.Error != 0 {
		t.Errorf("%d attempts, error %d; want 4 and 0", p.Attempts, p.Error)
	}
}

func TestRetriesEndWithTheValidity(t *testing.T) {
	m := newSMSC(t, 100)
	m.onSubmit(func(s *smpp.Session, r *smpp.Request, _ *smpp.SubmitSM) { s.Respond(r.Seq, r.ID, smpp.RXTAPPN, nil) })
	r := newRig(t, m, settings{dispatch: dispatch.Options{RetryMin: 20 * time.Millisecond}})
	msg := r.message(0)
	msg.ValidUntil = time.Now().Add(300 * time.Millisecond).UnixMilli()
	r.accept(msg)
	r.expect(message.Expired, 1)
	if got := r.get(msg.ID).Parts[0]; got.Error != uint32(smpp.RXTAPPN) || int(got.Attempts) != len(m.all()) {
		t.Errorf("error %#x, want that of the last try; %d attempts of %d", got.Error, got.Attempts, len(m.all()))
	}
}

func TestTooManyTriesFail(t *testing.T) {
	m := newSMSC(t, 100)
	m.onSubmit(func(s *smpp.Session, r *smpp.Request, _ *smpp.SubmitSM) { s.Respond(r.Seq, r.ID, smpp.RSYSERR, nil) })
	r := newRig(t, m, settings{dispatch: dispatch.Options{RetryMin: time.Millisecond, RetryMax: 2 * time.Millisecond, MaxAttempts: 3}})
	msgs := r.send(1)
	r.expect(message.Failed, 1)
	if n, got := len(m.all()), r.get(msgs[0].ID).Parts[0]; n != 3 || got.Attempts != 3 {
		t.Errorf("%d tries, %d of them counted, want 3", n, got.Attempts)
	}
}

func TestExpiredInTheQueueIsNotSent(t *testing.T) {
	m := newSMSC(t, 100)
	r := newRig(t, m, settings{})
	msg := r.message(0)
	msg.ValidUntil = time.Now().Add(-time.Second).UnixMilli()
	r.accept(msg)
	r.expect(message.Expired, 1)
	if n := len(m.all()); n != 0 {
		t.Errorf("%d submit_sm of an expired message", n)
	}
}

// cutFirst closes the connection on the first submit_sm and accepts the rest.
func cutFirst(m *smsc) {
	var seen atomic.Int64
	m.onSubmit(func(s *smpp.Session, r *smpp.Request, _ *smpp.SubmitSM) {
		if seen.Add(1) == 1 {
			s.Close()
			return
		}
		m.accept(s, r)
	})
}

func TestLinkLostInFlight(t *testing.T) {
	for policy, want := range map[string]message.Status{"resend": message.Sent, "hold": message.Held, "fail": message.Failed} {
		t.Run(policy, func(t *testing.T) {
			m := newSMSC(t, 100)
			cutFirst(m)
			r := newRig(t, m, settings{url: "binds=1&unknown=" + policy, dispatch: dispatch.Options{RetryMin: 10 * time.Millisecond}})
			msgs := r.send(1)
			r.expect(want, 1)
			got := m.all()
			if policy != "resend" {
				if len(got) != 1 {
					t.Errorf("%d submit_sm, want 1", len(got))
				}
				return
			}
			if len(got) != 2 || got[0].dup || !got[1].dup {
				t.Fatalf("submit_sm: %+v; want a second one marked as a duplicate", got)
			}
			if !r.get(msgs[0].ID).PossibleDuplicate {
				t.Error("the store does not know that it may be a duplicate")
			}
		})
	}
}

// TestWhatALinkTookAlongGoesAtOnce: the first cut is not the message's fault, so it does not wait as
// after a refusal; the second time it does.
func TestWhatALinkTookAlongGoesAtOnce(t *testing.T) {
	for cuts, retry := range map[int64]time.Duration{1: time.Hour, 2: 200 * time.Millisecond} {
		m := newSMSC(t, 100)
		var seen atomic.Int64
		m.onSubmit(func(s *smpp.Session, r *smpp.Request, _ *smpp.SubmitSM) {
			if seen.Add(1) <= cuts {
				s.Close()
				return
			}
			m.accept(s, r)
		})
		r := newRig(t, m, settings{url: "binds=1", dispatch: dispatch.Options{RetryMin: retry, RetryMax: retry}})
		r.send(1)
		r.expect(message.Sent, 1)
		got := m.all()
		if gap := got[len(got)-1].at.Sub(got[len(got)-2].at); cuts == 2 && gap < retry*9/10 {
			t.Errorf("sent again %v after the second cut, want %v", gap, retry)
		}
	}
}

func TestResponseTimeoutIsAnUnknownOutcome(t *testing.T) {
	m := newSMSC(t, 100)
	late := make(chan func(), 1)
	var seen atomic.Int64
	m.onSubmit(func(s *smpp.Session, r *smpp.Request, _ *smpp.SubmitSM) {
		if seq, id := r.Seq, r.ID; seen.Add(1) == 1 {
			late <- func() { s.Respond(seq, id, smpp.ROK, &smpp.SubmitSMResp{MessageID: []byte("late1")}) }
			return
		}
		m.accept(s, r)
	})
	r := newRig(t, m, settings{url: "binds=1&timeout=200ms&unknown=hold"})
	msgs := r.send(1)
	r.expect(message.Held, 1)
	(<-late)()
	eventually(t, "late answer", func() bool { return r.group.States()[0].Late == 1 })
	// The SMSC has it after all: its receipt settles the held message.
	if st := m.receipt(m.bound()[0], "late1", msgs[0].Dest.Addr, "DELIVRD"); st != smpp.ROK {
		t.Errorf("receipt answered %v", st)
	}
	r.expect(message.Delivered, 1)
}

func TestBrokenStoreStopsSending(t *testing.T) {
	m := newSMSC(t, 100)
	r := newRig(t, m, settings{})
	r.send(1)
	r.expect(message.Sent, 1)
	sid := "1"
	r.store.Fail(errDisk)
	if st := m.receipt(m.bound()[0], sid, "", "DELIVRD"); st != smpp.RXTAPPN {
		t.Errorf("receipt that cannot be stored is answered %v, want ESME_RX_T_APPN", st)
	}
	if n := r.store.Count()[message.Delivered]; n != 0 {
		t.Errorf("%d messages delivered", n)
	}
	r.store.Fail(nil)
	if st := m.receipt(m.bound()[0], sid, "", "DELIVRD"); st != smpp.ROK {
		t.Errorf("the same receipt later is answered %v", st)
	}
	r.expect(message.Delivered, 1)
}
