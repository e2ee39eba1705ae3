package smppload_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"protei-bulk/load/httpload"
	"protei-bulk/load/smppload"
	"protei-bulk/smpp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// smscFor starts a server with this handler.
func smscFor(t testing.TB, h smpp.HandlerFunc) string {
	t.Helper()
	srv, err := smpp.NewServer(smpp.ServerOptions{SystemID: "smsc", Handler: h, MaxInFlight: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		srv.Shutdown(ctx)
		<-done
	})
	return ln.Addr().String()
}

// accept answers every submit_sm with an id.
func accept(s *smpp.Session, r *smpp.Request) {
	s.Respond(r.Seq, r.ID, smpp.ROK, &smpp.SubmitSMResp{MessageID: fmt.Appendf(nil, "%016x", r.Seq)})
}

// log keeps what a client reports.
type log struct {
	mu       sync.Mutex
	answers  []smppload.Answer
	receipts []string
	arrived  chan struct{}
}

func newClient(t *testing.T, addr string, change func(*smppload.Options)) (*smppload.Client, *log) {
	t.Helper()
	l := &log{arrived: make(chan struct{}, 1000)}
	start := time.Now()
	o := smppload.Options{
		Addr: addr, SystemID: "esme", Password: "secret", Clock: func() time.Duration { return time.Since(start) },
		OnAnswer: func(a *smppload.Answer) {
			l.mu.Lock()
			defer l.mu.Unlock()
			c := *a
			c.ID = append([]byte(nil), a.ID...)
			l.answers = append(l.answers, c)
		},
		OnReceipt: func(r smppload.Receipt) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.receipts = append(l.receipts, fmt.Sprintf("%s %v", r.ID, r.Final()))
			l.arrived <- struct{}{}
		},
	}
	if change != nil {
		change(&o)
	}
	c := smppload.New(o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c.Close(ctx)
	})
	return c, l
}

func message() *smpp.SubmitSM {
	return &smpp.SubmitSM{Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("96650000000")}, ShortMessage: []byte("hello"), RegisteredDelivery: 1}
}

func TestSubmitsAreAsynchronousWithinTheWindow(t *testing.T) {
	release := make(chan struct{})
	held := make(chan struct{}, 100)
	var wg sync.WaitGroup
	addr := smscFor(t, func(s *smpp.Session, r *smpp.Request) {
		seq, id := r.Seq, r.ID
		held <- struct{}{}
		wg.Go(func() {
			<-release
			s.Respond(seq, id, smpp.ROK, &smpp.SubmitSMResp{MessageID: []byte("1")})
		})
	})
	c, l := newClient(t, addr, func(o *smppload.Options) { o.Window = 5 })
	if err := c.Bind(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, err := c.Submit(t.Context(), message(), uint64(i), 0); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		<-held
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := c.Submit(ctx, message(), 9, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a sixth submit in a window of 5: %v", err)
	}
	if w := c.WindowFull(); w < 25*time.Millisecond {
		t.Errorf("window-full time %v, want 30 ms", w)
	}
	close(release)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.answers) != 5 {
		t.Errorf("%d answers", len(l.answers))
	}
	for _, a := range l.answers {
		if a.Err != nil || a.Status != smpp.ROK || string(a.ID) != "1" || a.Done < a.Sent {
			t.Errorf("%+v", a)
		}
	}
}

