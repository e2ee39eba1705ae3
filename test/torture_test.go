package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"protei-bulk/smpp"
)

// The link to the SMSC under torture: what a crash may repeat follows from it.
const tortureBinds, tortureWindow, tortureUnsynced = 2, 50, 10_000

// torture is a platform on its embedded store, a simulated SMSC behind a tap, customers over REST and
// SMPP, and what they were promised.
type torture struct {
	t      *testing.T
	random *rand.Rand
	long   bool
	led    *ledger
	tap    *tap
	data   string
	disk   *smallDisk // under data; nil: none

	platform *platform
	args     []string
	http     string // its addresses, which stay
	smpp     string
	smsc     *child
	smscArgs []string
	control  string // of the simulator
	worker   *child // `protei-bulk load`, with an account of its own: receipts go to any bind of theirs

	workerKey string

	hook    string
	hanging atomic.Pointer[chan struct{}] // webhooks wait until it is closed; nil: they do not

	stopLoad context.CancelFunc
	load     sync.WaitGroup
	serial   atomic.Int64 // of numbers that messages go to: each goes to its own
	refused  atomic.Int64

	over     time.Time       // when what was killed last was started again
	crashes  atomic.Int64    // that may repeat what was sent
	forgets  bool            // the SMSC was killed since the last rest, and receipts with it
	widowed  map[string]bool // messages whose receipt died with the SMSC
	began    level
	tried    map[string]*tally
	tryOrder []string
}

// tally is what became of one kind of fault.
type tally struct {
	times   int
	slowest time.Duration
}

// tortureTime is how long to torture: as TORTURE_TIME says, or a short while.
func tortureTime(t *testing.T) (d time.Duration, long bool) {
	text := os.Getenv("TORTURE_TIME")
	if text == "" {
		return 12 * time.Second, false
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("TORTURE_TIME=%q: %v", text, err)
	}
	return d, true
}

func tortureSeed(t *testing.T) uint64 {
	text := os.Getenv("TORTURE_SEED")
	if text == "" {
		return uint64(time.Now().UnixNano())
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("TORTURE_SEED=%q: %v", text, err)
	}
	return seed
}

// TestTorture lets one fault after the other befall a platform under load, some of them two at a time.
// After each of them messages flow again, the ledger closes, memory and goroutines are where they were;
// nothing that was promised is lost, and nothing is sent twice without a mark. `make torture` runs it for
// long; docs/faults.md says what is tried.
func TestTorture(t *testing.T) {
	t.Parallel()
	seed := tortureSeed(t)
	within, long := tortureTime(t)
	t.Logf("seed %d", seed)
	r := &torture{
		t: t, random: rand.New(rand.NewPCG(seed, 5)), long: long, led: newLedger(),
		data: t.TempDir(), widowed: map[string]bool{}, tried: map[string]*tally{},
	}
	defer r.print(seed)
	if long {
		r.data = filepath.Join(r.data, "data")
		if err := os.Mkdir(r.data, 0o700); err != nil {
			t.Fatal(err)
		}
		r.disk = newSmallDisk(t, r.data, "2g", func() error {
			if r.platform != nil {
				r.platform.kill()
			}
			if r.disk != nil {
				return r.disk.ballast.Close()
			}
			return nil
		}, func() error { return nil })
	}
	r.build()
	r.begin()
	r.flows("the start")
	r.rest("the start")
	r.began = r.level()
	faults := r.faults()
	end := time.Now().Add(within)
	for n := 0; time.Now().Before(end) && !t.Failed(); n++ {
		if n%len(faults) == 0 {
			r.random.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
		}
		r.try(faults, n%len(faults))
	}
	r.finish()
}

