package dispatch_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/dispatch"
	"protei-bulk/bulk/dispatch/dispatchtest"
	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
)

func TestWindowIsNeverExceeded(t *testing.T) {
	const window, binds = 7, 3
	m := newSMSC(t, 100)
	var most atomic.Int64
	open := map[*smpp.Session]*atomic.Int64{}
	answers := make(chan func(), 10_000)
	m.onSubmit(func(s *smpp.Session, r *smpp.Request, _ *smpp.SubmitSM) {
		m.mu.Lock()
		n := open[s]
		if n == nil {
			n = new(atomic.Int64)
			open[s] = n
		}
		m.mu.Unlock()
		if now := n.Add(1); now > most.Load() {
			most.Store(now)
		}
		req := *r
		answers <- func() { n.Add(-1); m.accept(s, &req) }
	})
	r := newRig(t, m, settings{url: "binds=3&window=7"})
	r.send(500)
	eventually(t, "full windows", func() bool { return len(answers) == window*binds })
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 500 {
			(<-answers)()
		}
	}()
	<-done
	r.expect(message.Sent, 500)
	if n := most.Load(); n != window {
		t.Errorf("up to %d in flight on a bind, want exactly %d", n, window)
	}
}

func TestRateIsRespected(t *testing.T) {
	m := newSMSC(t, 100)
	const tps, n = 200, 150
	r := newRig(t, m, settings{url: "tps=200"})
	r.send(n)
	r.expect(message.Sent, n)
	got := m.all()
	const burst = tps/20 + 1
	for i := burst; i < n; i++ {
		// Any run of submit_sm longer than the burst takes its time, less the jitter of reading.
		for _, from := range []int{0, max(0, i-100)} {
			sent := i - from - burst
			if least := time.Duration(sent) * time.Second / tps; sent > 20 && got[i].at.Sub(got[from].at) < least-20*time.Millisecond {
				t.Fatalf("submit_sm %d to %d within %v, want at least %v", from, i, got[i].at.Sub(got[from].at), least)
			}
		}
	}
	if took := got[n-1].at.Sub(got[0].at); took > 3*n*time.Second/tps {
		t.Errorf("%d submit_sm took %v at %d/s", n, took, tps)
	}
}

func TestUnsyncedResultsPauseSending(t *testing.T) {
	m := newSMSC(t, 100)
	store := dispatchtest.New()
	store.CommitTime = 50 * time.Millisecond
	r := newRig(t, m, settings{url: "binds=1&window=10", store: store, dispatch: dispatch.Options{MaxUnsynced: 20}})
	r.send(200)
	var most int64
	eventually(t, "all sent", func() bool {
		most = max(most, r.d.Counters().Unsynced)
		return r.store.Count()[message.Sent] == 200
	})
	if most == 0 || most > 20+10 {
		t.Errorf("up to %d results not durable, want at most 20 and a window", most)
	}
}

func TestPartsStayTogetherAndInOrder(t *testing.T) {
	m := newSMSC(t, 100)
	r := newRig(t, m, settings{url: "binds=3&window=4"})
	var msgs []*message.Message
	for i := range 50 {
		msg := r.message(i, "one", "two", "three")
		msg.ESMClass = smpp.ESMUDHI
		msgs = append(msgs, msg)
	}
	r.accept(msgs...)
	// A message is SENT with its first part.
	eventually(t, "all parts sent", func() bool { return len(m.all()) == 150 })
	parts := map[string][]submitted{}
	for _, g := range m.all() {
		parts[g.dest] = append(parts[g.dest], g)
	}
	for dest, p := range parts {
		if len(p) != 3 || p[0].text != "one" || p[1].text != "two" || p[2].text != "three" {
			t.Fatalf("%s got %+v", dest, p)
		}
		if p[0].session != p[1].session || p[1].session != p[2].session {
			t.Errorf("%s: parts on different binds", dest)
		}
		if !p[0].more || !p[1].more || p[2].more || p[0].esm != smpp.ESMUDHI {
			t.Errorf("%s: more_messages_to_send or esm_class wrong: %+v", dest, p)
		}
	}
}

func TestOnlyTheFailedPartIsSentAgain(t *testing.T) {
	m := newSMSC(t, 100)
	var failed atomic.Bool
	m.onSubmit(func(s *smpp.Session, r *smpp.Request, p *smpp.SubmitSM) {
		if string(p.ShortMessage) == "two" && !failed.Swap(true) {
			s.Respond(r.Seq, r.ID, smpp.RSYSERR, nil)
			return
		}
		m.accept(s, r)
	})
	r := newRig(t, m, settings{dispatch: dispatch.Options{RetryMin: 10 * time.Millisecond}})
	msg := r.message(1, "one", "two", "three")
	r.accept(msg)
	eventually(t, "all parts sent", func() bool {
		got := r.get(msg.ID)
		return got.Parts[0].Status == message.Sent && got.Parts[1].Status == message.Sent && got.Parts[2].Status == message.Sent
	})
	texts := map[string]int{}
	for _, g := range m.all() {
		texts[g.text]++
	}
	if texts["one"] != 1 || texts["two"] != 2 || texts["three"] != 1 {
		t.Errorf("sent %v, want only the second part twice", texts)
	}
	for i, p := range r.get(msg.ID).Parts {
		if st := m.receipt(m.bound()[0], p.SMSCID, "", "DELIVRD"); st != smpp.ROK {
			t.Errorf("receipt %d answered %v", i, st)
		}
	}
	r.expect(message.Delivered, 1)
}