func TestAnswersAreTold(t *testing.T) {
	statuses := []smpp.Status{smpp.ROK, smpp.RTHROTTLED, smpp.RMSGQFUL, smpp.RINVDSTADR}
	n := 0
	addr := smscFor(t, func(s *smpp.Session, r *smpp.Request) {
		st := statuses[n%len(statuses)]
		n++
		s.Respond(r.Seq, r.ID, st, nil)
	})
	c, l := newClient(t, addr, nil)
	if err := c.Bind(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range statuses {
		if _, err := c.Submit(t.Context(), message(), uint64(i), 0); err != nil {
			t.Fatal(err)
		}
	}
	c.Flush(t.Context())
	for i, a := range l.answers {
		if want := i == 1 || i == 2; a.Status != statuses[i] || a.Throttled() != want || a.Tag != uint64(i) {
			t.Errorf("answer %d: %+v", i, a)
		}
	}
}

func TestReceipts(t *testing.T) {
	var wg sync.WaitGroup
	texts := []string{
		"id:abc sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:DELIVRD err:000 text:x",
		"id:abc sub:001 dlvrd:000 submit date:2601010000 done date:2601010000 stat:ENROUTE err:000 text:x",
		"id:def sub:001 dlvrd:000 submit date:2601010000 done date:2601010000 stat:UNDELIV err:001 text:x",
		"no receipt at all",
	}
	addr := smscFor(t, func(s *smpp.Session, r *smpp.Request) {
		accept(s, r)
		wg.Go(func() {
			for _, text := range texts {
				if st, _, err := s.Do(context.Background(), &smpp.DeliverSM{ESMClass: 4, ShortMessage: []byte(text)}); err != nil || st != smpp.ROK {
					t.Errorf("deliver_sm answered %v, %v", st, err)
				}
			}
		})
	})
	c, l := newClient(t, addr, nil)
	if err := c.Bind(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Submit(t.Context(), message(), 1, 0); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		<-l.arrived
	}
	wg.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if got := fmt.Sprint(l.receipts); got != "[abc true abc false def true]" {
		t.Errorf("receipts: %s", got)
	}
	if c.OddReceipts() != 1 {
		t.Errorf("%d odd receipts", c.OddReceipts())
	}
}

func TestLossAndRebind(t *testing.T) {
	n := 0
	addr := smscFor(t, func(s *smpp.Session, r *smpp.Request) {
		if n++; n == 2 {
			s.Close()
			return
		}
		accept(s, r)
	})
	c, l := newClient(t, addr, nil)
	if c.Bound() {
		t.Error("bound before Bind")
	}
	for round := range 2 {
		if err := c.Bind(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !c.Bound() {
			t.Errorf("round %d: not bound", round)
		}
		for i := range 2 - round {
			if _, err := c.Submit(t.Context(), message(), uint64(i), 0); err != nil {
				t.Fatal(err)
			}
			if err := c.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.answers) != 3 || l.answers[0].Err != nil || l.answers[1].Err == nil || l.answers[2].Err != nil {
		t.Errorf("%+v", l.answers)
	}
}

func TestTimeoutAndLateAnswer(t *testing.T) {
	late := make(chan struct{})
	var wg sync.WaitGroup
	addr := smscFor(t, func(s *smpp.Session, r *smpp.Request) {
		seq, id := r.Seq, r.ID
		wg.Go(func() {
			<-late
			s.Respond(seq, id, smpp.ROK, &smpp.SubmitSMResp{MessageID: []byte("late")})
		})
	})
	told := make(chan smppload.Answer, 2)
	c, _ := newClient(t, addr, func(o *smppload.Options) {
		o.ResponseTimeout = 50 * time.Millisecond
		o.OnAnswer = func(a *smppload.Answer) {
			answer := *a
			answer.ID = append([]byte(nil), a.ID...)
			told <- answer
		}
	})
	if err := c.Bind(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Submit(t.Context(), message(), 77, 0); err != nil {
		t.Fatal(err)
	}
	if a := <-told; !errors.Is(a.Err, smpp.ErrTimeout) || a.Tag != 77 || a.Late || a.Done-a.Sent < 50*time.Millisecond {
		t.Errorf("first: %+v", a)
	}
	close(late)
	if a := <-told; a.Err != nil || a.Tag != 77 || !a.Late || string(a.ID) != "late" {
		t.Errorf("second: %+v", a)
	}
	wg.Wait()
}

func TestRefusedBind(t *testing.T) {
	srv, err := smpp.NewServer(smpp.ServerOptions{
		SystemID: "smsc", RefusalDelay: -1,
		Authenticate: func(context.Context, smpp.BindInfo) (any, smpp.Status) { return nil, smpp.RINVPASWD },
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	c, _ := newClient(t, ln.Addr().String(), nil)
	var refused *smpp.StatusError
	if err := c.Bind(t.Context()); !errors.As(err, &refused) || refused.Status != smpp.RINVPASWD || c.Bound() {
		t.Errorf("got %v", err)
	}
	srv.Shutdown(t.Context())
	<-done
}

func BenchmarkSubmit(b *testing.B) {
	addr := smscFor(b, accept)
	start := time.Now()
	c := smppload.New(smppload.Options{
		Addr: addr, SystemID: "esme", Window: 1000, Clock: func() time.Duration { return time.Since(start) },
		OnAnswer: func(*smppload.Answer) {}, OnReceipt: func(smppload.Receipt) {},
	})
	if err := c.Bind(b.Context()); err != nil {
		b.Fatal(err)
	}
	p := message()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Submit(b.Context(), p, 1, 0); err != nil {
			b.Fatal(err)
		}
	}
	c.Flush(b.Context())
	c.Close(context.Background())
}

func TestTLS(t *testing.T) {
	web := httptest.NewUnstartedServer(http.NotFoundHandler()) // for its certificate
	web.StartTLS()
	defer web.Close()
	srv, err := smpp.NewServer(smpp.ServerOptions{SystemID: "smsc", Handler: smpp.HandlerFunc(accept), TLS: &tls.Config{Certificates: web.TLS.Certificates}})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	defer func() { srv.Shutdown(context.Background()); <-done }()

	trusting, l := newClient(t, ln.Addr().String(), func(o *smppload.Options) {
		o.TLS = &tls.Config{RootCAs: web.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	})
	if err := trusting.Bind(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := trusting.Submit(t.Context(), message(), 1, 0); err != nil {
		t.Fatal(err)
	}
	trusting.Flush(t.Context())
	if len(l.answers) != 1 || l.answers[0].Status != smpp.ROK || l.answers[0].Err != nil {
		t.Errorf("%+v", l.answers)
	}
	trusting.Close(t.Context())

	suspicious, _ := newClient(t, ln.Addr().String(), func(o *smppload.Options) { o.TLS = &tls.Config{} })
	if err := suspicious.Bind(t.Context()); httpload.NameConnectError(err) != "TLS handshake failed" {
		t.Errorf("unknown authority: %v", err)
	}
	plain, _ := newClient(t, smscFor(t, accept), func(o *smppload.Options) { o.TLS = &tls.Config{}; o.BindTimeout = time.Second })
	if err := plain.Bind(t.Context()); err == nil {
		t.Error("TLS with a server that speaks none")
	}
}

func TestBackoff(t *testing.T) {
	b := smppload.Backoff{Least: 100 * time.Millisecond, Most: time.Second}
	for _, most := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		most *= time.Millisecond
		if d := b.Next(); d < most/2 || d > most {
			t.Errorf("pause %v, want %v to %v", d, most/2, most)
		}
	}
	b.Reset()
	if d := b.Next(); d > 100*time.Millisecond {
		t.Errorf("pause %v after Reset", d)
	}
	var zero smppload.Backoff
	if d := zero.Next(); d < 500*time.Millisecond || d > time.Second {
		t.Errorf("pause %v by default", d)
	}
}
