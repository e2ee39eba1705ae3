package queue_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"protei-bulk/bulk/dispatch/dispatchtest"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/queue"
)

func lanes(t testing.TB, s *dispatchtest.Store, o queue.Options) *queue.Lanes {
	t.Helper()
	o.Store = s
	l, err := queue.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l.Connector(1)
	s.Applied = l.Applied
	return l
}

func messages(from, n int, p message.Priority) []*message.Message {
	all := make([]*message.Message, n)
	for i := range all {
		all[i] = &message.Message{ID: message.ID(from + i), Connector: 1, Priority: p, Status: message.Pending}
		all[i].SetParts(1)
	}
	return all
}

func accept(t testing.TB, s *dispatchtest.Store, msgs []*message.Message) {
	t.Helper()
	done := make(chan error, 1)
	s.Accept(msgs, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// taker takes with every horizon that was asked for durable.
func taker(t *testing.T, q *queue.Queue) func(n int) map[message.Priority]int {
	return func(n int) map[message.Priority]int {
		got := map[message.Priority]int{}
		for n > 0 {
			synctest.Wait()
			items := make([]queue.Item, min(n, 49))
			k, err := q.Take(t.Context(), items, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range items[:k] {
				got[it.Msg.Priority]++
			}
			n -= k
		}
		return got
	}
}

func TestPrioritiesAreFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := dispatchtest.New()
		l := lanes(t, s, queue.Options{})
		s.Start()
		defer s.Stop()
		for p := range message.NumPriorities {
			accept(t, s, messages(1+int(p)*10_000, 5000, p))
		}
		got := taker(t, l.Connector(1))(49 * 60)
		// All four wait all the time: 1 of 49 LOW, 4 NORMAL, 12 HIGH, 32 CRITICAL.
		for p, want := range map[message.Priority]int{message.Low: 60, message.Normal: 240, message.High: 720, message.Critical: 1920} {
			if n := got[p]; n < want-50 || n > want+50 {
				t.Errorf("%d of %v, want about %d; all: %v", n, p, want, got)
			}
		}
	})
}

// A flood of CRITICAL that never ends, and is larger than memory, does not starve LOW: it gets
// one message in 33, whatever comes before it.
func TestAFloodStarvesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const low = 20
		s := dispatchtest.New()
		l := lanes(t, s, queue.Options{Memory: 400, LoadBatch: 50})
		l.Start()
		s.Start()
		defer s.Stop()
		defer l.Stop()
		next := 100_000
		flood := func(n int) {
			accept(t, s, messages(next, n, message.Critical))
			next += n
		}
		flood(2000)
		accept(t, s, messages(1, low, message.Low))
		take := taker(t, l.Connector(1))
		got := map[message.Priority]int{}
		for range 2 * low { // twice what it should need
			flood(33)
			for p, n := range take(33) {
				got[p] += n
			}
			if got[message.Low] == low {
				return
			}
		}
		t.Errorf("%d of %d LOW among %d CRITICAL", got[message.Low], low, got[message.Critical])
	})
}

func TestAnIdleLaneSavesNoCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := dispatchtest.New()
		l := lanes(t, s, queue.Options{})
		s.Start()
		defer s.Stop()
		take := taker(t, l.Connector(1))
		accept(t, s, messages(1, 3000, message.Normal))
		take(1000)
		accept(t, s, messages(10_000, 1000, message.Low))
		if got := take(500); got[message.Low] < 80 || got[message.Low] > 120 {
			t.Errorf("%v of 500 after LOW had been idle, want a fifth LOW", got)
		}
	})
}

func TestTakeWakesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := dispatchtest.New()
		l := lanes(t, s, queue.Options{})
		s.Start()
		defer s.Stop()
		q := l.Connector(1)
		take := func(wake <-chan struct{}, ctx context.Context) (n int, err error) {
			return q.Take(ctx, make([]queue.Item, 10), wake)
		}
		go func() {
			time.Sleep(time.Minute)
			s.Accept(messages(1, 3, message.High), nil)
		}()
		began := time.Now()
		if n, err := take(nil, t.Context()); n != 3 || err != nil || time.Since(began) != time.Minute {
			t.Errorf("took %d, %v after %v", n, err, time.Since(began))
		}
		wake := make(chan struct{}, 1)
		wake <- struct{}{}
		if n, err := take(wake, t.Context()); n != 0 || err != nil {
			t.Errorf("woken: %d, %v", n, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := take(nil, ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("context ended: %v", err)
		}
	})
}

func TestRetryComesAtItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := dispatchtest.New()
		l := lanes(t, s, queue.Options{})
		s.Start()
		defer s.Stop()
		l.Start()
		defer l.Stop()
		q := l.Connector(1)
		items := make([]queue.Item, 10)
		for i, wait := range []time.Duration{50 * time.Millisecond, 1500 * time.Millisecond, 59 * time.Second, 5 * time.Minute} {
			accept(t, s, messages(i+1, 1, message.Low))
			if _, err := q.Take(t.Context(), items, nil); err != nil {
				t.Fatal(err)
			}
			at := time.Now()
			s.Record(message.Event{
				Kind: message.Requeue, Msg: items[0].Msg, Part: message.AllParts, At: at.UnixMilli(), Due: at.Add(wait).UnixMilli(), Error: 8,
			}, nil)
			n, err := q.Take(t.Context(), items, nil)
			if n != 1 || err != nil {
				t.Fatalf("took %d, %v", n, err)
			}
			if late := time.Since(at) - wait; late < 0 || late > time.Second+100*time.Millisecond {
				t.Errorf("a retry in %v came %v late", wait, late)
			}
			if items[0].Attempts != 1 {
				t.Errorf("%d attempts, want 1", items[0].Attempts)
			}
		}
	})
}

func TestScheduledMessagesComeAtTheirTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := dispatchtest.New()
		l := lanes(t, s, queue.Options{})
		s.Start()
		defer s.Stop()
		began := time.Now()
		waits := []time.Duration{90 * time.Minute, 3 * time.Second, 3200 * time.Millisecond, 7 * time.Second, 20 * time.Second, 21 * time.Second}
		msgs := messages(1, len(waits), message.High)
		for i, m := range msgs {
			m.Status, m.Parts[0].Status = message.Scheduled, message.Scheduled
			m.ScheduleAt = began.Add(waits[i]).UnixMilli()
			m.DueAt = m.ScheduleAt
		}
		accept(t, s, msgs[:2]) // known before the start, as after a restart
		l.Start()
		defer l.Stop()
		accept(t, s, msgs[2:])
		items := make([]queue.Item, 10)
		for _, id := range []message.ID{2, 3, 4, 5, 6, 1} {
			n, err := l.Connector(1).Take(t.Context(), items, nil)
			if err != nil || n != 1 || items[0].Msg.ID != id {
				t.Fatalf("took %d, %v; message %d, want %d", n, err, items[0].Msg.ID, id)
			}
			if late := time.Since(began) - waits[id-1]; late < 0 || late > 10*time.Millisecond {
				t.Errorf("message %d came %v late", id, late)
			}
			s.Record(message.Event{Kind: message.Submitted, Msg: items[0].Msg, SMSCID: "x"}, nil)
		}
	})
}

// TestCancelAndTakeNeverBothWin races them under the race detector.
func TestCancelAndTakeNeverBothWin(t *testing.T) {
	const n = 20_000
	s := dispatchtest.New()
	l := lanes(t, s, queue.Options{Memory: 2000, LoadBatch: 300})
	s.Start()
	l.Start()
	q := l.Connector(1)
	taken, cancelled := make([]atomic.Bool, n+1), make([]atomic.Bool, n+1)
	left := atomic.Int64{}
	left.Store(n)
	ctx, cancel := context.WithCancel(context.Background())
	var joined sync.WaitGroup
	joined.Go(func() {
		items := make([]queue.Item, 64)
		for left.Load() > 0 {
			k, err := q.Take(ctx, items, nil)
			if err != nil {
				return
			}
			for _, it := range items[:k] {
				if taken[it.Msg.ID].Swap(true) {
					t.Errorf("message %d came twice", it.Msg.ID)
				}
				s.Record(message.Event{Kind: message.Submitted, Msg: it.Msg, SMSCID: "x"}, nil)
			}
			if left.Add(int64(-k)) <= 0 {
				cancel()
			}
		}
	})
	joined.Go(func() {
		for left.Load() > 0 {
			id := message.ID(1 + rand.IntN(n))
			if s.Cancel(l, id, nil) {
				if cancelled[id].Swap(true) {
					t.Errorf("message %d was cancelled twice", id)
				}
				if left.Add(-1) <= 0 {
					cancel()
				}
			}
		}
	})
	for i := 0; i < n; i += 100 {
		s.Accept(messages(i+1, 100, message.Priority(i/100%4)), nil)
	}
	joined.Wait()
	cancel()
	l.Stop()
	s.Stop()
	both := 0
	for id := 1; id <= n; id++ {
		if taken[id].Load() == cancelled[id].Load() {
			both++
		}
	}
	if both > 0 {
		t.Errorf("%d messages were both or neither taken and cancelled", both)
	}
}

