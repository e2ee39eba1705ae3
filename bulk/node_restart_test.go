package bulk

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/smsc"
)

// balancer posts messages to nodes that say they are ready, as of up to 10 ms ago.
type balancer struct {
	t        *testing.T
	nodes    [2]atomic.Pointer[site]
	ready    [2]atomic.Bool
	accepted atomic.Int64
}

// look asks the nodes in turn until ctx ends.
func (b *balancer) look(ctx context.Context) {
	for ctx.Err() == nil {
		for i := range b.nodes {
			resp, err := http.Get("http://" + b.nodes[i].Load().HTTPAddr() + "/api/v1/health/ready")
			if err == nil {
				resp.Body.Close()
			}
			b.ready[i].Store(err == nil && resp.StatusCode == http.StatusOK)
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// post sends until ctx ends; an answer other than 201 fails the test.
func (b *balancer) post(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		if !b.ready[i%2].Load() {
			continue
		}
		code, text := b.nodes[i%2].Load().call("POST", "/messages", `{"from":"TEST","to":"+99361234567","text":"hello"}`)
		if code != http.StatusCreated {
			b.t.Errorf("refused: %d %s", code, text)
			return
		}
		b.accepted.Add(1)
	}
}

// TestRollingRestart: nodes are stopped and replaced one after the other behind a balancer. No
// message is refused, and each is delivered.
func TestRollingRestart(t *testing.T) {
	url := sharedStore(t)
	sim := simulate(t, smsc.Behaviour{})
	drain := func(c *Config) { c.Drain, c.SMPP = Duration(200*time.Millisecond), "off" }
	b := &balancer{t: t}
	for i, name := range []string{"a", "b"} {
		b.nodes[i].Store(openNode(t, url, name, drain))
	}
	first := b.nodes[0].Load()
	first.addConnector("one", sim, "binds=2&window=50")
	first.must(201, "POST", "/routes", `{"name":"all","targets":[{"connector":"one"}]}`)
	first.waitState("one", "up")

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.post(ctx) }()
	looked := make(chan struct{})
	go func() { defer close(looked); b.look(ctx) }()
	for i, name := range []string{"c", "d"} {
		eventually(t, "both are ready", func() bool { return b.ready[0].Load() && b.ready[1].Load() })
		before := b.accepted.Load()
		eventually(t, "messages are accepted", func() bool { return b.accepted.Load() > before+50 })
		if err := b.nodes[i].Load().Stop(t.Context()); err != nil {
			t.Errorf("stop: %v", err)
		}
		b.nodes[i].Store(openNode(t, url, name, drain))
	}
	eventually(t, "both are ready", func() bool { return b.ready[0].Load() && b.ready[1].Load() })
	cancel()
	<-done
	<-looked
	last := b.nodes[0].Load()
	account := last.accounts.ByName("dev").ID
	eventually(t, "all are delivered", func() bool {
		return insight{last.Platform}.Counts(account)[message.Delivered] == b.accepted.Load()
	})
	if n := sim.Counters(); n.Unique != uint64(b.accepted.Load()) {
		t.Errorf("%d accepted, the SMSC has %d and %d again", b.accepted.Load(), n.Unique, n.Duplicates)
	}
}
