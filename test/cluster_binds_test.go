package test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"protei-bulk/internal/servers"
	"protei-bulk/smpp"
)

// TestClusterBindsOfAKilledNode: an account has all its binds on one node, so that the other one
// refuses it; when the first is killed they are free within seconds.
func TestClusterBindsOfAKilledNode(t *testing.T) {
	t.Run("PostgreSQL", func(t *testing.T) { bindsOfAKilledNode(t) })
	t.Run("Redis", func(t *testing.T) { bindsOfAKilledNode(t, "--queue", servers.TestRedis(t).URL()) })
}

func bindsOfAKilledNode(t *testing.T, args ...string) {
	r := newRig(t)
	r.args = args
	a, b := r.start(0), r.start(1)
	var made struct {
		ID int `json:"account_id"`
	}
	a.want(http.StatusCreated, "POST", "/api/v1/accounts", `{"name":"esme","system_id":"esme","password":"esmepass","max_binds":2}`, &made)
	var bound []*smpp.Session
	try := func(p *platform) bool {
		s, err := p.bind("esme", "esmepass", nil)
		if err == nil {
			bound = append(bound, s)
			t.Cleanup(func() { s.Close() })
		}
		return err == nil
	}
	waitUntil(t, 10*time.Second, func() bool { return b.get(fmt.Sprintf("/api/v1/accounts/%d", made.ID)).code == http.StatusOK })
	for i, p := range []*platform{a, a, b, a} {
		if got, want := try(p), i < 2; got != want {
			t.Fatalf("bind %d: let in %t, and the account may have two", i+1, got)
		}
	}
	a.kill()
	killed := time.Now()
	r.down(0)
	waitUntil(t, 20*time.Second, func() bool { return try(b) })
	took := time.Since(killed)
	t.Logf("the first bind on the other node %.1f s after, cluster.ttl is %v", took.Seconds(), clusterTTL)
	if len(bound) != 3 || took > clusterTTL+5*time.Second {
		t.Fatalf("%d binds after %v", len(bound)-2, took)
	}
	if !try(b) || try(b) {
		t.Errorf("%d binds on the other node, want two", len(bound)-2)
	}
}
