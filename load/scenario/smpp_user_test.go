package scenario_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/scenario"
	"protei-bulk/load/stats"
	"protei-bulk/smpp"
)

// smsc accepts everything and sends the receipts over whatever bind can receive.
type smsc struct {
	server *smpp.Server
	addr   string
	status func(n int) smpp.Status // of the n-th submit; nil: ROK
	stat   func(n int) string      // of its receipt; nil: DELIVRD
	wg     sync.WaitGroup

	mu       sync.Mutex // guards what follows
	sessions map[*smpp.Session]bool
	binds    map[smpp.BindType]int
	submits  int
	held     []string // receipts that wait
	hold     bool
}

func startSMSC(t *testing.T, o smpp.ServerOptions) *smsc {
	t.Helper()
	s := &smsc{sessions: map[*smpp.Session]bool{}, binds: map[smpp.BindType]int{}}
	o.SystemID, o.Handler, o.Bound = "smsc", smpp.HandlerFunc(s.handle), s.bound
	o.Session.OnClose = func(ss *smpp.Session, _ error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.sessions, ss)
	}
	var err error
	if s.server, err = smpp.NewServer(o); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	done := make(chan error, 1)
	go func() { done <- s.server.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.server.Shutdown(ctx)
		<-done
		s.wg.Wait()
	})
	return s
}

func (s *smsc) bound(ss *smpp.Session) {
	s.mu.Lock()
	s.sessions[ss] = true
	s.binds[ss.BindType()]++
	s.mu.Unlock()
	s.deliver()
}

func (s *smsc) handle(ss *smpp.Session, r *smpp.Request) {
	if _, ok := r.PDU.(*smpp.SubmitSM); !ok {
		ss.Respond(r.Seq, r.ID, smpp.RINVCMDID, nil)
		return
	}
	s.mu.Lock()
	s.submits++
	n := s.submits
	s.mu.Unlock()
	if s.status != nil {
		if st := s.status(n); st != smpp.ROK {
			ss.Respond(r.Seq, r.ID, st, nil)
			return
		}
	}
	stat := "DELIVRD"
	if s.stat != nil {
		stat = s.stat(n)
	}
	ss.Respond(r.Seq, r.ID, smpp.ROK, &smpp.SubmitSMResp{MessageID: fmt.Appendf(nil, "%d", n)})
	s.mu.Lock()
	s.held = append(s.held, fmt.Sprintf("id:%d sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:%s err:000 text:", n, stat))
	s.mu.Unlock()
	s.deliver()
}

// deliver sends what waits, when there is a bind for it.
func (s *smsc) deliver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var to *smpp.Session
	for ss := range s.sessions {
		if ss.BindType().CanReceive() {
			to = ss
		}
	}
	if s.hold || to == nil {
		return
	}
	for _, text := range s.held {
		s.wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			defer cancel()
			to.Do(ctx, &smpp.DeliverSM{ESMClass: smpp.ESMReceipt, ShortMessage: []byte(text)})
		})
	}
	s.held = nil
}

// drop ends every session without a word.
func (s *smsc) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ss := range s.sessions {
		ss.Close()
	}
}

// smppRun runs SMPPUsers alone against addr.
type smppRun struct {
	*scenario.Run
	opts    scenario.Options
	onPhase func(string)
	drain   time.Duration
	result  *load.Result
}

