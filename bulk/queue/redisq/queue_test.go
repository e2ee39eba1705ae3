package redisq_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/queue/redisq"
	"protei-bulk/internal/servers"
)

func TestMain(m *testing.M) {
	// One goroutine of the servers lives as long as the process: see there.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("protei-bulk/internal/servers.startPinned.func1.1"))
}

func client(t *testing.T, url string) rueidis.Client {
	t.Helper()
	c, err := redisq.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// owner takes what is hinted at for connector 7.
type owner struct {
	mu  sync.Mutex
	got []message.ID
	err error // what taken is told
}

func (o *owner) hinted(lane message.Lane, ids []message.ID, taken func(error)) {
	o.mu.Lock()
	err := o.err
	if err == nil && lane == seven {
		o.got = append(o.got, ids...)
	}
	o.mu.Unlock()
	taken(err)
}

func (o *owner) has(ids ...message.ID) func() bool {
	return func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, id := range ids {
			if !slices.Contains(o.got, id) {
				return false
			}
		}
		return true
	}
}

var seven = message.Lane{Connector: 7, Priority: 1}

func (o *owner) open(t *testing.T, url, name string) *redisq.Queue {
	t.Helper()
	q, err := redisq.Open(t.Context(), redisq.Options{
		URL: url, Name: name, Owns: func() []uint16 { return []uint16{7} }, Hinted: o.hinted, RetryAfter: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func do(t *testing.T, c rueidis.Client, args ...string) rueidis.RedisResult {
	t.Helper()
	r := c.Do(t.Context(), c.B().Arbitrary(args...).Build())
	if err := r.Error(); err != nil {
		t.Fatal(args, err)
	}
	return r
}

func TestHintsReachTheOwnerAndAreTakenAway(t *testing.T) {
	r := servers.TestRedis(t)
	o := &owner{}
	q := o.open(t, r.URL(), "a")
	defer q.Stop()
	many := make([]message.ID, 2500)
	for i := range many {
		many[i] = message.ID(i + 1)
	}
	q.Publish(seven, many)
	q.Publish(message.Lane{Connector: 8}, many[:3]) // nobody here owns it
	eventually(t, "the hints", o.has(many...))
	c := client(t, r.URL())
	eventually(t, "an empty stream", func() bool {
		n, err := do(t, c, "XLEN", "pb:lane:{7}:1").AsInt64()
		return err == nil && n == 0
	})
	if s := q.Stats(); s.Published != 2503 || s.Read != 2500 || s.Dropped != 0 || !s.Up {
		t.Errorf("%+v", s)
	}
}

// TestRedisThatForgetsOrDies: hints meanwhile are lost, and those after it come.
func TestRedisThatForgetsOrDies(t *testing.T) {
	r := servers.TestRedis(t)
	o := &owner{}
	q := o.open(t, r.URL(), "a")
	defer q.Stop()
	q.Publish(seven, []message.ID{1})
	eventually(t, "the first", o.has(1))
	do(t, client(t, r.URL()), "FLUSHALL")
	q.Publish(seven, []message.ID{2})
	eventually(t, "one after FLUSHALL", o.has(2))

	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a dropped hint", func() bool {
		q.Publish(seven, []message.ID{3})
		s := q.Stats()
		return s.Dropped > 0 && !s.Up
	})
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one after the crash", func() bool {
		q.Publish(seven, []message.ID{4})
		return o.has(4)() && q.Stats().Up
	})
}

// TestNextOwnerTakesOver what the one before read and did not use.
func TestNextOwnerTakesOver(t *testing.T) {
	r := servers.TestRedis(t)
	first := &owner{err: errors.New("the lane is another node's")}
	q := first.open(t, r.URL(), "a")
	q.Publish(seven, []message.ID{1})
	eventually(t, "the read", func() bool { return q.Stats().Read > 0 })
	q.Stop()
	second := &owner{}
	q = second.open(t, r.URL(), "b")
	defer q.Stop()
	eventually(t, "the hint", second.has(1))
}

func TestDeadHints(t *testing.T) {
	r := servers.TestRedis(t)
	c := client(t, r.URL())
	do(t, c, "XADD", "pb:lane:{7}:1", "*", "ids", "odd")
	o := &owner{err: errors.New("not now")}
	q := o.open(t, r.URL(), "a")
	defer q.Stop()
	q.Publish(seven, []message.ID{42})
	eventually(t, "two dead hints", func() bool { return q.Stats().Dead == 2 })
	list, err := q.Dead(t.Context(), "", 10)
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	if list[0].Raw != "6f6464" || list[0].Reason == "" || !slices.Equal(list[1].IDs, []message.ID{42}) || list[1].Stream != "pb:lane:{7}:1" {
		t.Errorf("%+v", list)
	}
	if rest, err := q.Dead(t.Context(), list[0].ID, 10); err != nil || len(rest) != 1 {
		t.Error(rest, err)
	}
	o.mu.Lock()
	o.err = nil
	o.mu.Unlock()
	if n, err := q.Replay(t.Context()); n != 2 || err != nil {
		t.Error(n, err)
	}
	eventually(t, "the hint that was replayed", o.has(42))
	eventually(t, "the one that cannot be read, dead again", func() bool { return q.Stats().Dead == 1 })
	if n, err := q.Purge(t.Context()); n != 1 || err != nil {
		t.Error(n, err)
	}
	if list, err := q.Dead(t.Context(), "", 10); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
}

// BenchmarkHint is a hint of one message there and back. redis-us is the CPU of Redis for each.
func BenchmarkHint(b *testing.B) {
	r := servers.TestRedis(b)
	took := make(chan int, 1024)
	q, err := redisq.Open(b.Context(), redisq.Options{
		URL: r.URL(), Name: "a", Owns: func() []uint16 { return []uint16{7} },
		Hinted: func(_ message.Lane, ids []message.ID, taken func(error)) { taken(nil); took <- len(ids) },
	})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Stop()
	c, err := redisq.Connect(b.Context(), r.URL())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	before := cpu(b, c)
	sent, open := 0, 0
	for b.Loop() {
		q.Publish(seven, []message.ID{message.ID(sent)})
		sent++
		for open++; open >= 1000; {
			open -= <-took
		}
	}
	for open > 0 {
		open -= <-took
	}
	b.ReportMetric((cpu(b, c)-before)*1e6/float64(sent), "redis-us/op")
}
