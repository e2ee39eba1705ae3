package dispatch_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"protei-bulk/bulk/dispatch"
	"protei-bulk/bulk/dispatch/dispatchtest"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/queue"
	"protei-bulk/bulk/upstream"
	"protei-bulk/smpp"
)

// carrier is a Gateway that carries messages to a slice, a window of them at a time.
type carrier struct {
	window int
	whole  bool
	policy string

	mu     sync.Mutex
	flying int
	ids    int
	got    []upstream.Submission
	answer func(upstream.Submission) upstream.Outcome // nil: Accepted
	ready  chan struct{}
	joined sync.WaitGroup
}

func (c *carrier) Options() upstream.Options {
	return upstream.Options{Name: "carrier", Unknown: c.policy, SMSCIDs: "auto"}
}
func (c *carrier) Start(smpp.Handler)         {}
func (c *carrier) Stop(context.Context) error { c.joined.Wait(); return nil }
func (c *carrier) Ready() <-chan struct{}     { return c.ready }
func (c *carrier) Whole() bool                { return c.whole }

func (c *carrier) Free() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.window - c.flying
}

func (c *carrier) Submit(s upstream.Submission, done func(upstream.Outcome)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flying >= c.window {
		return upstream.ErrBusy
	}
	c.flying++
	c.ids++
	out := upstream.Outcome{ID: "g" + strconv.Itoa(c.ids), Done: time.Now()}
	if c.answer != nil {
		out = c.answer(s)
		out.Done = time.Now()
	}
	c.got = append(c.got, s)
	c.joined.Go(func() {
		time.Sleep(time.Millisecond) // the way there and back
		c.mu.Lock()
		c.flying--
		c.mu.Unlock()
		done(out)
		select {
		case c.ready <- struct{}{}:
		default:
		}
	})
	return nil
}

func (c *carrier) all() []upstream.Submission {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]upstream.Submission(nil), c.got...)
}

// newGatewayRig is newRig with a carrier instead of an SMSC.
func newGatewayRig(t *testing.T, c *carrier, store *dispatchtest.Store, o dispatch.Options) *rig {
	t.Helper()
	if c.ready == nil {
		c.ready = make(chan struct{}, 1)
	}
	r := &rig{t: t, store: store, ids: message.NewIDSource(1, 0, nil)}
	var err error
	if r.lanes, err = queue.New(queue.Options{Store: store, LoadBatch: 100}); err != nil {
		t.Fatal(err)
	}
	q := r.lanes.Connector(1)
	r.lanes.Restore(store.Recovery())
	store.Applied = r.lanes.Applied
	o.Connector, o.Queue, o.Gateway, o.Store = 1, q, c, store
	if r.d, err = dispatch.New(o); err != nil {
		t.Fatal(err)
	}
	store.Start()
	r.lanes.Start()
	r.d.Start()
	t.Cleanup(func() { r.stop(5 * time.Second) })
	return r
}

// TestGatewayCrashDuplicatesAreBounded is TestCrashDuplicatesAreBounded for messages that go as
// a whole.
func TestGatewayCrashDuplicatesAreBounded(t *testing.T) {
	const n, window, unsynced, crashes = 2000, 20, 100, 4
	c := &carrier{window: window, whole: true}
	store := dispatchtest.New()
	store.CommitTime = 2 * time.Millisecond
	o := dispatch.Options{MaxUnsynced: unsynced}
	r := newGatewayRig(t, c, store, o)
	msgs := make([]*message.Message, n)
	for i := range msgs {
		msgs[i] = r.message(i, "one ", "two ")
	}
	r.accept(msgs...)
	for i := range crashes {
		goal := (i + 1) * n / (crashes + 2)
		eventually(t, "some sent", func() bool { return len(c.all()) > goal })
		store = r.crash()
		store.CommitTime = 2 * time.Millisecond
		r = newGatewayRig(t, c, store, o)
	}
	r.expect(message.Sent, n)
	times, unmarked := map[message.ID]int{}, 0
	for _, s := range c.all() {
		if times[s.Msg.ID]++; times[s.Msg.ID] > 1 && !s.Dup {
			unmarked++
		}
	}
	again := len(c.all()) - n
	if len(times) != n || again > crashes*(window+unsynced) || unmarked > 0 {
		t.Errorf("%d messages sent, %d again after %d crashes (at most %d), %d of them not marked", len(times), again, crashes, crashes*(window+unsynced), unmarked)
	}
	for _, m := range msgs {
		got := r.get(m.ID)
		if got.Parts[0].SMSCID == "" || got.Parts[0].SMSCID != got.Parts[1].SMSCID {
			t.Fatalf("parts that went together are %+v", got.Parts)
		}
	}
}

// TestGatewayOutcomes: what becomes of a message of two parts that goes as a whole.
func TestGatewayOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		first  upstream.Outcome
		policy string
		want   message.Status
		times  int
		dup    bool
	}{
		"throttled":   {upstream.Outcome{Class: upstream.Slow}, "", message.Sent, 2, false},
		"temporary":   {upstream.Outcome{Class: upstream.Temporary, Code: 500}, "", message.Sent, 2, false},
		"unavailable": {upstream.Outcome{Class: upstream.Unavailable}, "", message.Sent, 2, false},
		"unknown":     {upstream.Outcome{Class: upstream.Unknown}, "", message.Sent, 2, true},
		"held":        {upstream.Outcome{Class: upstream.Unknown}, "hold", message.Held, 1, false},
		"failed":      {upstream.Outcome{Class: upstream.Unknown}, "fail", message.Failed, 1, false},
		"permanent":   {upstream.Outcome{Class: upstream.Failed, Code: 77}, "", message.Failed, 1, false},
		"rejected":    {upstream.Outcome{Class: upstream.Rejected, Code: 400}, "", message.Rejected, 1, false},
		"no route":    {upstream.Outcome{Class: upstream.NoRoute, Code: 404}, "", message.Rejected, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			g := &carrier{window: 5, whole: true, policy: c.policy, answer: func(upstream.Submission) upstream.Outcome {
				if asked++; asked == 1 {
					return c.first
				}
				return upstream.Outcome{ID: "x"}
			}}
			r := newGatewayRig(t, g, dispatchtest.New(), dispatch.Options{RetryMin: 5 * time.Millisecond})
			m := r.message(0, "one ", "two")
			r.accept(m)
			r.expect(c.want, 1)
			all := g.all()
			if len(all) != c.times || all[len(all)-1].Dup != c.dup {
				t.Errorf("sent %d times, the last one marked %v; want %d, %v", len(all), all[len(all)-1].Dup, c.times, c.dup)
			}
			got := r.get(m.ID)
			for i := range got.Parts {
				if got.Parts[i].Status != c.want || c.first.Code != 0 && c.times == 1 && got.Parts[i].Error != c.first.Code {
					t.Errorf("part %d is %+v", i, got.Parts[i])
				}
			}
			if c.want != message.Sent {
				return
			}
			done := make(chan error, 1)
			r.d.Take(dispatch.Report{ID: "x", State: smpp.StateDelivered}, func(err error) { done <- err })
			if err := <-done; err != nil {
				t.Error(err)
			}
			r.expect(message.Delivered, 1)
		})
	}
}
