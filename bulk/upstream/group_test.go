package upstream_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/upstream"
	"protei-bulk/smpp"
)

const patience = 10 * time.Second

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// peer is an SMSC that holds its answers until told.
type peer struct {
	addr   string
	server *smpp.Server
	served chan error
	once   sync.Once

	mu       sync.Mutex
	sessions []*smpp.Session
	open     []func(smpp.Status)
	hold     bool
	types    map[smpp.BindType]int
	refuse   atomic.Uint32
}

func newPeer(t testing.TB, at string, cert *tls.Config) *peer {
	t.Helper()
	p := &peer{served: make(chan error, 1), types: map[smpp.BindType]int{}}
	ln, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	p.addr = ln.Addr().String()
	p.server, err = smpp.NewServer(smpp.ServerOptions{
		SystemID: "peer", Handler: p, RefusalDelay: -1, MaxInFlight: 10_000, TLS: cert,
		Authenticate: func(context.Context, smpp.BindInfo) (any, smpp.Status) { return nil, smpp.Status(p.refuse.Load()) },
		Bound: func(s *smpp.Session) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.sessions = append(p.sessions, s)
			p.types[s.BindType()]++
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { p.served <- p.server.Serve(ln) }()
	t.Cleanup(p.stop)
	return p
}

func (p *peer) stop() {
	p.once.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		p.server.Shutdown(ctx)
		<-p.served
	})
}

func (p *peer) HandleRequest(s *smpp.Session, r *smpp.Request) {
	seq, id := r.Seq, r.ID
	answer := func(st smpp.Status) { s.Respond(seq, id, st, &smpp.SubmitSMResp{MessageID: []byte("1")}) }
	p.mu.Lock()
	hold := p.hold
	if hold {
		p.open = append(p.open, answer)
	}
	p.mu.Unlock()
	if !hold {
		answer(smpp.ROK)
	}
}

func (p *peer) release(st smpp.Status) int {
	p.mu.Lock()
	open := p.open
	p.open = nil
	p.mu.Unlock()
	for _, answer := range open {
		answer(st)
	}
	return len(open)
}

func (p *peer) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

func (p *peer) bound() []*smpp.Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*smpp.Session(nil), p.sessions...)
}

func start(t testing.TB, p *peer, query string, change func(*upstream.Options)) *upstream.Group {
	t.Helper()
	o, err := upstream.ParseURL("smpp://me:secret@" + p.addr + "?" + query)
	if err != nil {
		t.Fatal(err)
	}
	o.BackoffMin, o.BackoffMax = 10*time.Millisecond, 40*time.Millisecond
	if change != nil {
		change(&o)
	}
	g, err := upstream.New(o)
	if err != nil {
		t.Fatal(err)
	}
	g.Start(nil)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		g.Stop(ctx)
	})
	return g
}

// results counts completions.
type results struct {
	mu  sync.Mutex
	got []smpp.Result
}

func (r *results) Complete(res smpp.Result) {
	res.PDU = nil
	r.mu.Lock()
	r.got = append(r.got, res)
	r.mu.Unlock()
}

func (r *results) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

func pdu() *smpp.SubmitSM {
	return &smpp.SubmitSM{Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("99361234567")}, ShortMessage: []byte("hello")}
}

func TestTheEmptiestBindGetsTheNext(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0", nil)
	p.hold = true
	g := start(t, p, "binds=3&window=4", nil)
	eventually(t, "three binds", func() bool { return g.Free() == 12 })
	var done results
	for range 12 {
		if _, err := g.Submit(pdu(), 0, new(upstream.Call), &done); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range g.States() {
		if b.InFlight != 4 {
			t.Errorf("bind %d has %d in flight, want 4 on each", b.Index, b.InFlight)
		}
	}
	if _, err := g.Submit(pdu(), 0, new(upstream.Call), &done); !errors.Is(err, upstream.ErrBusy) {
		t.Errorf("13th: %v, want ErrBusy", err)
	}
	select { // what may have gathered since the binds
	case <-g.Ready():
	default:
	}
	eventually(t, "all at the peer", func() bool { return p.waiting() == 12 })
	p.release(smpp.ROK)
	<-g.Ready()
	eventually(t, "room again", func() bool { return g.Free() == 12 && done.len() == 12 })
}

func TestPinnedSubmitsStayOnTheirBind(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0", nil)
	p.hold = true
	g := start(t, p, "binds=2&window=3", nil)
	eventually(t, "binds", func() bool { return g.Free() == 6 })
	var done results
	on, err := g.Submit(pdu(), 0, new(upstream.Call), &done)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if again, err := g.Submit(pdu(), on, new(upstream.Call), &done); err != nil || again != on {
			t.Fatalf("on bind %d: %d, %v", on, again, err)
		}
	}
	if _, err := g.Submit(pdu(), on, new(upstream.Call), &done); !errors.Is(err, upstream.ErrBusy) {
		t.Errorf("beyond the window of the bind: %v, want ErrBusy although the other has room", err)
	}
	if g.Free() != 3 {
		t.Errorf("%d free, want 3", g.Free())
	}
}

