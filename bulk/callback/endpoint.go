package callback

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"
)

// maxRetrying bounds the failed batches that an endpoint keeps in memory; one more goes
// back to the outbox.
const maxRetrying = 8

type endpointKey struct {
	account uint32
	url     string
	inbound bool // inbound messages go apart from final states
	foreign bool // requests in another product's form, one by one; url is their origin
}

func keyOf(n *Notice) endpointKey {
	if n.Request != nil {
		return endpointKey{account: n.Account, url: origin(n.Request.URL), foreign: true}
	}
	return endpointKey{account: n.Account, url: n.URL, inbound: n.Inbound != nil}
}

// endpoint is one account's URL while there is something to tell it. Guarded by Sender.mu.
type endpoint struct {
	endpointKey
	tenant *tenant
	timer  *time.Timer // fires when something becomes due; see schedule

	queue  []Notice // from head on
	head   int
	since  time.Time // when the oldest of queue began to wait
	retry  []*batch  // failed ones, the next due first
	active int       // requests under way
	queued bool      // it stands in tenant.ready

	// The breaker: after a failure nothing is sent before resume, and then one
	// request at a time until one succeeds.
	failures int // in a row
	resume   time.Time
	proven   bool   // it has succeeded once, so it gets all its slots
	fault    string // of the last failure
}

// tenant is an account with work: its share of slots and memory. Guarded by Sender.mu.
type tenant struct {
	account uint32
	ready   []*endpoint // endpoints with something due
	active  int
	pending int  // notices in memory
	queued  bool // it stands in Sender.turn
}

// batch is what one request carries; body and id stay the same in every try.
type batch struct {
	id       string
	body     []byte
	notices  []Notice
	attempts int
	next     time.Time
}

func newBatch(notices []Notice) *batch {
	b := &batch{notices: notices}
	if notices[0].Request != nil {
		return b
	}
	b.body = appendBody(make([]byte, 0, 64+300*len(notices)), notices)
	b.id = batchID(b.body)
	if len(notices) == 1 && notices[0].Inbound != nil {
		b.id = "mo_" + notices[0].MessageID.String()
	}
	return b
}

func (e *endpoint) size() int { return len(e.queue) - e.head }

// take moves up to n notices out of the queue.
func (e *endpoint) take(n int, now time.Time) []Notice {
	n = min(n, e.size())
	out := slices.Clone(e.queue[e.head : e.head+n])
	clear(e.queue[e.head : e.head+n])
	e.head += n
	if e.head*2 >= len(e.queue) {
		rest := copy(e.queue, e.queue[e.head:])
		clear(e.queue[rest:])
		e.queue, e.head = e.queue[:rest], 0
	}
	e.since = now
	return out
}

// endpoint returns the endpoint of a notice, a new one if need be. It needs mu.
func (s *Sender) endpoint(key endpointKey) *endpoint {
	if e := s.last; e != nil && e.endpointKey == key {
		return e
	}
	account := key.account
	e := s.endpoints[key]
	if e == nil {
		t := s.tenants[account]
		if t == nil {
			t = &tenant{account: account}
			s.tenants[account] = t
		}
		e = &endpoint{endpointKey: key, tenant: t}
		e.timer = time.AfterFunc(time.Hour, func() { s.wake(e) })
		e.timer.Stop()
		s.endpoints[key] = e
	}
	s.last = e
	return e
}

// forgetIdle drops an endpoint that holds nothing, so that URLs which are used once
// leave nothing behind. It needs mu.
func (s *Sender) forgetIdle(e *endpoint) {
	if e.size() > 0 || e.active > 0 || len(e.retry) > 0 || e.queued {
		return
	}
	e.timer.Stop()
	delete(s.endpoints, e.endpointKey)
	if s.last == e {
		s.last = nil
	}
	if t := e.tenant; t.pending == 0 && t.active == 0 && len(t.ready) == 0 {
		delete(s.tenants, t.account)
	}
}

func (s *Sender) wake(e *endpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.schedule(e)
}

// batchSize is how many notices go to e at once.
func (s *Sender) batchSize(e *endpoint) int {
	if e.foreign {
		return 1
	}
	return s.opts.MaxBatch
}

