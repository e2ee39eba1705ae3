package bulk

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/internal/servers"
	"protei-bulk/smpp"
	"protei-bulk/smsc"
)

// sharedStore starts a PostgreSQL for one test and returns the URL of an empty database.
func sharedStore(t *testing.T) string {
	t.Helper()
	pg, err := servers.NewPostgres(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	})
	url, err := pg.NewDatabase()
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// openNode starts a node over a store that it shares.
func openNode(t *testing.T, url, name string, change func(*Config)) *site {
	t.Helper()
	return openSite(t, t.TempDir(), func(c *Config) {
		c.Store, c.SMPP, c.Cluster.Name, c.Cluster.TTL = url, "127.0.0.1:0", name, Duration(2*time.Second)
		if change != nil {
			change(c)
		}
	})
}

// customer is bound to a node as an ESME, and counts what it is delivered.
type customer struct {
	*smpp.Session
	receipts, texts atomic.Int64
}

func (s *site) bind() *customer {
	s.t.Helper()
	c := &customer{}
	var err error
	c.Session, err = smpp.Dial(s.t.Context(), smpp.DialOptions{
		Addr: s.SMPPAddr(), BindType: smpp.Transceiver, SystemID: "dev", Password: "devpass1",
		Session: smpp.SessionOptions{Window: 50, Handler: smpp.HandlerFunc(func(s *smpp.Session, r *smpp.Request) {
			if d, ok := r.PDU.(*smpp.DeliverSM); ok && d.ESMClass&smpp.ESMReceipt != 0 {
				c.receipts.Add(1)
			} else if ok {
				c.texts.Add(1)
			}
			_ = s.Respond(r.Seq, r.ID, smpp.ROK, nil) // an end of the session shows in what was counted
		})},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

func (c *customer) submit(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		st, _, err := c.Do(t.Context(), &smpp.SubmitSM{
			Source: smpp.Address{TON: 5, Addr: []byte("Test")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: fmt.Appendf(nil, "99361%06d", i)},
			RegisteredDelivery: 1, ShortMessage: []byte("hello"),
		})
		if err != nil || st != smpp.ROK {
			t.Fatalf("submit_sm: %v %v", st, err)
		}
	}
}

// TestReceiptsGoWhereTheCustomerIsBound: one node sends for the connector and hears the SMSC,
// the customer is bound to the other one. What comes while nobody is bound waits for the next
// bind, wherever that is, and nothing is told twice.
func TestReceiptsGoWhereTheCustomerIsBound(t *testing.T) {
	url := sharedStore(t)
	sim := simulate(t, smsc.Behaviour{})
	a := openNode(t, url, "a", nil)
	a.addConnector("one", sim, "binds=1")
	a.must(201, "POST", "/routes", `{"name":"all","targets":[{"connector":"one"}]}`)
	a.must(201, "POST", "/inbound/routes", fmt.Sprintf(`{"name":"mo","account_id":%d,"to":"7007"}`, a.accounts.ByName("dev").ID))
	id := a.connector.All()[0].ID
	eventually(t, "the first node has the connector", func() bool { return a.fleet.mine(id) })
	a.waitState("one", "up")
	b := openNode(t, url, "b", func(c *Config) { c.Roles = []string{roleAPI, roleESME} })

	const n = 20
	first := b.bind()
	first.submit(t, n)
	eventually(t, "receipts on the node with the bind", func() bool { return first.receipts.Load() >= n })
	if _, err := sim.Deliver(t.Context(), smsc.MO{From: "99361000001", To: "7007", Text: "hi"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the inbound message", func() bool { return first.texts.Load() == 1 })
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the bind", func() bool { return !b.esme.Receiving(b.accounts.ByName("dev").ID) })

	if _, err := sim.Deliver(t.Context(), smsc.MO{From: "99361000001", To: "7007", Text: "nobody is there"}); err != nil {
		t.Fatal(err)
	}
	second := b.bind()
	eventually(t, "what came meanwhile", func() bool { return second.texts.Load() == 1 })
	if got := first.receipts.Load() + second.receipts.Load(); got != n || first.texts.Load() != 1 {
		t.Errorf("%d receipts of %d messages, %d inbound messages of the first", got, n, first.texts.Load())
	}
}

// TestChangesReachTheOtherNode: what is set on one node is in force on the other one within a
// second.
func TestChangesReachTheOtherNode(t *testing.T) {
	url := sharedStore(t)
	a, b := openNode(t, url, "a", nil), openNode(t, url, "b", nil)
	within := func(what string, ok func() bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for !ok() {
			select {
			case <-time.After(5 * time.Millisecond):
			case <-ctx.Done():
				t.Fatalf("not within a second: %s", what)
			}
		}
	}
	sim := simulate(t, smsc.Behaviour{})
	a.addConnector("one", sim, "binds=1")
	within("the connector", func() bool { code, _ := b.call("GET", "/connectors/one", ""); return code == 200 })
	b.must(201, "POST", "/routes", `{"name":"all","targets":[{"connector":"one"}]}`)
	within("the route", func() bool { _, text := a.call("GET", "/routes", ""); return strings.Contains(text, `"all"`) })
	eventually(t, "both nodes are listed", func() bool {
		_, text := b.call("GET", "/nodes", "")
		return strings.Contains(text, `"name":"a"`) && strings.Contains(text, `"name":"b"`)
	})
	b.must(200, "POST", "/connectors/one/stop", "")
	within("the stop", func() bool {
		_, text := a.call("GET", "/connectors/one", "")
		return strings.Contains(text, `"state":"stopped"`)
	})
	eventually(t, "the links are closed", func() bool { return sim.Counters().Binds.Current == 0 })
	b.must(200, "POST", "/connectors/one/start", "")
	for _, s := range []*site{a, b} { // one of them has it
		s.waitState("one", "up")
	}
}
