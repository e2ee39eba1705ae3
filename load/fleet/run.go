package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/stats"
)

// Run is one test on the workers of a master: the load.Remote of an engine. Make it with
// [Master.Prepare].
type Run struct {
	master *Master
	id     uint32
	job    Job
	parcel *parcel
	union  *stats.Union

	// guarded by master.mu
	began    time.Time
	losses   []loss
	notes    []string
	resolved map[int]json.RawMessage
	last     map[int]json.RawMessage
	aborted  bool
	sent     time.Time // the plan was sent last
}

// loss is a worker that the run has lost.
type loss struct {
	id         int
	name, why  string
	at         time.Duration
	ended      uint64 // iterations
	unverified uint64
}

var _ load.Remote = (*Run)(nil)

const (
	prepareTimeout = 2 * time.Minute
	canaryTimeout  = 2 * time.Minute // of setup and canaries, which have their own
	joinLead       = 250 * time.Millisecond
	finishTimeout  = 15 * time.Second
	abortTimeout   = 2 * time.Second
)

// Prepare gives the workers a job and waits until those that are there are ready for it.
// id is the number of the run in every client_ref.
func (m *Master) Prepare(ctx context.Context, id uint32, job Job) (*Run, error) {
	p, err := pack(job)
	if err != nil {
		return nil, err
	}
	r := &Run{
		master: m, id: id, job: job, parcel: p, union: stats.NewUnion(stats.RecorderOptions{}),
		resolved: map[int]json.RawMessage{}, last: map[int]json.RawMessage{},
	}
	m.mu.Lock()
	m.run = r
	m.plan = plan{Version: m.plan.Version, Run: id, Stage: stagePreparing}
	m.send()
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	var fault error
	err = m.await(ctx, func() bool {
		ready := len(m.members) > 0
		for _, w := range m.members {
			if r.failed(w) {
				fault = fmt.Errorf("worker %d (%s): %s", w.id, w.info.Name, w.last.Fault)
			}
			ready = ready && r.at(w, stageReady)
		}
		return ready || fault != nil
	})
	if fault != nil {
		return nil, fault
	}
	if err != nil {
		return nil, fmt.Errorf("wait for the workers to be ready: %w", err)
	}
	return r, nil
}

// at says that a worker has come as far as s with this run.
func (r *Run) at(w *member, s stage) bool {
	return w.last.Run == r.id && w.last.Stage >= s && w.last.Stage != stageFailed
}

func (r *Run) failed(w *member) bool { return w.last.Run == r.id && w.last.Stage == stageFailed }

// Canary has one worker send the canaries, after setup, and gives what setup saved to all.
func (r *Run) Canary(ctx context.Context) error {
	m := r.master
	for {
		w := r.first()
		if w == nil {
			return errors.New("no worker is left to send the canary")
		}
		a, err := r.askCanary(ctx, w)
		switch {
		case err == nil && a.Error != "":
			return fmt.Errorf("worker %d (%s): %s", w.id, w.info.Name, a.Error)
		case err == nil:
			m.mu.Lock()
			defer m.mu.Unlock()
			m.plan.Saved = a.Saved
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if r.first() == w {
			return fmt.Errorf("worker %d (%s) does not answer for the canary: %w", w.id, w.info.Name, err)
		}
	}
}

// first is the ready worker that came first, nil when there is none.
func (r *Run) first() *member {
	m := r.master
	m.mu.Lock()
	defer m.mu.Unlock()
	var first *member
	for _, w := range m.members {
		if r.at(w, stageReady) && (first == nil || w.id < first.id) {
			first = w
		}
	}
	return first
}

// askCanary waits for a worker's answer as long as the worker lives.
func (r *Run) askCanary(ctx context.Context, w *member) (a canaryAnswer, err error) {
	m := r.master
	ctx, cancel := context.WithTimeout(ctx, canaryTimeout)
	defer cancel()
	watch, unwatch := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if m.await(watch, func() bool { return m.members[w.id] == nil }) == nil {
			cancel()
		}
	}()
	msg, err := m.conn.RequestWithContext(ctx, fmt.Sprint(subjectOne, w.id, verbCanary), nil)
	unwatch()
	<-watched
	if err == nil {
		err = json.Unmarshal(msg.Data, &a)
	}
	return a, err
}

