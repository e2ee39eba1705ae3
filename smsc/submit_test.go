package smsc_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/smpp"
	"protei-bulk/smsc"
)

func TestMessagesAreRecognised(t *testing.T) {
	sim := start(t, smsc.Options{})
	c := dial(t, sim, "trx", smpp.Transceiver)
	t.Run("by trace parameter", func(t *testing.T) {
		for _, id := range []string{"0000000000000001/1", "0000000000000001/2", "0000000000000002/1", "0000000000000001/1"} {
			c.must(traced(id))
		}
		if got := sim.Counters(); got.Unique != 3 || got.Duplicates != 1 {
			t.Errorf("%+v", got)
		}
		for id, want := range map[string]int{
			"0000000000000001/1": 2, "0000000000000001/2": 1, "0000000000000001": 2, "0000000000000002": 1, "0000000000000003": 0,
		} {
			if got := sim.Seen(id); got != want {
				t.Errorf("%s seen %d times, not %d", id, got, want)
			}
		}
	})
	t.Run("by destination and text", func(t *testing.T) {
		sim.Reset()
		c.must(message("1", "a"))
		c.must(message("1", "b"))
		c.must(message("2", "a"))
		c.must(message("1", "a"))
		if got := sim.Counters(); got.Unique != 3 || got.Duplicates != 1 || got.Submits != 4 || got.Octets != 4 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("report names what is missing and what came twice", func(t *testing.T) {
		sim.Reset()
		c.must(traced("a/1"))
		c.must(traced("b/1"))
		c.must(traced("b/1"))
		want := smsc.SeenReport{
			Asked: 3, Seen: 2, MissingTotal: 1, DuplicatedTotal: 1,
			Missing: []string{"c"}, Duplicated: []smsc.SeenCount{{ID: "b", Times: 2}},
		}
		if diff := cmp.Diff(want, sim.SeenAll([]string{"a", "b", "c"})); diff != "" {
			t.Error(diff)
		}
	})
}

func TestErrorMixIsDrawnFromTheSeed(t *testing.T) {
	refusedBy := func(seed string) []string {
		sim := start(t, smsc.Options{Behaviour: patched(t, `{"errors":"RTHROTTLED=20%,RSYSERR=10%","seed":`+seed+`}`)})
		c := dial(t, sim, "trx", smpp.Transceiver)
		var out []string
		for _, id := range ids(1000) {
			if st, _ := c.submit(traced(id)); st != smpp.ROK {
				out = append(out, id)
			}
		}
		got := sim.Counters()
		throttled, failed := got.Answered["ESME_RTHROTTLED"], got.Answered["ESME_RSYSERR"]
		if throttled < 150 || throttled > 250 || failed < 60 || failed > 140 || got.Unique != 1000-throttled-failed {
			t.Errorf("%+v", got)
		}
		// Tried again, a message is drawn again: none is refused for ever.
		left := slices.Clone(out)
		for range 20 {
			left = slices.DeleteFunc(left, func(id string) bool {
				st, _ := c.submit(traced(id))
				return st == smpp.ROK
			})
		}
		if got := sim.Counters(); len(left) != 0 || got.Unique != 1000 || got.Duplicates != 0 {
			t.Errorf("%d messages never accepted, %+v", len(left), got)
		}
		return out
	}
	first, again, other := refusedBy("7"), refusedBy("7"), refusedBy("8")
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("one seed, two outcomes:\n%s", diff)
	}
	if slices.Equal(first, other) {
		t.Error("two seeds, one outcome")
	}
}

func TestTPSCapThrottles(t *testing.T) {
	sim := start(t, smsc.Options{Behaviour: patched(t, `{"tps":100}`)})
	c := dial(t, sim, "trx", smpp.Transceiver)
	began := time.Now()
	ok, throttled := 0, 0
	for _, id := range ids(500) {
		switch st, _ := c.submit(traced(id)); st {
		case smpp.ROK:
			ok++
		case smpp.RTHROTTLED:
			throttled++
		default:
			t.Fatal(st)
		}
	}
	// A tenth of a second of burst, and what the time that it took allows.
	if most := 10 + int(time.Since(began).Seconds()*100) + 1; ok < 10 || ok > most {
		t.Errorf("%d accepted, at most %d allowed", ok, most)
	}
	if got := sim.Counters(); got.Answered["ESME_RTHROTTLED"] != uint64(throttled) || got.Unique != uint64(ok) {
		t.Errorf("%+v", got)
	}
}

func TestLatencyDelaysTheAnswer(t *testing.T) {
	sim := start(t, smsc.Options{Behaviour: patched(t, `{"latency":"50ms"}`)})
	c := dial(t, sim, "trx", smpp.Transceiver)
	began := time.Now()
	c.must(message("79161234567", "hi"))
	if waited := time.Since(began); waited < 50*time.Millisecond {
		t.Errorf("answered after %v", waited)
	}
	c.receipts(1)
	if diff := cmp.Diff([]string{"resp", "receipt"}, c.order); diff != "" {
		t.Error(diff)
	}
	m := message("79161234567", "no receipt")
	m.RegisteredDelivery = 0
	began = time.Now()
	c.must(m)
	if waited := time.Since(began); waited < 50*time.Millisecond {
		t.Errorf("without receipt, answered after %v", waited)
	}
}

func TestDisconnectAfterLeavesTheLastOneOpen(t *testing.T) {
	sim := start(t, smsc.Options{Behaviour: patched(t, `{"disconnect_after":3}`)})
	c := dial(t, sim, "first", smpp.Transceiver)
	c.must(traced("m1/1"))
	c.must(traced("m2/1"))
	result := make(chan smpp.Result, 1)
	if err := c.session.Send(t.Context(), traced("m3/1"), completion(func(r smpp.Result) { result <- r })); err != nil {
		t.Fatal(err)
	}
	if r := <-result; !errors.Is(r.Err, smpp.ErrClosed) && r.Err == nil {
		t.Errorf("the third was answered %+v", r)
	}
	<-c.session.Done()
	if n := sim.Seen("m3"); n != 1 {
		t.Errorf("the third was taken %d times", n)
	}
	second := dial(t, sim, "second", smpp.Transceiver)
	second.must(traced("m3/1"))
	got := settled(t, sim)
	if got.Unique != 3 || got.Duplicates != 1 || got.Unanswered != 1 || got.Receipts.Acked != 4 {
		t.Errorf("%+v", got)
	}
}

func TestDisconnectShareCutsTheBind(t *testing.T) {
	sim := start(t, smsc.Options{Behaviour: patched(t, `{"disconnect_share":"100%"}`)})
	c := dial(t, sim, "trx", smpp.Transceiver)
	_ = c.session.Send(t.Context(), traced("m/1"), completion(func(smpp.Result) {}))
	<-c.session.Done()
	if got := sim.Counters(); got.Unique != 1 || got.Unanswered != 1 {
		t.Errorf("%+v", got)
	}
}

func TestResponseLoss(t *testing.T) {
	sim := start(t, smsc.Options{Behaviour: patched(t, `{"response_loss":"100%"}`)})
	c := dial(t, sim, "trx", smpp.Transceiver)
	_ = c.session.Send(t.Context(), traced("m/1"), completion(func(r smpp.Result) {
		if r.Err == nil {
			t.Errorf("answered %s", r.Status)
		}
	}))
	c.receipts(1)
	if got := settled(t, sim); got.Unanswered != 1 || got.Unique != 1 || len(got.Answered) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestBeyondMaxPendingTheQueueIsFull(t *testing.T) {
	sim := start(t, smsc.Options{MaxPending: 5})
	tx := dial(t, sim, "tx", smpp.Transmitter)
	for _, id := range ids(5) {
		tx.must(traced(id))
	}
	if st, _ := tx.submit(traced("one too many/1")); st != smpp.RMSGQFUL {
		t.Errorf("answered %s", st)
	}
	if sim.Seen("one too many") != 0 {
		t.Error("a refused message counts as seen")
	}
	dial(t, sim, "rx", smpp.Receiver).receipts(5)
	settled(t, sim)
	tx.must(traced("one too many/1"))
}

func TestBeyondMaxTrackedMessagesAreCountedApart(t *testing.T) {
	sim := start(t, smsc.Options{MaxTracked: 64})
	c := dial(t, sim, "trx", smpp.Transceiver)
	for _, id := range ids(500) {
		c.must(traced(id))
	}
	got := sim.Counters()
	if got.Untracked == 0 || got.Unique > 64 || got.Unique+got.Untracked != 500 {
		t.Errorf("%+v", got)
	}
}

func TestSmallWindowIsASlowSMSC(t *testing.T) {
	sim := start(t, smsc.Options{Window: 1, Behaviour: patched(t, `{"latency":"20ms"}`)})
	c := dial(t, sim, "trx", smpp.Transceiver)
	began := time.Now()
	answers := make(chan smpp.Result, 5)
	for _, id := range ids(5) {
		if err := c.session.Send(t.Context(), traced(id), completion(func(r smpp.Result) { answers <- r })); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		if r := <-answers; r.Err != nil || r.Status != smpp.ROK {
			t.Errorf("%+v", r)
		}
	}
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("5 messages one at a time took %v", took)
	}
}

func TestDataSMIsAMessage(t *testing.T) {
	sim := start(t, smsc.Options{})
	c := dial(t, sim, "trx", smpp.Transceiver)
	m := &smpp.DataSM{
		Source: smpp.Address{Addr: []byte("1000")}, Dest: smpp.Address{Addr: []byte("79161234567")},
		RegisteredDelivery: smpp.RegisteredFinal,
	}
	m.TLVs = m.TLVs.Append(smpp.TagMessagePayload, []byte("hello"))
	id := c.must(m)
	if r := c.receipts(1)[0]; r.id != id {
		t.Errorf("%+v", r)
	}
	if got := sim.Counters(); got.Unique != 1 || got.Octets != 5 {
		t.Errorf("%+v", got)
	}
}

func TestUnsupportedOperationsAreRefused(t *testing.T) {
	sim := start(t, smsc.Options{})
	c := dial(t, sim, "trx", smpp.Transceiver)
	for want, m := range map[smpp.Status]smpp.PDU{
		smpp.RQUERYFAIL:  &smpp.QuerySM{MessageID: []byte("1")},
		smpp.RCANCELFAIL: &smpp.CancelSM{MessageID: []byte("1")},
	} {
		if st, _, err := c.session.Do(t.Context(), m); st != want || err != nil {
			t.Errorf("%s: %s, %v", m.CommandID(), st, err)
		}
	}
	if st, _ := c.submit(message("", "no destination")); st == smpp.ROK {
		t.Error("a message to nobody was accepted")
	}
}

func TestBinds(t *testing.T) {
	bind := func(sim *smsc.Simulator, id, password string) smpp.Status {
		s, err := smpp.Dial(t.Context(), smpp.DialOptions{Addr: sim.Addr(), BindType: smpp.Transceiver, SystemID: id, Password: password})
		var refused *smpp.StatusError
		if errors.As(err, &refused) {
			return refused.Status
		}
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		<-s.Done()
		return smpp.ROK
	}
	t.Run("anybody by default", func(t *testing.T) {
		if st := bind(start(t, smsc.Options{}), "whoever", "whatever"); st != smpp.ROK {
			t.Error(st)
		}
	})
	t.Run("only who is named", func(t *testing.T) {
		sim := start(t, smsc.Options{SystemID: "me", Password: "secret"})
		for who, want := range map[[2]string]smpp.Status{
			{"me", "secret"}: smpp.ROK, {"you", "secret"}: smpp.RINVSYSID, {"me", "wrong"}: smpp.RINVPASWD,
		} {
			if st := bind(sim, who[0], who[1]); st != want {
				t.Errorf("%v: %s", who, st)
			}
		}
		if c := sim.Counters().Binds; c.Refused != 2 || c.Total != 1 {
			t.Errorf("%+v", c)
		}
	})
	t.Run("nobody while refused", func(t *testing.T) {
		sim := start(t, smsc.Options{Behaviour: patched(t, `{"refuse_binds":true}`)})
		if st := bind(sim, "me", "x"); st != smpp.RBINDFAIL {
			t.Error(st)
		}
		if _, err := sim.PatchBehaviour([]byte(`{"refuse_binds":false}`)); err != nil {
			t.Fatal(err)
		}
		if st := bind(sim, "me", "x"); st != smpp.ROK {
			t.Error(st)
		}
	})
}

func TestDisconnectCutsTheBindsNamed(t *testing.T) {
	sim := start(t, smsc.Options{})
	a := dialAs(t, sim, "a", "first", smpp.Transceiver)
	b := dialAs(t, sim, "b", "second", smpp.Transceiver)
	if n := sim.Disconnect("first"); n != 1 {
		t.Errorf("cut %d", n)
	}
	<-a.session.Done()
	b.must(message("79161234567", "still here"))
	if n := sim.Disconnect(""); n != 1 {
		t.Errorf("cut %d", n)
	}
	<-b.session.Done()
}

func TestResetDropsWaitingReceiptsButNoAnswer(t *testing.T) {
	sim := start(t, smsc.Options{Behaviour: patched(t, `{"latency":"300ms","receipt_delay":"1h"}`)})
	c := dial(t, sim, "trx", smpp.Transceiver)
	answered := make(chan smpp.Result, 1)
	if err := c.session.Send(t.Context(), traced("m/1"), completion(func(r smpp.Result) { answered <- r })); err != nil {
		t.Fatal(err)
	}
	eventually(t, sim, "taken", func(c smsc.Counters) bool { return c.Receipts.Pending == 1 })
	sim.Reset()
	if r := <-answered; r.Err != nil || r.Status != smpp.ROK {
		t.Errorf("%+v", r)
	}
	got := eventually(t, sim, "nothing pending", func(c smsc.Counters) bool { return c.Receipts.Pending == 0 })
	if got.Submits != 0 || sim.Seen("m") != 0 || c.count() != 0 {
		t.Errorf("%+v, %d receipts", got, c.count())
	}
}

func TestStartOnce(t *testing.T) {
	sim := start(t, smsc.Options{})
	if err := sim.Start(); err == nil {
		t.Error("started twice")
	}
	if _, err := smsc.New(smsc.Options{Window: -1, SystemID: "longer than fifteen", ReceiptTTL: -1}); err == nil {
		t.Error("wrong options pass")
	}
}
