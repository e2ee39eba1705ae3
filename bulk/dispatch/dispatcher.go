package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/queue"
	"protei-bulk/bulk/upstream"
	"protei-bulk/smpp"
)

const (
	idleLook    = 5 * time.Second       // without room, how often validity is looked at
	busyLook    = 10 * time.Millisecond // a bind refused although its window had room: its buffer is full
	expireBatch = 1000
)

// Dispatcher sends what waits in one connector's lanes and takes back the results. Start
// and Stop it once.
type Dispatcher struct {
	o      Options
	g      Links // o.Group or o.Gateway
	log    *slog.Logger
	policy Policy
	ids    idMode

	build   builder // of the sender
	pacer   pacer   // of the sender
	flights sync.Pool

	tps      atomic.Uint64 // bits of the rate that the pacer shall have
	wake     chan struct{} // 1: the sender has something to look at
	unsynced atomic.Int64  // results recorded and not durable yet
	flying   atomic.Int64  // flights without an end
	starved  atomic.Bool   // the sender waits for unsynced to fall
	broken   atomic.Bool   // the store failed: nothing is sent any more
	paused   atomic.Bool   // nothing is taken from the lanes
	onSynced func(error)

	againMu sync.Mutex
	again   []*part // throttled, to be sent first; guarded by againMu
	stopped bool    // guarded by againMu: nobody sends them any more

	anyAgain atomic.Bool // there are some in again

	receipts sync.Pool
	missed   chan *receipt
	learned  atomic.Int32 // spelling of ids that matched last, see idMode
	saidNoID atomic.Bool

	counters counters

	mu       sync.Mutex // guards cancel and finish
	cancel   context.CancelFunc
	finish   context.CancelFunc
	sender   sync.WaitGroup
	resolver sync.WaitGroup
}

// New returns a dispatcher that is not started.
func New(opts Options) (*Dispatcher, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	o := opts.withDefaults()
	var links Links = o.Group
	if o.Gateway != nil {
		links = o.Gateway
	}
	g := links.Options()
	policy, err := ParsePolicy(g.Unknown)
	if err != nil {
		return nil, err
	}
	ids, err := parseIDMode(g.SMSCIDs)
	if err != nil {
		return nil, err
	}
	d := &Dispatcher{
		o: o, g: links, log: o.Logger.With("connector", g.Name), policy: policy, ids: ids,
		build: builder{trace: g.TraceTLV, charset: o.Charset, source: o.SourceRules, dest: o.DestRules}, pacer: newPacer(g.TPS),
		wake: make(chan struct{}, 1), missed: make(chan *receipt, o.ReceiptQueue),
	}
	d.onSynced = d.synced
	d.tps.Store(math.Float64bits(g.TPS))
	return d, nil
}

// Start connects the group and begins to send. It returns at once.
func (d *Dispatcher) Start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		return
	}
	sending, cancel := context.WithCancel(context.Background())
	resolving, finish := context.WithCancel(context.Background())
	d.cancel, d.finish = cancel, finish
	d.resolver.Go(func() { d.resolve(resolving) })
	d.sender.Go(func() { d.send(sending) })
	d.g.Start(smpp.HandlerFunc(d.handle))
}

// Stop takes nothing more from the lanes, waits for the answers to what is in flight,
// unbinds, and waits until all results are durable; all that within ctx. What was taken
// and not sent goes back to its lane in the store. The queue is closed afterwards.
func (d *Dispatcher) Stop(ctx context.Context) error {
	d.mu.Lock()
	cancel, finish := d.cancel, d.finish
	d.mu.Unlock()
	if cancel == nil {
		return d.o.Queue.Close(ctx)
	}
	err := d.end(ctx, cancel, finish)
	return errors.Join(err, d.o.Queue.Close(ctx), d.drain(ctx))
}

// Detach is Stop that leaves the queue open: another dispatcher may take from it when
// Detach has returned.
func (d *Dispatcher) Detach(ctx context.Context) error {
	d.mu.Lock()
	cancel, finish := d.cancel, d.finish
	d.mu.Unlock()
	if cancel == nil {
		return nil
	}
	return errors.Join(d.end(ctx, cancel, finish), d.drain(ctx))
}

// end stops sending and the links, and gives back what was taken and not sent.
func (d *Dispatcher) end(ctx context.Context, cancel, finish context.CancelFunc) error {
	cancel()
	d.sender.Wait()
	err := d.stopLinks(ctx) // receipts that come now still find their message
	finish()
	d.resolver.Wait()
	d.giveBack()
	return err
}

// Pause stops or resumes taking from the lanes. The links stay up, and what was taken
// already goes out.
func (d *Dispatcher) Pause(on bool) {
	d.paused.Store(on)
	d.signal()
}

// SetTPS changes how many submit_sm a second are sent, 0: as many as the links take.
func (d *Dispatcher) SetTPS(tps float64) {
	d.tps.Store(math.Float64bits(tps))
	d.signal()
}

