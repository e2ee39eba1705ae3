package fleet

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// MasterOptions configure a [Master].
type MasterOptions struct {
	// Listen is the address for workers; port 0 is a free one.
	Listen string
	// Token that workers must give; "" takes those of loopback and private networks only.
	Token string
	// TLS encrypts; nil does not.
	TLS *tls.Config
	// Version of the program: workers must have the same.
	Version string
	// Scenario is the [Hash] of the scenario file, "" for the built-in one. A worker that was
	// started with another file is refused.
	Scenario string
	// OnEvent is told, in a sentence for people, what happens to workers: on goroutines of
	// the master, which it must not block. It must not call the master.
	OnEvent func(string)
	Logger  *slog.Logger
}

// Master has the workers of a fleet. Make it with [NewMaster]; its methods are safe for
// concurrent use.
type Master struct {
	opts   MasterOptions
	base   time.Time // of the monotonic clock that all share
	server *server.Server
	conn   *nats.Conn
	quit   chan struct{}
	done   sync.WaitGroup

	mu      sync.Mutex      // guards all below
	members map[int]*member // alive
	gone    map[int]string  // lost ones, and why
	nonces  map[string]int  // of those alive
	next    int
	plan    plan
	run     *Run
	wake    chan struct{} // closed and replaced when something changes
	refused map[string]bool
}

// member is a worker that is alive.
type member struct {
	info     hello
	id       int
	seen     time.Time
	last     beat
	requests uint64 // at rated
	rps      float64
	rated    time.Time
}

// WorkerInfo is a worker as people see it.
type WorkerInfo struct {
	ID     int     `json:"id"`
	Name   string  `json:"name"` // host and process
	State  string  `json:"state"`
	Users  int     `json:"users"`
	CPU    float64 `json:"cpu"`    // share of its machine's cores, 0..1
	Memory float64 `json:"memory"` // bytes
	RPS    float64 `json:"rps"`    // requests a second, of the last seconds
	// Offset is by how much its wall clock is behind the master's, RTT how long a message
	// there and back takes.
	Offset time.Duration `json:"offset"`
	RTT    time.Duration `json:"rtt"`
}

// NewMaster listens for workers.
func NewMaster(opts MasterOptions) (*Master, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.OnEvent == nil {
		opts.OnEvent = func(string) {}
	}
	m := &Master{
		opts: opts, base: time.Now(), quit: make(chan struct{}), members: map[int]*member{}, gone: map[int]string{},
		nonces: map[string]int{}, wake: make(chan struct{}), refused: map[string]bool{},
	}
	g := &gate{open: opts.Token == "", secret: newSecret(), refused: m.refuse}
	g.token = sha256.Sum256([]byte(opts.Token))
	var err error
	if m.server, err = listen(opts.Listen, opts.TLS, g); err != nil {
		return nil, err
	}
	if m.conn, err = connectLocal(m.server, g.secret); err == nil {
		err = m.subscribe()
	}
	if err != nil {
		m.shut()
		return nil, err
	}
	m.done.Go(m.watch)
	return m, nil
}

// Addr is where the master listens.
func (m *Master) Addr() string { return m.server.Addr().String() }

func (m *Master) subscribe() error {
	var errs []error
	on := func(subject string, handle func(*nats.Msg)) {
		_, err := m.conn.Subscribe(subject, handle)
		errs = append(errs, err)
	}
	on(subjectHello, func(msg *nats.Msg) { answer(msg, m.hello) })
	on(subjectBeat, func(msg *nats.Msg) { answer(msg, m.beat) })
	on(subjectJob, func(msg *nats.Msg) { answer(msg, m.job) })
	on(subjectFile, m.file)
	on(subjectReport, m.report)
	errs = append(errs, m.conn.Flush())
	return errors.Join(errs...)
}

// answer decodes a request and encodes what handle says to it.
func answer[Q, A any](msg *nats.Msg, handle func(Q) A) {
	var q Q
	if json.Unmarshal(msg.Data, &q) != nil || msg.Reply == "" {
		return // nobody of ours
	}
	b, err := json.Marshal(handle(q))
	if err != nil {
		return
	}
	_ = msg.Respond(b) // one that is gone asks again
}

// maxRefused bounds the memory of who was refused, for telling each once.
const maxRefused = 1000

