package account_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/account/accounttest"
)

// pool has tokens that no time brings back.
type pool struct {
	left, asked int
	err         error
}

func (p *pool) Draw(_ uint32, _ account.Rate, n, more int) (int, time.Duration, error) {
	p.asked++
	if p.err != nil {
		return 0, 0, p.err
	}
	if p.left < 1 {
		return 0, 30 * time.Millisecond, nil
	}
	taken := max(n, min(n+more, p.left))
	p.left -= taken
	return taken, 0, nil
}

func (p *pool) Nodes() int { return 4 }

func TestRateOverSeveralNodes(t *testing.T) {
	shared := &pool{left: 105}
	d, err := account.Open(context.Background(), account.Options{Store: new(accounttest.Store), Pool: shared})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := create(t, d, account.Spec{Name: "acme", TPS: 1000, Burst: 40}, "")
	now := time.Now()
	for i := range 105 {
		if wait := a.Take(now, 1); wait != 0 {
			t.Fatalf("message %d of 105 waits %v", i, wait)
		}
	}
	if shared.asked != 3 {
		t.Errorf("the pool was asked %d times for 105 messages, want 3: blocks of 1 and 50 more", shared.asked)
	}
	if wait := a.Take(now, 1); wait != 30*time.Millisecond {
		t.Errorf("without a token it waits %v", wait)
	}
	if wait := a.Wait(now.Add(10 * time.Millisecond)); wait != 20*time.Millisecond {
		t.Errorf("and 10 ms later %v", wait)
	}
	if asked := shared.asked; a.Take(now.Add(time.Millisecond), 1) == 0 || shared.asked != asked {
		t.Error("the pool is asked again while there is nothing")
	}

	shared.left = 51
	now = now.Add(time.Second)
	a.Take(now, 1) // and 50 ahead
	shared.left = 1
	now = now.Add(2 * time.Second)
	if wait := a.Take(now, 1); wait != 0 || shared.left != 0 {
		t.Errorf("tokens that were taken ahead are used 2 s later: waits %v, %d left", wait, shared.left)
	}
}

// TestRateWithoutThePool: each of four nodes keeps to a quarter.
func TestRateWithoutThePool(t *testing.T) {
	shared := &pool{err: errors.New("away")}
	d, err := account.Open(context.Background(), account.Options{Store: new(accounttest.Store), Pool: shared})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := create(t, d, account.Spec{Name: "acme", TPS: 100, Burst: 40}, "")
	now := time.Now()
	n := 0
	for a.Take(now, 1) == 0 {
		n++
	}
	if n != 10 {
		t.Errorf("%d at once of a burst of 40 for four nodes", n)
	}
	for now = now.Add(2 * time.Millisecond); n < 35; now = now.Add(40 * time.Millisecond) {
		if wait := a.Take(now.Add(39*time.Millisecond), 1); wait != 0 {
			t.Fatalf("after 40 ms it waits %v", wait)
		}
		if wait := a.Take(now.Add(39*time.Millisecond), 1); wait == 0 {
			t.Fatal("more than a quarter of the rate")
		}
		n++
	}
}
