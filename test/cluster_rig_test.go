package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"protei-bulk/internal/servers"
)

// clusterTTL is how long a node that is not seen keeps its leases, in these tests.
const clusterTTL = 2 * time.Second

// flow waits until messages flow: until so many hundreds more have come back as CLUSTER_FLOW
// says, 5 by default, or 30 s are over.
func (r *rig) flow() {
	r.t.Helper()
	hundreds := 5
	if text := os.Getenv("CLUSTER_FLOW"); text != "" {
		var err error
		if hundreds, err = strconv.Atoi(text); err != nil {
			r.t.Fatalf("CLUSTER_FLOW=%q: %v", text, err)
		}
	}
	want := r.receipts() + 100*hundreds
	waitUntil(r.t, time.Duration(30+hundreds)*time.Second, func() bool { return r.receipts() >= want })
	if got := r.receipts(); got < want {
		r.t.Fatalf("%d receipts, not %d: messages do not flow", got, want)
	}
}

// joined waits until a node answers that it is ready. It may take that back for a moment.
func (r *rig) joined(addr string) {
	r.t.Helper()
	ready := false
	waitUntil(r.t, 20*time.Second, func() bool {
		code, err := call(r.t.Context(), "GET", "http://"+addr+"/api/v1/health/ready", "", nil)
		ready = err == nil && code == http.StatusOK
		return ready
	})
	if !ready {
		r.t.Fatalf("%s is not ready", addr)
	}
}

// rig is several nodes over a private PostgreSQL, a simulated SMSC behind them and a customer
// in front, who remembers what he was promised.
type rig struct {
	t        *testing.T
	postgres *servers.Postgres
	store    string // address of the database, maybe through a link that can be cut
	args     []string
	far      smscAt
	led      *ledger
	hook     string

	mu    sync.Mutex
	nodes []*platform // guarded by mu; nil where one is down

	stopLoad context.CancelFunc
	load     sync.WaitGroup
}

const rigBinds, rigWindow = 2, 100

// rigPause is between two bulks of 20 of each of four senders: about 2,000 messages/s.
const rigPause = 40 * time.Millisecond

func newRig(t *testing.T, settings ...string) *rig {
	t.Helper()
	r := &rig{t: t, led: newLedger()}
	// fsync stays on: what a crash of PostgreSQL loses is what these tests are about.
	r.postgres = servers.TestPostgres(t, settings...)
	var err error
	if r.store, err = r.postgres.NewDatabase(); err != nil {
		t.Fatal(err)
	}
	_, r.far = simulator(t, "--receipt-delay", "0-200ms", "--latency", "0-10ms")
	r.hook = r.led.webhooks(t)
	return r
}

// start starts node i, again after it was killed.
func (r *rig) start(i int) *platform {
	r.t.Helper()
	args := append([]string{
		"--store", r.store, "--upstream", fmt.Sprintf("smpp://x:y@%s?binds=%d&window=%d&trace_tlv=1", r.far.SMPP, rigBinds, rigWindow),
	}, r.args...)
	r.t.Setenv("PROTEI_BULK_CLUSTER_TTL", clusterTTL.String())
	p := serveDev(r.t, args...)
	r.mu.Lock()
	for len(r.nodes) <= i {
		r.nodes = append(r.nodes, nil)
	}
	r.mu.Unlock()
	r.up(i, p)
	return p
}

// doors are the addresses of the nodes that should be up.
func (r *rig) doors() (addrs []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.nodes {
		if p != nil {
			addrs = append(addrs, p.HTTP)
		}
	}
	return addrs
}

// up notes that a node is back.
func (r *rig) up(i int, p *platform) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nodes[i] = p
}

// down notes that a node is gone.
func (r *rig) down(i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nodes[i] = nil
}

// send begins load over all nodes, which goes on until rest whatever they answer.
func (r *rig) send() {
	ctx, cancel := context.WithCancel(r.t.Context())
	r.stopLoad = cancel
	for w := range 4 {
		r.load.Go(func() {
			tick := time.NewTicker(rigPause)
			defer tick.Stop()
			for n := w; ctx.Err() == nil; n++ {
				<-tick.C
				doors := r.doors()
				if len(doors) == 0 {
					waitUntil(r.t, time.Second, func() bool { return len(r.doors()) > 0 || ctx.Err() != nil })
					continue
				}
				r.sendBulk(ctx, doors[n%len(doors)], n)
			}
		})
	}
}

