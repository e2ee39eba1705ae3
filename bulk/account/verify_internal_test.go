package account

import (
	"runtime"
	"sync"
	"sync/atomic"
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
	waitFor(t, func() bool { return len(v.waiting) == callers })
	v.remember(k, a)
	for range cap(v.slots) {
		<-v.slots
	}
	waiting.Wait()
}

// waitFor waits until something holds.
func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within 30 s")
		}
	}
}

// TestArgon2idAtOnce: half of the cores check passwords and 4 at most, however many ask.
func TestArgon2idAtOnce(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for cores, want := range map[int]int{1: 1, 2: 1, 4: 2, 8: 4, 32: 4} {
		runtime.GOMAXPROCS(cores)
		var v verifier
		v.start()
		const callers = 30
		var inside, most atomic.Int64
		goOn := make(chan struct{})
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				ok, err := v.slow("", "", func() (bool, error) { // asked in the place of a check
					n := inside.Add(1)
					for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
					}
					<-goOn
					inside.Add(-1)
					return true, nil
				})
				if !ok || err != nil {
					t.Errorf("%v %v", ok, err)
				}
			})
		}
		waitFor(t, func() bool { return len(v.waiting) == callers && inside.Load() == int64(want) })
		close(goOn)
		all.Wait()
		if most.Load() != int64(want) {
			t.Errorf("%d at once on %d cores, want %d", most.Load(), cores, want)
		}
	}
}
