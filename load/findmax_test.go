package load_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/stats"
)

// queueServer takes service for each request, capacity of them a second at most: what
// comes faster waits in its line, so it has a knee at its capacity.
type queueServer struct {
	mu       sync.Mutex
	service  time.Duration
	capacity float64
	free     time.Time // when its line is empty
	receipts *stats.Ledger
	delay    time.Duration // of a receipt
}

func (s *queueServer) serve() {
	s.mu.Lock()
	now := time.Now()
	s.free = maxTime(s.free, now).Add(time.Duration(float64(time.Second) / s.capacity))
	wait := s.free.Sub(now)
	s.mu.Unlock()
	time.Sleep(wait + s.service)
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (l *lab) queueClass(s *queueServer) load.UserClass {
	return load.NewClass("A", load.Wait{}, func(*load.User) (*worker, error) {
		return &worker{aborted: make(chan struct{})}, nil
	}, load.Task[*worker]{Name: "work", Run: func(_ *worker, u *load.User) {
		sent := u.Now()
		seq := uint64(0)
		if s.receipts != nil {
			seq = s.receipts.Issue(1, sent)
		}
		s.serve()
		u.Record(l.entry, sent, u.Now(), stats.Sample{})
		if s.receipts != nil {
			s.receipts.Accept(seq, nil)
			time.AfterFunc(s.delay, func() { s.receipts.Receipt(seq, stats.FinalDelivered, time.Second) })
		}
	}})
}

// p95Below are the targets of a search.
func p95Below(limit time.Duration) func(*load.Step) string {
	return func(s *load.Step) string {
		if p95 := s.Summary.Total.Response.Quantile(0.95); p95 >= limit {
			return fmt.Sprint("p95 ", p95)
		}
		return ""
	}
}

func TestFindMaxFindsTheKnee(t *testing.T) {
	for _, knee := range []float64{60, 730, 3000} {
		t.Run(fmt.Sprint(knee), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab()
				s := &queueServer{service: 5 * time.Millisecond, capacity: knee}
				o := l.open(nil, 0, l.queueClass(s))
				o.FindMax = &load.FindMax{Start: 50, Settle: time.Second, Measure: 4 * time.Second, Drain: time.Minute, Missed: p95Below(50 * time.Millisecond)}
				var phases []string
				o.OnPhase = func(text string) { phases = append(phases, text) }
				m := run(t, o).Max
				if m.Rate < knee*0.9 || m.Rate > knee*1.05 || m.Above > m.Rate*1.05 || m.Limited != "" {
					t.Errorf("found %v (missed at %v, limited by %q), the knee is at %v", m.Rate, m.Above, m.Limited, knee)
				}
				if len(phases) < len(m.Steps) {
					t.Errorf("%d phases told of %d steps", len(phases), len(m.Steps))
				}
				checkEvidence(t, m)
			})
		})
	}
}

// checkEvidence holds the steps to what the search says of itself.
func checkEvidence(t *testing.T, m *load.MaxRate) {
	t.Helper()
	best := false
	for i, s := range m.Steps {
		if again := i > 0 && m.Steps[i-1].Rate == s.Rate; again && s.Try != m.Steps[i-1].Try+1 || !again && s.Try != 1 {
			t.Errorf("step %d: try %d of %v/s", i, s.Try, s.Rate)
		}
		got := s.Summary.PerSecond(s.Summary.Iterations)
		if s.Missed == "" && (got < s.Rate*0.97 || got > s.Rate*1.03) {
			t.Errorf("step %d: %.1f iterations a second at a rate of %v", i, got, s.Rate)
		}
		best = best || s.Window == m.Best && s.Rate == m.Rate && s.Missed == ""
	}
	if !best {
		t.Errorf("best window %+v belongs to no step that kept the targets at %v/s", m.Best, m.Rate)
	}
}

// TestFindMaxRepeatsAFailedStep: a target that has a bad step now and then is not
// condemned for one.
func TestFindMaxRepeatsAFailedStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		s := &queueServer{service: time.Millisecond, capacity: 500}
		o := l.open(nil, 0, l.queueClass(s))
		bad := rand.New(rand.NewPCG(1, 1))
		lucky := p95Below(50 * time.Millisecond)
		last := false
		o.FindMax = &load.FindMax{Start: 100, Settle: time.Second, Measure: 3 * time.Second, Missed: func(s *load.Step) string {
			last = !last && bad.IntN(3) == 0 // never two in a row
			if last {
				return "bad luck"
			}
			return lucky(s)
		}}
		o.DrainTimeout = time.Minute
		m := run(t, o).Max
		if m.Rate < 450 || m.Rate > 525 {
			t.Errorf("found %v, the knee is at 500: %v", m.Rate, m.Steps)
		}
	})
}

// TestFindMaxStartsEachStepEmpty: receipts take 3 s; no step begins before those of the
// one before it are there, and each step's ledger is its own.
func TestFindMaxStartsEachStepEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		s := &queueServer{service: time.Millisecond, capacity: 1e6, receipts: stats.NewLedger(stats.LedgerOptions{}), delay: 3 * time.Second}
		o := l.open(nil, 0, l.queueClass(s))
		o.Ledger, o.DrainTimeout = s.receipts, time.Minute
		o.FindMax = &load.FindMax{Start: 50, Limit: 200, Settle: time.Second, Measure: 4 * time.Second, Missed: func(*load.Step) string { return "" }}
		m := run(t, o).Max
		if m.Rate != 200 || m.Limited != "the limit of the search" {
			t.Errorf("%v, limited by %q", m.Rate, m.Limited)
		}
		for i, s := range m.Steps {
			want := uint64(s.Rate * 5)
			if c := s.Ledger; c.Issued < want-2 || c.Issued > want+2 || c.Delivered != c.Issued || c.Open != 0 {
				t.Errorf("step %d: ledger %+v, want %d messages, all delivered", i, c, want)
			}
			if s.Drained < 3*time.Second || s.Drained > 4*time.Second {
				t.Errorf("step %d: drained for %v", i, s.Drained)
			}
		}
	})
}

func TestFindMaxStopsWithTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		o := l.open(nil, 0, l.queueClass(&queueServer{capacity: 1e6}))
		o.FindMax = &load.FindMax{Missed: func(*load.Step) string { return "" }}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(40*time.Second, cancel) // in the second step
		res, err := load.Run(ctx, o)
		if err != nil || !res.Stopped || len(res.Max.Steps) != 1 || res.Max.Rate != 100 || res.Max.Limited == "" {
			t.Errorf("%+v, %+v, %v", res, res.Max, err)
		}
	})
}

// TestFindMaxCountsDrops: iterations that find no free user end the search as targets do.
func TestFindMaxCountsDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		o := l.open(nil, 0, l.class("A", load.Wait{}, 100*time.Millisecond))
		o.MaxUsers = 20 // 200 a second
		o.FindMax = &load.FindMax{Settle: time.Second, Measure: 3 * time.Second, Drain: time.Second, Missed: func(*load.Step) string { return "" }}
		m := run(t, o).Max
		if m.Rate < 180 || m.Rate > 206 || m.Steps[len(m.Steps)-1].Summary.Iterations == 0 {
			t.Errorf("found %v, 20 users do 200 a second", m.Rate)
		}
	})
}

func TestFindMaxNeedsTargets(t *testing.T) {
	l := newLab()
	o := l.open(nil, 0, l.class("A", load.Wait{}, 0))
	o.FindMax = &load.FindMax{}
	if _, err := load.New(o); err == nil {
		t.Error("a search without targets passed")
	}
}