// send sends the plan. The caller holds mu.
func (m *Master) send() {
	m.plan.Version++
	if m.run != nil {
		m.run.sent = time.Now()
	}
	b, err := json.Marshal(&m.plan)
	if err != nil {
		m.opts.Logger.Error("plan", "error", err)
		return
	}
	if err := m.conn.Publish(subjectPlan, b); err != nil {
		m.opts.Logger.Error("send the plan", "error", err)
	}
}

// planSent is when the plan was sent last. The caller holds mu.
func (m *Master) planSent() time.Time {
	if m.run == nil {
		return time.Time{}
	}
	return m.run.sent
}

// Begin implements load.Remote.
func (r *Run) Begin(start time.Time) {
	m := r.master
	m.mu.Lock()
	defer m.mu.Unlock()
	r.began = start
	m.plan.Start = int64(start.Sub(m.base))
	m.plan.Stage = stageRunning
	for _, w := range m.members {
		if r.at(w, stageReady) {
			m.plan.Members = append(m.plan.Members, w.id)
		}
	}
	slices.Sort(m.plan.Members)
	if total := r.job.Iterations; total > 0 {
		m.plan.Quotas = map[int]uint64{}
		r.deal(total)
	}
	m.send()
}

// deal gives iterations to the members. The caller holds mu.
func (r *Run) deal(total uint64) {
	p := &r.master.plan
	n := uint64(len(p.Members))
	for i, id := range p.Members {
		p.Quotas[id] += total / n
		if uint64(i) < total%n {
			p.Quotas[id]++
		}
	}
}

// SetUsers implements load.Remote.
func (r *Run) SetUsers(total int) {
	m := r.master
	m.mu.Lock()
	defer m.mu.Unlock()
	m.plan.Users = total
	m.send()
}

// SetRate implements load.Remote.
func (r *Run) SetRate(rate *load.Rate, base time.Duration) {
	m := r.master
	m.mu.Lock()
	defer m.mu.Unlock()
	m.plan.Rate, m.plan.Base, m.plan.From = rate, base, base
	m.send()
}

// soon is a time of the run that every worker can still act on. The caller holds mu.
func (r *Run) soon() time.Duration { return max(time.Since(r.began)+joinLead, 0) }

// advanced notes that a worker has come further. The caller holds mu.
func (r *Run) advanced(w *member) {
	p := &r.master.plan
	if w.last.Resolved != nil {
		r.resolved[w.id] = w.last.Resolved
	}
	if w.last.Last != nil {
		r.last[w.id] = w.last.Last
	}
	if p.Stage != stageRunning || p.member(w.id) >= 0 {
		return
	}
	switch {
	case r.failed(w):
		r.note(fmt.Sprintf("worker %d (%s) can not take part: %s", w.id, w.info.Name, w.last.Fault))
	case r.at(w, stageReady):
		p.Members = append(p.Members, w.id)
		p.From = max(r.soon(), p.Base)
		r.note(fmt.Sprintf("worker %d (%s) came at %s and took its share", w.id, w.info.Name, short(time.Since(r.began))))
		if r.job.Iterations > 0 && len(p.Members) == 1 {
			r.deal(r.job.Iterations - r.spent())
		}
		r.master.send()
	}
}

// spent is the number of iterations that lost workers have ended. The caller holds mu.
func (r *Run) spent() (n uint64) {
	for _, l := range r.losses {
		n += l.ended
	}
	return min(n, r.job.Iterations)
}

// note keeps a sentence for the report. The caller holds mu.
func (r *Run) note(text string) {
	if len(r.notes) < 100 {
		r.notes = append(r.notes, text)
	}
	r.master.opts.OnEvent(text)
}

