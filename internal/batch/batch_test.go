package batch_test

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

	"go.uber.org/goleak"

	"protei-bulk/internal/batch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// groups records what was committed.
type groups struct {
	mu  sync.Mutex
	all [][]int
}

func (g *groups) commit(_ context.Context, items []int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all = append(g.all, slices.Clone(items))
	return nil
}

func (g *groups) flat() []int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Concat(g.all...)
}

func stop(t *testing.T, c *batch.Committer[int]) {
	t.Helper()
	if err := c.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestItemsThatComeDuringACommitAreTheNextGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g groups
		release := make(chan struct{})
		c := batch.New(batch.Options{MaxItems: 4}, nil, func(ctx context.Context, items []int) error {
			<-release
			return g.commit(ctx, items)
		})
		for i := range 7 {
			if err := c.TryGo(i, nil); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // the first one is in commit before the second comes
		}
		close(release)
		stop(t, c)
		if got := fmt.Sprint(g.all); got != "[[0] [1 2 3 4] [5 6]]" {
			t.Errorf("groups %s", got)
		}
	})
}

func TestLingerWaitsForCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g groups
		c := batch.New(batch.Options{MaxItems: 3, Linger: time.Millisecond}, nil, g.commit)
		start := time.Now()
		if err := c.TryGo(1, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond / 2)
		if err := c.Do(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != time.Millisecond {
			t.Errorf("a group of two was committed after %v", d)
		}
		start = time.Now()
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() { _ = c.Do(t.Context(), 10+i) })
		}
		wg.Wait()
		if d := time.Since(start); d != 0 {
			t.Errorf("a full group waited %v", d)
		}
		stop(t, c)
		if len(g.all) != 2 || len(g.all[0]) != 2 || len(g.all[1]) != 3 {
			t.Errorf("groups %v", g.all)
		}
	})
}

func TestBytesEndAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g groups
		size := func(n int) int { return n }
		c := batch.New(batch.Options{MaxBytes: 10, Linger: time.Second}, size, g.commit)
		for _, n := range []int{4, 4, 4, 30, 1} {
			if err := c.TryGo(n, nil); err != nil {
				t.Fatal(err)
			}
		}
		stop(t, c)
		if got := fmt.Sprint(g.all); got != "[[4 4] [4] [30] [1]]" {
			t.Errorf("groups %s", got)
		}
	})
}

func TestGateClosesAtHighAndOpensAtLowWater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		step := make(chan struct{})
		c := batch.New(batch.Options{MaxItems: 1, Backlog: 4, LowWater: 2}, nil, func(context.Context, []int) error {
			<-step
			return nil
		})
		_ = c.TryGo(0, nil)
		synctest.Wait() // in commit
		for i := range 4 {
			if err := c.TryGo(i, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.TryGo(9, nil); !errors.Is(err, batch.ErrFull) {
			t.Fatalf("above the high-water mark: %v", err)
		}
		waiting := make(chan error, 1)
		go func() { waiting <- c.Do(t.Context(), 9) }()
		step <- struct{}{} // 3 wait
		synctest.Wait()
		if err := c.TryGo(9, nil); !errors.Is(err, batch.ErrFull) {
			t.Errorf("above the low-water mark: %v", err)
		}
		step <- struct{}{} // 2 wait: open
		synctest.Wait()
		if err := c.TryGo(10, nil); err != nil {
			t.Errorf("below the low-water mark: %v", err)
		}
		close(step)
		if err := <-waiting; err != nil {
			t.Errorf("Do behind the gate: %v", err)
		}
		stop(t, c)
	})
}

func TestErrorReachesEveryoneInTheGroupOnly(t *testing.T) {
	boom := errors.New("boom")
	c := batch.New(batch.Options{}, nil, func(_ context.Context, items []int) error {
		if slices.Contains(items, 13) {
			return boom
		}
		return nil
	})
	if err := c.Do(t.Context(), 13); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	if err := c.Do(t.Context(), 1); err != nil {
		t.Errorf("the next group: %v", err)
	}
	stop(t, c)
}

func TestStopFlushesWithAContextThatIsNotCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g groups
		c := batch.New(batch.Options{MaxItems: 2, Linger: time.Hour}, nil, func(ctx context.Context, items []int) error {
			if ctx.Err() != nil {
				t.Error("the last flush ran with a cancelled context")
			}
			return g.commit(ctx, items)
		})
		var answered atomic.Int32
		for i := range 5 {
			if err := c.TryGo(i, func(error) { answered.Add(1) }); err != nil {
				t.Fatal(err)
			}
		}
		stop(t, c)
		if got := g.flat(); !slices.Equal(got, []int{0, 1, 2, 3, 4}) || answered.Load() != 5 {
			t.Errorf("committed %v, answered %d", got, answered.Load())
		}
		if err := c.TryGo(9, nil); !errors.Is(err, batch.ErrStopped) {
			t.Errorf("after Stop: %v", err)
		}
		stop(t, c)
	})
}

func TestStopGivesUpOnAHangingCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := batch.New(batch.Options{FlushTimeout: time.Second}, nil, func(ctx context.Context, _ []int) error {
			<-ctx.Done()
			return ctx.Err()
		})
		got := make(chan error, 1)
		_ = c.TryGo(1, func(err error) { got <- err })
		if err := c.Stop(context.Background()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stop: %v", err)
		}
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Errorf("the item got %v", err)
		}
	})
}

func TestDoGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		step := make(chan struct{})
		var g groups
		c := batch.New(batch.Options{}, nil, func(ctx context.Context, items []int) error {
			<-step
			return g.commit(ctx, items)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Do(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Do: %v", err)
		}
		close(step)
		stop(t, c)
		if got := g.flat(); !slices.Equal(got, []int{1}) {
			t.Errorf("the item was taken, but committed is %v", got)
		}
	})
}

func TestManyProducersLoseAndRepeatNothing(t *testing.T) {
	var g groups
	c := batch.New(batch.Options{MaxItems: 50, Backlog: 100}, nil, g.commit)
	var wg sync.WaitGroup
	const producers, each = 16, 500
	for p := range producers {
		wg.Go(func() {
			for i := range each {
				if err := c.Do(context.Background(), p*each+i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	stop(t, c)
	got := g.flat()
	last := map[int]int{}
	for _, n := range got {
		if p := n / each; n <= last[p] && last[p] != 0 {
			t.Fatalf("producer %d: %d after %d", p, n, last[p])
		}
		last[n/each] = n
	}
	slices.Sort(got)
	if len(slices.Compact(got)) != producers*each {
		t.Errorf("%d items, want %d", len(got), producers*each)
	}
}

func BenchmarkDo(b *testing.B) {
	c := batch.New(batch.Options{}, nil, func(context.Context, []int) error { return nil })
	defer c.Stop(context.Background())
	b.SetParallelism(64)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ctx := context.Background()
		for pb.Next() {
			if err := c.Do(ctx, 1); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkGo(b *testing.B) {
	c := batch.New(batch.Options{}, nil, func(context.Context, []int) error { return nil })
	defer c.Stop(context.Background())
	ctx, done := context.Background(), func(error) {}
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Go(ctx, 1, done); err != nil {
			b.Fatal(err)
		}
	}
}