// TestPartsWithDifferentFailures has one part refused for now and one lost.
func TestPartsWithDifferentFailures(t *testing.T) {
	m := newSMSC(t, 100)
	var asked atomic.Int64
	m.onSubmit(func(s *smpp.Session, r *smpp.Request, p *smpp.SubmitSM) {
		switch asked.Add(1) {
		case 2:
			s.Respond(r.Seq, r.ID, smpp.RSYSERR, nil)
		case 3:
			go func() { // when the two answers have been read
				eventually(t, "the first answers", func() bool { return m.counters().Temporary == 1 })
				s.Close()
			}()
		default:
			m.accept(s, r)
		}
	})
	r := newRig(t, m, settings{url: "binds=1&unknown=fail", dispatch: dispatch.Options{RetryMin: 10 * time.Millisecond}})
	msg := r.message(1, "one", "two", "three")
	r.accept(msg)
	eventually(t, "an end for each part", func() bool {
		p := r.get(msg.ID).Parts
		return p[0].Status == message.Sent && p[1].Status == message.Sent && p[2].Status == message.Failed
	})
	if n := asked.Load(); n != 4 {
		t.Errorf("%d submit_sm, want 3 and the second one again", n)
	}
}

func TestWithoutReceiptSentIsTheEnd(t *testing.T) {
	m := newSMSC(t, 100)
	r := newRig(t, m, settings{})
	msg := r.message(1)
	msg.Flags = 0
	r.accept(msg)
	r.expect(message.Sent, 1)
	if got := m.all()[0]; got.registered != 0 {
		t.Errorf("registered_delivery %d, want 0", got.registered)
	}
}

func TestScheduledMessageWaitsForItsTime(t *testing.T) {
	m := newSMSC(t, 100)
	r := newRig(t, m, settings{})
	msg := r.message(1)
	at := time.Now().Add(300 * time.Millisecond)
	msg.Status, msg.Parts[0].Status = message.Scheduled, message.Scheduled
	msg.ScheduleAt, msg.DueAt = at.UnixMilli(), at.UnixMilli()
	r.accept(msg)
	r.expect(message.Sent, 1)
	if early := at.Sub(m.all()[0].at); early > time.Millisecond {
		t.Errorf("sent %v before its time", early)
	}
}

func TestSweeperMakesUnknown(t *testing.T) {
	m := newSMSC(t, 100)
	r := newRig(t, m, settings{})
	msgs := r.send(5)
	r.expect(message.Sent, 5)
	m.receipt(m.bound()[0], "1", "", "DELIVRD")
	now := time.Now()
	sweeper, err := dispatch.NewSweeper(dispatch.SweepOptions{Store: r.store, Batch: 2, Every: time.Millisecond, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	now = time.UnixMilli(msgs[0].ValidUntil).Add(24*time.Hour - time.Minute)
	sweeper.Start()
	eventually(t, "some rounds", func() bool { return r.store.Count()[message.Sent] == 4 })
	sweeper.Stop()
	later := now.Add(2 * time.Minute)
	sweeper, err = dispatch.NewSweeper(dispatch.SweepOptions{Store: r.store, Batch: 2, Every: time.Millisecond, Now: func() time.Time { return later }})
	if err != nil {
		t.Fatal(err)
	}
	sweeper.Start()
	defer sweeper.Stop()
	r.expect(message.Unknown, 4)
	// A late receipt still corrects it.
	if st := m.receipt(m.bound()[0], "2", "", "DELIVRD"); st != smpp.ROK {
		t.Errorf("answered %v", st)
	}
	r.expect(message.Delivered, 2)
}

func TestStopDrainsTheWindow(t *testing.T) {
	m := newSMSC(t, 100)
	answers := make(chan func(), 100)
	m.onSubmit(func(s *smpp.Session, r *smpp.Request, _ *smpp.SubmitSM) {
		req := *r
		answers <- func() { m.accept(s, &req) }
	})
	r := newRig(t, m, settings{url: "binds=1&window=10"})
	msgs := r.send(100)
	eventually(t, "full window", func() bool { return len(answers) == 10 })
	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		stopped <- r.d.Stop(ctx)
	}()
	answered, running := 0, true
	for running { // the sender may take a few more before it learns of the stop
		select {
		case answer := <-answers:
			answer()
			answered++
		case err := <-stopped:
			if err != nil {
				t.Fatalf("stop: %v", err)
			}
			running = false
		}
	}
	if n := r.store.Count(); n[message.Sent] != answered || n[message.Pending] != 100-answered || answered < 10 {
		t.Errorf("%v after stop, want %d sent and the others waiting", n, answered)
	}
	if c := r.d.Counters(); c.InFlight != 0 || c.Unsynced != 0 {
		t.Errorf("left behind: %+v", c)
	}
	// A clean stop leaves no suspects: nothing is marked as a possible duplicate.
	left := r.crash()
	m2 := newSMSC(t, 100)
	r2 := newRig(t, m2, settings{store: left, url: "unknown=fail"})
	r2.expect(message.Sent, 100)
	if n := len(m2.all()); n != 100-answered {
		t.Errorf("%d submit_sm after the restart, want the %d that waited", n, 100-answered)
	}
	for _, g := range m2.all() {
		if g.dup {
			t.Fatalf("%s is marked as a duplicate after a clean stop", g.trace)
		}
	}
	_ = msgs
}

func TestStopGivesUpAfterItsTime(t *testing.T) {
	m := newSMSC(t, 100)
	m.onSubmit(func(*smpp.Session, *smpp.Request, *smpp.SubmitSM) {})
	r := newRig(t, m, settings{url: "binds=1&window=10"})
	r.send(30)
	eventually(t, "full window", func() bool { return len(m.all()) == 10 })
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if err := r.d.Stop(ctx); err == nil {
		t.Error("stop reported no error although answers were missing")
	}
	if c := r.d.Counters(); c.InFlight != 0 || c.Lost != 10 {
		t.Errorf("%+v, want 10 lost and none in flight", c)
	}
}