func short(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }

// lost hands a worker's share to the others, and says so. The caller holds mu.
func (r *Run) lost(w *member, why string) string {
	p := &r.master.plan
	i := p.member(w.id)
	if i < 0 || p.Stage >= stageFinished {
		return ""
	}
	r.union.Lose(w.id)
	p.Members = slices.Delete(slices.Clone(p.Members), i, i+1)
	counts, _, seq := r.union.Worker(w.id)
	l := loss{
		id: w.id, name: w.info.Name, why: why, at: time.Since(r.began), ended: w.last.Load.Ended,
		unverified: counts.Open + counts.Awaiting,
	}
	r.losses = append(r.losses, l)
	if p.Stage > stageRunning {
		r.master.send()
		return ""
	}
	p.From = max(r.soon(), p.Base)
	if p.Quotas != nil {
		rest := p.Quotas[w.id] - min(p.Quotas[w.id], l.ended)
		delete(p.Quotas, w.id)
		if len(p.Members) > 0 {
			r.deal(rest)
		}
	}
	r.master.send()
	to := fmt.Sprintf("its %d users go to the other %d", w.last.Load.Users+w.last.Load.Pooled, len(p.Members))
	if len(p.Members) == 0 {
		to = "no worker is left; the test goes on when one comes"
	}
	return fmt.Sprintf(" (%d reports, %d messages unverified); %s", seq, l.unverified, to)
}

// Load implements load.Remote.
func (r *Run) Load() (sum load.RemoteLoad) {
	m := r.master
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range r.losses {
		sum.Ended += l.ended
	}
	for _, w := range m.members {
		if w.last.Run != r.id {
			continue
		}
		l := w.last.Load
		sum.Users += l.Users
		sum.Pooled += l.Pooled
		sum.Busy += l.Busy
		sum.Ended += l.Ended
	}
	return sum
}

// reached says that every member has come as far as s. The caller holds mu.
func (r *Run) reached(s stage) bool {
	for _, id := range r.master.plan.Members {
		if w := r.master.members[id]; w != nil && !r.at(w, s) && !r.failed(w) {
			return false
		}
	}
	return true
}

// advance asks the workers to go on to s.
func (r *Run) advance(s stage) {
	m := r.master
	m.mu.Lock()
	defer m.mu.Unlock()
	m.plan.Stage = s
	m.send()
	m.changed()
}

// Stop implements load.Remote.
func (r *Run) Stop() <-chan struct{} {
	r.advance(stageStopped)
	done := make(chan struct{})
	r.master.done.Go(func() {
		defer close(done)
		ctx, cancel := r.master.context()
		defer cancel()
		var abort <-chan time.Time
		_ = r.master.await(ctx, func() bool {
			if r.aborted && abort == nil {
				abort = time.After(abortTimeout)
				time.AfterFunc(abortTimeout+50*time.Millisecond, r.poke)
			}
			select {
			case <-abort:
				return true
			default:
				return r.reached(stageStopped)
			}
		})
	})
	return done
}

// poke wakes who waits.
func (r *Run) poke() {
	r.master.mu.Lock()
	defer r.master.mu.Unlock()
	r.master.changed()
}