// due reports whether e may send now, or when to look again (0: when something changes).
func (s *Sender) due(e *endpoint, now time.Time) (bool, time.Duration) {
	slots := s.opts.Concurrency
	if e.failures > 0 || !e.proven {
		slots = 1
	}
	switch {
	case e.active >= slots:
		return false, 0
	case now.Before(e.resume):
		return false, e.resume.Sub(now)
	case len(e.retry) > 0 && !now.Before(e.retry[0].next):
		return true, 0
	}
	wait := time.Duration(0)
	if len(e.retry) > 0 {
		wait = e.retry[0].next.Sub(now)
	}
	if e.size() == 0 {
		return false, wait
	}
	ripe := e.since.Add(s.opts.Linger).Sub(now)
	if e.size() >= s.batchSize(e) || ripe <= 0 {
		return true, 0
	}
	if wait == 0 || ripe < wait {
		wait = ripe
	}
	return false, wait
}

// schedule queues e for a worker, or sets its timer. It needs mu.
func (s *Sender) schedule(e *endpoint) {
	if s.stopping || !s.started || e.queued {
		return
	}
	ok, wait := s.due(e, s.opts.now())
	switch {
	case ok:
		e.queued = true
		e.tenant.ready = append(e.tenant.ready, e)
		s.line(e.tenant)
	case wait > 0:
		e.timer.Reset(wait)
	}
}

// line puts t in the row of those to serve and starts a worker if one may be. It needs mu.
func (s *Sender) line(t *tenant) {
	if s.stopping || t.queued || len(t.ready) == 0 || t.active >= max(s.opts.MaxRequests/4, 1) {
		return
	}
	t.queued = true
	s.turn = append(s.turn, t)
	if s.workers < s.opts.MaxRequests {
		s.workers++
		s.wg.Go(s.work)
	}
}

// work sends batches, one account after the other, until there is none.
func (s *Sender) work() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.turn) > 0 && !s.stopping {
		t := s.turn[0]
		s.turn = slices.Delete(s.turn, 0, 1)
		t.queued = false
		e := t.ready[0]
		t.ready = slices.Delete(t.ready, 0, 1)
		e.queued = false
		t.active++
		s.line(t)
		s.serve(e)
		t.active--
		s.line(t)
		s.schedule(e)
		s.forgetIdle(e)
	}
	s.workers--
}

// serve sends one batch of e. It needs mu, and gives it up meanwhile.
func (s *Sender) serve(e *endpoint) {
	now := s.opts.now()
	if ok, _ := s.due(e, now); !ok {
		return
	}
	var b *batch
	var notices []Notice
	retrying := len(e.retry) > 0 && !now.Before(e.retry[0].next)
	// A batch that keeps failing must not stand in the way of those behind it.
	if retrying && (e.retry[0].attempts < 3 || e.retry[0].attempts%2 == 0 || e.size() == 0) {
		b = e.retry[0]
		e.retry = slices.Delete(e.retry, 0, 1)
	} else {
		if retrying {
			e.retry[0].attempts++ // its turn was given away
		}
		notices = e.take(s.batchSize(e), now)
	}
	e.active++
	s.schedule(e) // another slot may be free
	s.mu.Unlock()
	if b == nil {
		b = newBatch(notices)
	}
	err := s.post(s.ctx, e, b)
	s.stats.requests.Add(1)
	if err == nil {
		s.stats.delivered.Add(uint64(len(b.notices)))
		s.answered(e) // before the outbox knows of it: who sees the notices gone sees no failing endpoint
		s.opts.Outbox.Notified(b.notices, func(err error) { s.forget(b.notices, err) })
	}
	s.mu.Lock()
	e.active--
	e.tenant.pending -= len(b.notices)
	if err != nil {
		s.failed(e, b, err)
		return
	}
	s.room()
}

// answered closes the breaker of e.
func (s *Sender) answered(e *endpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.failures > 0 {
		s.opts.Logger.Info("webhook endpoint answers again", "account", e.account, "at", place(e.url))
	}
	e.failures, e.resume, e.proven = 0, time.Time{}, true
}

