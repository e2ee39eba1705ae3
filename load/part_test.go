package load_test

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"protei-bulk/load"
)

// parts are workers that share one lab, and one clock.
func parts(t *testing.T, l *lab, n int, classes ...load.UserClass) []*load.Part {
	t.Helper()
	var list []*load.Part
	start := time.Now()
	for i := range n {
		o := l.options(nil, classes...)
		o.FirstUser, o.ReadyUsers = i<<20, 10
		p, err := load.NewPart(o)
		if err != nil {
			t.Fatal(err)
		}
		p.Begin(start)
		list = append(list, p)
	}
	return list
}

// TestPartsShareARate has three workers of which one goes away: what is due from then on is started by the others, on
// time and once each.
func TestPartsShareARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		rate := load.ConstantRate(100)
		list := parts(t, l, 3, l.class("A", load.Constant(0), time.Millisecond))
		share := func(i, of int, from time.Duration) load.Share {
			return load.Share{Index: i, Of: of, From: from, Rate: rate, Base: time.Second, Iterations: math.MaxUint64}
		}
		for i, p := range list {
			p.Follow(share(i, 3, 0))
		}
		time.Sleep(1995 * time.Millisecond)
		<-list[0].Stop()
		lost := len(l.runs)
		list[1].Follow(share(0, 2, 2500*time.Millisecond))
		list[2].Follow(share(1, 2, 2500*time.Millisecond))
		time.Sleep(2 * time.Second)
		<-list[1].Stop()
		<-list[2].Stop()
		for _, p := range list {
			p.Close()
		}
		slices.Sort(l.runs)
		if lost != 100 || l.runs[0] != time.Second {
			t.Errorf("%d starts by 2 s, the first at %v; want 100 from 1 s on", lost, l.runs[0])
		}
		before, after := 0, 0
		for i, at := range l.runs {
			if want := at.Round(10 * time.Millisecond); at != want || i > 0 && at == l.runs[i-1] {
				t.Fatalf("start %d at %v: want each multiple of 10 ms once", i, at)
			}
			switch {
			case at >= 2500*time.Millisecond:
				after++
			case at >= 2*time.Second:
				before++
			}
		}
		if before < 33 || before > 34 || after != 150 {
			t.Errorf("%d starts while a third was gone, %d after; want 33 and 150", before, after)
		}
	})
}

// TestPartsShareUsers moves the users of a worker that is gone to the other, at once.
func TestPartsShareUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		class := l.class("A", load.Constant(100*time.Millisecond), time.Millisecond)
		list := parts(t, l, 2, class)
		follow := func(p *load.Part, i, of, total int) {
			p.Follow(load.Share{
				Users: load.NewDealer([]load.UserClass{class}, of).Share(i, total), Index: i, Of: of, Iterations: math.MaxUint64,
			})
		}
		follow(list[0], 0, 2, 101)
		follow(list[1], 1, 2, 101)
		time.Sleep(time.Second)
		if a, b := list[0].Load().Users, list[1].Load().Users; a != 51 || b != 50 {
			t.Errorf("%d and %d users of 101", a, b)
		}
		<-list[0].Stop()
		follow(list[1], 0, 1, 101)
		time.Sleep(time.Millisecond)
		if n := list[1].Load().Users; n != 101 {
			t.Errorf("%d users after the loss of the other worker, want 101", n)
		}
		follow(list[1], 0, 1, 5)
		time.Sleep(time.Second)
		if n := list[1].Load().Users; n != 5 {
			t.Errorf("%d users, want 5", n)
		}
		<-list[1].Stop()
	})
}

// TestPartWaitsForIterations: a worker that has done its iterations goes on when it gets those of one that is gone.
func TestPartWaitsForIterations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		p := parts(t, l, 1, l.class("A", load.Constant(time.Millisecond), time.Millisecond))[0]
		share := load.Share{Users: []int{3}, Of: 1, Iterations: 10}
		p.Follow(share)
		time.Sleep(time.Second)
		if n := p.Load().Ended; n != 10 || len(l.runs) != 10 {
			t.Errorf("%d iterations of 10 ended, %d started", n, len(l.runs))
		}
		share.Iterations = 25
		p.Follow(share)
		time.Sleep(time.Second)
		<-p.Stop()
		if n := p.Load().Ended; n != 25 || len(l.runs) != 25 {
			t.Errorf("%d iterations of 25 ended, %d started", n, len(l.runs))
		}
	})
}
