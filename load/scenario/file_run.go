package scenario

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/httpload"
	"protei-bulk/load/stats"
)

// Run is a run's instance of a scenario file. It owns the webhook listener and the binds; Close runs teardown and ends them.
type Run struct {
	file   *File
	opts   Options
	target *httpload.Target // nil when nothing goes over HTTP
	hook   *webhook         // nil when no receipts come over HTTP
	quiet  bool             // none are asked for
	heads  []*httpload.Head // by step
	status *httpload.Head
	// entries of the recorder, by step; those of classes that do not run are not registered.
	entries []stats.Entry
	classes []*fileClass
	smpp    map[*fileClass]*smppGroup
	pools   map[*fileClass]*pool
	initial [][]byte // values saved by setup, by slot
	canary  atomic.Pointer[canary]
	samples samples
	ready   bool // setup has run
	closing sync.Once

	ctx    context.Context // ends with Close: of the connections that outlive their users
	cancel context.CancelFunc
}

// Open makes everything that users of the file need. Of the options Host may be empty
// when the file names one; Settings are those of the built-in scenario only.
func Open(ctx context.Context, f *File, opts Options) (*Run, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.CanaryTimeout <= 0 {
		opts.CanaryTimeout = 10 * time.Second
	}
	if opts.Host == "" {
		opts.Host = f.Host
	}
	r := &Run{
		file: f, opts: opts, heads: make([]*httpload.Head, f.steps), entries: make([]stats.Entry, f.steps),
		smpp: map[*fileClass]*smppGroup{}, pools: map[*fileClass]*pool{}, initial: make([][]byte, f.env.Vars()),
	}
	r.ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := r.open(ctx); err != nil {
		r.cancel()
		return nil, err
	}
	return r, nil
}

func (r *Run) open(ctx context.Context) error {
	if err := r.choose(); err != nil {
		return err
	}
	r.quiet = !r.hears()
	if err := r.openHTTP(ctx); err != nil {
		return err
	}
	for _, c := range r.classes {
		if c.smpp == nil {
			continue
		}
		m, err := r.binding(ctx, c)
		if err != nil {
			return err
		}
		r.smpp[c] = m
	}
	if !r.quiet {
		hook, err := r.opts.listen(r.target.Addr(), &r.file.api, r.receipt)
		if err != nil {
			return err
		}
		r.hook = hook
	}
	return nil
}

// choose picks the classes that take part.
func (r *Run) choose() error {
	var names []string
	for _, c := range r.file.classes {
		names = append(names, c.name)
		if r.file.builtIn && c.smpp != nil && !r.opts.takesSMPP(c) {
			continue
		}
		if len(r.opts.Classes) == 0 || slices.Contains(r.opts.Classes, c.name) {
			r.classes = append(r.classes, c)
			r.pools[c] = &pool{}
		}
	}
	for _, n := range r.opts.Classes {
		if !slices.Contains(names, n) {
			return fmt.Errorf("no user class %q; %s has %s", n, r.file.Name, strings.Join(names, ", "))
		}
	}
	return nil
}

// eachHTTP calls fn with every HTTP step that may run.
func (r *Run) eachHTTP(fn func(s *httpStep, recorded bool)) {
	visit := func(list []step) {
		for _, s := range list {
			if h, ok := s.(*httpStep); ok {
				fn(h, false)
			}
		}
	}
	visit(r.file.setup)
	visit(r.file.teardown)
	for _, c := range r.classes {
		c.each(func(s step) {
			if h, ok := s.(*httpStep); ok {
				fn(h, true)
			}
		})
	}
}