// build starts everything.
func (r *torture) build() {
	t := r.t
	smscAddr := steadyAddress(t)
	r.http, r.smpp = steadyAddress(t), steadyAddress(t)
	r.smscArgs = []string{"smsc", "--listen", smscAddr, "--control", steadyAddress(t), "--latency", "0-10ms", "--receipt-delay", "0-200ms", "--retry-delay", "200ms", "--receipt-timeout", "2s"}
	r.startSMSC()
	r.tap = newTap(t, smscAddr)
	server := httptest.NewServer(http.HandlerFunc(r.takeWebhook))
	t.Cleanup(func() {
		r.hang(false)
		server.CloseClientConnections()
		server.Close()
	})
	r.hook = server.URL + "/dlr"
	config := filepath.Join(t.TempDir(), "bulk.yaml")
	if err := os.WriteFile(config, []byte("min_free_disk: 256MiB\nlimits:\n  max_binds: 12000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.args = []string{
		"--config", config, "--data", r.data, "--http", r.http, "--smpp", r.smpp,
		"--upstream", fmt.Sprintf("smpp://x:y@%s?binds=%d&window=%d&trace_tlv=1&timeout=3s&enquire_link=2s", r.tap.addr, tortureBinds, tortureWindow),
	}
	r.startPlatform()
	var made struct {
		Key string `json:"api_key"`
	}
	r.platform.want(http.StatusCreated, "POST", "/api/v1/accounts", `{"name":"worker","system_id":"worker","password":"worker01"}`, &made)
	r.workerKey = made.Key
}

// steadyAddress is one that is free, and that no connection takes for its own end while its server is down: its
// port is below those that the system gives out.
func steadyAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(20_000)))
		if err == nil {
			defer ln.Close()
			return ln.Addr().String()
		}
	}
	t.Fatal("no port is free below 32000")
	return ""
}

func (r *torture) startPlatform() {
	r.over = time.Now()
	r.platform = serveDev(r.t, r.args...)
}

func (r *torture) startSMSC() {
	r.over = time.Now()
	var at smscAt
	r.smsc = launch(r.t, "smsc", &at, r.smscArgs...)
	r.control = at.Control
}

func (r *torture) takeWebhook(w http.ResponseWriter, req *http.Request) {
	if gate := r.hanging.Load(); gate != nil {
		select {
		case <-*gate:
		case <-req.Context().Done():
			return
		}
	}
	r.led.takeWebhook(w, req)
}

// hang makes webhooks wait, or lets all of them go.
func (r *torture) hang(on bool) {
	if on {
		gate := make(chan struct{})
		r.hanging.Store(&gate)
		return
	}
	if gate := r.hanging.Swap(nil); gate != nil {
		close(*gate)
	}
}

// begin starts the customers: some hundred messages a second, and a load tester's users.
func (r *torture) begin() {
	ctx, cancel := context.WithCancel(r.t.Context())
	r.stopLoad = cancel
	for range 2 {
		r.load.Go(func() { r.every(ctx, 100*time.Millisecond, func() { r.post(ctx) }) })
	}
	r.load.Go(func() {
		for ctx.Err() == nil {
			r.submit(ctx)
		}
	})
	r.startWorker()
}

func (r *torture) every(ctx context.Context, pause time.Duration, f func()) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f()
		case <-ctx.Done():
			return
		}
	}
}

// startWorker starts the load tester. What it is promised is only in the platform's own ledger.
func (r *torture) startWorker() {
	r.worker = launch(r.t, "load", nil, "load", "--headless", "--only-summary", "--no-receipts", "-H", "http://"+r.http,
		"--api-key", r.workerKey, "--smpp", "worker:worker01@"+r.smpp, "-u", "4", "-r", "10", "-t", "1h", "--set", "smpp_users=1", "--set", "smpp_rate=20")
}

// number returns one that no other message goes to.
func (r *torture) number() string { return fmt.Sprintf("1777%08d", r.serial.Add(1)) }

