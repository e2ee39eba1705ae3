package queue

import (
	"context"
	"time"

	"protei-bulk/bulk/message"
)

const (
	loadRetry   = 250 * time.Millisecond // pause after a load that failed or brought nothing
	promoteMany = 1000                   // SCHEDULED messages made PENDING in one go
)

// Start starts the loader and the promoter. They end with Stop.
func (l *Lanes) Start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	l.joined.Go(func() { l.loader(ctx) })
	l.joined.Go(func() { l.promoter(ctx) })
	l.joined.Go(func() { l.keeper(ctx) })
}

// Stop ends the loader and the promoter and waits for them. What waits in the lanes is
// in the store.
func (l *Lanes) Stop() {
	l.mu.Lock()
	stop := l.stop
	l.mu.Unlock()
	if stop != nil {
		stop()
	}
	l.joined.Wait()
}

func (l *Lanes) pokeLoader() {
	select {
	case l.poked <- struct{}{}:
	default:
	}
}

// loader refills lanes in disk mode whenever one of them is half empty.
func (l *Lanes) loader(ctx context.Context) {
	timer := time.NewTimer(loadRetry)
	defer timer.Stop()
	for {
		for _, q := range *l.queues.Load() {
			for p := range q.lanes {
				l.loadLane(ctx, q, &q.lanes[p])
			}
		}
		timer.Reset(loadRetry)
		select {
		case <-ctx.Done():
			return
		case <-l.poked:
		case <-timer.C:
		}
	}
}

// loadLane loads until the lane is full enough, or the store has nothing more at once.
func (l *Lanes) loadLane(ctx context.Context, q *Queue, ln *lane) {
	for ctx.Err() == nil {
		after, limit := q.beginLoad(ln, l.o.LoadBatch)
		if limit == 0 {
			return
		}
		msgs, complete, err := l.o.Store.LoadLane(ctx, ln.id, after, limit)
		items := l.view(msgs)
		if err == nil && len(msgs) >= limit {
			complete = highest(items)
		}
		progress := q.endLoad(ln, items, complete, err)
		if err != nil && ctx.Err() == nil {
			l.o.Logger.Error("load lane", "connector", ln.id.Connector, "priority", ln.id.Priority, "after", after, "err", err)
		}
		if !progress {
			return
		}
	}
}

// view copies the state of loaded messages, leaving out those that wait no more.
func (l *Lanes) view(msgs []*message.Message) []Item {
	items := make([]Item, 0, len(msgs))
	for _, m := range msgs {
		l.o.Store.View(m, func(m *message.Message) {
			if m.LaneSeq != 0 && m.Status != message.Scheduled {
				items = append(items, ItemOf(m))
			}
		})
	}
	return items
}

func highest(items []Item) (seq uint64) {
	for i := range items {
		seq = max(seq, items[i].Seq)
	}
	return seq
}

// wantsLoad needs mu.
func (q *Queue) wantsLoad(now int64) bool {
	for p := range q.lanes {
		if l := &q.lanes[p]; l.disk && !l.loading && now >= l.retryAt && q.halfEmpty(l) {
			return true
		}
	}
	return false
}

func (q *Queue) halfEmpty(l *lane) bool { return l.memory() <= q.capacity(l)/2 }

// beginLoad returns where to load from and how many, 0 when the lane needs nothing now.
func (q *Queue) beginLoad(l *lane, batch int) (after uint64, limit int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !l.disk || q.closed || q.o.Now().UnixMilli() < l.retryAt || !q.halfEmpty(l) {
		return 0, 0
	}
	l.loading, l.sideFull, l.sideFrom = true, false, l.appended
	l.expected = min(batch, max(1, q.capacity(l)-l.memory()))
	return l.loaded, l.expected
}

// endLoad takes over what a load brought, complete up to that sequence, and what was
// pushed meanwhile when the two meet. It reports whether another load makes sense now.
func (q *Queue) endLoad(l *lane, items []Item, complete uint64, err error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l.expected = 0
	before := l.loaded
	if err == nil {
		for i := range items {
			q.loadedOne(l, items[i])
		}
		l.loaded = max(l.loaded, complete)
		if l.loaded >= l.sideFrom {
			q.takeSide(l)
		}
		if l.loaded >= l.appended {
			q.remember(l)
		}
	}
	l.side.reset()
	l.loading = false
	for _, id := range l.prune {
		delete(q.tombs, id)
	}
	l.prune = l.prune[:0]
	if l.loaded == before && l.disk {
		l.retryAt = q.o.Now().Add(loadRetry).UnixMilli()
	}
	if q.waiting {
		q.signal()
	}
	return l.disk && l.loaded != before
}