func (r *Run) openHTTP(ctx context.Context) error {
	used := false
	r.eachHTTP(func(*httpStep, bool) { used = true })
	if r.file.builtIn {
		used = true // it is asked about open messages, whatever they went over
	}
	if !used {
		return nil
	}
	if r.opts.Host == "" {
		return errors.New("the scenario names no host: give -H")
	}
	header := r.opts.Header
	if auth := r.file.api.auth; auth != nil {
		u := r.newUser(nil, nil, rand.New(rand.NewPCG(1, 1)))
		header = append([]string{string(auth.Append(nil, u.scope))}, header...)
	}
	var err error
	r.target, err = httpload.NewTarget(ctx, r.opts.Host, httpload.Options{
		Timeout: r.opts.Timeout, TLS: r.opts.TLS, Clock: r.opts.Clock.Now, Header: header,
	})
	if err != nil {
		return err
	}
	r.eachHTTP(func(s *httpStep, recorded bool) {
		r.heads[s.id] = r.target.Head(s.method, s.content(r).static, s.fixed...)
		if recorded {
			r.entries[s.id] = r.opts.Recorder.Entry(s.method, s.name)
		}
	})
	r.status = r.target.Head("GET", "")
	return nil
}

// hears says whether receipts are to come over HTTP.
func (r *Run) hears() bool {
	sends := false
	r.eachHTTP(func(s *httpStep, _ bool) { sends = sends || s.mostMsgs > 0 })
	return sends && !r.opts.NoReceipts
}

// Follows says whether the file sends messages that the ledger follows.
func (f *File) Follows() bool {
	follows := false
	for _, c := range f.classes {
		c.each(func(s step) {
			switch s := s.(type) {
			case *httpStep:
				follows = follows || s.mostMsgs > 0
			case *smppStep:
				follows = follows || !s.unfollowed
			}
		})
	}
	return follows
}

// HasRates says that a user class has a rate of its own.
func (f *File) HasRates() bool {
	return slices.ContainsFunc(f.classes, func(c *fileClass) bool { return c.rate != "" })
}

// ClassNames are the user classes of the file.
func (f *File) ClassNames() (names []string) {
	for _, c := range f.classes {
		names = append(names, c.name)
	}
	return names
}

// binding makes what the SMPP users of a class share.
func (r *Run) binding(ctx context.Context, c *fileClass) (*smppGroup, error) {
	if r.opts.SMPP == nil {
		return nil, fmt.Errorf("%s needs --smpp id:password@host:port: the dev account is used only against loopback", c.name)
	}
	if c.smpp.settings.SMPPBind == BindTransmitters && !r.opts.NoReceipts {
		return nil, fmt.Errorf("%s binds as transmitter and gets no receipts: add --no-receipts, or bind tx+rx", c.name)
	}
	return newSMPPGroup(ctx, r.opts, c.smpp.settings)
}

// Classes are the user classes of the run.
func (r *Run) Classes() ([]load.UserClass, error) {
	var list []load.UserClass
	for _, c := range r.classes {
		class := r.loadClass(c)
		if c.rate != "" {
			var err error
			if class.Rate, err = load.ParseRate(c.rate, r.opts.RunTime); err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			class.MaxUsers = c.maxUsers
		}
		list = append(list, class)
	}
	if len(list) == 0 {
		return nil, errors.New("no user class is left to run")
	}
	return list, nil
}

func (r *Run) loadClass(c *fileClass) load.UserClass {
	var tasks []load.Task[*fileUser]
	if c.sequential {
		var tags []string
		for _, t := range c.tasks {
			tags = append(tags, t.tags...)
		}
		tasks = append(tasks, load.Task[*fileUser]{
			Name: c.tasks[0].name + ", then the next in order", Tags: tags,
			Run: func(u *fileUser, _ *load.User) { u.nextTask() },
		})
	} else {
		for _, t := range c.tasks {
			if t.weight > 0 {
				tasks = append(tasks, load.Task[*fileUser]{
					Name: t.name, Weight: t.weight, Tags: t.tags,
					Run: func(u *fileUser, _ *load.User) { u.task(t) },
				})
			}
		}
	}
	out := load.NewClass(c.name, c.wait, func(u *load.User) (*fileUser, error) { return r.newLoadUser(c, u) }, tasks...)
	out.Weight, out.FixedCount, out.Every, out.Tags = c.weight, c.fixedCount, c.every, c.tags
	out.Messages = c.messages()
	if c.smpp != nil {
		out.Binds = len(c.smpp.settings.SMPPBind.types())
	}
	return out
}