// post sends a bulk over REST.
func (r *torture) post(ctx context.Context) {
	var items []string
	for range 10 {
		items = append(items, fmt.Sprintf(`{"to":"+%s","text":"under torture"}`, r.number()))
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var many struct {
		IDs []string `json:"message_ids"`
	}
	code, err := call(ctx, "POST", "http://"+r.http+"/api/v1/messages/bulk", fmt.Sprintf(`{"from":"Kill","dlr_url":%q,"messages":[%s]}`, r.hook, strings.Join(items, ",")), &many)
	if err == nil && code == http.StatusCreated {
		r.led.promise(false, many.IDs...)
		return
	}
	r.refused.Add(1)
}

// submit sends over SMPP until its bind ends.
func (r *torture) submit(ctx context.Context) {
	dial, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s, err := r.led.listenSMPP(dial, r.smpp)
	if err != nil {
		r.refused.Add(1)
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
		return
	}
	defer s.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			err := s.Send(ctx, &smpp.SubmitSM{
				Source: smpp.Address{TON: 5, Addr: []byte("Kill")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte(r.number())},
				RegisteredDelivery: 1, ShortMessage: []byte("over SMPP"),
			}, promise{r.led})
			if err != nil {
				return
			}
		case <-s.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// rest ends the load and wants all that was promised to have come, and the platform to be as before.
func (r *torture) rest(after string) {
	r.t.Helper()
	r.stopLoad()
	r.load.Wait()
	r.worker.kill()
	bound, err := r.led.listenSMPP(r.t.Context(), r.smpp)
	if err != nil {
		r.t.Fatalf("after %s: bind for receipts: %v\n%s", after, err, lastLines(r.platform.out.String(), 25))
	}
	defer bound.Close()
	r.settle(after)
	r.closes(after)
}

// settle waits until each message that was promised has its receipt, or stays without one since the
// SMSC that had it was killed.
func (r *torture) settle(after string) {
	r.t.Helper()
	last, moved := -1, time.Now()
	var open []string
	waitUntil(r.t, 2*time.Minute, func() bool {
		open = open[:0]
		for _, id := range r.led.open() {
			if !r.widowed[id] {
				open = append(open, id)
			}
		}
		if len(open) != last {
			last, moved = len(open), time.Now()
		}
		return len(open) == 0 || r.forgets && time.Since(moved) > 6*time.Second && r.areSent(open)
	})
	for i, id := range open {
		if r.forgets && r.statusOf(id) == "SENT" {
			r.widowed[id] = true
			continue
		}
		if i < 5 {
			r.t.Errorf("after %s: %s was accepted and has no receipt; the platform says %s", after, id, r.statusOf(id))
		}
	}
	r.forgets = false
}

func (r *torture) areSent(ids []string) bool {
	for _, id := range ids {
		if r.statusOf(id) != "SENT" {
			return false
		}
	}
	return true
}

func (r *torture) statusOf(id string) string {
	var m struct{ Status string }
	code, err := call(r.t.Context(), "GET", "http://"+r.http+"/api/v1/messages/"+id, "", &m)
	if err != nil || code != http.StatusOK {
		return fmt.Sprintf("%d %v", code, err)
	}
	return m.Status
}

// closes wants the ledger to close with nothing that waits.
func (r *torture) closes(after string) {
	r.t.Helper()
	var accepted, sum, waiting int
	var by map[string]int
	closed := func() bool {
		a, err := r.platform.try("GET", "/api/v1/statistics", nil)
		if err != nil || a.code != http.StatusOK {
			return false
		}
		var s struct {
			Accepted int
			ByStatus map[string]int `json:"by_status"`
		}
		a.into(r.t, &s)
		accepted, by, sum = s.Accepted, s.ByStatus, 0
		for _, n := range by {
			sum += n
		}
		waiting = by["PENDING"] + by["SCHEDULED"] + by["HELD"]
		if r.crashes.Load() == 0 {
			waiting += by["SENT"]
		}
		return accepted > 0 && accepted == sum && waiting == 0
	}
	waitUntil(r.t, time.Minute, closed)
	if !closed() {
		r.t.Errorf("after %s: the ledger does not close: %d accepted, %v\n%s", after, accepted, by, lastLines(r.platform.out.String(), 25))
	}
}

func (r *torture) level() level {
	http.DefaultClient.CloseIdleConnections()
	return level{r.platform.metric("go_goroutines"), r.platform.rss()}
}

// asBefore wants goroutines and memory to be about what they were at the beginning: the caches of
// messages grow with what was carried.
func (r *torture) asBefore(after string) {
	r.t.Helper()
	const moreGoroutines, moreMiB = 15, 250
	var now level
	waitUntil(r.t, 40*time.Second, func() bool {
		now = r.level()
		return now.goroutines <= r.began.goroutines+moreGoroutines && now.rss <= r.began.rss+moreMiB
	})
	if now.goroutines > r.began.goroutines+moreGoroutines || now.rss > r.began.rss+moreMiB {
		r.t.Errorf("after %s: %v goroutines and %.0f MiB, at the beginning %v and %.0f", after, now.goroutines, now.rss, r.began.goroutines, r.began.rss)
	}
}

// flows waits until a new message is accepted and delivered, and returns when it was.
func (r *torture) flows(after string) time.Time {
	r.t.Helper()
	id := ""
	waitUntil(r.t, time.Minute, func() bool {
		select {
		case <-r.platform.done:
			return true
		default:
		}
		ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
		defer cancel()
		var one struct {
			MessageID string `json:"message_id"`
		}
		code, err := call(ctx, "POST", "http://"+r.http+"/api/v1/messages", fmt.Sprintf(`{"from":"Kill","to":"+%s","text":"probe"}`, r.number()), &one)
		if err == nil && code == http.StatusCreated {
			id = one.MessageID
		}
		return id != ""
	})
	if id == "" {
		r.t.Fatalf("after %s nothing is accepted\n%s", after, lastLines(r.platform.out.String(), 25))
	}
	waitUntil(r.t, 2*time.Minute, func() bool { return r.statusOf(id) == "DELIVERED" }) // after throttling it waits behind others
	if s := r.statusOf(id); s != "DELIVERED" && s != "SENT" {                           // SENT: the SMSC was killed just now
		r.t.Fatalf("after %s a message is %s\n%s", after, s, lastLines(r.platform.out.String(), 25))
	}
	return time.Now()
}

// try lets a fault befall the platform, with another one beside it now and then, and looks at it afterwards.
func (r *torture) try(faults []fault, n int) {
	f := faults[n]
	name := f.name
	var beside *fault
	if r.random.IntN(3) == 0 {
		for i := range faults {
			if g := &faults[(n+1+i)%len(faults)]; g.gentle && g.at != f.at {
				beside, name = g, f.name+" and "+g.name
				break
			}
		}
	}
	r.begin()
	random := func() *rand.Rand { return rand.New(rand.NewPCG(r.random.Uint64(), 6)) }
	pause(r.random.IntN(800))
	var both sync.WaitGroup
	if beside != nil {
		mine := random()
		both.Go(func() {
			if err := beside.do(mine); err != nil {
				r.t.Errorf("%s: %v", beside.name, err)
			}
		})
	}
	r.over = time.Time{}
	err := f.do(random())
	both.Wait()
	if err != nil {
		r.t.Errorf("%s: %v", f.name, err)
	}
	if r.over.IsZero() {
		r.over = time.Now()
	}
	took := r.flows(name).Sub(r.over)
	r.rest(name)
	r.asBefore(name)
	r.count(f.name, took)
	if beside != nil {
		r.count(beside.name, took)
	}
	r.t.Logf("%s: messages flow again after %.1f s", name, took.Seconds())
}

// pause waits some ms: a random moment is the point, it is not waiting for anything.
func pause(ms int) { <-time.After(time.Duration(ms) * time.Millisecond) }

func (r *torture) count(name string, took time.Duration) {
	if r.tried[name] == nil {
		r.tried[name] = &tally{}
		r.tryOrder = append(r.tryOrder, name)
	}
	r.tried[name].times++
	r.tried[name].slowest = max(r.tried[name].slowest, took)
}

// finish stops the platform and looks at everything that it leaves.
func (r *torture) finish() {
	if r.t.Failed() {
		return
	}
	if code := r.platform.stop(); code != 0 {
		r.t.Errorf("exit code %d at the end\n%s", code, lastLines(r.platform.out.String(), 25))
	}
	r.sound("the end")
	ids, again, unmarked := r.tap.seen()
	missing := 0
	for _, id := range r.led.ids() {
		if !ids[id] {
			missing++
		}
	}
	if missing > 0 {
		r.t.Errorf("%d promised messages never reached the SMSC", missing)
	}
	if unmarked > 0 {
		r.t.Errorf("%d copies were sent again without a mark", unmarked)
	}
	if bound := int(r.crashes.Load()) * (tortureBinds*tortureWindow + tortureUnsynced); again > bound {
		r.t.Errorf("%d copies too many, bound %d", again, bound)
	}
	r.assertCDRs()
}

// assertCDRs wants each promised message that came to its end in the CDR files, once.
func (r *torture) assertCDRs() {
	r.led.mu.Lock()
	ended := newLedger()
	for id, viaSMPP := range r.led.promised {
		if r.led.receipts[id] > 0 {
			ended.promised[id] = viaSMPP
		}
	}
	r.led.mu.Unlock()
	assertCDRs(r.t, ended, filepath.Join(r.data, "cdr"))
}

// sound wants a copy of the database, as the ended platform leaves it, to pass SQLite's own check, and the
// journal to be without damage.
func (r *torture) sound(after string) {
	r.t.Helper()
	dir := r.t.TempDir()
	names, err := filepath.Glob(filepath.Join(r.data, "messages.db*"))
	if err != nil || len(names) == 0 {
		r.t.Fatalf("no database in %s: %v", r.data, err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "-shm") {
			continue
		}
		if err := copyTo(filepath.Join(dir, filepath.Base(name)), name); err != nil {
			r.t.Fatal(err)
		}
	}
	conn, err := sqlite.OpenConn(filepath.Join(dir, "messages.db"), sqlite.OpenReadWrite)
	if err != nil {
		r.t.Fatalf("after %s: open the database: %v", after, err)
	}
	defer func() {
		if err := errors.Join(conn.Close(), os.RemoveAll(dir)); err != nil {
			r.t.Error(err)
		}
	}()
	stmt, err := conn.Prepare("PRAGMA integrity_check")
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = stmt.Finalize() }()
	for {
		row, err := stmt.Step()
		if err != nil {
			r.t.Fatalf("after %s: integrity check: %v", after, err)
		}
		if !row {
			break
		}
		if text := stmt.ColumnText(0); text != "ok" {
			r.t.Errorf("after %s: the database is damaged: %s", after, text)
		}
	}
	if out, err := r.inspect(); err != nil {
		r.t.Errorf("after %s: journal inspect: %v\n%s", after, err, out)
	}
}

func (r *torture) inspect() ([]byte, error) {
	return exec.CommandContext(r.t.Context(), binary, "journal", "inspect", r.data).CombinedOutput()
}

func copyTo(to, from string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}

// print tells what was done.
func (r *torture) print(seed uint64) {
	promised, viaSMPP := r.led.size()
	lost := 0
	for _, id := range r.led.open() {
		if !r.widowed[id] {
			lost++
		}
	}
	var text bytes.Buffer
	faults := 0
	for _, name := range r.tryOrder {
		f := r.tried[name]
		faults += f.times
		fmt.Fprintf(&text, "  %3d × %-45s flows again after %5.1f s at most\n", f.times, name, f.slowest.Seconds())
	}
	_, again, unmarked := 0, 0, 0
	if r.tap != nil {
		_, again, unmarked = r.tap.seen()
	}
	r.t.Logf("seed %d: %d faults\n%s"+
		"  promised %d (%d over SMPP), refused at the door %d requests, lost %d, receipts that died with the SMSC %d\n"+
		"  sent again %d parts after %d crashes, cuts and lost answers, without a mark %d", seed, faults, text.String(),
		promised, viaSMPP, r.refused.Load(), lost, len(r.widowed), again, r.crashes.Load(), unmarked)
}