// lastWrites is kept back of Stop's time from links that do not end by themselves: what
// they leave is to be recorded.
const lastWrites = 2 * time.Second

func (d *Dispatcher) stopLinks(ctx context.Context) error {
	end, ok := ctx.Deadline()
	if !ok {
		return d.g.Stop(ctx)
	}
	bounded, cancel := context.WithDeadline(ctx, end.Add(-min(lastWrites, time.Until(end)/2)))
	defer cancel()
	return d.g.Stop(bounded)
}

// drain waits until every result is durable.
func (d *Dispatcher) drain(ctx context.Context) error {
	for d.unsynced.Load() > 0 && !d.broken.Load() {
		d.starved.Store(true)
		select {
		case <-d.wake:
		case <-time.After(busyLook):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// send is the sender goroutine.
func (d *Dispatcher) send(ctx context.Context) {
	items := make([]queue.Item, d.o.Batch)
	timer := time.NewTimer(idleLook)
	defer timer.Stop()
	for ctx.Err() == nil {
		room, wait := d.room()
		if room == 0 {
			d.waitRoom(ctx, timer, wait)
			continue
		}
		if p := d.nextAgain(); p != nil {
			d.resubmit(ctx, p)
			continue
		}
		n, err := d.o.Queue.Take(ctx, items[:room], d.wake)
		if err != nil {
			return
		}
		for i := range items[:n] {
			d.launch(ctx, &items[i])
			items[i] = queue.Item{}
		}
	}
}

// room returns how many messages may be sent now, and if none how long to wait at most.
func (d *Dispatcher) room() (n int, wait time.Duration) {
	if d.broken.Load() || d.paused.Load() {
		return 0, idleLook
	}
	if tps := math.Float64frombits(d.tps.Load()); tps != d.pacer.rate {
		d.pacer = newPacer(tps)
	}
	n = min(d.o.Batch, d.g.Free())
	spare := d.o.MaxUnsynced - int(d.unsynced.Load())
	if spare <= 0 {
		d.starved.Store(true)
		if spare = d.o.MaxUnsynced - int(d.unsynced.Load()); spare <= 0 {
			return 0, idleLook
		}
	}
	n = min(n, spare)
	if n == 0 {
		return 0, idleLook
	}
	return d.pacer.grant(d.o.Now(), n)
}

func (d *Dispatcher) waitRoom(ctx context.Context, timer *time.Timer, wait time.Duration) {
	timer.Reset(wait)
	select {
	case <-d.g.Ready():
	case <-d.wake:
	case <-timer.C:
		if wait == idleLook {
			d.expireWaiting()
		}
	case <-ctx.Done():
	}
}

// launch sends one message, or ends it when its time is over.
func (d *Dispatcher) launch(ctx context.Context, it *queue.Item) {
	now := d.o.Now().UnixMilli()
	if now >= d.validUntil(it.Msg) {
		d.counters.expired.Add(1)
		d.settle(it, message.Expired, 0, now)
		return
	}
	if it.Suspect {
		d.counters.suspects.Add(1)
		switch d.policy {
		case Hold:
			d.record(message.Event{Kind: message.Hold, Msg: it.Msg, Part: message.AllParts, At: now})
			return
		case Fail:
			d.settle(it, message.Failed, uint32(smpp.RUNKNOWNERR), now)
			return
		}
	}
	f := d.newFlight(it)
	d.flying.Add(1)
	if d.wholly(it.Msg) {
		if p := f.lead(); p != nil {
			f.left.Add(1)
			d.submit(ctx, p)
		}
	} else {
		for i := range f.parts {
			if f.parts[i].outcome != skipped {
				f.left.Add(1)
				d.submit(ctx, &f.parts[i])
			}
		}
	}
	f.partDone()
}

// submit hands one part to the group and waits for room for that; throttled parts go
// before it. When ctx ends first the part counts as unsent.
func (d *Dispatcher) submit(ctx context.Context, p *part) {
	for ctx.Err() == nil {
		if again := d.nextAgain(); again != nil {
			d.resubmit(ctx, again)
			continue
		}
		if on, ok := d.try(p); ok {
			if len(p.f.parts) > 1 {
				p.f.on = on
			}
			return
		}
		d.awaitRoom(ctx)
	}
	p.outcome = unsent
	p.f.partDone()
}

// resubmit sends a throttled part again, unless its time is over by now.
func (d *Dispatcher) resubmit(ctx context.Context, p *part) {
	for ctx.Err() == nil {
		if d.o.Now().UnixMilli() >= d.validUntil(p.f.item.Msg) {
			p.outcome, p.status = retry, smpp.RTHROTTLED // there is no time for one, which makes it EXPIRED
			p.f.partDone()
			return
		}
		if _, ok := d.try(p); ok {
			return
		}
		d.awaitRoom(ctx)
	}
	p.outcome = unsent
	p.f.partDone()
}

func (d *Dispatcher) awaitRoom(ctx context.Context) {
	select {
	case <-d.g.Ready():
	case <-time.After(busyLook):
	case <-ctx.Done():
	}
}

// try hands one part to the group, or ends it when it cannot be sent at all. It reports
// false when there is no room. Afterwards the part may have gone its way.
func (d *Dispatcher) try(p *part) (on upstream.Bind, ok bool) {
	if d.o.Gateway != nil {
		return 0, d.hand(p)
	}
	f := p.f
	pdu, err := d.build.build(&f.item, int(p.index))
	if err != nil {
		d.log.Warn("message refused", "message", f.item.Msg.ID, "part", p.index, "err", err)
		p.going(func(q *part) { q.rejected(smpp.RSUBMITFAIL, d.o.Now().UnixMilli()) })
		f.partDone()
		return on, true
	}
	on, err = d.o.Group.Submit(pdu, f.on, &p.call, p)
	switch {
	case err == nil:
		d.pacer.spend(1)
		return on, true
	case errors.Is(err, upstream.ErrBusy):
		return 0, false
	}
	d.log.Error("submit_sm cannot be encoded", "message", f.item.Msg.ID, "part", p.index, "err", err)
	p.going(func(q *part) { q.rejected(smpp.StatusOf(err), d.o.Now().UnixMilli()) })
	f.partDone()
	return on, true
}

// sendAgain keeps a throttled part until the sender comes to it.
func (d *Dispatcher) sendAgain(p *part) {
	d.againMu.Lock()
	if d.stopped {
		d.againMu.Unlock()
		p.outcome = unsent
		p.f.partDone()
		return
	}
	d.again = append(d.again, p)
	d.anyAgain.Store(true)
	d.againMu.Unlock()
	d.signal()
}

// nextAgain returns the oldest throttled part, or nil.
func (d *Dispatcher) nextAgain() *part {
	if !d.anyAgain.Load() {
		return nil
	}
	d.againMu.Lock()
	defer d.againMu.Unlock()
	if len(d.again) == 0 {
		return nil
	}
	p := d.again[0]
	d.again[0] = nil
	if d.again = d.again[1:]; len(d.again) == 0 {
		d.again = nil
		d.anyAgain.Store(false)
	}
	p.f.on = 0
	return p
}

// giveBack ends the flights of throttled parts: nobody sends any more.
func (d *Dispatcher) giveBack() {
	d.againMu.Lock()
	parts := d.again
	d.again, d.stopped = nil, true
	d.againMu.Unlock()
	for _, p := range parts {
		p.outcome = unsent
		p.f.partDone()
	}
}

func (d *Dispatcher) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *Dispatcher) ended() { d.flying.Add(-1) }

// record commits a result and counts it until it is durable.
func (d *Dispatcher) record(ev message.Event) {
	d.unsynced.Add(1)
	d.o.Store.Record(ev, d.onSynced)
}

// synced runs on the store's applier goroutine.
func (d *Dispatcher) synced(err error) {
	left := d.unsynced.Add(-1)
	if err != nil && !d.broken.Swap(true) {
		d.log.Error("results are not stored any more, sending stops", "err", err)
	}
	if left <= int64(d.o.MaxUnsynced/2) && d.starved.Load() {
		d.starved.Store(false)
		d.signal()
	}
}

// settle ends the waiting parts of an item that is not in flight.
func (d *Dispatcher) settle(it *queue.Item, to message.Status, code uint32, at int64) {
	ev := message.Event{Kind: message.Settle, Msg: it.Msg, Part: message.AllParts, Status: to, Error: code, At: at}
	if it.Parts == nil {
		d.record(ev)
		return
	}
	for i := range it.Msg.Parts {
		if it.Parts.Has(i) {
			ev.Part = uint16(i)
			d.record(ev)
		}
	}
}

// validUntil returns the end of m's validity in Unix ms.
func (d *Dispatcher) validUntil(m *message.Message) int64 { return validUntil(m, d.o.Validity) }

// validUntil returns the end of m's validity in Unix ms; otherwise says how long it is
// when m does not.
func validUntil(m *message.Message, otherwise time.Duration) int64 {
	if m.ValidUntil != 0 {
		return m.ValidUntil
	}
	return max(m.SubmittedAt, m.ScheduleAt) + otherwise.Milliseconds()
}

// expireWaiting ends what waits in vain while nothing can be sent.
func (d *Dispatcher) expireWaiting() {
	now := d.o.Now().UnixMilli()
	past := func(it *queue.Item) bool { return now >= d.validUntil(it.Msg) }
	for !d.broken.Load() {
		items := d.o.Queue.Pull(make([]queue.Item, 0, expireBatch), past)
		for i := range items {
			d.counters.expired.Add(1)
			d.settle(&items[i], message.Expired, 0, now)
		}
		if len(items) < expireBatch || int(d.unsynced.Load()) >= d.o.MaxUnsynced {
			return
		}
	}
}

func (d *Dispatcher) noID() {
	d.counters.noID.Add(1)
	if !d.saidNoID.Swap(true) {
		d.log.Warn("submit_sm_resp without message_id: its receipt will not be found")
	}
}
