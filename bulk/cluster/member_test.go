package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"protei-bulk/bulk/cluster"
	"protei-bulk/bulk/store"
)

const ttl = 9 * time.Second

// world watches that no lease is worked on by two nodes.
type world struct {
	t       *testing.T
	reg     *registry
	wanted  []string
	mu      sync.Mutex
	working map[string]string // lease → who
	epochs  map[string]int64
	gone    []uint16
}

func newWorld(t *testing.T, leases int) *world {
	w := &world{t: t, reg: newRegistry(), working: make(map[string]string), epochs: make(map[string]int64)}
	for i := range leases {
		w.wanted = append(w.wanted, fmt.Sprintf("connector/%d", i))
	}
	return w
}

type peer struct {
	*cluster.Member
	link    *link
	evicted atomic.Pointer[error]
}

func (w *world) join(name string, number int) *peer {
	w.t.Helper()
	p := &peer{link: &link{registry: w.reg}}
	stop := func(l store.Lease) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.working[l.Name] == name {
			delete(w.working, l.Name)
		}
	}
	var err error
	p.Member, err = cluster.Join(w.t.Context(), cluster.Options{
		Store: p.link, Node: number, Name: name, Session: name, TTL: ttl, Takes: true,
		Wanted: func() []string { return w.wanted },
		Gained: func(_ context.Context, l store.Lease) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if who, ok := w.working[l.Name]; ok {
				w.t.Errorf("%s begins %s, which %s works on", name, l.Name, who)
			}
			if l.Epoch < w.epochs[l.Name] {
				w.t.Errorf("epoch %d of %s after %d", l.Epoch, l.Name, w.epochs[l.Name])
			}
			w.working[l.Name], w.epochs[l.Name] = name, l.Epoch
			return nil
		},
		Losing: func(_ context.Context, l store.Lease) { time.Sleep(time.Second); stop(l) },
		Lost:   stop,
		Gone: func(_ context.Context, node uint16) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.gone = append(w.gone, node)
			return nil
		},
		Evicted: func(err error) { p.evicted.Store(&err) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	p.Start()
	return p
}

func (p *peer) leave(t *testing.T) {
	t.Helper()
	if err := errors.Join(p.Drain(t.Context()), p.Stop(t.Context())); err != nil {
		t.Error(err)
	}
}

// shares returns how many leases each node works on.
func (w *world) shares() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := make(map[string]int)
	for _, who := range w.working {
		n[who]++
	}
	return n
}

func (w *world) epoch(lease string) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.epochs[lease]
}

func TestLeasesAreSharedEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 7)
		a := w.join("a", -1)
		time.Sleep(ttl)
		if got := w.shares()["a"]; got != 7 {
			t.Fatalf("alone it has %d of 7", got)
		}
		b := w.join("b", -1)
		time.Sleep(2 * ttl)
		if got := w.shares(); got["a"]+got["b"] != 7 || got["a"] < 3 || got["b"] < 3 {
			t.Errorf("shares %v of 7", got)
		}
		if a.Alive() != 2 || b.Alive() != 2 {
			t.Errorf("%d and %d nodes, want 2", a.Alive(), b.Alive())
		}
		before := w.epoch("connector/0")
		time.Sleep(10 * ttl)
		if got := w.epoch("connector/0"); got != before {
			t.Errorf("a lease changed hands without a reason: epoch %d → %d", before, got)
		}
		if err := a.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.shares()["a"]; got != 0 {
			t.Errorf("drained, it works on %d", got)
		}
		a.leave(t)
		time.Sleep(ttl / 3)
		if got := w.shares()["b"]; got != 7 {
			t.Errorf("the one that stays has %d of 7 after a heartbeat", got)
		}
		time.Sleep(ttl)
		b.leave(t)
		if !slices.Equal(w.gone, []uint16{0}) {
			t.Errorf("told of the end of %v, want [0] once", w.gone)
		}
	})
}

// TestCutOffNodeStopsBeforeAnotherBegins: its calls hang, as they do when a network is cut. That
// no two work on one lease is watched by Gained.
func TestCutOffNodeStopsBeforeAnotherBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4)
		a := w.join("a", -1)
		time.Sleep(ttl)
		b := w.join("b", -1)
		time.Sleep(2 * ttl)
		a.link.sever(true)
		time.Sleep(ttl)
		if got := w.shares()["a"]; got != 0 {
			t.Errorf("cut off for the time of a lease, it works on %d", got)
		}
		time.Sleep(ttl)
		if got := w.shares()["b"]; got != 4 {
			t.Errorf("the other has %d of 4", got)
		}
		a.link.sever(false)
		time.Sleep(2 * ttl)
		if got := w.shares(); got["a"] != 2 || got["b"] != 2 {
			t.Errorf("after it came back: %v", got)
		}
		a.leave(t)
		b.leave(t)
	})
}

// TestStoreThatIsAwayKeepsTheEpochs: nobody could take over, so nothing changed hands.
func TestStoreThatIsAwayKeepsTheEpochs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		a := w.join("a", -1)
		time.Sleep(ttl)
		a.link.sever(true)
		time.Sleep(5 * ttl)
		if got := w.shares()["a"]; got != 0 {
			t.Errorf("without its store it works on %d", got)
		}
		a.link.sever(false)
		time.Sleep(ttl)
		if got, epoch := w.shares()["a"], w.epoch("connector/0"); got != 3 || epoch != 1 {
			t.Errorf("works on %d of 3, epoch %d: want 1", got, epoch)
		}
		a.leave(t)
	})
}

func TestNodeWhoseNumberIsTakenHasToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		a := w.join("a", 5)
		if _, err := cluster.Join(t.Context(), cluster.Options{Store: &link{registry: w.reg}, Node: 5, Session: "x", TTL: ttl}); !errors.Is(err, store.ErrTaken) {
			t.Errorf("a second process with the number: %v", err)
		}
		time.Sleep(ttl)
		a.link.sever(true)
		time.Sleep(2 * ttl)
		b := w.join("b", 5)
		time.Sleep(ttl)
		a.link.sever(false)
		time.Sleep(ttl)
		if err := a.evicted.Load(); err == nil || !errors.Is(*err, store.ErrTaken) {
			t.Errorf("its number is another's, and it was told %v", err)
		}
		if got := w.shares(); got["a"] != 0 || got["b"] != 1 {
			t.Errorf("shares %v", got)
		}
		a.leave(t)
		b.leave(t)
	})
}

// TestFailedBeginIsTriedAgainLater: not at once, and over and over.
func TestFailedBeginIsTriedAgainLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int32
		m, err := cluster.Join(t.Context(), cluster.Options{
			Store: &link{registry: newRegistry()}, Node: -1, Session: "a", TTL: ttl, Takes: true,
			Wanted: func() []string { return []string{"connector/1"} },
			Gained: func(context.Context, store.Lease) error {
				if tries.Add(1) < 4 {
					return errors.New("not now")
				}
				return nil
			},
			Losing: func(context.Context, store.Lease) {}, Lost: func(store.Lease) {},
		})
		if err != nil {
			t.Fatal(err)
		}
		m.Start()
		time.Sleep(ttl - time.Millisecond)
		if n := tries.Load(); n != 3 || m.Holds("connector/1") {
			t.Errorf("%d tries within the time of a lease, want 3", n)
		}
		time.Sleep(ttl)
		if !m.Holds("connector/1") {
			t.Error("does not hold it after a try that went well")
		}
		if err := m.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
