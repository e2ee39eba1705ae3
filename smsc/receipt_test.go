package smsc_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/gsm"
	"protei-bulk/smpp"
	"protei-bulk/smsc"
)

// Items of SMPP.md are named where a test holds one.

func TestItem50To52ReceiptIsThatOfAppendixB(t *testing.T) {
	sim := start(t, smsc.Options{})
	c := dial(t, sim, "trx", smpp.Transceiver)
	m := message("79161234567", "Hello, this is a long text of more than 20 characters")
	m.TLVs = m.TLVs.AppendUint16(smpp.TagUserMessageReference, 0xBEEF)
	id := c.must(m)
	r := c.receipts(1)[0]
	want := `^id:` + id + ` sub:001 dlvrd:001 submit date:\d{10} done date:\d{10} stat:DELIVRD err:000 text:Hello, this is a lon$`
	if !regexp.MustCompile(want).MatchString(r.text) {
		t.Errorf("text %q does not match %s", r.text, want)
	}
	at, err := time.Parse("0601021504", r.submitted)
	if err != nil || time.Since(at) > 2*time.Minute || time.Until(at) > 0 {
		t.Errorf("submit date %q", r.submitted)
	}
	r.text, r.submitted, r.raw = "", "", ""
	if diff := cmp.Diff(receipt{
		on: "trx", class: smpp.ESMReceipt, source: "79161234567", dest: "Demo", id: id, stat: "DELIVRD",
		state: smpp.StateDelivered, err: "000", userRef: 0xBEEF,
	}, r, cmp.AllowUnexported(receipt{})); diff != "" {
		t.Error(diff)
	}
	settled(t, sim)
}

