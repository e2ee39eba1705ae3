package account

import (
	"sync"
	"testing"
	"time"
)

// TestWaitingVerifications: of many requests with the same right password that come at once,
// those that wait for a slot are not checked once more when one of them has been found right.
func TestWaitingVerifications(t *testing.T) {
	var v verifier
	v.start()
	a := &Account{}
	a.ID, a.PasswordHash = 1, "no hash: a check fails"
	k := v.key("esme", "secret")
	for range cap(v.slots) {
		v.slots <- struct{}{}
	}
	var waiting sync.WaitGroup
	const callers = 20
	for range callers {
		waiting.Go(func() {
			if ok, err := v.slow(a.PasswordHash, "secret", func() (bool, error) { return v.known(k, a), nil }); !ok || err != nil {
				t.Errorf("%v %v", ok, err)
			}
		})
	}
	for len(v.waiting) < callers {
		time.Sleep(time.Millisecond)
	}
	v.remember(k, a)
	for range cap(v.slots) {
		<-v.slots
	}
	waiting.Wait()
}