func TestReconnectAfterLoss(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0", nil)
	p.hold = true
	g := start(t, p, "binds=1&window=5", nil)
	eventually(t, "bind", g.Up)
	var done results
	for range 3 {
		if _, err := g.Submit(pdu(), 0, new(upstream.Call), &done); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "in flight", func() bool { return p.waiting() == 3 })
	p.bound()[0].Close()
	eventually(t, "results of what was in flight", func() bool { return done.len() == 3 })
	for _, r := range done.got {
		if r.Err == nil {
			t.Errorf("a lost submit_sm ended with %v", r.Status)
		}
	}
	eventually(t, "second bind", func() bool { st := g.States()[0]; return st.Binds == 2 && st.State == upstream.Bound })
	if st := g.States()[0]; st.Lost != 3 || st.InFlight != 0 || st.Err != "" {
		t.Errorf("state is %+v", st)
	}
}

// TestBackSoonAfterTheSMSCListens lets an SMSC be away for many tries: the link does not wait longer
// than at first for its return.
func TestBackSoonAfterTheSMSCListens(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0", nil)
	const least = 100 * time.Millisecond
	g := start(t, p, "binds=1", func(o *upstream.Options) { o.BackoffMin, o.BackoffMax = least, time.Minute })
	eventually(t, "bind", g.Up)
	eventually(t, "as long as the first pause", func() bool { return time.Since(g.States()[0].Since) > least })
	p.stop()
	ln, err := net.Listen("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	for range 8 { // hangs up on them
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	ln.Close()
	began := time.Now()
	newPeer(t, p.addr, nil)
	eventually(t, "bind", g.Up)
	if took := time.Since(began); took > least+patience/20 {
		t.Errorf("bound %v after the SMSC listened again, want %v", took, least)
	}
}

// TestCutsBetweenMessages cuts each bind as soon as it took a message: the pauses do not grow.
func TestCutsBetweenMessages(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0", nil)
	g := start(t, p, "binds=1", func(o *upstream.Options) { o.BackoffMin, o.BackoffMax = 20*time.Millisecond, time.Minute })
	var done results
	for i := range 20 {
		eventually(t, "bind", g.Up)
		if _, err := g.Submit(pdu(), 0, new(upstream.Call), &done); err != nil {
			t.Fatal(err)
		}
		eventually(t, "answer", func() bool { return done.len() == i+1 })
		p.bound()[i].Close()
		eventually(t, "its end", func() bool { return g.States()[0].Binds > uint64(i+1) || !g.Up() })
	}
}

func TestRefusedBindIsShownAndTriedAgain(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0", nil)
	p.refuse.Store(uint32(smpp.RINVPASWD))
	g := start(t, p, "binds=1", nil)
	eventually(t, "reason", func() bool { return strings.Contains(g.States()[0].Err, "RINVPASWD") })
	if g.Up() || g.Free() != 0 {
		t.Error("up although the bind is refused")
	}
	if strings.Contains(g.States()[0].Err, "secret") {
		t.Errorf("the reason shows the password: %s", g.States()[0].Err)
	}
	p.refuse.Store(0)
	eventually(t, "bind", g.Up)
}

// lines counts those of a log by message and level.
type lines struct {
	slog.Handler
	mu sync.Mutex
	n  map[string]int
}

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n[r.Level.String()+" "+r.Message]++
	return nil
}

func (l *lines) of(line string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n[line]
}