func TestItem51ReceiptForms(t *testing.T) {
	for form, check := range map[string]func(r receipt) bool{
		"both": func(r receipt) bool { return r.text != "" && r.raw != "" },
		"text": func(r receipt) bool { return r.text != "" && r.raw == "" },
		"tlv":  func(r receipt) bool { return r.text == "" && r.raw != "" },
	} {
		t.Run(form, func(t *testing.T) {
			sim := start(t, smsc.Options{Behaviour: patched(t, `{"receipt_form":"`+form+`"}`)})
			c := dial(t, sim, "trx", smpp.Transceiver)
			id := c.must(message("79161234567", "hi"))
			r := c.receipts(1)[0]
			if !check(r) || r.id != id || r.state != smpp.StateDelivered {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestReceiptTextLeavesHeadersOut(t *testing.T) {
	sim := start(t, smsc.Options{})
	c := dial(t, sim, "trx", smpp.Transceiver)
	m := message("79161234567", "")
	m.ESMClass = smpp.ESMUDHI
	m.ShortMessage = append(gsm.AppendConcat8(nil, 7, 2, 1), "part one"...)
	c.must(m)
	ucs2 := message("79161234567", "\x04\x1f\x04\x40")
	ucs2.DataCoding = 8
	c.must(ucs2)
	got := c.receipts(2)
	if !strings.HasSuffix(got[0].text, "text:part one") || !strings.HasSuffix(got[1].text, "text:") {
		t.Errorf("%q and %q", got[0].text, got[1].text)
	}
}

func TestItem54RegisteredDeliveryIsHonoured(t *testing.T) {
	undelivered := patched(t, `{"receipts":"UNDELIV=100%"}`)
	for _, c := range []struct {
		name       string
		registered byte
		behaviour  smsc.Behaviour
		want       []smpp.MessageState
	}{
		{"none", 0, smsc.Behaviour{}, nil},
		{"any, delivered", 1, smsc.Behaviour{}, []smpp.MessageState{smpp.StateDelivered}},
		{"any, undelivered", 1, undelivered, []smpp.MessageState{smpp.StateUndeliverable}},
		{"failure only, delivered", 2, smsc.Behaviour{}, nil},
		{"failure only, undelivered", 2, undelivered, []smpp.MessageState{smpp.StateUndeliverable}},
		{"intermediate and final", 0x11, smsc.Behaviour{}, []smpp.MessageState{smpp.StateEnroute, smpp.StateDelivered}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim := start(t, smsc.Options{Behaviour: c.behaviour})
			esme := dial(t, sim, "trx", smpp.Transceiver)
			m := message("79161234567", "hi")
			m.RegisteredDelivery = c.registered
			esme.must(m)
			var states []smpp.MessageState
			for _, r := range esme.receipts(len(c.want)) {
				states = append(states, r.state)
				if (r.class == smpp.ESMIntermediate) != (r.state == smpp.StateEnroute) {
					t.Errorf("esm_class 0x%02X for state %d", r.class, r.state)
				}
			}
			settled(t, sim)
			if diff := cmp.Diff(c.want, states); diff != "" {
				t.Error(diff)
			}
			if esme.count() != len(c.want) {
				t.Errorf("%d receipts", esme.count())
			}
		})
	}
}

func TestReceiptMixAndErrorCodes(t *testing.T) {
	sim := start(t, smsc.Options{Behaviour: patched(t, `{"receipts":"UNDELIV=20%,EXPIRED=10%,REJECTD=5%"}`)})
	c := dial(t, sim, "trx", smpp.Transceiver)
	const n = 2000
	for _, id := range ids(n) {
		c.must(traced(id))
	}
	got := map[string]int{}
	for _, r := range c.receipts(n) {
		got[r.stat+" "+r.err]++
	}
	for stat, want := range map[string]int{"DELIVRD 000": 1300, "UNDELIV 001": 400, "EXPIRED 002": 200, "REJECTD 004": 100} {
		if near := got[stat] > want*8/10 && got[stat] < want*12/10; !near {
			t.Errorf("%s: %d of %d, not about %d", stat, got[stat], n, want)
		}
	}
	if len(got) != 4 {
		t.Errorf("states %v", got)
	}
}

func TestItem58ReceiptBeforeResponse(t *testing.T) {
	sim := start(t, smsc.Options{Behaviour: patched(t, `{"receipts_before_response":"100%"}`)})
	c := dial(t, sim, "trx", smpp.Transceiver)
	for range 20 {
		c.must(message("79161234567", "hi"))
	}
	c.receipts(20)
	for i, what := range c.order {
		if want := []string{"receipt", "resp"}[i%2]; what != want {
			t.Fatalf("order %v", c.order)
		}
	}
	settled(t, sim)
}

func TestReceiptThatCannotComeFirstDoesNotHoldTheAnswer(t *testing.T) {
	sim := start(t, smsc.Options{Behaviour: patched(t, `{"receipts_before_response":"100%"}`)})
	tx := dial(t, sim, "tx", smpp.Transmitter)
	id := tx.must(message("79161234567", "hi"))
	rx := dial(t, sim, "rx", smpp.Receiver)
	if r := rx.receipts(1)[0]; r.id != id {
		t.Errorf("receipt for %q, not %q", r.id, id)
	}
}

func TestItem58ReceiptOnAnotherBind(t *testing.T) {
	t.Run("transmitter and receiver", func(t *testing.T) {
		sim := start(t, smsc.Options{})
		tx := dial(t, sim, "tx", smpp.Transmitter)
		rx := dial(t, sim, "rx", smpp.Receiver)
		id := tx.must(message("79161234567", "hi"))
		if r := rx.receipts(1)[0]; r.id != id {
			t.Errorf("%+v", r)
		}
	})
	t.Run("two transceivers, as asked", func(t *testing.T) {
		sim := start(t, smsc.Options{Behaviour: patched(t, `{"receipts_other_bind":"100%"}`)})
		a := dial(t, sim, "a", smpp.Transceiver)
		a.must(message("79161234567", "alone"))
		a.receipts(1)
		b := dial(t, sim, "b", smpp.Transceiver)
		a.must(message("79161234567", "of two"))
		b.receipts(1)
		b.must(message("79161234567", "of two, back"))
		a.receipts(2)
		settled(t, sim)
	})
	t.Run("two transceivers, by default each its own", func(t *testing.T) {
		sim := start(t, smsc.Options{})
		a := dial(t, sim, "a", smpp.Transceiver)
		b := dial(t, sim, "b", smpp.Transceiver)
		for range 10 {
			a.must(message("79161234567", "hi"))
		}
		a.receipts(10)
		if b.count() != 0 {
			t.Errorf("%d on the other bind", b.count())
		}
	})
}

func TestItem58ReceiptAfterReconnect(t *testing.T) {
	sim := start(t, smsc.Options{Behaviour: patched(t, `{"receipt_delay":"20ms"}`)})
	first := dial(t, sim, "first", smpp.Transceiver)
	want := map[string]bool{}
	for _, id := range ids(50) {
		want[first.must(traced(id))] = true
	}
	first.session.Close()
	<-first.session.Done()
	eventually(t, sim, "all receipts wait", func(c smsc.Counters) bool { return c.Binds.Current == 0 && c.Receipts.Pending > 0 })
	second := dial(t, sim, "second", smpp.Transceiver)
	for _, r := range first.got {
		delete(want, r.id)
	}
	for _, r := range second.receipts(len(want)) {
		delete(want, r.id)
	}
	if len(want) != 0 {
		t.Errorf("%d receipts never came", len(want))
	}
	settled(t, sim)
}

func TestReceiptsOfOneSystemIDDoNotGoToAnother(t *testing.T) {
	sim := start(t, smsc.Options{})
	other := dialAs(t, sim, "other", "someone", smpp.Transceiver)
	tx := dial(t, sim, "tx", smpp.Transmitter)
	tx.must(message("79161234567", "hi"))
	rx := dial(t, sim, "rx", smpp.Receiver)
	rx.receipts(1)
	if other.count() != 0 {
		t.Error("a stranger got the receipt")
	}
}

func TestItem58UnknownIDs(t *testing.T) {
	sim := start(t, smsc.Options{Behaviour: patched(t, `{"receipts_unknown_id":"100%"}`)})
	c := dial(t, sim, "trx", smpp.Transceiver)
	id := c.must(message("79161234567", "hi"))
	got := c.receipts(2)
	if (got[0].id == id) == (got[1].id == id) {
		t.Errorf("ids %q and %q for %q", got[0].id, got[1].id, id)
	}
	if n := settled(t, sim).Receipts.Unknown; n != 1 {
		t.Errorf("%d counted", n)
	}
}

func TestItem58ReceiptTwice(t *testing.T) {
	sim := start(t, smsc.Options{Behaviour: patched(t, `{"receipt_duplicates":"100%"}`)})
	c := dial(t, sim, "trx", smpp.Transceiver)
	id := c.must(message("79161234567", "hi"))
	got := c.receipts(2)
	if got[0].id != id || got[1].id != id {
		t.Errorf("ids %q and %q for %q", got[0].id, got[1].id, id)
	}
	if r := settled(t, sim).Receipts; r.Doubled != 1 || r.Wanted != 1 || r.Acked != 2 {
		t.Errorf("%+v", r)
	}
}

func TestReceiptLossIsCounted(t *testing.T) {
	sim := start(t, smsc.Options{Behaviour: patched(t, `{"receipt_loss":"50%"}`)})
	c := dial(t, sim, "trx", smpp.Transceiver)
	const n = 400
	for _, id := range ids(n) {
		c.must(traced(id))
	}
	r := settled(t, sim).Receipts
	if r.Wanted != n || r.Lost < n*4/10 || r.Lost > n*6/10 || r.Lost+r.Acked != n || c.count() != int(r.Acked) {
		t.Errorf("%+v, %d came", r, c.count())
	}
}

func TestReceiptDelay(t *testing.T) {
	sim := start(t, smsc.Options{Behaviour: patched(t, `{"receipt_delay":"60ms-80ms"}`)})
	c := dial(t, sim, "trx", smpp.Transceiver)
	began := time.Now()
	c.must(message("79161234567", "hi"))
	if answered := time.Since(began); answered > 50*time.Millisecond {
		t.Logf("answer after %v: a slow machine", answered)
	}
	c.receipts(1)
	if waited := time.Since(began); waited < 60*time.Millisecond {
		t.Errorf("receipt after %v", waited)
	}
}

func TestItem56ReceiptsAreTriedAgain(t *testing.T) {
	for _, c := range []struct {
		name   string
		status smpp.Status
		silent bool
	}{
		{"ESME_RX_T_APPN", smpp.RXTAPPN, false},
		{"ESME_RMSGQFUL", smpp.RMSGQFUL, false},
		{"no answer", smpp.ROK, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim := start(t, smsc.Options{RetryDelay: 20 * time.Millisecond, ReceiptTimeout: 300 * time.Millisecond})
			esme := dial(t, sim, "trx", smpp.Transceiver)
			esme.answer(c.status, c.silent)
			id := esme.must(message("79161234567", "hi"))
			esme.receipts(2)
			esme.answer(smpp.ROK, false)
			got := settled(t, sim).Receipts
			if got.Acked != 1 || got.Retried < 1 || got.Sent != got.Retried+1 {
				t.Errorf("%+v", got)
			}
			for _, r := range esme.receipts(2) {
				if r.id != id {
					t.Errorf("id %q, not %q", r.id, id)
				}
			}
		})
	}
	t.Run("a permanent refusal ends it", func(t *testing.T) {
		sim := start(t, smsc.Options{RetryDelay: time.Millisecond})
		esme := dial(t, sim, "trx", smpp.Transceiver)
		esme.answer(smpp.RXPAPPN, false)
		esme.must(message("79161234567", "hi"))
		esme.receipts(1)
		if r := settled(t, sim).Receipts; r.Refused != 1 || r.Retried != 0 || esme.count() != 1 {
			t.Errorf("%+v, %d came", r, esme.count())
		}
	})
	t.Run("another bind takes what the first puts off", func(t *testing.T) {
		sim := start(t, smsc.Options{RetryDelay: 20 * time.Millisecond})
		a := dial(t, sim, "a", smpp.Transceiver)
		a.answer(smpp.RXTAPPN, false)
		id := a.must(message("79161234567", "hi"))
		a.receipts(1)
		b := dial(t, sim, "b", smpp.Transceiver)
		a.session.Close()
		if r := b.receipts(1)[0]; r.id != id {
			t.Errorf("id %q, not %q", r.id, id)
		}
		settled(t, sim)
	})
	t.Run("given up after the time to live", func(t *testing.T) {
		sim := start(t, smsc.Options{RetryDelay: 200 * time.Millisecond, ReceiptTTL: time.Second})
		esme := dial(t, sim, "trx", smpp.Transceiver)
		esme.answer(smpp.RXTAPPN, false)
		esme.must(message("79161234567", "hi"))
		if r := settled(t, sim).Receipts; r.Dropped != 1 || r.Acked != 0 {
			t.Errorf("%+v", r)
		}
	})
}

func TestReceiptsBeyondTheWindowWait(t *testing.T) {
	sim := start(t, smsc.Options{ReceiptWindow: 3, ReceiptTimeout: 30 * time.Second})
	rx := dial(t, sim, "rx", smpp.Receiver)
	rx.answer(smpp.ROK, true)
	tx := dial(t, sim, "tx", smpp.Transmitter)
	for _, id := range ids(10) {
		tx.must(traced(id))
	}
	rx.receipts(3)
	if c := sim.Counters().Receipts; c.Sent != 3 || c.Pending != 10 {
		t.Errorf("%+v", c)
	}
	second := dial(t, sim, "second", smpp.Receiver)
	second.receipts(7)
	rx.session.Close()
	second.receipts(10)
	settled(t, sim)
}

func TestItem62MessageIDs(t *testing.T) {
	for _, c := range []struct {
		name, patch   string
		base, receipt int
	}{
		{"hexadecimal by default", `{}`, 16, 16},
		{"decimal", `{"id_format":"dec"}`, 10, 10},
		{"hexadecimal, decimal in receipts", `{"receipt_id_format":"dec"}`, 16, 10},
		{"decimal, hexadecimal in receipts", `{"id_format":"dec","receipt_id_format":"hex"}`, 10, 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim := start(t, smsc.Options{Behaviour: patched(t, c.patch)})
			esme := dial(t, sim, "trx", smpp.Transceiver)
			seen := map[string]bool{}
			for i := range 20 {
				id := esme.must(message("79161234567", strconv.Itoa(i)))
				n, err := strconv.ParseUint(id, c.base, 63)
				if err != nil || id[0] == '0' || strings.ToLower(id) != id || seen[id] {
					t.Fatalf("id %q, %v", id, err)
				}
				seen[id] = true
				if got := esme.receipts(i + 1)[i].id; got != strconv.FormatUint(n, c.receipt) {
					t.Errorf("receipt for %q is for %q", id, got)
				}
			}
		})
	}
}