func TestDiskModeUnderLoad(t *testing.T) {
	const n = 50_000
	s := dispatchtest.New()
	l := lanes(t, s, queue.Options{Memory: 1000, LoadBatch: 200})
	s.Start()
	defer s.Stop()
	l.Start()
	defer l.Stop()
	q := l.Connector(1)
	go func() {
		for i := 0; i < n; i += 500 {
			s.Accept(messages(i+1, 500, message.Normal), nil)
		}
	}()
	items := make([]queue.Item, 100)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	wasDisk := false
	for next := message.ID(1); next <= n; {
		k, err := q.Take(ctx, items, nil)
		if err != nil {
			t.Fatalf("after %d messages: %v; lanes %+v", next-1, err, q.Depths(nil))
		}
		for _, it := range items[:k] {
			if it.Msg.ID != next {
				t.Fatalf("message %d came when %d was next", it.Msg.ID, next)
			}
			next++
		}
		for _, d := range q.Depths(nil) {
			wasDisk = wasDisk || d.Disk
			if d.Memory > 1000 {
				t.Fatalf("%d in memory", d.Memory)
			}
		}
	}
	if !wasDisk {
		t.Error("the lane was never in disk mode")
	}
	accept(t, s, messages(n+1, 1, message.Normal))
	if _, err := q.Take(ctx, items, nil); err != nil {
		t.Fatal(err)
	}
	for _, d := range q.Depths(nil) {
		if d.Disk || d.Waiting != 0 {
			t.Errorf("empty lane is %+v", d)
		}
	}
}

func TestMessagesOfOtherConnectorsAreLeftAlone(t *testing.T) {
	s := dispatchtest.New()
	l := lanes(t, s, queue.Options{})
	s.Start()
	defer s.Stop()
	msgs := messages(1, 4, message.Normal)
	msgs[1].Connector, msgs[2].Connector = 9, 2
	l.Connector(2)
	accept(t, s, msgs)
	if n := l.Homeless(); n != 1 {
		t.Errorf("%d without a queue, want 1", n)
	}
	for id, want := range map[uint16]int64{1: 2, 2: 1} {
		if d := l.Connector(id).Depths(nil)[message.Normal]; d.Waiting != want {
			t.Errorf("connector %d has %d, want %d", id, d.Waiting, want)
		}
	}
}

// TestHorizonIsAskedAheadOfNeed counts the stalls of a fast sender over a slow store.
func TestHorizonIsAskedAheadOfNeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := dispatchtest.New()
		l := lanes(t, s, queue.Options{})
		s.Start()
		defer s.Stop()
		accept(t, s, messages(1, 100_000, message.Normal))
		s.CommitTime = 5 * time.Millisecond
		q := l.Connector(1)
		items := make([]queue.Item, 100)
		began := time.Now()
		for taken := 0; taken < 100_000; {
			n, err := q.Take(t.Context(), items, nil)
			if err != nil {
				t.Fatal(err)
			}
			taken += n
			time.Sleep(time.Duration(n) * 10 * time.Microsecond) // 100,000 a second
		}
		// Without stalls it is 1 s; the first ones teach the lane how far ahead to ask.
		if took := time.Since(began); took > 1100*time.Millisecond {
			t.Errorf("100,000 messages at 100,000/s took %v: the horizon came late", took)
		}
	})
}

func TestCloseReturnsTheHorizon(t *testing.T) {
	s := dispatchtest.New()
	l := lanes(t, s, queue.Options{})
	s.Start()
	defer s.Stop()
	q := l.Connector(1)
	accept(t, s, messages(1, 50, message.Normal))
	items := make([]queue.Item, 20)
	n := 0
	for n < 20 {
		k, err := q.Take(context.Background(), items[n:], nil)
		if err != nil {
			t.Fatal(err)
		}
		n += k
	}
	if err := q.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if st := s.Recovery(); len(st) != 1 || st[0].Horizon != 20 || st[0].Next != 51 {
		t.Errorf("after close the store has %+v, want horizon 20", st)
	}
	if _, err := q.Take(context.Background(), items, nil); !errors.Is(err, queue.ErrClosed) {
		t.Errorf("take after close: %v", err)
	}
	was := q.Depths(nil)
	accept(t, s, messages(51, 5, message.Normal)) // a store that gives the connector up changes these
	if now := q.Depths(nil); !slices.Equal(was, now) {
		t.Errorf("a closed queue took what came: %+v, before %+v", now, was)
	}
}