// failed plans the next try of b. It needs mu; b is not counted in pending here.
func (s *Sender) failed(e *endpoint, b *batch, err error) {
	s.stats.failures.Add(1)
	if s.ctx.Err() != nil {
		return // Stop's patience ended: no fault of the endpoint
	}
	e.fault = faultText(err)
	now := s.opts.now()
	b.attempts++
	if !now.Before(e.resume) { // not for the others of the same moment
		e.failures++
	}
	wait := s.backoff(e.failures)
	var answer *refusedError
	if errors.As(err, &answer) {
		wait = max(wait, answer.wait)
	}
	if resume := now.Add(wait); resume.After(e.resume) {
		e.resume = resume
	}
	if e.failures == 1 || e.failures%10 == 0 {
		s.opts.Logger.Warn("webhook failed", "account", e.account, "at", place(e.url), "failures", e.failures, "wait", wait, "error", e.fault)
	}
	if b = s.giveUpOld(b, now, e.fault); b == nil {
		return
	}
	if b.next = e.resume; b.attempts > e.failures {
		b.next = now.Add(max(s.backoff(b.attempts), wait)) // it fails more than its endpoint
	}
	if len(e.retry) >= maxRetrying {
		s.release(b.notices)
		return
	}
	e.tenant.pending += len(b.notices)
	i, _ := slices.BinarySearchFunc(e.retry, b, func(x, y *batch) int { return x.next.Compare(y.next) })
	e.retry = slices.Insert(e.retry, i, b)
}

// backoff doubles from RetryMin to RetryMax, with ±25 % of jitter.
func (s *Sender) backoff(failures int) time.Duration {
	d := s.opts.RetryMin
	for i := 1; i < failures && d < s.opts.RetryMax; i++ {
		d *= 2
	}
	d = min(d, s.opts.RetryMax)
	return d*3/4 + rand.N(d/2+1)
}

// giveUpOld ends the notices of b that are too old and returns the rest, a batch of its
// own if it is another one. It needs mu.
func (s *Sender) giveUpOld(b *batch, now time.Time, reason string) *batch {
	limit := now.Add(-s.opts.GiveUp).UnixMilli()
	old := func(n Notice) bool { return n.DoneAt < limit }
	if !slices.ContainsFunc(b.notices, old) {
		return b
	}
	var gone, rest []Notice
	for _, n := range b.notices {
		if old(n) {
			gone = append(gone, n)
		} else {
			rest = append(rest, n)
		}
	}
	s.stats.givenUp.Add(uint64(len(gone)))
	// Not under mu: the outbox may answer at once.
	s.wg.Go(func() {
		s.opts.Outbox.GaveUp(gone, reason, func(err error) { s.forget(gone, err) })
	})
	if len(rest) == 0 {
		return nil
	}
	next := newBatch(rest)
	next.attempts = b.attempts
	return next
}

// forget ends the notices whose outbox entry has ended.
func (s *Sender) forget(notices []Notice, err error) {
	if err != nil {
		s.opts.Logger.Warn("note that webhooks were delivered", "notices", len(notices), "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.note(notices)
	}
	s.drop(notices)
	s.room()
}

// release gives notices back to the outbox. It needs mu.
func (s *Sender) release(notices []Notice) {
	s.drop(notices)
	s.missed = true
}

// drop takes notices out of held, unless a newer state of the message is in memory. It
// needs mu.
func (s *Sender) drop(notices []Notice) {
	for i := range notices {
		if n := &notices[i]; s.held[n.MessageID] == n.Status {
			delete(s.held, n.MessageID)
		}
	}
}

// note marks notices as told while a sweep has a page in its hands. It needs mu.
func (s *Sender) note(notices []Notice) {
	if s.told == nil {
		return
	}
	for i := range notices {
		s.told[notices[i].MessageID] = notices[i].Status
	}
}

// room tells the sweeper that something may fit again. It needs mu.
func (s *Sender) room() {
	if s.missed {
		s.Look()
	}
}

// Look reads the outbox soon: there are entries in it that nobody pushed.
func (s *Sender) Look() {
	select {
	case s.roomy <- struct{}{}:
	default:
	}
}