// TestBindThatStaysDownSaysSoOnce: a night without the SMSC is no log of the same line.
func TestBindThatStaysDownSaysSoOnce(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0", nil)
	p.refuse.Store(uint32(smpp.RINVPASWD))
	log := &lines{n: map[string]int{}}
	g := start(t, p, "binds=1", func(o *upstream.Options) {
		o.BackoffMin, o.BackoffMax, o.Logger = time.Millisecond, 2*time.Millisecond, slog.New(log)
	})
	eventually(t, "tries", func() bool { return log.of("DEBUG bind down") > 20 })
	if n := log.of("WARN bind down"); n != 1 {
		t.Errorf("%d warnings about one password", n)
	}
	p.refuse.Store(uint32(smpp.RBINDFAIL))
	eventually(t, "another reason", func() bool { return log.of("WARN bind down") == 2 })
	p.refuse.Store(0)
	eventually(t, "bind", g.Up)
	p.refuse.Store(uint32(smpp.RBINDFAIL))
	p.bound()[0].Close()
	eventually(t, "the end of the bind, and the same reason after it", func() bool { return log.of("WARN bind down") == 4 })
}

func TestTransmittersAndReceivers(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0", nil)
	g := start(t, p, "binds=2&bind=txrx&window=5", nil)
	eventually(t, "four binds", func() bool { return len(p.bound()) == 4 })
	if p.types[smpp.Transmitter] != 2 || p.types[smpp.Receiver] != 2 {
		t.Errorf("bound as %v", p.types)
	}
	eventually(t, "room of the transmitters", func() bool { return g.Free() == 10 })
	var done results
	for range 100 {
		for {
			if _, err := g.Submit(pdu(), 0, new(upstream.Call), &done); err == nil {
				break
			}
			<-g.Ready()
		}
	}
	eventually(t, "answers", func() bool { return done.len() == 100 })
}

// TestOutbind: transmitters dial, and the SMSC asks for the receivers when it wants them.
func TestOutbind(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0", nil)
	g := start(t, p, "binds=1&window=5", func(o *upstream.Options) {
		o.Mode, o.Listen, o.OutbindID, o.OutbindPassword = upstream.Outbind, "127.0.0.1:0", "smsc", "pw"
	})
	eventually(t, "the transmitter", func() bool { return g.Free() == 5 && g.Listening() != "" })
	eventually(t, "a receiver that nobody misses", func() bool { st := g.States(); return st[1].Awaits() && !st[0].Awaits() })
	ask := func(password string) {
		t.Helper()
		if err := p.server.Outbind(t.Context(), g.Listening(), smpp.Outbind{SystemID: []byte("smsc"), Password: []byte(password)}); err != nil {
			t.Fatal(err)
		}
	}
	receivers := func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.types[smpp.Receiver]
	}
	ask("wrong")
	eventually(t, "the refusal", func() bool { return strings.Contains(g.States()[1].Err, "wrong credentials") })
	if receivers() != 0 {
		t.Error("bound although the password is wrong")
	}
	ask("pw")
	eventually(t, "the receiver", func() bool { return receivers() == 1 && g.States()[1].State == upstream.Bound })
	for _, s := range p.bound() {
		if s.BindType() == smpp.Receiver {
			s.Close()
		}
	}
	eventually(t, "its end", func() bool { return g.States()[1].State != upstream.Bound })
	ask("pw")
	eventually(t, "another receiver", func() bool { return receivers() == 2 && g.States()[1].State == upstream.Bound })
}