// messages is the mean number of messages of a task.
func (c *fileClass) messages() float64 {
	sum, weights := 0.0, 0
	for _, t := range c.tasks {
		weight := t.weight
		if c.sequential {
			weight = 1
		}
		weights += weight
		for _, s := range t.steps {
			switch s := s.(type) {
			case *httpStep:
				sum += float64(weight) * float64(s.leastMsgs+s.mostMsgs) / 2
			case *smppStep:
				sum += float64(weight)
			}
		}
	}
	return sum / float64(max(weights, 1))
}

// receipt takes one event of the webhook, on the listener's goroutines.
func (r *Run) receipt(ev receipt) {
	f, final := r.file.api.final(ev.status)
	if !final {
		return
	}
	ledger, byID := r.opts.Ledger, r.file.api.byID
	if c := r.canary.Load(); c != nil && (byID || c.takes(ev.ref)) {
		if !byID || c.takesID(ev.id, f) {
			c.arrived(f)
		}
		return // nothing else has been sent
	}
	f = withState(f, ev.status)
	if byID {
		ledger.ReceiptID(ev.id, f, r.opts.Clock.Now())
		return
	}
	seq, ok := ledger.ParseRef(ev.ref)
	if !ok {
		ledger.UnknownReceipt()
		return
	}
	ledger.Receipt(seq, f, r.opts.Clock.Now())
}

// Take takes a receipt that came somewhere else.
func (r *Run) Take(id, ref, status string) {
	r.receipt(receipt{id: []byte(id), ref: []byte(ref), status: []byte(status)})
}

// Saved are the values that setup has saved, nil without a setup.
func (r *Run) Saved() [][]byte {
	if !r.ready || len(r.file.setup) == 0 {
		return nil
	}
	return slices.Clone(r.initial)
}

// Share deals the rows of sequential feeds out to several processes.
func (r *Run) Share(index, of int) { r.file.env.Share(index, of) }

// Adopt takes over what setup has saved in another process. It must not run beside users.
func (r *Run) Adopt(saved [][]byte) {
	if !r.ready && len(saved) == len(r.initial) {
		copy(r.initial, saved)
	}
}

// ReceiptURL is the URL that the target is told, "" without receipts over HTTP.
func (r *Run) ReceiptURL() string {
	if r.hook == nil {
		return ""
	}
	return r.hook.url
}

// WindowFull is the time that users waited for places in their own windows.
func (r *Run) WindowFull() (sum time.Duration) {
	for _, g := range r.smpp {
		sum += g.windowFull()
	}
	return sum
}

// Notes are what the report should say beside its tables.
func (r *Run) Notes() []string {
	var notes []string
	if line := receiptTimes(r.opts.Ledger); line != "" {
		notes = append(notes, line)
	}
	for _, c := range r.classes {
		if g := r.smpp[c]; g != nil {
			for _, n := range g.notes() {
				notes = append(notes, c.name+": "+n)
			}
		}
	}
	return notes
}

// Host is the base URL of the run.
func (r *Run) Host() string { return r.opts.Host }

// setup runs the steps of setup, once.
func (r *Run) setup(ctx context.Context) error {
	if r.ready {
		return nil
	}
	r.ready = true
	u := r.newUser(nil, nil, rand.New(rand.NewPCG(rand.Uint64(), 2)))
	defer u.drop()
	stop := context.AfterFunc(ctx, u.Abort)
	defer stop()
	for i, s := range r.file.setup {
		if !s.do(u) {
			return fmt.Errorf("setup: step %d: %s", i+1, u.fault)
		}
	}
	if len(r.file.setup) > 0 {
		copy(r.initial, u.scope.Vars)
	}
	return nil
}

// teardownTime bounds teardown.
const teardownTime = 30 * time.Second

