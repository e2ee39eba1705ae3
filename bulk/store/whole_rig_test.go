package store_test

import (
	"context"
	"encoding/binary"
	"encoding/csv"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/cdr"
	"protei-bulk/bulk/dispatch"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/queue"
	"protei-bulk/bulk/store"
	"protei-bulk/bulk/upstream"
	"protei-bulk/smpp"
)

// whole is the way of a message in one piece: journal, store, lanes, dispatch, the link to an SMSC and the
// CDR files, on a machine that can crash, by a clock that can jump.
type whole struct {
	t       testing.TB
	m       *machine
	cdrs    string
	policy  string // unknown outcomes: resend or hold
	ahead   atomic.Int64
	lanes   atomic.Pointer[queue.Lanes]
	files   *cdr.Writer
	group   *upstream.Group
	d       *dispatch.Dispatcher
	sweeper *dispatch.Sweeper
	smsc    *farEnd
}

func newWhole(t testing.TB, policy string, settle time.Duration) *whole {
	w := &whole{t: t, cdrs: t.TempDir(), policy: policy, smsc: newFarEnd(t)}
	w.openCDRs()
	w.m = newMachine(t, store.Options{
		Settle: settle, TableRows: 50, LaneCache: 3, OutboxCache: 2, ReceiptCache: 4096, Now: w.now,
		Applied:  func(evs []message.Event) { w.applied(evs) },
		Follower: w,
	})
	w.wire()
	return w
}

func (w *whole) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func (w *whole) applied(evs []message.Event) {
	if lanes := w.lanes.Load(); lanes != nil {
		lanes.Applied(evs)
	}
}

func (w *whole) openCDRs() {
	var err error
	if w.files, err = cdr.Open(cdr.Options{Dir: w.cdrs}); err != nil {
		w.t.Fatal(err)
	}
}

// Follow implements store.Follower, as the platform does.
func (w *whole) Follow(evs []message.Event, record uint64) {
	var records []cdr.Record
	for i := range evs {
		records = cdr.FromEvent(records, &evs[i])
	}
	_ = w.files.Append(records, cdrPosition(record))
}

// Keep implements store.Follower.
func (w *whole) Keep(ctx context.Context, record uint64) error {
	return w.files.SyncTo(ctx, cdrPosition(record))
}

func cdrPosition(record uint64) (pos cdr.Position) {
	binary.BigEndian.PutUint64(pos[8:], record)
	return pos
}

// wire puts lanes and a link on the store, as a start of the platform does.
func (w *whole) wire() {
	must := func(err error) {
		if err != nil {
			w.t.Fatal(err)
		}
	}
	lanes, err := queue.New(queue.Options{Store: w.m.s, Memory: 40, LoadBatch: 7, DueEvery: 20 * time.Millisecond, Now: w.now})
	must(err)
	q := lanes.Connector(1)
	var states []queue.LaneState
	for _, s := range w.m.s.Recovery() {
		states = append(states, queue.LaneState(s))
	}
	lanes.Restore(states)
	opts, err := upstream.ParseURL("smpp://x:y@" + w.smsc.addr + "?binds=2&window=5&trace_tlv=1&timeout=300ms&unknown=" + w.policy)
	must(err)
	opts.BackoffMin, opts.BackoffMax = 5*time.Millisecond, 20*time.Millisecond
	opts.PauseMin, opts.PauseMax = 5*time.Millisecond, 20*time.Millisecond
	w.group, err = upstream.New(opts)
	must(err)
	w.d, err = dispatch.New(dispatch.Options{
		Connector: 1, Queue: q, Group: w.group, Store: w.m.s, RetryMin: 5 * time.Millisecond, RetryMax: 50 * time.Millisecond, Now: w.now,
	})
	must(err)
	w.sweeper, err = dispatch.NewSweeper(dispatch.SweepOptions{Store: w.m.s, Lanes: lanes, Every: 30 * time.Millisecond, Now: w.now})
	must(err)
	w.lanes.Store(lanes)
	lanes.Start()
	w.d.Start()
	w.sweeper.Start()
}

// unwire ends what wire began; within 0 as a crash does.
func (w *whole) unwire(within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	w.sweeper.Stop()
	_ = w.d.Stop(ctx) // what it leaves is what a start has to cope with
	w.lanes.Load().Stop()
	w.lanes.Store(nil)
}

func (w *whole) crash(point string) error {
	err := w.m.crashWhile(point, func() {
		w.unwire(0)
		_ = w.files.Close() // it has taken nothing that was not durable
		w.openCDRs()
	})
	if err == nil {
		w.wire()
	}
	return err
}

func (w *whole) reopen() error {
	w.unwire(500 * time.Millisecond)
	if err := w.m.s.Stop(context.Background()); err != nil {
		return err
	}
	if err := w.files.Close(); err != nil {
		return err
	}
	w.openCDRs()
	if err := w.m.start(); err != nil {
		return err
	}
	w.wire()
	return nil
}

func (w *whole) end() {
	w.unwire(time.Second)
	w.m.s.Stop(context.Background())
	_ = w.files.Close()
	w.smsc.stop()
}

// cdrLine is a line of the CDR files, as far as it must be there once.
type cdrLine struct {
	id, part, status string
}