func TestThrottledBindPausesAlone(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0", nil)
	p.hold = true
	g := start(t, p, "binds=2&window=4&throttle_scope=bind", func(o *upstream.Options) { o.PauseMin, o.PauseMax = 40*time.Millisecond, 200*time.Millisecond })
	eventually(t, "binds", func() bool { return g.Free() == 8 })
	var done results
	for range 4 {
		if _, err := g.Submit(pdu(), 1, new(upstream.Call), &done); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "in flight", func() bool { return p.waiting() == 4 })
	began := time.Now()
	p.release(smpp.RTHROTTLED)
	eventually(t, "answers", func() bool { return done.len() == 4 })
	st := g.States()
	if st[0].Pauses+st[1].Pauses != 1 {
		t.Errorf("%d and %d pauses, want one for a whole window of refusals", st[0].Pauses, st[1].Pauses)
	}
	if n := g.Free(); n != 4 {
		t.Errorf("%d free while one bind pauses, want 4", n)
	}
	eventually(t, "end of the pause", func() bool { return g.Free() == 8 })
	if took := time.Since(began); took < 40*time.Millisecond {
		t.Errorf("paused for %v", took)
	}
	// Throttled again: the pause doubles. Then a success makes it short again.
	pause := func() time.Duration {
		if _, err := g.Submit(pdu(), 1, new(upstream.Call), &done); err != nil {
			t.Fatal(err)
		}
		eventually(t, "in flight", func() bool { return p.waiting() == 1 })
		began := time.Now()
		p.release(smpp.RMSGQFUL)
		eventually(t, "pause", func() bool { return g.Free() == 4 })
		eventually(t, "end of the pause", func() bool { return g.Free() == 8 })
		return time.Since(began)
	}
	if took := pause(); took < 80*time.Millisecond {
		t.Errorf("second pause took %v, want twice the first", took)
	}
	if _, err := g.Submit(pdu(), 1, new(upstream.Call), &done); err != nil {
		t.Fatal(err)
	}
	eventually(t, "in flight", func() bool { return p.waiting() == 1 })
	n := done.len()
	p.release(smpp.ROK)
	eventually(t, "success", func() bool { return done.len() == n+1 })
	if took := pause(); took > 150*time.Millisecond {
		t.Errorf("after a success a pause took %v, want the shortest again", took)
	}
	counts := map[smpp.Status]uint64{}
	g.EachStatus(func(st smpp.Status, n uint64) { counts[st] = n })
	if counts[smpp.RTHROTTLED] != 4 || counts[smpp.RMSGQFUL] != 2 || counts[smpp.ROK] != 1 {
		t.Errorf("counted %v", counts)
	}
}

func TestAThrottledConnectorPausesAsAWhole(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0", nil)
	p.hold = true
	g := start(t, p, "binds=2&window=4", func(o *upstream.Options) { o.PauseMin = 40 * time.Millisecond })
	eventually(t, "binds", func() bool { return g.Free() == 8 })
	var done results
	if _, err := g.Submit(pdu(), 1, new(upstream.Call), &done); err != nil {
		t.Fatal(err)
	}
	eventually(t, "in flight", func() bool { return p.waiting() == 1 })
	began := time.Now()
	p.release(smpp.RTHROTTLED)
	eventually(t, "answer", func() bool { return done.len() == 1 })
	if n := g.Free(); n != 0 && time.Since(began) < 40*time.Millisecond {
		t.Errorf("%d free while the connector pauses, want none", n)
	}
	for on := upstream.Bind(0); on < 3; on++ {
		if _, err := g.Submit(pdu(), on, new(upstream.Call), &done); !errors.Is(err, upstream.ErrBusy) && time.Since(began) < 40*time.Millisecond {
			t.Errorf("submit on bind %d in the pause: %v, want ErrBusy", on, err)
		}
	}
	eventually(t, "end of the pause", func() bool { return g.Free() == 8 })
	if took := time.Since(began); took < 40*time.Millisecond || took > 2*time.Second {
		t.Errorf("paused for %v", took)
	}
}

func TestWhatThrottlesIsTheConnectorsChoice(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0", nil)
	p.hold = true
	g := start(t, p, "binds=1&window=2", func(o *upstream.Options) {
		o.Throttled = func(st smpp.Status) bool { return st == 0x45 }
	})
	eventually(t, "bind", g.Up)
	for _, c := range []struct {
		status smpp.Status
		pauses uint64
	}{{smpp.RTHROTTLED, 0}, {0x45, 1}} {
		var done results
		if _, err := g.Submit(pdu(), 0, new(upstream.Call), &done); err != nil {
			t.Fatal(err)
		}
		eventually(t, "in flight", func() bool { return p.waiting() == 1 })
		p.release(c.status)
		eventually(t, "answer", func() bool { return done.len() == 1 })
		if n := g.States()[0].Pauses; n != c.pauses {
			t.Errorf("%d pauses after status %v, want %d", n, c.status, c.pauses)
		}
	}
}

func TestOldRefusalsDoNotPauseAgain(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0", nil)
	p.hold = true
	g := start(t, p, "binds=1&window=2", func(o *upstream.Options) { o.PauseMin = 10 * time.Millisecond })
	eventually(t, "bind", g.Up)
	var done results
	for i := range 2 {
		if _, err := g.Submit(pdu(), 0, new(upstream.Call), &done); err != nil {
			t.Fatal(err)
		}
		eventually(t, "in flight", func() bool { return p.waiting() == i+1 })
	}
	p.mu.Lock()
	first, second := p.open[0], p.open[1]
	p.mu.Unlock()
	first(smpp.RTHROTTLED)
	eventually(t, "end of the pause", func() bool { return g.States()[0].Pauses == 1 && g.Free() == 1 })
	second(smpp.RTHROTTLED) // sent before the pause: it says nothing new
	eventually(t, "second answer", func() bool { return done.len() == 2 })
	if st := g.States()[0]; st.Pauses != 1 || st.Paused {
		t.Errorf("%d pauses, paused %v; want the one", st.Pauses, st.Paused)
	}
}

