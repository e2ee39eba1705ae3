package callback_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"protei-bulk/bulk/callback"
	"protei-bulk/bulk/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// outbox is a small durable outbox in memory.
type outbox struct {
	mu      sync.Mutex
	open    map[message.ID]callback.Notice
	changed chan struct{} // capacity 1
	told    func()        // before notices leave; nil: nothing
}

func newOutbox() *outbox {
	return &outbox{open: map[message.ID]callback.Notice{}, changed: make(chan struct{}, 1)}
}

func (o *outbox) Open(_ context.Context, after message.ID, limit int) ([]callback.Notice, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var page []callback.Notice
	for id, n := range o.open {
		if id > after {
			page = append(page, n)
		}
	}
	slices.SortFunc(page, func(a, b callback.Notice) int { return int(a.MessageID) - int(b.MessageID) })
	return page[:min(limit, len(page))], nil
}

func (o *outbox) GaveUp(ns []callback.Notice, _ string, done func(error)) { o.Notified(ns, done) }

func (o *outbox) Notified(ns []callback.Notice, done func(error)) {
	if o.told != nil {
		o.told()
	}
	o.mu.Lock()
	for _, n := range ns {
		delete(o.open, n.MessageID)
	}
	o.mu.Unlock()
	done(nil)
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

func (o *outbox) add(n callback.Notice) callback.Notice {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open[n.MessageID] = n
	return n
}

func (o *outbox) left() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.open)
}

// drain waits until the outbox holds want notices.
func (o *outbox) drain(t *testing.T, want int) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for o.left() > want {
		select {
		case <-o.changed:
		case <-limit:
			t.Fatalf("%d notices are still open, want %d", o.left(), want)
		}
	}
}

// seen returns the number of requests, the most at once, and their webhook-ids.
func (c *customer) seen() (calls, most int, ids []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls, c.most, slices.Clone(c.ids)
}

// eventually waits for what only counters tell.
func eventually(t *testing.T, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("it did not happen in 20 s")
		}
	}
}

// event is what a customer reads.
type event struct {
	MessageID   string  `json:"message_id"`
	ClientRef   string  `json:"client_ref"`
	To          string  `json:"to"`
	From        string  `json:"from"`
	Status      string  `json:"status"`
	DLRStatus   string  `json:"dlr_status"`
	ErrorCode   int     `json:"error_code"`
	Parts       int     `json:"parts"`
	SubmittedAt string  `json:"submitted_at"`
	DeliveredAt *string `json:"delivered_at"`
}

// customer is an endpoint that checks signatures and keeps what it confirmed.
type customer struct {
	*httptest.Server
	t      *testing.T
	answer func(n int, w http.ResponseWriter) bool // nil, or false: 200

	mu    sync.Mutex
	calls int
	ids   []string
	got   []event
	most  int // requests at once
	now   int
}

func newCustomer(t *testing.T, answer func(n int, w http.ResponseWriter) bool) *customer {
	c := &customer{t: t, answer: answer}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *customer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	c.mu.Lock()
	c.calls++
	n := c.calls
	c.now++
	c.most = max(c.most, c.now)
	c.ids = append(c.ids, r.Header.Get("webhook-id"))
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.now--
		c.mu.Unlock()
	}()
	c.verify(r, body)
	if c.answer != nil && c.answer(n, w) {
		return
	}
	var doc struct{ Events []event }
	if err := json.Unmarshal(body, &doc); err != nil {
		c.t.Errorf("body %q: %v", body, err)
	}
	c.mu.Lock()
	c.got = append(c.got, doc.Events...)
	c.mu.Unlock()
	fmt.Fprint(w, "thanks")
}

func (c *customer) verify(r *http.Request, body []byte) {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if got := r.Header.Get("webhook-signature"); got != want {
		c.t.Errorf("signature %q, want %q", got, want)
	}
	if r.Method != http.MethodPost || r.Header.Get("content-type") != "application/json" {
		c.t.Errorf("%s with content type %q", r.Method, r.Header.Get("content-type"))
	}
}

func (c *customer) confirmed() []event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

func options(o callback.Outbox) callback.Options {
	return callback.Options{
		Outbox: o, Secret: func(uint32) string { return secret },
		Allow:  []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Linger: time.Millisecond, RetryMin: 2 * time.Millisecond, RetryMax: 20 * time.Millisecond,
		Sweep: 50 * time.Millisecond, Timeout: 5 * time.Second,
	}
}

func start(t testing.TB, opts callback.Options) *callback.Sender {
	t.Helper()
	s, err := callback.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t testing.TB, s *callback.Sender) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_ = s.Stop(ctx)
}

