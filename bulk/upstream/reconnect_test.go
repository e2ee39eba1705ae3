package upstream

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"protei-bulk/smpp"
)

var (
	errUnreachable = errors.New("connection refused")
	errRefused     = fmt.Errorf("bind: %w", &smpp.StatusError{Status: smpp.RBINDFAIL})
)

// clock counts the time that a link spends, and its longest pause.
type clock struct {
	t       *testing.T
	now     time.Time
	tries   int
	longest time.Duration
}

func (c *clock) waits(d time.Duration) {
	if d <= 0 {
		c.t.Fatalf("waits %v", d)
	}
	c.tries++
	c.now, c.longest = c.now.Add(d), max(c.longest, d)
}

func (c *clock) binds(r *reconnect, lives time.Duration) {
	c.now = c.now.Add(lives)
	c.waits(r.ended(c.now, lives, false))
}

// fails tries for so long, and returns how often and the longest pause of that time.
func (c *clock) fails(r *reconnect, within time.Duration, err error) (tries int, longest time.Duration) {
	c.tries, c.longest = 0, 0
	for until := c.now.Add(within); c.now.Before(until); {
		c.waits(r.failed(c.now, err))
	}
	return c.tries, c.longest
}

func newLink(t *testing.T) (*clock, *reconnect) {
	c := &clock{t: t, now: time.Unix(1e9, 0)}
	r := newReconnect(time.Second, 30*time.Second, c.now)
	return c, &r
}

// TestALinkThatWasGoodIsBackWithinASecond: however long its SMSC is away, up to as long as it was
// there, the next try is a second off at most.
func TestALinkThatWasGoodIsBackWithinASecond(t *testing.T) {
	c, r := newLink(t)
	c.binds(r, 20*time.Minute)
	if _, longest := c.fails(r, 19*time.Minute, errUnreachable); longest > time.Second {
		t.Errorf("waited %v while the SMSC was away, want 1s at most", longest)
	}
	c.fails(r, 10*time.Minute, errUnreachable)
	if n, _ := c.fails(r, 10*time.Minute, errUnreachable); n > 90 {
		t.Errorf("%d tries in 10 minutes although it is away for longer than it was there, want about 40", n)
	}
	c.binds(r, time.Minute)
	if _, longest := c.fails(r, 30*time.Second, errUnreachable); longest > time.Second {
		t.Errorf("waited %v after a new bind, want 1s at most", longest)
	}
}

func TestTheFirstMinuteIsTriedOften(t *testing.T) {
	c, r := newLink(t)
	if _, longest := c.fails(r, 59*time.Second, errUnreachable); longest > time.Second {
		t.Errorf("waited %v for an SMSC that starts later than we do", longest)
	}
}

func TestWhoRefusesIsNotHammered(t *testing.T) {
	c, r := newLink(t)
	c.binds(r, time.Hour)
	c.fails(r, 2*time.Minute, errRefused)
	if n, longest := c.fails(r, 30*time.Minute, errRefused); n > 200 || longest > 30*time.Second {
		t.Errorf("%d tries in 30 minutes of refusals, with pauses up to %v; want about 120, and 30s", n, longest)
	}
}

func TestCutsInARowAreForgiven(t *testing.T) {
	c, r := newLink(t)
	c.binds(r, time.Minute)
	for range forgiven {
		c.binds(r, 300*time.Millisecond)
	}
	if c.longest > time.Second {
		t.Errorf("waited %v between cuts, want 1s at most", c.longest)
	}
	c.tries = 0
	for end := c.now.Add(30 * time.Minute); c.now.Before(end); {
		c.binds(r, 300*time.Millisecond)
	}
	if c.tries > 200 {
		t.Errorf("%d binds in 30 minutes to one who ends each, want about 120", c.tries)
	}
	c.binds(r, held) // a good one
	c.longest = 0
	for range 100 {
		c.binds(r, 2*time.Second)
	}
	if c.longest > time.Second {
		t.Errorf("waited %v although each bind held longer than the pause, want 1s at most", c.longest)
	}
	for range 100 {
		c.now = c.now.Add(50 * time.Millisecond)
		c.waits(r.ended(c.now, 50*time.Millisecond, true))
	}
	if c.longest > time.Second {
		t.Errorf("waited %v although messages were taken over each bind, want 1s at most", c.longest)
	}
}