// teardown runs the steps of teardown, after a setup.
func (r *Run) teardown() {
	if !r.ready || len(r.file.teardown) == 0 {
		return
	}
	u := r.newUser(nil, nil, rand.New(rand.NewPCG(rand.Uint64(), 3)))
	defer u.drop()
	timer := time.AfterFunc(teardownTime, u.Abort)
	defer timer.Stop()
	for i, s := range r.file.teardown {
		if !s.do(u) {
			r.opts.Logger.Warn("teardown", "step", i+1, "fault", u.fault)
			return
		}
	}
}

// Close runs teardown, unbinds and stops listening.
func (r *Run) Close() { r.closing.Do(r.close) }

func (r *Run) close() {
	r.teardown()
	for _, m := range r.smpp {
		m.close()
	}
	for _, p := range r.pools {
		p.close()
	}
	if r.hook != nil {
		r.hook.Close()
	}
	r.cancel()
}

// Resolve asks the target's status call about the open messages and tells the ledger:
// what it still holds is pending, what it says is final, or does not know, is lost. It
// asks about at most 20,000 of them and for at most 10 s; the rest is pending when all
// that were asked about are, else lost.
func (r *Run) Resolve(ctx context.Context) Resolution {
	if r.target == nil || r.file.api.statusPath == nil {
		return r.giveUp()
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	return resolveAll(ctx, r.opts.Ledger, r.ask)
}

// giveUp calls all open messages lost: nobody can be asked.
func (r *Run) giveUp() (res Resolution) {
	r.opts.Ledger.OpenMessages(func(open stats.OpenMessage) bool {
		if open.Answered {
			res.NotAsked++
			r.opts.Ledger.Resolve(open.Seq, stats.ResolvedLost)
		}
		return true
	})
	return res
}

func (r *Run) ask(ctx context.Context, work <-chan stats.OpenMessage, book *resolving) {
	u := r.newUser(nil, nil, rand.New(rand.NewPCG(1, 4)))
	client := r.target.NewClient(ctx)
	defer client.Close()
	stop := context.AfterFunc(ctx, client.Abort)
	defer stop()
	api := &r.file.api
	for open := range work {
		u.scope.Vars[r.file.idSlot] = appendHexID(nil, open.ID)
		req := client.Request()
		req.Path = api.statusPath.Append(req.Path, u.scope)
		res, err := client.Do(r.status, req)
		switch {
		case err != nil || res.Status != 200 && res.Status != 404:
			book.tell(open, stats.ResolvedLost, false)
		case res.Status == 200 && slices.Contains(api.pending, string(found(&api.statusState, res.Body))):
			book.tell(open, stats.ResolvedPending, true)
		default:
			book.tell(open, stats.ResolvedLost, true)
		}
	}
}

// pool is the connections that the users of a class share.
type pool struct {
	mu   sync.Mutex
	idle []*httpload.Client // guarded by mu
}

func (p *pool) take() *httpload.Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	c := p.idle[n-1]
	p.idle = p.idle[:n-1]
	return c
}

func (p *pool) put(c *httpload.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, c)
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		c.Close()
	}
	p.idle = nil
}

// client gives a connection to a user that has none of its own.
func (r *Run) client(c *fileUser) *httpload.Client {
	if c.class != nil && c.class.connection == shared && c.u != nil {
		if cl := r.pools[c.class].take(); cl != nil {
			return cl
		}
	}
	return r.target.NewClient(r.ctx)
}

// giveBack ends an exchange of such a user.
func (r *Run) giveBack(c *fileUser, cl *httpload.Client) {
	if c.class != nil && c.class.connection == shared && c.u != nil && !c.aborted.Load() {
		r.pools[c.class].put(cl)
		return
	}
	cl.Close()
}

// drop ends a user that is no virtual one.
func (c *fileUser) drop() {
	if c.client != nil {
		c.client.Close()
	}
}

func asHTTPError(err error) *httpload.Error {
	var fail *httpload.Error
	if errors.As(err, &fail) {
		return fail
	}
	return &httpload.Error{Kind: httpload.KindOther, Err: err}
}
