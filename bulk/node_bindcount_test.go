package bulk

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"protei-bulk/internal/servers"
	"protei-bulk/smpp"
)

// TestOneMaximumOfBindsOverNodes: many bind to two nodes at the same time, and as many get in as
// the account may have binds. With Redis, and with PostgreSQL alone.
func TestOneMaximumOfBindsOverNodes(t *testing.T) {
	t.Run("PostgreSQL", func(t *testing.T) { maximumOfBinds(t, "memory") })
	t.Run("Redis", func(t *testing.T) { maximumOfBinds(t, servers.TestRedis(t).URL()) })
}

func maximumOfBinds(t *testing.T, queue string) {
	url := sharedStore(t)
	const most = 4
	var nodes []*site
	for _, name := range []string{"a", "b"} {
		nodes = append(nodes, openNode(t, url, name, func(c *Config) { c.Queue, c.Cluster.TTL = queue, Duration(time.Minute) }))
	}
	a := nodes[0].newShop(fmt.Sprintf(`"max_binds":%d`, most))
	eventually(t, "the other node has the account", func() bool { return nodes[1].accounts.ByName("shop") != nil })
	var mu sync.Mutex
	var bound []*smpp.Session
	contest := func(tries int) {
		var all sync.WaitGroup
		for i := range tries {
			all.Go(func() {
				s, err := nodes[i%2].bindShop(a)
				mu.Lock()
				defer mu.Unlock()
				var refused *smpp.StatusError
				switch {
				case err == nil:
					bound = append(bound, s)
				case !errors.As(err, &refused) || refused.Status != smpp.RBINDFAIL:
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	contest(4 * most)
	if len(bound) != most {
		t.Fatalf("%d binds, want %d", len(bound), most)
	}
	// The last place: one goes, and several want it on both nodes until one has it.
	for range 3 {
		if err := bound[0].Close(); err != nil {
			t.Fatal(err)
		}
		bound = bound[1:]
		eventually(t, "one has the place", func() bool {
			contest(4)
			return len(bound) >= most
		})
		if len(bound) != most {
			t.Fatalf("%d binds, want %d", len(bound), most)
		}
	}
	for _, s := range bound {
		s.Close()
	}
	bound = nil
	// All places are free, on one node.
	eventually(t, "all binds on one node", func() bool {
		s, err := nodes[1].bindShop(a)
		if err == nil {
			bound = append(bound, s)
		}
		return len(bound) == most
	})
	if s, err := nodes[0].bindShop(a); err == nil {
		s.Close()
		t.Error("one bind too many")
	}
	for _, s := range nodes {
		s.node.count.mu.Lock()
		if s.node.count.apart {
			t.Error("the nodes do not count together")
		}
		s.node.count.mu.Unlock()
	}
	for _, s := range bound {
		s.Close()
	}
}

// TestBindsWhileRedisIsAway: each node lets in its part; when Redis is back, and empty, the nodes
// note what they have.
func TestBindsWhileRedisIsAway(t *testing.T) {
	url := sharedStore(t)
	redis := servers.TestRedis(t)
	const most = 4
	var nodes []*site
	for _, name := range []string{"a", "b"} {
		nodes = append(nodes, openNode(t, url, name, func(c *Config) { c.Queue = redis.URL() }))
	}
	a := nodes[0].newShop(fmt.Sprintf(`"max_binds":%d`, most))
	eventually(t, "the other node has the account, and both see each other", func() bool {
		return nodes[1].accounts.ByName("shop") != nil && nodes[0].node.member.Alive() == 2 && nodes[1].node.member.Alive() == 2
	})
	bind := func(s *site) bool {
		c, err := s.bindShop(a)
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return err == nil
	}
	if !bind(nodes[0]) {
		t.Fatal("the first bind is refused")
	}
	if err := redis.Kill(); err != nil {
		t.Fatal(err)
	}
	if !bind(nodes[0]) || bind(nodes[0]) || !bind(nodes[1]) {
		t.Error("without Redis a node does not let in its part, two of four")
	}
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	settled := func(s *site) bool {
		c := s.node.count
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.owed) == 0 && !c.apart
	}
	eventually(t, "Redis knows of all binds", func() bool { return settled(nodes[0]) && settled(nodes[1]) })
	if !bind(nodes[0]) || bind(nodes[0]) || bind(nodes[1]) {
		t.Error("three binds of four leave place for one, on any node")
	}
}
