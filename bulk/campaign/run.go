package campaign

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/time/rate"

	"protei-bulk/bulk/contact"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

const (
	batchSize  = 1000
	retryFirst = 20 * time.Millisecond
	retryMost  = 2 * time.Second
	saveEvery  = time.Second
	saveFaults = 5000             // refused recipients that are kept in memory
	saveBound  = 10 * time.Second // last save of a run, after Stop or pause
)

// run is the goroutine of one campaign: it makes a message for each recipient above the
// row's cursor. What it has done is in two places: the messages, each durable with its
// ordinal, in the journal; the cursor with what was refused up to it in the row, saved
// each second. So it begins with the ordinals above the cursor that have a message.
type run struct {
	m      *Manager
	row    Row
	set    Settings
	cancel context.CancelFunc
	done   chan struct{}

	text    *bound
	members *contact.MemberReader
	skip    map[uint32]struct{} // ordinals above the cursor that have a message
	skipTo  uint32              // the highest of them
	batch   batch
	pacer   *rate.Limiter
	ahead   ahead
	backoff time.Duration
	saved   time.Time
	faults  []byte // entries of the error file that are not stored yet
	nFaults uint32
	first   bool // the next save clears what an earlier run left above its cursor
}

func timeText(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

// resumeAll launches what was running or scheduled when the process ended.
func (m *Manager) resumeAll(ctx context.Context) error {
	const page = 500
	for q := (Query{Limit: page}); ; {
		rows, err := m.opts.Store.Campaigns(ctx, q)
		if err != nil {
			return fmt.Errorf("load campaigns: %w", err)
		}
		for _, row := range rows {
			set := settingsOf(row)
			switch {
			case row.Status == Running || row.Status == Scheduled:
				m.launch(row, set)
			case row.Status == Cancelled && set.Cancelling:
				if err := m.withdraw(ctx, &row, &set); err != nil {
					return err
				}
			}
			q.Below = row.ID
		}
		if len(rows) < page {
			return nil
		}
	}
}

func (m *Manager) launch(row Row, set Settings) {
	if n := m.opts.Nodes; n != nil && !n.Mine(row.ID) {
		n.Wanted(row.ID)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped || m.runs[row.ID] != nil {
		return
	}
	ctx, cancel := context.WithCancel(m.ctx)
	r := &run{m: m, row: row, set: set, cancel: cancel, done: make(chan struct{}), backoff: retryFirst, first: true}
	m.runs[row.ID] = r
	m.joined.Go(func() {
		defer close(r.done)
		defer cancel()
		r.main(ctx)
		m.mu.Lock()
		delete(m.runs, row.ID)
		m.mu.Unlock()
	})
}

// halt ends the campaign's goroutine and waits until its progress is saved.
func (m *Manager) halt(id message.ID) {
	m.mu.Lock()
	r := m.runs[id]
	m.mu.Unlock()
	if r == nil {
		return
	}
	r.cancel()
	<-r.done
}

func (r *run) main(ctx context.Context) {
	err := r.expand(ctx)
	var pause *pauseError
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.As(err, &pause):
		r.row.Status, r.set.Reason, r.set.LastError = Paused, pause.code, pause.detail
		r.m.opts.Logger.Warn("campaign paused", "campaign", r.row.ID.String(), "reason", pause.code, "detail", pause.detail)
	default:
		r.m.opts.Logger.Error("campaign stopped", "campaign", r.row.ID.String(), "err", err)
		r.row.Status, r.set.Reason, r.set.LastError = Paused, "internal_error", "internal error; the campaign was paused"
	}
	r.set.Waiting = ""
	err = r.save(ctx)
	if err != nil && ctx.Err() != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveBound)
		defer cancel()
		err = r.write(last)
	}
	if err != nil {
		r.m.opts.Logger.Error("save campaign", "campaign", r.row.ID.String(), "err", err)
	}
}

