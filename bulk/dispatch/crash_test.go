package dispatch_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/dispatch"
	"protei-bulk/bulk/dispatch/dispatchtest"
	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
)

// TestCrashDuplicatesAreBounded crashes in the middle of sending, again and again: every
// message reaches the SMSC, and each crash repeats at most the windows and the results
// that were not durable.
func TestCrashDuplicatesAreBounded(t *testing.T) {
	const n, window, binds, unsynced, crashes = 6000, 20, 2, 200, 5
	m := newSMSC(t, 100)
	store := dispatchtest.New()
	set := settings{url: "binds=2&window=20", store: store, memory: 800, dispatch: dispatch.Options{MaxUnsynced: unsynced}}
	store.CommitTime = 2 * time.Millisecond
	r := newRig(t, m, set)
	r.send(n)
	for i := range crashes {
		goal := (i + 1) * n / (crashes + 2)
		eventually(t, "some sent", func() bool { return len(m.all()) > goal })
		set.store = r.crash()
		set.store.CommitTime = 2 * time.Millisecond
		r = newRig(t, m, set)
	}
	r.expect(message.Sent, n)
	// What a crashed process wrote last may be read after what the next one sent first, so
	// one submit_sm of a message goes without the mark, but not always the one that is read first.
	times, plain := map[string]int{}, map[string]int{}
	unmarked, late := 0, 0
	for _, g := range m.all() {
		if times[g.trace]++; g.dup {
			continue
		}
		if times[g.trace] > 1 {
			late++
		}
		if plain[g.trace]++; plain[g.trace] > 1 {
			unmarked++
		}
	}
	if len(times) != n {
		t.Errorf("%d messages reached the SMSC, want %d", len(times), n)
	}
	again := len(m.all()) - n
	if bound := crashes * (window*binds + unsynced); again > bound {
		t.Errorf("%d duplicates after %d crashes, want at most %d", again, crashes, bound)
	}
	if unmarked > 0 {
		t.Errorf("%d of %d duplicates are not marked as such", unmarked, again)
	}
	t.Logf("%d duplicates after %d crashes; %d first copies were read late", again, crashes, late)
}

func TestSuspectsFollowThePolicy(t *testing.T) {
	for policy, want := range map[string]message.Status{"hold": message.Held, "fail": message.Failed} {
		t.Run(policy, func(t *testing.T) {
			m := newSMSC(t, 100)
			store := dispatchtest.New()
			r := newRig(t, m, settings{url: "unknown=" + policy, store: store})
			r.send(10)
			r.expect(message.Sent, 10)
			more := make([]*message.Message, 3000)
			for i := range more {
				more[i] = r.message(100 + i)
			}
			var came atomic.Int64
			falls := func(s *smpp.Session, r *smpp.Request, _ *smpp.SubmitSM) { // silent after 50
				if came.Add(1) <= 50 {
					m.accept(s, r)
				}
			}
			m.submit.Store(&falls)
			r.accept(more...)
			eventually(t, "some are not answered", func() bool { return came.Load() > 50 })
			left := r.crash()
			m.submit.Store(nil)
			r2 := newRig(t, m, settings{url: "unknown=" + policy, store: left})
			eventually(t, "an end for every message", func() bool {
				n := r2.store.Count()
				return n[message.Pending] == 0
			})
			n := r2.store.Count()
			if n[want] == 0 || n[want] > 3000 {
				t.Errorf("%v, want some %v", n, want)
			}
			seen := map[string]int{}
			for _, g := range m.all() {
				if seen[g.trace]++; seen[g.trace] > 1 {
					t.Fatalf("%s was sent twice although the policy is %s", g.trace, policy)
				}
				if strings.HasSuffix(g.trace, "/1") && g.dup {
					t.Fatalf("%s is marked as a duplicate", g.trace)
				}
			}
		})
	}
}