// refuse tells people about a connection that is not taken, once an address and reason.
func (m *Master) refuse(addr, why string) {
	host, _, _ := cutLast(addr)
	m.mu.Lock()
	key := host + why
	told := m.refused[key] || len(m.refused) >= maxRefused
	m.refused[key] = true
	m.mu.Unlock()
	m.opts.Logger.Warn("worker refused", "address", addr, "reason", why)
	if !told {
		m.opts.OnEvent(fmt.Sprintf("refused a worker at %s: %s", addr, why))
	}
}

// hello takes a worker, or says why not.
func (m *Master) hello(h hello) welcome {
	if why := m.objection(&h); why != "" {
		m.refuse(h.Name, why)
		return welcome{Refused: why}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if id, known := m.nonces[h.Nonce]; known {
		return welcome{Worker: id}
	}
	if len(m.members) >= maxWorkers {
		return welcome{Refused: fmt.Sprintf("the master has %d workers already", maxWorkers)}
	}
	m.next++
	m.members[m.next] = &member{info: h, id: m.next, seen: time.Now(), rated: time.Now()}
	m.nonces[h.Nonce] = m.next
	m.opts.OnEvent(fmt.Sprintf("worker %d joined: %s, %d cores", m.next, h.Name, h.Cores))
	m.changed()
	return welcome{Worker: m.next}
}

func (m *Master) objection(h *hello) string {
	switch {
	case h.Protocol != protocol || h.Version != m.opts.Version:
		return fmt.Sprintf("it is version %s (protocol %d), the master is %s (%d): use the same program on both sides",
			h.Version, h.Protocol, m.opts.Version, protocol)
	case h.Scenario != "" && m.opts.Scenario == "":
		return "it was started with a scenario file, the master with the built-in scenario: start it without -f, it gets the master's"
	case h.Scenario != "" && h.Scenario != m.opts.Scenario:
		return fmt.Sprintf("its scenario file is another one (SHA-256 %.12s…, the master's %.12s…): start it without -f, it gets the master's",
			h.Scenario, m.opts.Scenario)
	}
	return ""
}

// beat notes a sign of life.
func (m *Master) beat(b beat) pong {
	now := time.Now()
	p := pong{Mono: int64(now.Sub(m.base)), Wall: now.UnixNano()}
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.members[b.Worker]
	if w == nil {
		if p.Gone = m.gone[b.Worker]; p.Gone == "" {
			p.Gone = "the master does not know it"
		}
		return p
	}
	before := w.last
	w.seen, w.last = now, b
	if b.Leaves != "" {
		m.lose(w, b.Leaves)
		return p
	}
	if b.Stage != before.Stage || b.Run != before.Run {
		if m.run != nil {
			m.run.advanced(w)
		}
		m.changed()
	}
	return p
}

// changed wakes who waits. The caller holds mu.
func (m *Master) changed() {
	close(m.wake)
	m.wake = make(chan struct{})
}

// await waits until holds says so; it is called with mu held.
func (m *Master) await(ctx context.Context, holds func() bool) error {
	for {
		m.mu.Lock()
		ok, wake := holds(), m.wake
		m.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// WaitFor waits until n workers are there, at most the time most (0: for ever); progress is
// told how many there are whenever that changes.
func (m *Master) WaitFor(ctx context.Context, n int, most time.Duration, progress func(have int)) error {
	if most > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, most, errTooFew)
		defer cancel()
	}
	told, have := -1, 0
	err := m.await(ctx, func() bool {
		if have = len(m.members); have != told {
			told = have
			progress(have)
		}
		return have >= n
	})
	if err != nil && errors.Is(context.Cause(ctx), errTooFew) {
		return fmt.Errorf("%d of %d workers came within %v", have, n, most)
	}
	return err
}

var errTooFew = errors.New("too few workers")

// Workers are those alive, in the order in which they came, and behind them those that the
// run has lost.
func (m *Master) Workers() []WorkerInfo {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []WorkerInfo
	for id, w := range m.members {
		list = append(list, WorkerInfo{
			ID: id, Name: w.info.Name, State: w.last.Stage.String(), Users: w.last.Load.Users + w.last.Load.Pooled,
			CPU: w.last.CPU, Memory: w.last.Memory, RPS: w.rps, Offset: w.last.Offset, RTT: w.last.RTT,
		})
	}
	if m.run != nil {
		for _, l := range m.run.losses {
			list = append(list, WorkerInfo{ID: l.id, Name: l.name, State: "missing"})
		}
	}
	slices.SortFunc(list, func(a, b WorkerInfo) int {
		if gone := a.State == "missing"; gone != (b.State == "missing") {
			return map[bool]int{true: 1, false: -1}[gone]
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return list
}

// watch notices lost workers and repeats the plan.
func (m *Master) watch() {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	last := time.Now()
	rated := last
	for {
		select {
		case <-m.quit:
			return
		case now := <-tick.C:
			// A master that was stopped itself (SIGSTOP, a suspended machine) knows nothing about
			// its workers: they get their time again.
			m.lookForLost(now, now.Sub(last) > time.Second)
			if last = now; now.Sub(rated) >= time.Second {
				m.rate(now)
				rated = now
			}
		}
	}
}

func (m *Master) lookForLost(now time.Time, slept bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.members {
		if slept {
			w.seen = now
		}
		if silent := now.Sub(w.seen); silent > lostAfter {
			m.lose(w, fmt.Sprintf("no sign of life for %.1f s", silent.Seconds()))
			continue
		}
	}
	if m.plan.Version > 0 && now.Sub(m.planSent()) >= planEvery {
		m.send()
	}
}

// rate counts the workers' requests of the last second. The union may be at work: it is
// asked without mu, so that no beat has to wait for it.
func (m *Master) rate(now time.Time) {
	m.mu.Lock()
	r := m.run
	list := slices.Collect(maps.Values(m.members))
	m.mu.Unlock()
	if r == nil {
		return
	}
	for _, w := range list {
		_, n, _ := r.union.Worker(w.id)
		m.mu.Lock()
		if d := now.Sub(w.rated).Seconds(); n >= w.requests && d > 0 {
			w.rps = float64(n-w.requests) / d
		}
		w.requests, w.rated = n, now
		m.mu.Unlock()
	}
}

// lose takes a worker out. The caller holds mu.
func (m *Master) lose(w *member, why string) {
	delete(m.members, w.id)
	delete(m.nonces, w.info.Nonce)
	m.gone[w.id] = why
	text := fmt.Sprintf("worker %d (%s) is lost: %s", w.id, w.info.Name, why)
	if m.run != nil {
		text += m.run.lost(w, why)
	}
	m.opts.OnEvent(text)
	m.changed()
}

// job sends the job of a run.
func (m *Master) job(run uint32) wireJob {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run == nil || m.run.id != run {
		return wireJob{Error: "that run is over"}
	}
	return m.run.parcel.wire
}

func (m *Master) file(msg *nats.Msg) {
	var ask fileAsk
	if json.Unmarshal(msg.Data, &ask) != nil || msg.Reply == "" {
		return
	}
	m.mu.Lock()
	var b []byte
	if m.run != nil {
		b = m.run.parcel.chunk(ask)
	}
	m.mu.Unlock()
	_ = msg.Respond(b)
}

// report takes a worker's figures.
func (m *Master) report(msg *nats.Msg) {
	worker, run, body, err := unframe(msg.Data)
	if err != nil {
		return
	}
	m.mu.Lock()
	r := m.run
	m.mu.Unlock()
	if r == nil || r.id != run {
		return
	}
	if err := r.union.Report(worker, body); err != nil {
		m.opts.Logger.Error("report refused", "worker", worker, "error", err)
	}
	if msg.Reply != "" {
		_ = msg.Respond(nil)
	}
}

// Close says goodbye to the workers, with the reason, and stops listening.
func (m *Master) Close(why string) {
	m.mu.Lock()
	select {
	case <-m.quit:
		m.mu.Unlock()
		return
	default:
	}
	m.plan.Bye = why
	m.send()
	m.mu.Unlock()
	_ = m.conn.FlushTimeout(time.Second)
	// A server that shuts down does not wait until its clients have read: those that hear
	// the goodbye go by themselves.
	for deadline := time.Now().Add(byeTimeout); m.server.NumClients() > 1 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	close(m.quit)
	m.done.Wait()
	m.shut()
}

// byeTimeout is how long Close waits for workers to go.
const byeTimeout = 3 * time.Second

func (m *Master) shut() {
	if m.conn != nil {
		m.conn.Close()
	}
	m.server.Shutdown()
	m.server.WaitForShutdown()
}

// cutLast cuts the port off an address.
func cutLast(addr string) (host, port string, ok bool) {
	for i := len(addr) - 1; i >= 0; i-- {
		if addr[i] == ':' {
			return addr[:i], addr[i+1:], true
		}
	}
	return addr, "", false
}