// expand makes a message for each recipient above the cursor.
func (r *run) expand(ctx context.Context) error {
	if err := r.sleep(ctx, time.UnixMilli(r.row.ScheduleAt).Sub(r.m.opts.Now())); err != nil {
		return err
	}
	select {
	case r.m.slots <- struct{}{}:
		defer func() { <-r.m.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	for {
		if err := r.gate(ctx); err != nil {
			return err
		}
		more, err := r.next(ctx)
		if err != nil {
			return err
		}
		if !more {
			r.row.Status, r.row.FinishedAt = Completed, r.m.opts.Now().UnixMilli()
			return nil
		}
		if r.m.opts.Now().Sub(r.saved) > saveEvery || r.nFaults >= saveFaults {
			if err := r.save(ctx); err != nil {
				return err
			}
		}
	}
}

// prepare finds out where to go on.
func (r *run) prepare(ctx context.Context) (err error) {
	m, id := r.m, r.row.ID
	if r.batch.base, r.text, err = m.request(&r.row, &r.set); err != nil {
		return err
	}
	r.batch.campaign = id
	r.skip = make(map[uint32]struct{})
	if m.opts.Store.TopOrdinal(r.row.Account, id) > r.row.Cursor {
		err := m.opts.Store.AcceptedOrdinals(ctx, r.row.Account, id, r.set.Mark, func(n uint32) {
			if n > r.row.Cursor {
				r.skip[n] = struct{}{}
				r.skipTo = max(r.skipTo, n)
			}
		})
		if err != nil {
			return fmt.Errorf("read progress: %w", err)
		}
	}
	r.members = contact.NewMemberReader(ctx, m.opts.Store, contact.Span{Owner: id, After: r.row.Cursor, To: r.set.Added})
	r.pacer = rate.NewLimiter(rate.Inf, batchSize)
	if tps := r.rate(); tps > 0 {
		r.pacer = rate.NewLimiter(rate.Limit(tps), r.step())
	}
	r.row.Status, r.saved, r.set.Reason = Running, m.opts.Now(), ""
	return r.save(ctx)
}

// rate is the most messages a second, 0: as many as go.
func (r *run) rate() float64 { return float64(r.row.MaxTPS) }

// step is how many messages are made at once: a tenth of a second's worth, of the
// campaign's rate and of the account's, which others of the account share.
func (r *run) step() int {
	n := batchSize
	for _, tps := range []float64{r.rate(), r.batch.base.Account.TPS} {
		if tps > 0 {
			n = min(n, max(1, int(tps/10)))
		}
	}
	return n
}

// save is write, again and again while the store refuses it for now: its disk is full.
func (r *run) save(ctx context.Context) error {
	for pause := retryFirst; ; pause = min(2*pause, retryMost) {
		err := r.write(ctx)
		var refusal *intake.Refusal
		if !errors.As(err, &refusal) || !passing(refusal) || r.sleep(ctx, pause) != nil {
			return err
		}
	}
}

// write makes cursor, counts and what was refused since durable in one transaction.
func (r *run) write(ctx context.Context) error {
	c := &Change{Row: &r.row, Owner: r.row.ID}
	if r.first { // entries above the cursor were found again, or will be
		c.Clear = []contact.Block{{Kind: contact.Failed, First: uint32(r.row.Refused) - r.nFaults + 1}}
	}
	if r.nFaults > 0 {
		c.Blocks = []contact.Block{{Kind: contact.Failed, First: uint32(r.row.Refused) - r.nFaults + 1, Count: r.nFaults, Data: r.faults}}
	}
	err := seal(&r.row, &r.set)
	if err == nil {
		err = r.m.opts.Store.Write(ctx, c)
	}
	if err != nil {
		return fmt.Errorf("save campaign %s: %w", r.row.ID, err)
	}
	r.faults, r.nFaults, r.first, r.saved = nil, 0, false, r.m.opts.Now()
	return nil
}

// gate waits until the campaign may make messages: its time windows, and not too far
// ahead of what is sent, so that a pause, a window's end and a cancellation mean something
// and a line that is down does not fill the store.
func (r *run) gate(ctx context.Context) error {
	for {
		zone, _ := zoneOf(r.set.Timezone) // checked by Spec.apply
		wait, at := untilOpen(r.set.Windows, zone, r.m.opts.Now())
		if wait > 0 {
			if err := r.waiting(ctx, "outside its time windows until "+at.In(zone).Format(time.RFC3339)); err != nil {
				return err
			}
			if err := r.sleep(ctx, min(wait, time.Minute)); err != nil {
				return err
			}
			continue
		}
		counts := r.m.opts.Store.CampaignCounts(r.row.Account, r.row.ID)
		wait = r.ahead.wait(r.m.opts.Now(), counts.Sum()-counts[message.Pending], counts[message.Pending])
		if wait == 0 {
			return nil
		}
		if r.ahead.stuck(r.m.opts.Now()) {
			if err := r.waiting(ctx, "messages made before are not sent yet"); err != nil {
				return err
			}
		}
		if err := r.sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// waiting shows why nothing is made now.
func (r *run) waiting(ctx context.Context, why string) error {
	if r.set.Waiting == why {
		return nil
	}
	r.set.Waiting = why
	return r.save(ctx)
}

// next makes the next messages; false when there are no recipients left.
func (r *run) next(ctx context.Context) (more bool, err error) {
	b := &r.batch
	b.begin()
	for limit := r.step(); len(b.items) < limit; {
		member, err := r.members.Member()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, fmt.Errorf("read recipients: %w", err)
		}
		ordinal := r.members.At()
		_, done := r.skip[ordinal]
		b.add(ordinal, member, r.text, done)
	}
	if len(b.items) == 0 {
		return false, nil
	}
	b.base.Account = r.m.opts.Accounts.ByID(r.row.Account) // it may have changed
	if b.base.Account == nil {
		return false, errAccountGone
	}
	b.requests(r.text)
	if len(b.reqs) > 0 {
		if err := r.pacer.WaitN(ctx, len(b.reqs)); err != nil {
			return false, err
		}
	}
	err = r.submit(ctx)
	r.settle()
	return err == nil, err
}

func (r *run) sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ahead decides how many messages may wait to be sent: two seconds' worth of what is sent.
type ahead struct {
	limit int64
	at    time.Time // of the last measurement
	sent  int64     // then
	moved time.Time // when something had been sent, or nothing had to wait
}

const (
	aheadLeast = 2_000
	aheadFirst = 20_000
	aheadMost  = 100_000
	aheadPause = 5 * time.Millisecond
	aheadStuck = 2 * time.Second
)

// wait is told how many of the campaign's messages have been sent and how many wait, and
// returns how long to wait before more are made.
func (a *ahead) wait(now time.Time, sent, waiting int64) time.Duration {
	if a.limit == 0 {
		*a = ahead{limit: aheadFirst, at: now, sent: sent, moved: now}
	}
	if d := now.Sub(a.at); d >= 250*time.Millisecond {
		if sent > a.sent {
			a.moved = now
		}
		if waiting > a.limit/4 { // else it was not the line that set the pace
			a.limit = min(max(int64(2*float64(sent-a.sent)/d.Seconds()), aheadLeast), aheadMost)
		}
		a.at, a.sent = now, sent
	}
	if waiting < a.limit {
		a.moved = now
		return 0
	}
	return aheadPause
}

// stuck reports whether nothing has been sent for a while.
func (a *ahead) stuck(now time.Time) bool { return now.Sub(a.moved) > aheadStuck }
