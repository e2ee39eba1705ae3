package test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// ledger is what the test was promised and what came back.
type ledger struct {
	mu       sync.Mutex
	promised map[string]bool // id → came by SMPP; answered with 201 or ESME_ROK; guarded by mu
	receipts map[string]int  // id → receipts seen, by webhook or deliver_sm; guarded by mu
	waiting  int             // promised ids without a receipt; guarded by mu
}

func newLedger() *ledger {
	return &ledger{promised: map[string]bool{}, receipts: map[string]int{}}
}

func (l *ledger) promise(viaSMPP bool, ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		l.promised[id] = viaSMPP
		if l.receipts[id] == 0 {
			l.waiting++
		}
	}
}

func (l *ledger) receipt(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, promised := l.promised[id]; promised && l.receipts[id] == 0 {
		l.waiting--
	}
	l.receipts[id]++
}

// settled reports whether every promise has its receipt. It is cheap, because it is asked
// while receipts come in.
func (l *ledger) settled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting == 0
}

// open lists promised ids without a receipt.
func (l *ledger) open() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []string
	for id := range l.promised {
		if l.receipts[id] == 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// ids lists what was promised, ascending: ids rise with time.
func (l *ledger) ids() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.promised))
}

func (l *ledger) size() (promised, viaSMPP int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, smpp := range l.promised {
		if smpp {
			viaSMPP++
		}
	}
	return len(l.promised), viaSMPP
}

// webhooks is the customer's endpoint.
func (l *ledger) webhooks(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(l.takeWebhook))
	t.Cleanup(server.Close)
	return server.URL + "/dlr"
}

