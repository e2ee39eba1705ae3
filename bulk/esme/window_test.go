package esme_test

import (
	"testing"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/esme"
	"protei-bulk/smpp"
)

// TestWindowOfTheAccount: item 38 of SMPP.md. Each bind has its own; what is above it is
// answered ESME_RTHROTTLED at once, and enquire_link goes on.
func TestWindowOfTheAccount(t *testing.T) {
	r := newRig(t, account.Spec{Window: 2}, func(_ *esme.Options, s *sink) { s.hold = true })
	one, two := r.bind(t, smpp.Transmitter, nil), r.bind(t, smpp.Transmitter, nil)
	results := make(chan smpp.Result, 10)
	send := func(s *smpp.Session) {
		t.Helper()
		if err := s.Send(t.Context(), message1(), completion(func(res smpp.Result) { results <- res })); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		send(one)
		<-r.sink.came
	}
	send(one)
	if res := <-results; res.Err != nil || res.Status != smpp.RTHROTTLED {
		t.Fatalf("above the window: %+v", res)
	}
	if st, _ := submit(t, one, &smpp.EnquireLink{}); st != smpp.ROK {
		t.Error(st)
	}
	send(two) // has a window of its own
	<-r.sink.came
	if n := r.srv.Stats().OverWindow; n != 1 {
		t.Errorf("%d above the window", n)
	}
	r.sink.release()
	for range 3 {
		if res := <-results; res.Err != nil || res.Status != smpp.ROK {
			t.Fatalf("within the window: %+v", res)
		}
	}
	send(one)
	<-r.sink.came
	r.sink.release()
	if res := <-results; res.Err != nil || res.Status != smpp.ROK {
		t.Fatalf("after the answers: %+v", res)
	}
}
