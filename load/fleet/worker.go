package fleet

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"protei-bulk/load"
	"protei-bulk/load/stats"
)

// WorkerOptions configure a [Worker]. Master, Version and Open are required.
type WorkerOptions struct {
	// Master is the address of the master.
	Master string
	Token  string
	TLS    *tls.Config
	// Version of the program, and the hash of the scenario file that this worker was started
	// with, "" when it takes the master's.
	Version, Scenario string
	// Name is the worker's, for people: host and process.
	Name  string
	Cores int
	// Open makes what a run needs.
	Open func(context.Context, Spec) (*Session, error)
	// OnEvent is told, in a sentence for people, what happens.
	OnEvent func(string)
	Logger  *slog.Logger
}

// Spec is what a session is made of.
type Spec struct {
	Job    json.RawMessage   // as the master has given it
	Files  map[string][]byte // likewise
	Run    uint32            // of the ledger
	Worker uint16            // of the ledger
}

// Session is a run on a worker.
type Session struct {
	Part    *load.Part
	Classes []load.UserClass // of the part
	Source  stats.Source     // what the part measures
	Ledger  *stats.Ledger
	// Canary sends the canaries, after setup, and returns what setup saved; on the first
	// worker only. Adopt takes that over, before the users start.
	Canary func(context.Context) ([][]byte, error)
	Adopt  func([][]byte)
	// Share, if any, is told the worker's place among the others, whenever that changes.
	Share func(index, of int)
	// Receipt takes a receipt that came to the master.
	Receipt func(id, ref, status string)
	// Resolve asks the target about open messages. Last is what else the report should know.
	// Both return what JSON can say.
	Resolve func(context.Context) any
	Last    func() any
	// Close ends what Open has made. The part has ended before.
	Close func()
}

// The reasons for which a worker ends.
var (
	// ErrRefused says that the master does not take this worker.
	ErrRefused = errors.New("the master refuses this worker")
	// ErrMasterGone says that the master has not answered for some seconds.
	ErrMasterGone = errors.New("the master has gone")
	// errLost: the master has given this worker's share to others.
	errLost = errors.New("the master has given this worker's share to others")
	// errBye is the master's goodbye.
	errBye = errors.New("the master has ended")
)

// Worker runs users for a master. Make it with [NewWorker].
type Worker struct {
	opts WorkerOptions
	self *load.SelfWatch
}

// NewWorker makes a worker.
func NewWorker(opts WorkerOptions) *Worker {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.OnEvent == nil {
		opts.OnEvent = func(string) {}
	}
	return &Worker{opts: opts, self: load.NewSelfWatch()}
}

// Run waits for the master and works for it until it says goodbye (nil), refuses
// (ErrRefused), goes away (ErrMasterGone), or ctx ends.
func (w *Worker) Run(ctx context.Context) error {
	for {
		nc, err := w.connect(ctx)
		if err != nil {
			return err
		}
		l := &life{worker: w, conn: nc, nonce: rand.Text(), skew: skew{base: time.Now()}}
		err = l.run(ctx)
		nc.Close()
		switch {
		case errors.Is(err, errLost):
			w.opts.OnEvent(err.Error() + "; joining again as a new worker")
		case errors.Is(err, errBye):
			w.opts.OnEvent(err.Error())
			return nil
		default:
			return err
		}
	}
}

const (
	retryEvery = time.Second
	retryTold  = 10 * time.Second // between two lines about it
)

// connect tries until the master is there.
func (w *Worker) connect(ctx context.Context) (*nats.Conn, error) {
	var told time.Time
	for {
		nc, err := nats.Connect("nats://"+w.opts.Master, w.dialOptions()...)
		switch {
		case err == nil:
			return nc, nil
		case errors.Is(err, nats.ErrAuthorization), strings.Contains(strings.ToLower(err.Error()), "authorization violation"):
			return nil, fmt.Errorf("%w: it does not accept the token (--master-token), or has none and takes workers from loopback and private addresses only", ErrRefused)
		case errors.Is(err, nats.ErrSecureConnRequired):
			return nil, fmt.Errorf("%w: it wants TLS; add --master-tls", ErrRefused)
		case errors.Is(err, nats.ErrSecureConnWanted):
			return nil, fmt.Errorf("%w: it has no TLS; start it with --master-tls, or this worker without", ErrRefused)
		case untrusted(err):
			return nil, fmt.Errorf("the master at %s shows a certificate that is not trusted: %w (--master-ca, --master-fingerprint)", w.opts.Master, err)
		}
		if time.Since(told) >= retryTold {
			w.opts.OnEvent(fmt.Sprintf("no master at %s yet (%v); trying again every second", w.opts.Master, err))
			told = time.Now()
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(retryEvery):
		}
	}
}