func TestAFaultyMessageIsItsOwnFault(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0", nil)
	g := start(t, p, "binds=1", nil)
	eventually(t, "bind", g.Up)
	bad := pdu()
	bad.ShortMessage = make([]byte, 300)
	var field *smpp.FieldError
	if _, err := g.Submit(bad, 0, new(upstream.Call), new(results)); !errors.As(err, &field) {
		t.Errorf("300 octets of short_message: %v", err)
	}
	if g.Free() != 100 {
		t.Errorf("%d free afterwards, want 100", g.Free())
	}
}

func TestStopWaitsForAnswers(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0", nil)
	p.hold = true
	g := start(t, p, "binds=2&window=5", nil)
	eventually(t, "binds", func() bool { return g.Free() == 10 })
	var done results
	for range 6 {
		if _, err := g.Submit(pdu(), 0, new(upstream.Call), &done); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "in flight", func() bool { return p.waiting() == 6 })
	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		stopped <- g.Stop(ctx)
	}()
	p.release(smpp.ROK)
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
	for _, r := range done.got {
		if r.Err != nil || r.Status != smpp.ROK {
			t.Errorf("%v, %v", r.Err, r.Status)
		}
	}
	if _, err := g.Submit(pdu(), 0, new(upstream.Call), &done); !errors.Is(err, upstream.ErrBusy) {
		t.Errorf("submit after stop: %v", err)
	}
}

func TestStopWhileTheSMSCIsAway(t *testing.T) {
	p := newPeer(t, "127.0.0.1:0", nil)
	p.stop()
	g := start(t, p, "binds=3", nil)
	eventually(t, "refused connection", func() bool { return g.States()[0].Err != "" })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	began := time.Now()
	if err := g.Stop(ctx); err != nil || time.Since(began) > time.Second {
		t.Errorf("stop took %v: %v", time.Since(began), err)
	}
	if st := g.States()[0].State; st != upstream.Stopped {
		t.Errorf("state %q", st)
	}
}

func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	p := newPeer(t, "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	trusted := start(t, p, "binds=1", func(o *upstream.Options) { o.TLS = &tls.Config{RootCAs: pool} })
	eventually(t, "bind over TLS", trusted.Up)
	distrusting := start(t, p, "binds=1", func(o *upstream.Options) { o.TLS = &tls.Config{} })
	eventually(t, "refused certificate", func() bool { return strings.Contains(distrusting.States()[0].Err, "certificate") })
}

// silent is a Completion that costs nothing.
type silent struct{}

func (silent) Complete(smpp.Result) {}

// sink is an SMSC that binds and then only reads.
func sink(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var joined sync.WaitGroup
	joined.Go(func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		var head [smpp.HeaderLen]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		h := smpp.ParseHeader(head[:])
		if _, err := io.CopyN(io.Discard, conn, int64(h.Length)-smpp.HeaderLen); err != nil {
			return
		}
		out, _ := smpp.Append(nil, smpp.Header{ID: h.ID.Response(), Seq: h.Seq}, &smpp.BindResp{ID: h.ID.Response(), SystemID: []byte("sink")})
		conn.Write(out)
		io.Copy(io.Discard, conn)
	})
	t.Cleanup(func() { ln.Close(); joined.Wait() })
	return ln.Addr().String()
}

func TestSubmitDoesNotAllocate(t *testing.T) {
	g := start(t, &peer{addr: sink(t)}, "binds=1&window=10000", nil)
	eventually(t, "bind", g.Up)
	m, calls, i := pdu(), make([]upstream.Call, 5000), 0
	submit := func() {
		if _, err := g.Submit(m, 0, &calls[i], silent{}); err != nil {
			t.Fatal(err)
		}
		i++
	}
	for range 1000 { // lets the write buffers grow
		submit()
	}
	if n := testing.AllocsPerRun(3000, submit); n != 0 {
		t.Errorf("%v allocations per submit, want 0", n)
	}
}