func (l *ledger) takeWebhook(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Events []struct {
			MessageID string `json:"message_id"`
		} `json:"events"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest) // the sender was killed in the middle of it
		return
	}
	for _, e := range body.Events {
		l.receipt(e.MessageID)
	}
}

// killRounds is how often the platform is killed.
func killRounds(t *testing.T) int {
	if text := os.Getenv("KILL_ROUNDS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("KILL_ROUNDS=%q: %v", text, err)
		}
		return n
	}
	return 20
}

// TestKilledPlatformLosesNothing kills the platform with SIGKILL at random moments
// under load. Every message that was answered with 201 or ESME_ROK must reach the SMSC
// and its receipt must come back; duplicates stay within the bound of the design.
func TestKilledPlatformLosesNothing(t *testing.T) {
	const binds, window, unsynced = 2, 100, 10_000
	var far smscAt
	launch(t, "smsc", &far, "smsc", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0",
		"--receipt-delay", "0-300ms", "--latency", "0-20ms")
	led := newLedger()
	hook := led.webhooks(t)
	data := t.TempDir()
	start := func() (*child, serveAt) {
		var at serveAt
		p := launch(t, "serve", &at, "serve", "--dev", "--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0", "--data", data,
			"--upstream", fmt.Sprintf("smpp://x:y@%s?binds=%d&window=%d&trace_tlv=1", far.SMPP, binds, window))
		return p, at
	}

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	rounds := killRounds(t)
	for range rounds {
		p, at := start()
		ctx, cancel := context.WithCancel(t.Context())
		var load sync.WaitGroup
		for range 3 {
			load.Go(func() { led.sendHTTP(ctx, at.HTTP, hook) })
		}
		load.Go(func() { led.sendSMPP(ctx, t, at.SMPP) })
		// A random moment is the point of this test: it is not waiting for anything.
		<-time.After(time.Duration(100+random.IntN(900)) * time.Millisecond)
		p.kill()
		cancel()
		load.Wait()
	}

	p, at := start()
	bound, err := led.listenSMPP(t.Context(), at.SMPP)
	if err != nil {
		t.Fatalf("bind for receipts: %v\n%s", err, p.out)
	}
	defer bound.Close()
	waitUntil(t, 90*time.Second, led.settled)
	promised, viaSMPP := led.size()
	t.Logf("%d kills, %d messages promised (%d over SMPP)", rounds, promised, viaSMPP)
	if promised < 100*rounds/2 || viaSMPP == 0 || viaSMPP == promised {
		t.Errorf("too little was sent for this to mean anything")
	}
	for i, id := range led.open() {
		if i == 10 {
			t.Fatal("… and more")
		}
		var m json.RawMessage
		code, err := call(t.Context(), "GET", "http://"+at.HTTP+"/api/v1/messages/"+id, "", &m)
		t.Errorf("%s was accepted and has no receipt; the platform says %d %s %v", id, code, m, err)
	}
	assertSeen(t, far.Control, led)
	assertDuplicates(t, far.Control, rounds*(binds*window+unsynced))
	assertLedgerCloses(t, at.HTTP)
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d at the end\n%s", code, p.out)
	}
	assertCDRs(t, led, filepath.Join(data, "cdr"))
}

// assertCDRs wants one record for each promised message, which was delivered, and of no
// message's part and state two: kills may neither lose one nor write one again.
func assertCDRs(t *testing.T, l *ledger, dirs ...string) {
	t.Helper()
	var files []string
	for _, dir := range dirs {
		found, err := filepath.Glob(filepath.Join(dir, "*.csv"))
		if err != nil || len(found) == 0 {
			t.Fatalf("no CDR files in %s: %v", dir, err)
		}
		files = append(files, found...)
	}
	records, states := map[string]int{}, map[[3]string]int{}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := csv.NewReader(f)
		lines.Comment = '#' // the checksum line
		rows, err := lines.ReadAll()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, row := range rows[1:] {
			const id, part, status = 1, 2, 9
			if _, ours := l.promised[row[id]]; ours && (row[status] != "DELIVERED" || row[part] != "1") {
				t.Errorf("record of another kind: %q", row)
			}
			states[[3]string{row[id], row[part], row[status]}]++
			records[row[id]]++
		}
	}
	missing, twice := 0, 0
	for id := range l.promised {
		if records[id] == 0 {
			missing++
		}
	}
	for _, n := range states {
		if n > 1 {
			twice++
		}
	}
	t.Logf("CDRs of %d messages", len(records))
	if missing+twice != 0 {
		t.Errorf("%d promised messages have no CDR, %d parts have more than one of a state", missing, twice)
	}
}

// sendHTTP posts singles and bulks until ctx ends or the platform is gone.
func (l *ledger) sendHTTP(ctx context.Context, addr, hook string) {
	url := "http://" + addr + "/api/v1/messages"
	for n := 0; ctx.Err() == nil; n++ {
		if n%3 != 0 {
			var one struct {
				MessageID string `json:"message_id"`
			}
			body := fmt.Sprintf(`{"from":"Kill","to":"+1555%07d","text":"one %d","dlr_url":%q}`, n, n, hook)
			code, err := call(ctx, "POST", url, body, &one)
			if err != nil {
				return
			}
			if code == http.StatusCreated {
				l.promise(false, one.MessageID)
			}
			continue
		}
		var items []string
		for i := range 50 {
			items = append(items, fmt.Sprintf(`{"to":"+1555%07d","text":"bulk %d.%d"}`, i, n, i))
		}
		var many struct {
			IDs []string `json:"message_ids"`
		}
		body := fmt.Sprintf(`{"from":"Kill","dlr_url":%q,"messages":[%s]}`, hook, strings.Join(items, ","))
		code, err := call(ctx, "POST", url+"/bulk", body, &many)
		if err != nil {
			return
		}
		if code == http.StatusCreated {
			l.promise(false, many.IDs...)
		}
	}
}

// sendSMPP submits over one bind with a window, and takes receipts on it.
func (l *ledger) sendSMPP(ctx context.Context, t *testing.T, addr string) {
	s, err := l.listenSMPP(ctx, addr)
	if err != nil {
		return
	}
	defer s.Close()
	for n := 0; ctx.Err() == nil; n++ {
		pdu := &smpp.SubmitSM{
			Source: smpp.Address{TON: 5, Addr: []byte("Kill")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: fmt.Appendf(nil, "1555%07d", n)},
			RegisteredDelivery: 1, ShortMessage: fmt.Appendf(nil, "over SMPP %d", n),
		}
		if err := s.Send(ctx, pdu, promise{l}); err != nil {
			return
		}
	}
}

type promise struct{ l *ledger }

func (p promise) Complete(r smpp.Result) {
	if resp, ok := r.PDU.(*smpp.SubmitSMResp); ok && r.Err == nil && r.Status == smpp.ROK {
		p.l.promise(true, string(resp.MessageID))
	}
}

// listenSMPP binds as a transceiver whose receipts go into the ledger.
func (l *ledger) listenSMPP(ctx context.Context, addr string) (*smpp.Session, error) {
	return smpp.Dial(ctx, smpp.DialOptions{
		Addr: addr, BindType: smpp.Transceiver, SystemID: "dev", Password: "devpass1",
		Session: smpp.SessionOptions{Window: 50, Handler: takeReceipts{l}},
	})
}

type takeReceipts struct{ l *ledger }

func (h takeReceipts) HandleRequest(s *smpp.Session, r *smpp.Request) {
	if d, ok := r.PDU.(*smpp.DeliverSM); ok {
		if dlr, err := smpp.ParseReceipt(d.ShortMessage, d.TLVs); err == nil {
			h.l.receipt(string(dlr.ID))
		}
	}
	_ = s.Respond(r.Seq, r.ID, smpp.ROK, &smpp.DeliverSMResp{})
}

// assertSeen asks the simulator whether it has seen every promised message.
func assertSeen(t *testing.T, control string, l *ledger) {
	t.Helper()
	l.mu.Lock()
	ids := make([]string, 0, len(l.promised))
	for id := range l.promised {
		ids = append(ids, id)
	}
	l.mu.Unlock()
	missing := 0
	for start := 0; start < len(ids); start += 5000 {
		chunk := ids[start:min(start+5000, len(ids))]
		body, err := json.Marshal(map[string]any{"ids": chunk})
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Missing []string `json:"missing"`
		}
		code, err := call(t.Context(), "POST", "http://"+control+"/seen", string(body), &answer)
		if err != nil || code != http.StatusOK {
			t.Fatalf("ask the simulator: %d %v", code, err)
		}
		missing += len(answer.Missing)
	}
	if missing != 0 {
		t.Errorf("%d of %d promised messages never reached the SMSC", missing, len(ids))
	}
}

func assertDuplicates(t *testing.T, control string, bound int) {
	t.Helper()
	var c struct{ Unique, Duplicates int }
	if _, err := call(t.Context(), "GET", "http://"+control+"/counters", "", &c); err != nil {
		t.Fatal(err)
	}
	t.Logf("the SMSC saw %d messages, %d PDUs more than once (bound %d)", c.Unique, c.Duplicates, bound)
	if c.Unique == 0 || c.Duplicates > bound {
		t.Errorf("%d different messages, %d duplicates, bound %d", c.Unique, c.Duplicates, bound)
	}
}

// assertLedgerCloses waits until every accepted message is in a final status.
func assertLedgerCloses(t *testing.T, addr string) {
	t.Helper()
	var s struct {
		Accepted int64            `json:"accepted"`
		ByStatus map[string]int64 `json:"by_status"`
	}
	closes := func() bool {
		s.ByStatus = nil
		if _, err := call(t.Context(), "GET", "http://"+addr+"/api/v1/statistics", "", &s); err != nil {
			return false
		}
		sum := int64(0)
		for _, n := range s.ByStatus {
			sum += n
		}
		open := s.ByStatus["PENDING"] + s.ByStatus["SCHEDULED"] + s.ByStatus["SENT"] + s.ByStatus["HELD"]
		return s.Accepted > 0 && s.Accepted == sum && open == 0
	}
	waitUntil(t, 20*time.Second, closes)
	if !closes() {
		t.Errorf("the ledger does not close, or something is in flight: %+v", s)
	}
}

// waitUntil polls until ok, or the time is over; the caller judges then.
func waitUntil(t *testing.T, within time.Duration, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			return
		case <-t.Context().Done():
			return
		}
	}
}
