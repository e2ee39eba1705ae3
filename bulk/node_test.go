package bulk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/money"
	"protei-bulk/bulk/route"
	"protei-bulk/internal/servers"
	"protei-bulk/smpp"
	"protei-bulk/smsc"
)

// server is the PostgreSQL of this process's tests, which the first one that needs it starts.
var server struct {
	once sync.Once
	dir  string
	pg   *servers.Postgres
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if server.pg != nil {
		server.err = server.pg.Stop()
	}
	if err := errors.Join(server.err, os.RemoveAll(server.dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// sharedStore returns the URL of an empty database.
func sharedStore(t *testing.T) string {
	t.Helper()
	server.once.Do(func() {
		if server.dir, server.err = os.MkdirTemp("", "protei-bulk-nodes-"); server.err == nil {
			server.pg, server.err = servers.NewPostgres(server.dir)
		}
	})
	if server.err != nil {
		t.Fatal(server.err)
	}
	url, err := server.pg.NewDatabase()
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

// TestNodesBeginTogether: two nodes over an empty database agree on what is in it, and give each
// account and connector a number of its own when both are asked at once.
func TestNodesBeginTogether(t *testing.T) {
	url := sharedStore(t)
	seeded := func(c *Config) {
		c.Connectors = Seeds{"one=smpp://x:y@127.0.0.1:1"}
		c.Routes = Seeds{`{"name":"all","targets":[{"connector":"one"}]}`}
	}
	nodes := make([]*site, 2)
	var joined sync.WaitGroup
	for i := range nodes {
		joined.Go(func() { nodes[i] = openNode(t, url, fmt.Sprint("n", i), seeded) })
	}
	joined.Wait()
	if t.Failed() {
		return
	}
	const each = 4
	for i, s := range nodes {
		joined.Go(func() {
			for k := range each {
				s.must(201, "POST", "/accounts", fmt.Sprintf(`{"name":"a%d-%d"}`, i, k))
				s.must(201, "POST", "/connectors", fmt.Sprintf(`{"name":"c%d-%d","url":"smpp://x:y@127.0.0.1:1"}`, i, k))
			}
		})
	}
	joined.Wait()
	for _, s := range nodes {
		eventually(t, "all accounts and connectors on each node", func() bool {
			return len(s.accounts.Snapshot().All()) == 2*each+1 && len(s.connector.All()) == 2*each+1
		})
		if rules := s.routes.Rows(); len(rules) != 1 {
			t.Errorf("the settings were carried out more than once: %v", rules)
		}
	}
}

// TestTheModeOfTheFixedConnector: it is set on one node, holds on the other, and outlives both.
func TestTheModeOfTheFixedConnector(t *testing.T) {
	url := sharedStore(t)
	sim := simulate(t, smsc.Behaviour{})
	fixed := func(c *Config) { c.Upstream = "smpp://x:y@" + sim.Addr() }
	a, b := openNode(t, url, "a", fixed), openNode(t, url, "b", fixed)
	eventually(t, "one of them has it", func() bool { return sim.Counters().Binds.Current > 0 })
	a.must(200, "POST", "/connectors/default/stop", "")
	b.waitState("default", "stopped")
	eventually(t, "the links are closed", func() bool { return sim.Counters().Binds.Current == 0 })
	openNode(t, url, "c", fixed).waitState("default", "stopped")
	b.must(200, "POST", "/connectors/default/start", "")
	a.waitState("default", "up")
}

// TestWhatANodeRefuses: a number in use, and a database that does not let it in.
func TestWhatANodeRefuses(t *testing.T) {
	url := sharedStore(t)
	openNode(t, url, "a", func(c *Config) { c.Node = 7 })
	for what, change := range map[string]func(*Config){
		"node 7":         func(c *Config) { c.Node = 7 },
		"does not exist": func(c *Config) { c.Store = strings.Replace(url, "?", "x?", 1) },
	} {
		c := DefaultConfig()
		c.Data, c.HTTP, c.SMPP, c.Store = t.TempDir(), "127.0.0.1:0", "off", url
		change(&c)
		p, err := New(Options{Config: c})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if err := p.Start(ctx); err == nil || !strings.Contains(err.Error(), what) || ctx.Err() != nil {
			t.Errorf("%s: %v", what, err)
		}
		cancel()
	}
}

// TestTwoNodesCreateAndChangeAtOnce: of two nodes that are asked at the same moment for the same name one creates it
// and the other one answers as if it had been asked later, other names do not get in each other's way, and of two
// changes of one thing none is lost.
func TestTwoNodesCreateAndChangeAtOnce(t *testing.T) {
	url := sharedStore(t)
	nodes := []*site{openNode(t, url, "a", nil), openNode(t, url, "b", nil)}
	// both sends one body to each node at the same moment, and returns the answers.
	both := func(method, path string, bodies ...string) (codes [2]int, texts [2]string) {
		start := make(chan struct{})
		var joined sync.WaitGroup
		for i, s := range nodes {
			joined.Go(func() {
				<-start
				codes[i], texts[i] = s.call(method, path, bodies[i])
			})
		}
		close(start)
		joined.Wait()
		return codes, texts
	}
	nodes[0].must(201, "POST", "/connectors", `{"name":"base","url":"smpp://x:y@127.0.0.1:1"}`)
	eventually(t, "the connector on both nodes", func() bool { return nodes[1].connector.Named("base") != nil })
	const rounds = 8
	for what, c := range map[string]struct{ path, body string }{
		"user":         {"/users", `{"name":"%s","role":"admin","password":"` + userPassword + `"}`},
		"account":      {"/accounts", `{"name":"%s"}`},
		"connector":    {"/connectors", `{"name":"%s","url":"smpp://x:y@127.0.0.1:1"}`},
		"route":        {"/routes", `{"name":"%s","targets":[{"connector":"base"}]}`},
		"contact list": {"/lists", `{"name":"%s"}`},
	} {
		t.Run(what, func(t *testing.T) {
			for i := range rounds {
				body := fmt.Sprintf(c.body, fmt.Sprint("same", i))
				if codes, texts := both("POST", c.path, body, body); codes != [2]int{201, 409} && codes != [2]int{409, 201} {
					t.Errorf("one name on two nodes: %v %q", codes, texts)
				}
				if codes, texts := both("POST", c.path, fmt.Sprintf(c.body, fmt.Sprint("one", i)), fmt.Sprintf(c.body, fmt.Sprint("other", i))); codes != [2]int{201, 201} {
					t.Errorf("two names on two nodes: %v %q", codes, texts)
				}
			}
			for _, s := range nodes {
				eventually(t, "what was created", func() bool {
					_, text := s.call("GET", c.path+"?limit=1000", "")
					for i := range rounds {
						for _, name := range []string{"same", "one", "other"} {
							if !strings.Contains(text, fmt.Sprintf(`"name":"%s%d"`, name, i)) {
								return false
							}
						}
					}
					return true
				})
			}
		})
	}
	t.Run("changes", func(t *testing.T) {
		id := nodes[0].accounts.ByName("one0").ID
		for i := 1; i <= rounds; i++ {
			for path, bodies := range map[string][2]string{
				fmt.Sprint("/accounts/", id): {fmt.Sprintf(`{"tps":%d}`, i), fmt.Sprintf(`{"max_binds":%d}`, i)},
				"/routes/one0":               {fmt.Sprintf(`{"price":"%d"}`, i), fmt.Sprintf(`{"priority":%d}`, i)},
			} {
				if codes, texts := both("PATCH", path, bodies[0], bodies[1]); codes != [2]int{200, 200} {
					t.Fatalf("%s: %v %q", path, codes, texts)
				}
			}
			rows, _, err := accountStore{nodes[0].store, nodes[0].vault}.LoadAccounts(t.Context())
			k := slices.IndexFunc(rows, func(r account.Row) bool { return r.ID == id })
			if err != nil || k < 0 || rows[k].TPS != float64(i) || rows[k].MaxBinds != i {
				t.Fatalf("of two changes of an account one is lost: %+v, %v", rows, err)
			}
			rules, err := routeStore{nodes[0].store}.LoadRoutes(t.Context())
			k = slices.IndexFunc(rules, func(r route.Row) bool { return r.Name == "one0" })
			if err != nil || k < 0 || rules[k].Priority != i || rules[k].Price == nil || *rules[k].Price != money.Amount(i)*money.Unit {
				t.Fatalf("of two changes of a route one is lost: %+v, %v", rules, err)
			}
		}
	})
}