func notice(id int, url string) callback.Notice {
	return callback.Notice{
		MessageID: message.ID(id), Account: 1, URL: url, ClientRef: fmt.Sprint("ref-", id),
		To: "+4915112345678", From: "Shop", Status: message.Delivered, Parts: 1,
		SubmittedAt: 1_700_000_000_123, DoneAt: time.Now().UnixMilli(),
	}
}

func TestEventsArriveSignedAndLeaveTheOutbox(t *testing.T) {
	o, c := newOutbox(), newCustomer(t, nil)
	s := start(t, options(o))
	const n = 2000
	for i := 1; i <= n; i++ {
		if !s.Push(o.add(notice(i, c.URL))) {
			t.Fatalf("notice %d was refused", i)
		}
	}
	o.drain(t, 0)
	seen := map[string]int{}
	for _, e := range c.confirmed() {
		seen[e.MessageID]++
	}
	if calls, _, _ := c.seen(); len(seen) != n || calls > n/10 {
		t.Errorf("%d of %d messages arrived in %d requests", len(seen), n, calls)
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("message %s arrived %d times", id, times)
		}
	}
}

func TestFieldsOfAnEvent(t *testing.T) {
	o, c := newOutbox(), newCustomer(t, nil)
	s := start(t, options(o))
	n := notice(0x1f, c.URL)
	n.ClientRef = "a\"b\\c\n\x01\xff\u2028é"
	n.Status, n.ErrorCode, n.Parts = message.Failed, 34, 3
	s.Push(o.add(n))
	o.drain(t, 0)
	ok := notice(0x20, c.URL)
	ok.DoneAt = 1_700_000_001_456
	// Old enough to be given up, but only after a failure.
	s.Push(o.add(ok))
	o.drain(t, 0)
	got := c.confirmed()
	at := "2023-11-14T22:13:21.456Z"
	want := []event{
		{"000000000000001f", "a\"b\\c\n\x01\ufffd\u2028é", "+4915112345678", "Shop", "FAILED", "UNDELIV", 34, 3, "2023-11-14T22:13:20.123Z", nil},
		{"0000000000000020", "ref-32", "+4915112345678", "Shop", "DELIVERED", "DELIVRD", 0, 1, "2023-11-14T22:13:20.123Z", &at},
	}
	if a, b := fmt.Sprintf("%+q", dump(got)), fmt.Sprintf("%+q", dump(want)); a != b {
		t.Errorf("got  %s\nwant %s", a, b)
	}
}

func dump(events []event) string {
	b, _ := json.Marshal(events)
	return string(b)
}

func TestFailedBatchIsSentAgainUnderTheSameID(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter){
		"500":      func(w http.ResponseWriter) { w.WriteHeader(500) },
		"redirect": func(w http.ResponseWriter) { w.Header().Set("Location", "/elsewhere"); w.WriteHeader(302) },
		"429":      func(w http.ResponseWriter) { w.WriteHeader(429) },
		"garbage": func(w http.ResponseWriter) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				fmt.Fprint(conn, "\x00\x01 not HTTP\r\n\r\n")
				conn.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOutbox()
			c := newCustomer(t, func(n int, w http.ResponseWriter) bool {
				if n > 3 {
					return false
				}
				answer(w)
				return true
			})
			s := start(t, options(o))
			o.told = func() {
				if n := s.Stats().Failing; n != 0 {
					t.Errorf("%d endpoints fail when the outbox hears of the delivery", n)
				}
			}
			s.Push(o.add(notice(1, c.URL)))
			o.drain(t, 0)
			_, _, ids := c.seen()
			if len(ids) != 4 || slices.ContainsFunc(ids, func(id string) bool { return id != ids[0] || id == "" }) {
				t.Errorf("webhook-ids of the tries: %q", ids)
			}
			if st := s.Stats(); st.Failures != 3 || st.Delivered != 1 || st.Failing != 0 {
				t.Errorf("stats %+v", st)
			}
		})
	}
}

func TestHangingEndpointHarmsNobodyElse(t *testing.T) {
	o := newOutbox()
	release := make(chan struct{})
	hanging := newCustomer(t, func(int, http.ResponseWriter) bool { <-release; return true })
	defer close(release)
	good := newCustomer(t, nil)
	opts := options(o)
	opts.MaxRequests, opts.MaxPending, opts.MaxPerEndpoint = 8, 4000, 500
	s := start(t, opts)
	for i := 1; i <= 3000; i++ { // many hanging URLs of account 1
		n := notice(i, fmt.Sprintf("%s/%d", hanging.URL, i%100))
		s.Push(o.add(n))
	}
	for i := 3001; i <= 4000; i++ {
		n := notice(i, good.URL)
		n.Account = 2
		s.Push(o.add(n))
	}
	o.drain(t, 3000)
	if got := len(good.confirmed()); got != 1000 {
		t.Errorf("the good endpoint has %d events, want 1000", got)
	}
	if _, most, _ := hanging.seen(); most > 2 {
		t.Errorf("%d requests of one account at once, want a quarter of 8", most)
	}
}