func (r *rig) sendBulk(ctx context.Context, addr string, n int) {
	items := make([]string, 20)
	for i := range items {
		items[i] = fmt.Sprintf(`{"to":"+1555%07d","text":"bulk %d.%d"}`, i, n, i)
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var many struct {
		IDs []string `json:"message_ids"`
	}
	body := fmt.Sprintf(`{"from":"Kill","dlr_url":%q,"messages":[%s]}`, r.hook, strings.Join(items, ","))
	code, err := call(ctx, "POST", "http://"+addr+"/api/v1/messages/bulk", body, &many)
	if err == nil && code == http.StatusCreated {
		r.led.promise(false, many.IDs...)
	}
}

// rest ends the load.
func (r *rig) rest() {
	r.stopLoad()
	r.load.Wait()
}

// owner returns the node that has the connector, once one has.
func (r *rig) owner() int {
	r.t.Helper()
	found := -1
	waitUntil(r.t, 20*time.Second, func() bool {
		r.mu.Lock()
		nodes := append([]*platform(nil), r.nodes...)
		r.mu.Unlock()
		for i, p := range nodes {
			if p == nil {
				continue
			}
			var list struct {
				Nodes []struct {
					This   bool
					State  string
					Leases []string
				}
			}
			if _, err := call(r.t.Context(), "GET", "http://"+p.HTTP+"/api/v1/nodes", "", &list); err != nil {
				continue
			}
			for _, n := range list.Nodes {
				if n.This && n.State == "up" && strings.Contains(strings.Join(n.Leases, " "), "connector/") {
					found = i
				}
			}
		}
		return found >= 0
	})
	if found < 0 {
		r.t.Fatal("no node has the connector")
	}
	return found
}

// recovered waits until something is delivered again and prints how long that took.
func (r *rig) recovered(what string, since time.Time) {
	r.t.Helper()
	before := r.receipts()
	waitUntil(r.t, 30*time.Second, func() bool { return r.receipts() > before })
	if r.receipts() == before {
		r.t.Fatalf("nothing is delivered within 30 s after: %s", what)
	}
	r.t.Logf("%s: delivering again %.1f s after", what, time.Since(since).Seconds())
}

func (r *rig) receipts() int {
	r.led.mu.Lock()
	defer r.led.mu.Unlock()
	return len(r.led.receipts)
}

// close ends the load and wants every promise kept: at the SMSC, back at the customer, and in
// the books of every node. takeovers bounds the duplicates.
func (r *rig) close(takeovers int) {
	r.t.Helper()
	r.rest()
	waitUntil(r.t, 60*time.Second, r.led.settled)
	promised, _ := r.led.size()
	r.t.Logf("%d messages promised", promised)
	if promised < 200 {
		r.t.Error("too little was sent for this to mean anything")
	}
	doors := r.doors()
	r.mu.Lock()
	for i, p := range r.nodes {
		select {
		case <-p.done:
			r.t.Errorf("node %d has ended: %v\n%s", i, p.err, lastLines(p.out.String(), 25))
		default:
		}
	}
	r.mu.Unlock()
	if r.t.Failed() {
		return
	}
	for i, id := range r.led.open() {
		if i == 5 {
			r.t.Error("… and more")
			break
		}
		var m json.RawMessage
		code, err := call(r.t.Context(), "GET", "http://"+doors[0]+"/api/v1/messages/"+id, "", &m)
		r.t.Errorf("%s was accepted and has no receipt; the platform says %d %s %v", id, code, m, err)
	}
	assertSeen(r.t, r.far.Control, r.led)
	assertDuplicates(r.t, r.far.Control, takeovers*(rigBinds*rigWindow+10_000))
	for _, addr := range doors {
		assertLedgerCloses(r.t, addr)
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