func (q *Queue) loadedOne(l *lane, it Item) {
	if it.Seq <= l.loaded {
		return
	}
	l.loaded = it.Seq
	old := it.Seq < l.recoverNext
	if old {
		l.waiting++ // nobody pushed it
	}
	if _, gone := q.tombs[it.Msg.ID]; gone {
		return
	}
	if old {
		it.Suspect = it.Seq <= l.suspectTo && it.Due <= q.now
		it.Dup = it.Dup || it.Suspect
	}
	q.keep(l, it)
}

// takeSide moves what was pushed during the load behind what was loaded. What did not fit
// follows it without a gap.
func (q *Queue) takeSide(l *lane) {
	for it := l.side.front(); it != nil; it = l.side.front() {
		one := *it
		l.side.pop()
		if one.Seq > l.loaded {
			l.loaded = one.Seq
			q.keep(l, one)
		}
	}
	if !l.sideFull {
		l.loaded = max(l.loaded, l.appended)
	}
}

// remember puts the lane back in memory mode. A load also brings messages that are
// applied and whose push is still to come: their sequences count as seen.
func (q *Queue) remember(l *lane) {
	l.disk = false
	l.appended = l.loaded
	l.waiting = int64(l.memory() + l.held)
}

// promoter makes SCHEDULED messages PENDING when their time has come. It asks the store
// every DueEvery, looking that far ahead, and whenever the earliest time that it knows
// has come.
func (l *Lanes) promoter(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	look := time.Now() // in time that passes, whatever the clock is set to
	for {
		wait := time.Until(look)
		if due := l.nextDue.Load(); due != 0 {
			wait = min(wait, time.UnixMilli(due).Sub(l.o.Now()))
		}
		timer.Reset(max(0, wait))
		select {
		case <-ctx.Done():
			return
		case <-l.due: // an earlier one has become known
			continue
		case <-timer.C:
		}
		l.nextDue.Store(0) // what is due later is found again
		more, err := l.promote(ctx, l.o.Now().UnixMilli())
		if err != nil && ctx.Err() == nil {
			l.o.Logger.Error("load due messages", "err", err)
		}
		if look = time.Now(); !more || err != nil {
			look = look.Add(l.o.DueEvery)
		}
	}
}

// promote puts one batch of due messages at the end of their lanes and waits until that
// is applied, so that the next batch does not bring the same ones. It notes when the
// next one is due.
func (l *Lanes) promote(ctx context.Context, now int64) (more bool, err error) {
	msgs, err := l.o.Store.LoadDue(ctx, now+1+l.o.DueEvery.Milliseconds(), promoteMany)
	if err != nil {
		return false, err
	}
	evs := make([]message.Event, 0, len(msgs))
	for _, m := range msgs {
		due := int64(0)
		l.o.Store.View(m, func(m *message.Message) { due = m.DueAt })
		if due > now {
			l.knowDue(due)
			break // they come earliest first
		}
		evs = append(evs, message.Event{Kind: message.Requeue, Msg: m, Part: message.AllParts, At: now})
	}
	if len(evs) == 0 {
		return false, nil
	}
	done := make(chan error, 1)
	l.o.Store.RecordMany(evs, func(err error) { done <- err })
	select {
	case err := <-done:
		return len(evs) == promoteMany, err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// noteDue lets the promoter know of a message with a schedule.
func (l *Lanes) noteDue(due int64) {
	if !l.knowDue(due) {
		return
	}
	select {
	case l.due <- struct{}{}:
	default:
	}
}

// knowDue lowers nextDue and reports whether that changed it.
func (l *Lanes) knowDue(due int64) bool {
	for {
		old := l.nextDue.Load()
		if old != 0 && old <= due {
			return false
		}
		if l.nextDue.CompareAndSwap(old, due) {
			return true
		}
	}
}