func TestGoneEndpointIsLeftAlone(t *testing.T) {
	o := newOutbox()
	c := newCustomer(t, func(_ int, w http.ResponseWriter) bool { w.WriteHeader(http.StatusGone); return true })
	good := newCustomer(t, nil)
	s := start(t, options(o))
	s.Push(o.add(notice(1, c.URL)))
	s.Push(o.add(notice(2, good.URL)))
	o.drain(t, 1)
	eventually(t, func() bool { return s.Stats().Failures > 0 })
	s.Push(o.add(notice(3, c.URL)))
	s.Push(o.add(notice(4, good.URL)))
	o.drain(t, 2)
	if calls, _, _ := c.seen(); calls != 1 || s.Stats().Failing != 1 {
		t.Errorf("an endpoint that is gone got %d requests, failing %d", calls, s.Stats().Failing)
	}
}

func TestOldNoticesAreGivenUpAfterAFailure(t *testing.T) {
	o := newOutbox()
	c := newCustomer(t, func(_ int, w http.ResponseWriter) bool { w.WriteHeader(500); return true })
	s := start(t, options(o))
	old := notice(1, c.URL)
	old.DoneAt = time.Now().Add(-73 * time.Hour).UnixMilli()
	s.Push(o.add(old))
	s.Push(o.add(notice(2, c.URL)))
	o.drain(t, 1)
	if st := s.Stats(); st.GivenUp != 1 {
		t.Errorf("stats %+v, want one given up", st)
	}
	if page, _ := o.Open(t.Context(), 0, 10); len(page) != 1 || page[0].MessageID != 2 {
		t.Error("the young notice was given up")
	}
}

func TestBatchThatAlwaysFailsDoesNotBlockTheOthers(t *testing.T) {
	o := newOutbox()
	var c *customer
	poison := map[string]bool{}
	c = newCustomer(t, func(_ int, w http.ResponseWriter) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(poison) == 0 {
			poison[c.ids[0]] = true
		}
		if poison[c.ids[len(c.ids)-1]] {
			w.WriteHeader(500)
			return true
		}
		return false
	})
	opts := options(o)
	opts.Concurrency = 1
	s := start(t, opts)
	s.Push(o.add(notice(1, c.URL)))
	eventually(t, func() bool { return s.Stats().Failures > 0 })
	for i := 2; i <= 50; i++ {
		s.Push(o.add(notice(i, c.URL)))
	}
	o.drain(t, 1)
}

// What has no room stays in the outbox and is read from there; what a former process
// left is too. Nothing is lost, and without a failure nothing is told twice.
func TestOutboxIsReadAfterARestartAndWhenMemoryWasFull(t *testing.T) {
	o := newOutbox()
	var hold atomic.Bool
	hold.Store(true)
	block := make(chan struct{})
	c := newCustomer(t, func(int, http.ResponseWriter) bool {
		if hold.Load() {
			<-block
			return true
		}
		return false
	})
	opts := options(o)
	opts.MaxPerEndpoint, opts.MaxBatch = 40, 10
	s := start(t, opts)
	refused := 0
	for i := 1; i <= 500; i++ {
		if !s.Push(o.add(notice(i, c.URL))) {
			refused++
		}
	}
	if refused == 0 {
		t.Fatal("nothing was refused, so the test proves nothing")
	}
	if p := s.Stats().Pending; p > 60 {
		t.Errorf("%d notices in memory, the bound is 40 and one batch", p)
	}
	stop(t, s) // a crash as far as the outbox is concerned: nothing was confirmed
	hold.Store(false)
	close(block)
	c.mu.Lock()
	c.got = nil
	c.mu.Unlock()
	start(t, opts)
	o.drain(t, 0)
	seen := map[string]int{}
	for _, e := range c.confirmed() {
		seen[e.MessageID]++
		if seen[e.MessageID] > 1 {
			t.Errorf("message %s was told twice", e.MessageID)
		}
	}
	if len(seen) != 500 {
		t.Errorf("%d messages were told, want 500", len(seen))
	}
}

// slowOutbox answers Open late: what it read may have been told meanwhile.
type slowOutbox struct {
	*outbox
	read, answer chan struct{} // Open has read its page; it may return it
}