// records counts the lines of all files.
func (w *whole) records() map[cdrLine]int {
	names, err := filepath.Glob(filepath.Join(w.cdrs, "*.csv"))
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[cdrLine]int{}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			w.t.Fatal(err)
		}
		lines := csv.NewReader(f)
		lines.Comment = '#' // the checksum line
		rows, err := lines.ReadAll()
		f.Close()
		if err != nil {
			w.t.Fatalf("%s: %v", name, err)
		}
		for _, row := range rows[1:] {
			all[cdrLine{row[1], row[2], row[9]}]++
		}
	}
	return all
}

// manner is what a farEnd does with a submit_sm.
type manner int32

const (
	answers   manner = iota
	hesitates        // answers when it is told to
	early            // the receipt comes first
	tired            // RSYSERR
	throttles
	refuses
	hangsUp // ends the connection instead
)

// copied is one submit_sm that a farEnd did not refuse.
type copied struct {
	trace, dest, id string
	marked, wants   bool
	s               *smpp.Session
	seq             uint32
	answered        bool
	acked           []string // receipts that were acknowledged
}

// farEnd is an SMSC that a test steers.
type farEnd struct {
	t      testing.TB
	addr   string
	manner atomic.Int32
	ids    atomic.Uint64
	server *smpp.Server
	served chan struct{}

	mu       sync.Mutex
	sessions map[*smpp.Session]bool // guarded by mu
	copies   []*copied              // guarded by mu, as what is in them
}

func newFarEnd(t testing.TB) *farEnd {
	e := &farEnd{t: t, sessions: map[*smpp.Session]bool{}, served: make(chan struct{})}
	var err error
	e.server, err = smpp.NewServer(smpp.ServerOptions{
		SystemID: "far", Handler: e, RefusalDelay: -1,
		Bound: func(s *smpp.Session) { e.mu.Lock(); e.sessions[s] = true; e.mu.Unlock() },
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.addr = ln.Addr().String()
	go func() {
		defer close(e.served)
		_ = e.server.Serve(ln) // ends with ErrServerClosed
	}()
	return e
}

func (e *farEnd) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_ = e.server.Shutdown(ctx)
	<-e.served
}

// HandleRequest implements smpp.Handler.
func (e *farEnd) HandleRequest(s *smpp.Session, r *smpp.Request) {
	p, ok := r.PDU.(*smpp.SubmitSM)
	if !ok {
		_ = s.Respond(r.Seq, r.ID, smpp.RINVCMDID, nil)
		return
	}
	how := manner(e.manner.Load())
	switch how {
	case tired:
		_ = s.Respond(r.Seq, r.ID, smpp.RSYSERR, nil)
		return
	case throttles:
		_ = s.Respond(r.Seq, r.ID, smpp.RTHROTTLED, nil)
		return
	case refuses:
		_ = s.Respond(r.Seq, r.ID, smpp.RINVDSTADR, nil)
		return
	}
	trace, _ := p.TLVs.Find(dispatch.TagTrace)
	_, marked := p.TLVs.Find(dispatch.TagDuplicate)
	c := &copied{
		trace: string(trace), dest: string(p.Dest.Addr), marked: marked, wants: p.RegisteredDelivery&1 != 0, s: s, seq: r.Seq,
		id: strconv.FormatUint(e.ids.Add(1), 10),
	}
	e.mu.Lock()
	e.copies = append(e.copies, c)
	e.mu.Unlock()
	switch how {
	case hangsUp:
		s.Close()
	case early:
		go func() { // the answer to the receipt may come after that to the submit_sm
			e.receipt(c, "DELIVRD")
		}()
		e.answer(c)
	case answers:
		e.answer(c)
	}
}

// answer gives a copy its id.
func (e *farEnd) answer(c *copied) {
	e.mu.Lock()
	first := !c.answered
	c.answered = true
	e.mu.Unlock()
	if first {
		_ = c.s.Respond(c.seq, smpp.CmdSubmitSM, smpp.ROK, &smpp.SubmitSMResp{MessageID: []byte(c.id)})
	}
}

// all returns the copies so far.
func (e *farEnd) all() []*copied {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]*copied(nil), e.copies...)
}

func (e *farEnd) of(c *copied) (answered bool, acked []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return c.answered, append([]string(nil), c.acked...)
}

// live returns a session, or nil.
func (e *farEnd) live() *smpp.Session {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.sessions {
		select {
		case <-s.Done():
			delete(e.sessions, s)
		default:
			return s
		}
	}
	return nil
}

func (e *farEnd) cut() {
	for s := e.live(); s != nil; s = e.live() {
		s.Close()
		<-s.Done()
	}
}

type answered chan smpp.Result

func (a answered) Complete(r smpp.Result) { r.PDU = nil; a <- r }

// receipt tells what became of a copy, and reports whether that was acknowledged.
func (e *farEnd) receipt(c *copied, stat string) bool {
	s := e.live()
	if s == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	done := make(answered, 1)
	err := s.Send(ctx, &smpp.DeliverSM{
		ESMClass: smpp.ESMReceipt, Source: smpp.Address{TON: 1, NPI: 1, Addr: []byte(c.dest)},
		ShortMessage: []byte("id:" + c.id + " sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:" + stat + " err:000 text:"),
	}, done)
	if err != nil {
		return false
	}
	select {
	case r := <-done:
		if r.Err != nil || r.Status != smpp.ROK {
			return false
		}
	case <-ctx.Done():
		return false
	}
	e.mu.Lock()
	c.acked = append(c.acked, stat)
	e.mu.Unlock()
	return true
}