// TestExpiredLooksAtDelayedItems has retries expire in the wheel while nobody takes.
func TestExpiredLooksAtDelayedItems(t *testing.T) {
	s := dispatchtest.New()
	now := time.UnixMilli(1_000_000)
	l := lanes(t, s, queue.Options{Now: func() time.Time { return now }})
	s.Start()
	defer s.Stop()
	msgs := messages(1, 40, message.Normal)
	for i, m := range msgs {
		m.DueAt = now.UnixMilli() + int64(1000*(1+i%4))
	}
	accept(t, s, msgs)
	q := l.Connector(1)
	all := func(*queue.Item) bool { return true }
	if got := q.Pull(make([]queue.Item, 0, 100), all); len(got) != 0 {
		t.Fatalf("%d items that are not due", len(got))
	}
	now = now.Add(2 * time.Second)
	got := q.Pull(make([]queue.Item, 0, 100), func(it *queue.Item) bool { return it.Msg.ID%2 == 1 })
	if len(got) != 10 {
		t.Errorf("%d expired of 20 that are due, want the 10 that are past", len(got))
	}
	now = now.Add(10 * time.Second)
	if got := q.Pull(make([]queue.Item, 0, 7), all); len(got) != 7 {
		t.Errorf("%d expired, want as many as there was room for", len(got))
	}
	if got := q.Pull(make([]queue.Item, 0, 100), all); len(got) != 23 {
		t.Errorf("%d expired, want the rest", len(got))
	}
	for _, d := range q.Depths(nil) {
		if d.Waiting != 0 || d.Memory != 0 || d.Delayed != 0 {
			t.Errorf("left behind: %+v", d)
		}
	}
}

// hiding is a store in which the state of a message is what it is in View only, as if others changed it at any other
// time. While View runs, somebody who holds its lock cancels.
type hiding struct {
	queue.Store
	states map[*message.Message]message.Message
	locked func()
}

func (h hiding) View(m *message.Message, f func(*message.Message)) {
	h.locked()
	h.show(m)
	f(m)
	h.hide(m)
}

func (h hiding) show(m *message.Message) {
	s := h.states[m]
	m.Connector, m.LaneSeq, m.Status, m.DueAt = s.Connector, s.LaneSeq, s.Status, s.DueAt
}

func (hiding) hide(m *message.Message) {
	m.Connector, m.LaneSeq, m.Status, m.DueAt = 9, 99, message.Failed, 0
}

// TestAppliedReadsStatesInView, and before it locks a queue: who cancels holds the lock of View.
func TestAppliedReadsStatesInView(t *testing.T) {
	h := hiding{states: make(map[*message.Message]message.Message)}
	l, err := queue.New(queue.Options{Store: &h})
	if err != nil {
		t.Fatal(err)
	}
	q := l.Connector(1)
	h.locked = func() { l.Cancel(message.Lane{Connector: 1}, 1000, 1000, message.Pending) }
	msgs := messages(1, 4, message.Normal)
	scheduled := msgs[3]
	scheduled.Status, scheduled.DueAt = message.Scheduled, time.Now().Add(time.Hour).UnixMilli()
	msgs[2].Flags |= message.Ordered
	evs := make([]message.Event, len(msgs))
	for i, m := range msgs {
		evs[i] = message.Event{Kind: message.Accept, Msg: m, Part: message.AllParts, Changed: true}
		if m != scheduled {
			m.LaneSeq, evs[i].Seq = uint64(i+1), uint64(i+1)
		}
		h.states[m] = *m
		h.hide(m)
	}
	applied := make(chan struct{})
	go func() { defer close(applied); l.Applied(evs) }()
	select {
	case <-applied:
	case <-time.After(30 * time.Second):
		t.Fatal("the lock of View is taken while a queue is locked")
	}
	waiting := int64(0)
	for _, d := range q.Depths(nil) {
		waiting += d.Waiting
	}
	if waiting != 3 || l.Homeless() != 0 {
		t.Errorf("%d of 3 messages wait, %d have no lane", waiting, l.Homeless())
	}
}
