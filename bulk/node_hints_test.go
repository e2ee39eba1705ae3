package bulk

import (
	"strconv"
	"strings"
	"testing"

	"protei-bulk/bulk/queue/redisq"
	"protei-bulk/internal/servers"
	"protei-bulk/smsc"
)

// TestHintsBetweenNodes: the node that accepts tells the owner over Redis, and after Redis died
// all messages still come through.
func TestHintsBetweenNodes(t *testing.T) {
	url := sharedStore(t)
	redis := servers.TestRedis(t)
	hints := func(c *Config) { c.Queue = redis.URL() }
	sim := simulate(t, smsc.Behaviour{})
	a := openNode(t, url, "a", hints)
	a.addConnector("one", sim, "binds=1")
	a.must(201, "POST", "/routes", `{"name":"all","targets":[{"connector":"one"}]}`)
	id := a.connector.All()[0].ID
	eventually(t, "the first node has the connector", func() bool { return a.fleet.mine(id) })
	a.waitState("one", "up")
	b := openNode(t, url, "b", func(c *Config) {
		hints(c)
		c.Roles = []string{roleAPI, roleESME}
	})
	const n = 20
	c := b.bind()
	c.submit(t, n)
	eventually(t, "receipts", func() bool { return c.receipts.Load() == n })
	eventually(t, "the hints of all", func() bool { return b.hints.Stats().Published == n && a.hints.Stats().Read == n })
	stray, err := redisq.Connect(t.Context(), redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer stray.Close()
	if err := stray.Do(t.Context(), stray.B().Xadd().Key("pb:lane:{"+strconv.Itoa(int(id))+"}:1").Id("*").FieldValue().FieldValue("ids", "odd").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a dead hint", func() bool {
		_, text := b.call("GET", "/queues/dead", "")
		return strings.Contains(text, `"raw":"6f6464"`)
	})
	if text := b.must(200, "POST", "/queues/dead/replay", ""); !strings.Contains(text, `"replayed":1`) {
		t.Errorf("replay: %s", text)
	}
	eventually(t, "it is dead again", func() bool { return a.hints.Stats().Buried == 2 })
	if text := b.must(200, "DELETE", "/queues/dead", ""); !strings.Contains(text, `"purged":1`) {
		t.Errorf("purge: %s", text)
	}
	b.must(400, "GET", "/queues/dead?cursor=x", "")
	if _, text := b.call("GET", "/audit", ""); !strings.Contains(text, "/queues/dead/replay") {
		t.Errorf("the log of changes has no replay: %s", text)
	}
	if err := redis.Kill(); err != nil {
		t.Fatal(err)
	}
	c.submit(t, n)
	eventually(t, "receipts without Redis", func() bool { return c.receipts.Load() == 2*n })
	b.must(503, "GET", "/queues/dead", "")
	if s := b.hints.Stats(); s.Dropped != n || s.Up {
		t.Errorf("%+v", s)
	}
}