func untrusted(err error) bool {
	var cert *tls.CertificateVerificationError
	return errors.As(err, &cert) || errors.Is(err, ErrFingerprint)
}

func (w *Worker) dialOptions() []nats.Option {
	opts := []nats.Option{
		nats.Name(w.opts.Name), nats.Timeout(3 * time.Second), nats.MaxReconnects(-1), nats.ReconnectWait(200 * time.Millisecond),
		nats.PingInterval(10 * time.Second), nats.ReconnectBufSize(maxPayload),
	}
	if w.opts.Token != "" {
		opts = append(opts, nats.Token(w.opts.Token))
	}
	if w.opts.TLS != nil {
		opts = append(opts, nats.Secure(w.opts.TLS))
	}
	return opts
}

// life is a worker under one number, from hello until the end.
type life struct {
	worker *Worker
	conn   *nats.Conn
	nonce  string
	id     int
	skew   skew

	mu     sync.Mutex // guards all below
	part   *load.Part // of the run
	status beat
	plan   plan
	fresh  chan struct{} // has room for one: there is a new plan
	kick   chan struct{} // likewise: the status has changed
}

// run joins, then follows plans.
func (l *life) run(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	defer cancel(nil)
	l.fresh, l.kick = make(chan struct{}, 1), make(chan struct{}, 1)
	if err := l.join(parent); err != nil {
		return err
	}
	if _, err := l.conn.Subscribe(subjectPlan, func(msg *nats.Msg) { l.take(msg, cancel) }); err != nil {
		return fmt.Errorf("listen to the master: %w", err)
	}
	var beats sync.WaitGroup
	beats.Go(func() { l.beats(ctx, cancel) })
	defer beats.Wait()
	defer cancel(nil)
	left := context.AfterFunc(parent, func() { // its share goes to others at once
		l.leave(parent)
		cancel(parent.Err())
	})
	defer left()
	for {
		s, err := l.next(ctx)
		if err != nil {
			return err
		}
		if err := s.run(ctx); err != nil {
			return err
		}
	}
}

// join says hello, then pings.
func (l *life) join(ctx context.Context) error {
	o := &l.worker.opts
	h := hello{
		Protocol: protocol, Version: o.Version, Name: o.Name, Cores: o.Cores, Scenario: o.Scenario, Nonce: l.nonce,
	}
	var w welcome
	for {
		err := l.ask(ctx, subjectHello, h, &w)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrTimeout) {
			return fmt.Errorf("join the master: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryEvery):
		}
	}
	if w.Refused != "" {
		return fmt.Errorf("%w: %s", ErrRefused, w.Refused)
	}
	l.id = w.Worker
	for range pings {
		if err := l.beat(ctx); err != nil {
			return err
		}
	}
	best := l.skew.best()
	o.OnEvent(fmt.Sprintf("joined the master at %s as worker %d; its clock is %s ahead, %s there and back",
		o.Master, l.id, best.wall.Round(10*time.Microsecond), best.rtt.Round(time.Microsecond)))
	return nil
}

// ask sends a request and decodes the answer.
func (l *life) ask(ctx context.Context, subject string, q, a any) error {
	b, err := json.Marshal(q)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	msg, err := l.conn.RequestWithContext(ctx, subject, b)
	if err != nil {
		return err
	}
	return json.Unmarshal(msg.Data, a)
}

// beat tells the master that we live, and measures its clocks.
func (l *life) beat(ctx context.Context) error {
	l.mu.Lock()
	b := l.status
	if l.part != nil {
		b.Load = l.part.Load()
	}
	l.mu.Unlock()
	b.Worker = l.id
	if best := l.skew.best(); best.rtt > 0 {
		b.Offset, b.RTT = best.wall, best.rtt
	}
	var p pong
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	sent := time.Now()
	if err := l.ask(ctx, subjectBeat, b, &p); err != nil {
		return err
	}
	l.skew.add(sent, time.Now(), p)
	if p.Gone != "" {
		return fmt.Errorf("%w (%s)", errLost, p.Gone)
	}
	return nil
}