func newSMPPRun(t *testing.T, addr string, sets ...string) *smppRun {
	t.Helper()
	r := &smppRun{drain: 5 * time.Second}
	r.opts = scenario.Options{
		Host: "http://127.0.0.1:1", APIKey: "x", Classes: []string{"SMPPUser"},
		SMPP:     &scenario.SMPPAddress{Addr: addr, SystemID: "esme", Password: "secret"},
		Settings: scenario.DefaultSettings(), PeakUsers: 2, Timeout: 5 * time.Second,
		Recorder: stats.NewRecorder(stats.RecorderOptions{}),
		Ledger:   stats.NewLedger(stats.LedgerOptions{}), Clock: load.NewClock(),
	}
	for _, pair := range sets {
		if err := r.opts.Settings.Set(pair); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *smppRun) run(t *testing.T, users int, length time.Duration) stats.Counts {
	t.Helper()
	var err error
	if r.Run, err = scenario.New(t.Context(), r.opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	classes, err := r.Classes()
	if err != nil {
		t.Fatal(err)
	}
	r.result, err = load.Run(t.Context(), load.Options{
		Classes: classes, Shape: load.Flat{Users: users, SpawnRate: 1000, RunTime: length},
		Recorder: r.opts.Recorder, Ledger: r.opts.Ledger, Clock: r.opts.Clock, Seed: 7,
		StopTimeout: 5 * time.Second, DrainTimeout: r.drain, NoDrain: r.opts.NoReceipts, OnPhase: r.onPhase,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.opts.Ledger.Counts()
}

func (r *smppRun) exceptions() string {
	var s []string
	for _, e := range r.opts.Recorder.Exceptions() {
		s = append(s, e.Message)
	}
	return strings.Join(s, "; ")
}

func (r *smppRun) failures() string {
	var s []string
	for _, f := range r.opts.Recorder.Failures() {
		s = append(s, f.Name+": "+f.Error)
	}
	return strings.Join(s, "; ")
}

func TestTransmitterAndReceiver(t *testing.T) {
	s := startSMSC(t, smpp.ServerOptions{})
	r := newSMPPRun(t, s.addr, "smpp_bind=tx+rx", "smpp_rate=100")
	c := r.run(t, 2, 500*time.Millisecond)
	if c.Issued < 3 || c.Delivered != c.Issued {
		t.Errorf("%+v", c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.binds[smpp.Transmitter] != 2 || s.binds[smpp.Receiver] != 2 || s.binds[smpp.Transceiver] != 0 {
		t.Errorf("binds: %v", s.binds)
	}
}

func TestTransmittersFollowNoReceipts(t *testing.T) {
	s := startSMSC(t, smpp.ServerOptions{})
	r := newSMPPRun(t, s.addr, "smpp_bind=tx")
	if _, err := scenario.New(t.Context(), r.opts); err == nil || !strings.Contains(err.Error(), "--no-receipts") {
		t.Errorf("got %v", err)
	}
	r.opts.NoReceipts = true
	if c := r.run(t, 1, 300*time.Millisecond); c.Accepted < 3 || c.Accepted != c.Issued {
		t.Errorf("%+v", c)
	}
}

func TestReceiversSubmitNothing(t *testing.T) {
	s := startSMSC(t, smpp.ServerOptions{})
	r := newSMPPRun(t, s.addr, "smpp_bind=rx")
	if c := r.run(t, 2, 200*time.Millisecond); c.Issued != 0 {
		t.Errorf("%+v", c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.binds[smpp.Receiver] != 2 || s.submits != 0 {
		t.Errorf("binds %v, %d submits", s.binds, s.submits)
	}
}

// TestLostBindIsMadeAgainDuringTheDrain: the receipts wait at the SMSC until the users have ended and
// their binds are lost; they come over the new ones.
func TestLostBindIsMadeAgainDuringTheDrain(t *testing.T) {
	s := startSMSC(t, smpp.ServerOptions{})
	s.hold = true
	r := newSMPPRun(t, s.addr, "smpp_rate=100", "smpp_rebind=0.01-0.05")
	r.onPhase = func(name string) {
		if name != "draining receipts" {
			return
		}
		s.mu.Lock()
		s.hold = false
		s.mu.Unlock()
		s.drop()
	}
	c := r.run(t, 2, 400*time.Millisecond)
	if c.Issued < 3 || c.Delivered != c.Issued {
		t.Errorf("%+v", c)
	}
	if !strings.Contains(r.exceptions(), "SMPP session lost: connection closed by the peer") {
		t.Errorf("exceptions: %s", r.exceptions())
	}
}

func TestReceiptTimesByFinalState(t *testing.T) {
	states := []string{"DELIVRD", "UNDELIV", "EXPIRED", "REJECTD"}
	s := startSMSC(t, smpp.ServerOptions{})
	s.stat = func(n int) string { return states[n%len(states)] }
	r := newSMPPRun(t, s.addr)
	c := r.run(t, 1, 300*time.Millisecond)
	if c.Delivered == 0 || c.Delivered+c.Failed != c.Issued {
		t.Errorf("%+v", c)
	}
	notes := strings.Join(r.Notes(), "\n")
	for _, state := range states {
		if !strings.Contains(notes, state+" ") {
			t.Errorf("%s is missing in: %s", state, notes)
		}
	}
}

// TestThrottledAnswersAreAnOutcome: neither failures nor in the percentiles, whatever the mode.
func TestThrottledAnswersAreAnOutcome(t *testing.T) {
	for mode, note := range map[string]string{"count": "", "backoff": "", "find-limit": "find-limit: "} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := startSMSC(t, smpp.ServerOptions{})
			s.status = func(n int) smpp.Status {
				return []smpp.Status{smpp.ROK, smpp.ROK, smpp.RTHROTTLED, smpp.RMSGQFUL}[n%4]
			}
			r := newSMPPRun(t, s.addr, "smpp_throttle="+mode, "smpp_rate=200")
			c := r.run(t, 1, 600*time.Millisecond)
			total := r.result.Collector.Summary(r.result.Collector.Whole()).Total
			if c.Rejected == 0 || total.Throttled != c.Rejected || total.Failures != 0 || total.Response.Count()+total.Throttled != total.Requests {
				t.Errorf("%+v; total %+v; %s", c, total, r.failures())
			}
			if mode == "backoff" && c.Issued > 60 {
				t.Errorf("%d submits in 0.6 s", c.Issued)
			}
			if notes := strings.Join(r.Notes(), "\n"); !strings.Contains(notes, note) {
				t.Errorf("notes: %s", notes)
			}
		})
	}
}

// TestSilentLink: an SMSC that answers nothing is found out by enquire_link and bound again.
func TestSilentLink(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	conns := make(chan struct{}, 100)
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conns <- struct{}{}
			wg.Go(func() {
				defer conn.Close()
				head := make([]byte, 16)
				if _, err := io.ReadFull(conn, head); err != nil {
					return
				}
				// bind_transceiver_resp, ROK, an empty system_id; then nothing.
				conn.Write([]byte{0, 0, 0, 17, 0x80, 0, 0, 9, 0, 0, 0, 0, head[12], head[13], head[14], head[15], 0})
				io.Copy(io.Discard, conn)
			})
		}
	})
	r := newSMPPRun(t, ln.Addr().String(), "smpp_enquire_link=0.05", "smpp_rebind=0.01", "smpp_rate=10")
	r.opts.Timeout, r.drain = 100*time.Millisecond, 10*time.Millisecond
	c := r.run(t, 1, time.Second)
	r.Close()
	ln.Close()
	wg.Wait()
	if len(conns) < 2 || c.Unanswered == 0 || !strings.Contains(r.exceptions(), "enquire_link not answered") {
		t.Errorf("%d connections; %+v; exceptions %s", len(conns), c, r.exceptions())
	}
}

// TestRebindBacksOff: an SMSC that is gone is not stormed, and what fails has its name.
func TestRebindBacksOff(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	r := newSMPPRun(t, ln.Addr().String(), "smpp_rebind=0.1-10")
	c := r.run(t, 1, 1200*time.Millisecond)
	var attempts uint64
	for _, e := range r.result.Collector.Summary(r.result.Collector.Whole()).Entries {
		if e.Name == "bind_transceiver" {
			attempts = e.Failures
		}
	}
	// At once, then after 0.1, 0.2, 0.4, 0.8 s, each less up to a half.
	if attempts < 2 || attempts > 6 || c.Issued != 0 || !strings.Contains(r.failures(), "bind_transceiver: connection refused") {
		t.Errorf("%d attempts, %+v, %s", attempts, c, r.failures())
	}
}
