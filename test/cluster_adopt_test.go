package test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// TestClusterInboundAdopted: the node that took messages from mobiles dies before their customer had
// them, and between the parts of a long one: another node delivers all of them, the long one whole.
func TestClusterInboundAdopted(t *testing.T) {
	r := newRig(t)
	far, hook := newCarrier(t), newMOHook(t)
	r.far.SMPP = far.addr
	hook.setDown(true)
	r.start(0)
	r.start(1)
	owner := r.owner()
	r.nodes[1-owner].want(http.StatusCreated, "POST", "/api/v1/inbound/routes", `{"to":"1000","url":"`+hook.url+`"}`, nil)
	promised := map[string]bool{}
	bring := func(text string, p *smpp.DeliverSM) {
		t.Helper()
		var st smpp.Status
		var err error
		waitUntil(t, 20*time.Second, func() bool { // a bind that is new may be gone again
			st, err = far.deliver(far.session(), p)
			return err == nil
		})
		if err != nil || st != smpp.ROK {
			t.Fatalf("%s: %v %v\n%s", text, st, err, lastLines(r.nodes[owner].out.String(), 20))
		}
		promised[text] = true
	}
	// The route is in force on the owner, too, when a message has one.
	waitUntil(t, 20*time.Second, func() bool {
		bring("first", fromMobile("79161234567", "1000", "first"))
		hook.mu.Lock()
		defer hook.mu.Unlock()
		return hook.tries > 0
	})
	for i := range 50 {
		text := fmt.Sprintf("message %d", i)
		bring(text, fromMobile("79161234567", "1000", text))
	}
	long := strings.Repeat("a long one ", 60)
	parts := inParts(t, "79160000000", "1000", long, 7)
	bring(long, parts[0])
	bring(long, parts[2])
	r.nodes[owner].kill()
	killed := time.Now()
	r.down(owner)
	if r.owner() != 1-owner {
		t.Fatal("the connector is not the other node's")
	}
	for _, i := range []int{1, 3, 4} {
		if i < len(parts) {
			bring(long, parts[i])
		}
	}
	hook.setDown(false)
	came := func() bool {
		_, texts := hook.count()
		return texts == len(promised)
	}
	waitUntil(t, 60*time.Second, came)
	p := r.nodes[1-owner]
	if !came() {
		_, texts := hook.count()
		t.Fatalf("%d texts came, want %d\n%s", texts, len(promised), lastLines(p.out.String(), 20))
	}
	t.Logf("all delivered %.1f s after the node was killed", time.Since(killed).Seconds())
	hook.mu.Lock()
	for id, text := range hook.texts {
		if !promised[text] {
			t.Errorf("%s was never sent: %q", id, text)
		}
	}
	hook.mu.Unlock()
	for _, status := range []string{"PENDING", "PART"} {
		var listed struct {
			Messages []struct{ Status, Text string }
		}
		waitUntil(t, 20*time.Second, func() bool {
			p.want(http.StatusOK, "GET", "/api/v1/inbound/messages?limit=1000&status="+status, "", &listed)
			return len(listed.Messages) == 0
		})
		if len(listed.Messages) != 0 {
			t.Errorf("still %s: %v", status, listed.Messages)
		}
	}
}

// TestClusterCDRsAdopted: nodes die with CDR records that are not in their files: another node writes
// them, and a node that comes back under the number of another one writes its own. Each record is
// written once.
func TestClusterCDRsAdopted(t *testing.T) {
	r := newRig(t)
	data := []string{t.TempDir(), t.TempDir()}
	start := func(i int) {
		t.Helper()
		r.args = []string{"--data", data[i]}
		r.start(i)
	}
	ask := func(sql string) string {
		t.Helper()
		out, err := r.postgres.Query(r.store, sql)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	kill := func(i int) {
		t.Helper()
		r.nodes[i].kill()
		r.down(i)
	}
	start(0)
	start(1)
	owner := r.owner()
	r.send()
	r.flow()
	kill(owner)
	left := ask("SELECT count(*) FROM cdr_outbox")
	killed := time.Now()
	r.recovered("the owner of the connector killed", killed)
	// But for those that its files may have: it knows when it comes back.
	adopted := func() bool {
		return ask(fmt.Sprintf("SELECT count(*) FROM cdr_outbox o JOIN cdr_books b USING (book) WHERE o.seq > b.writing AND o.node = %d", owner)) == "0"
	}
	waitUntil(t, 20*time.Second, adopted)
	if !adopted() {
		t.Errorf("records of the node that is gone wait: %s", ask("SELECT node, book, seq FROM cdr_outbox LIMIT 5"))
	}
	t.Logf("%s transactions had records in the database when the node was killed; all adopted %.1f s after", left, time.Since(killed).Seconds())
	start(owner)
	r.flow()
	kill(0)
	kill(1)
	waitUntil(t, 20*time.Second, func() bool { return ask("SELECT count(*) FROM nodes WHERE seen > now() - interval '2 seconds'") == "0" })
	start(1) // as node 0
	if n := ask("SELECT count(*) FROM nodes WHERE node = 0 AND seen > now() - interval '2 seconds'"); n != "1" {
		t.Errorf("%s nodes have the number 0", n)
	}
	r.flow()
	start(0)
	r.flow()
	r.close(4)
	for i := range data {
		if code := r.nodes[i].stop(); code != 0 {
			t.Errorf("exit code %d\n%s", code, lastLines(r.nodes[i].out.String(), 20))
		}
	}
	if rest := ask("SELECT count(*) FROM cdr_outbox"); rest != "0" {
		t.Errorf("the records of %s transactions are in the database still, of node, book and number, the book's last one claimed:\n%s", rest,
			ask("SELECT node, book, seq, writing FROM cdr_outbox JOIN cdr_books USING (book) ORDER BY seq LIMIT 50"))
	}
	assertCDRs(t, r.led, filepath.Join(data[0], "cdr"), filepath.Join(data[1], "cdr"))
}