func (o *slowOutbox) Open(ctx context.Context, after message.ID, limit int) ([]callback.Notice, error) {
	page, err := o.outbox.Open(ctx, after, limit)
	if len(page) > 0 {
		select {
		case o.read <- struct{}{}:
			<-o.answer
		default:
		}
	}
	return page, err
}

func TestWhatIsToldDuringASweepIsNotToldAgain(t *testing.T) {
	o := &slowOutbox{outbox: newOutbox(), read: make(chan struct{}), answer: make(chan struct{})}
	c := newCustomer(t, nil)
	o.add(notice(1, c.URL))
	opts := options(o)
	s := start(t, opts)
	<-o.read // the sweep has read notice 1
	s.Push(notice(1, c.URL))
	o.drain(t, 0)
	o.answer <- struct{}{} // and offers it now
	s.Push(o.add(notice(2, c.URL)))
	o.drain(t, 0)
	told := map[string]int{}
	for _, e := range c.confirmed() {
		told[e.MessageID]++
	}
	if id := message.ID(1).String(); told[id] != 1 {
		t.Errorf("notice 1 was told %d times", told[id])
	}
}

func TestLateCorrectionOfAStatusIsToldToo(t *testing.T) {
	o, c := newOutbox(), newCustomer(t, nil)
	opts := options(o)
	opts.Linger = 50 * time.Millisecond
	s := start(t, opts)
	n := notice(1, c.URL)
	n.Status = message.Unknown
	s.Push(o.add(n))
	s.Push(n) // the same again is nothing new
	n.Status = message.Delivered
	s.Push(o.add(n))
	o.drain(t, 0)
	got := c.confirmed()
	if len(got) != 2 || got[0].Status != "UNKNOWN" || got[1].Status != "DELIVERED" {
		t.Errorf("told %+v", got)
	}
}

func TestPrivateAddressesAreNotDialled(t *testing.T) {
	o, c := newOutbox(), newCustomer(t, nil)
	opts := options(o)
	opts.Allow = nil
	s := start(t, opts)
	s.Push(o.add(notice(1, c.URL)))
	s.Push(o.add(notice(2, strings.Replace(c.URL, "127.0.0.1", "localhost", 1))))
	eventually(t, func() bool { return s.Stats().Failures >= 2 })
	if calls, _, _ := c.seen(); calls != 0 {
		t.Errorf("%d requests reached a loopback address", calls)
	}
}

// TestRedirectsAreNotFollowed: an endpoint cannot send us somewhere else, not even to what is allowed.
func TestRedirectsAreNotFollowed(t *testing.T) {
	inside := newCustomer(t, nil)
	for _, code := range []int{301, 302, 303, 307, 308} {
		o := newOutbox()
		c := httptest.NewServer(http.RedirectHandler(inside.URL, code))
		t.Cleanup(c.Close)
		s := start(t, options(o))
		s.Push(o.add(notice(1, c.URL)))
		n := notice(2, c.URL)
		n.Request = &callback.Request{Method: http.MethodGet, URL: c.URL + "/kannel"}
		s.Push(o.add(n))
		eventually(t, func() bool { return s.Stats().Failures >= 2 })
	}
	if calls, _, _ := inside.seen(); calls != 0 {
		t.Errorf("%d redirects were followed", calls)
	}
}

// TestLogsLeaveOutWhatAddressesHide: customers put tokens into paths and queries.
func TestLogsLeaveOutWhatAddressesHide(t *testing.T) {
	o, c := newOutbox(), httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(c.Close)
	var log syncBuffer
	opts := options(o)
	opts.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := start(t, opts)
	refused := "http://127.0.0.1:1/T0kenPath/?key=T0kenQuery"
	s.Push(o.add(notice(1, c.URL+"/T0kenPath/?key=T0kenQuery")))
	s.Push(o.add(notice(2, refused)))
	n := notice(3, refused)
	n.Request = &callback.Request{Method: http.MethodGet, URL: refused}
	s.Push(o.add(n))
	eventually(t, func() bool { return strings.Count(log.String(), "webhook failed") >= 3 })
	if text := log.String(); strings.Contains(text, "T0ken") || !strings.Contains(text, c.URL) || !strings.Contains(text, "refused") {
		t.Errorf("the log says:\n%s", text)
	}
}

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestURLsThatAreUsedOnceLeaveNothingBehind(t *testing.T) {
	o, c := newOutbox(), newCustomer(t, nil)
	s := start(t, options(o))
	for i := 1; i <= 300; i++ {
		s.Push(o.add(notice(i, fmt.Sprintf("%s/?m=%d", c.URL, i))))
	}
	o.drain(t, 0)
	eventually(t, func() bool { return s.Stats().Endpoints == 0 })
	if st := s.Stats(); st.Pending != 0 {
		t.Errorf("stats %+v", st)
	}
}