// beats goes on until ctx ends; it ends ctx when the master is gone or has given us up.
func (l *life) beats(ctx context.Context, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	var silent time.Time // since when it does not answer
	var g stats.Gauges
	for n := 0; ; n++ {
		if n%2 == 0 {
			l.worker.self.Fill(&g)
			l.update(func(b *beat) {
				b.CPU, b.Memory = finite(g.GeneratorCPU), finite(g.GeneratorRSS)
			})
		}
		sent := time.Now()
		err := l.beat(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errLost):
			cancel(err)
			return
		case err == nil:
			silent = time.Time{}
		case silent.IsZero():
			silent = sent
		case time.Since(silent) > masterAfter:
			cancel(fmt.Errorf("%w: no answer from %s for %.0f s", ErrMasterGone, l.worker.opts.Master, time.Since(silent).Seconds()))
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-l.kick:
		}
	}
}

// finite is v, or 0 for what was not measured.
func finite(v float64) float64 {
	if v != v {
		return 0
	}
	return v
}

// update changes what the next beat says.
func (l *life) update(change func(*beat)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.status)
}

// advance says how far we are, at once.
func (l *life) advance(run uint32, s stage) {
	l.mu.Lock()
	same := l.status.Run == run && l.status.Stage == s
	l.status.Run, l.status.Stage = run, s
	l.mu.Unlock()
	if same {
		return
	}
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// leave tells the master that this worker ends, so that it need not wait.
func (l *life) leave(ctx context.Context) {
	l.update(func(b *beat) { b.Leaves = "it was stopped" })
	quick, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = l.beat(quick)
}

// take keeps a plan that is newer.
func (l *life) take(msg *nats.Msg, cancel context.CancelCauseFunc) {
	var p plan
	if err := json.Unmarshal(msg.Data, &p); err != nil {
		l.worker.opts.Logger.Error("plan of the master", "error", err)
		return
	}
	if p.Bye != "" {
		cancel(fmt.Errorf("%w: %s", errBye, p.Bye))
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.Version <= l.plan.Version {
		return
	}
	l.plan = p
	select {
	case l.fresh <- struct{}{}:
	default:
	}
}

func (l *life) current() plan {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.plan
}

// next waits for a run and prepares for it.
func (l *life) next(ctx context.Context) (*session, error) {
	for {
		p := l.current()
		l.mu.Lock()
		done := l.status.Run == p.Run
		l.mu.Unlock()
		if p.Run != 0 && !done && p.Stage < stageStopped {
			s, err := l.prepare(ctx, p.Run)
			if ctx.Err() != nil {
				if s != nil {
					s.Close()
				}
				return nil, context.Cause(ctx)
			}
			if err == nil {
				return s, nil
			}
			l.worker.opts.OnEvent(fmt.Sprintf("can not take part in the test: %v", err))
			l.update(func(b *beat) { b.Fault = err.Error() })
			l.advance(p.Run, stageFailed)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-l.fresh:
		}
	}
}

// prepare fetches the job and makes the session.
func (l *life) prepare(ctx context.Context, run uint32) (*session, error) {
	l.update(func(b *beat) { b.Fault, b.Resolved, b.Last, b.Load = "", nil, nil, load.RemoteLoad{} })
	l.mu.Lock()
	l.part = nil
	l.mu.Unlock()
	l.advance(run, stagePreparing)
	var job wireJob
	if err := l.ask(ctx, subjectJob, run, &job); err != nil {
		return nil, fmt.Errorf("fetch the test from the master: %w", err)
	}
	if job.Error != "" {
		return nil, errors.New(job.Error)
	}
	files, err := fetch(job.Files, func(ask fileAsk) ([]byte, error) { return l.askFile(ctx, ask) })
	if err != nil {
		return nil, err
	}
	made, err := l.worker.opts.Open(ctx, Spec{Job: job.Spec, Files: files, Run: run, Worker: uint16(l.id)})
	if err != nil {
		return nil, err
	}
	return &session{Session: made, life: l, number: run, reporter: stats.NewReporter(made.Source)}, nil
}

func (l *life) askFile(ctx context.Context, ask fileAsk) ([]byte, error) {
	b, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*askTimeout)
	defer cancel()
	msg, err := l.conn.RequestWithContext(ctx, subjectFile, b)
	if err != nil {
		return nil, err
	}
	return msg.Data, nil
}