// context ends when the master is closed.
func (m *Master) context() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	m.done.Go(func() {
		select {
		case <-m.quit:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, cancel
}

// Abort implements load.Remote.
func (r *Run) Abort() {
	m := r.master
	m.mu.Lock()
	defer m.mu.Unlock()
	m.plan.Abort, r.aborted = true, true
	m.send()
	m.changed()
}

// Resolve has every worker ask the target about its open messages. The answers are what
// its sessions said, in no order.
func (r *Run) Resolve(ctx context.Context) []json.RawMessage {
	r.advance(stageResolved)
	_ = r.master.await(ctx, func() bool { return r.reached(stageResolved) })
	r.master.mu.Lock()
	defer r.master.mu.Unlock()
	return values(r.resolved)
}

func values(m map[int]json.RawMessage) (list []json.RawMessage) {
	ids := make([]int, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		list = append(list, m[id])
	}
	return list
}

// Finish implements load.Remote.
func (r *Run) Finish() {
	r.advance(stageFinished)
	m := r.master
	m.mu.Lock()
	most := finishTimeout
	if r.aborted {
		most = abortTimeout
	}
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	if m.await(ctx, func() bool { return r.reached(stageFinished) }) != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		r.note("not every worker has sent its last figures")
	}
}

// Last is what the sessions said at their end.
func (r *Run) Last() []json.RawMessage {
	r.master.mu.Lock()
	defer r.master.mu.Unlock()
	return values(r.last)
}

// Degraded says what went wrong with workers, "" for nothing.
func (r *Run) Degraded() string {
	r.master.mu.Lock()
	defer r.master.mu.Unlock()
	switch n := len(r.losses); n {
	case 0:
		return ""
	case 1:
		return "a worker was lost"
	default:
		return fmt.Sprintf("%d workers were lost", n)
	}
}

// Notes are the sentences about workers for the report.
func (r *Run) Notes() []string {
	r.master.mu.Lock()
	defer r.master.mu.Unlock()
	list := slices.Clone(r.notes)
	for _, l := range r.losses {
		c, _, _ := r.union.Worker(l.id)
		list = append(list, fmt.Sprintf(
			"DEGRADED: worker %d (%s) was lost at %s: %s. Others took its share over; what it did after its last report, a second at most before its end, is not in the figures, and %d of its messages are unverified",
			l.id, l.name, short(l.at), l.why, c.Open+c.Awaiting))
	}
	return list
}

// Members is how many workers have taken part, lost ones included.
func (r *Run) Members() int {
	r.master.mu.Lock()
	defer r.master.mu.Unlock()
	return len(r.master.plan.Members) + len(r.losses)
}

// Take implements stats.Source, as the methods below do.
func (r *Run) Take(all bool) stats.Second { return r.union.Take(all) }

// Counts implements stats.Source.
func (r *Run) Counts() stats.Counts { return r.union.Counts() }

// Name implements stats.Source.
func (r *Run) Name(e stats.Entry) (method, name string) { return r.union.Name(e) }

// Lookup implements stats.Source.
func (r *Run) Lookup(method, name string) (stats.Entry, bool) { return r.union.Lookup(method, name) }

// Failures implements stats.Source.
func (r *Run) Failures() []stats.Failure { return r.union.Failures() }

// Exceptions implements stats.Source.
func (r *Run) Exceptions() []stats.Exception { return r.union.Exceptions() }

// Forget implements stats.Source.
func (r *Run) Forget() { r.union.Forget() }

// receiptTimeout is how long a worker may take for receipts that came to the master.
const receiptTimeout = 2 * time.Second

// Receipt is a delivery receipt that came to the master: the platform's id, our client_ref
// and the platform's word for the state.
type Receipt [3]string

// Forward hands receipts to the workers that their client_refs name; the first one gets
// those without: it sent the canary, and offers what it does not know to the others. An
// error says that a worker did not take them and that they are to come again. What is for
// a worker that is lost is dropped: its messages are unverified already.
func (r *Run) Forward(list []Receipt) error {
	by := map[int][]Receipt{}
	for _, one := range list {
		id := 0
		if ref, ok := stats.ParseRef([]byte(one[1])); ok && ref.Run == r.id {
			id = int(ref.Worker)
		} else if w := r.first(); w != nil {
			id = w.id
		}
		by[id] = append(by[id], one)
	}
	var errs []error
	for id, part := range by {
		if !r.alive(id) {
			continue
		}
		b, err := json.Marshal(part)
		if err == nil {
			_, err = r.master.conn.Request(fmt.Sprint(subjectOne, id, verbReceipts), b, receiptTimeout)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("worker %d: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

func (r *Run) alive(id int) bool {
	r.master.mu.Lock()
	defer r.master.mu.Unlock()
	return r.master.members[id] != nil
}
