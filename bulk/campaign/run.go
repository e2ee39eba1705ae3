package campaign

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"

	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
)

const (
	batchSize  = 500
	retryFirst = 50 * time.Millisecond
	retryMost  = 5 * time.Second
	saveBound  = 10 * time.Second // last save of a run, after Stop or pause
)

// run is the goroutine of one campaign.
type run struct {
	m       *Manager
	row     Row
	set     Settings
	cancel  context.CancelFunc
	done    chan struct{}
	reqs    []intake.Request
	out     []intake.Outcome
	pacer   *rate.Limiter
	backoff time.Duration
}

func timeText(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

// resumeAll launches what was running or scheduled when the process ended.
func (m *Manager) resumeAll(ctx context.Context) error {
	for below := message.ID(0); ; {
		rows, err := m.opts.Store.Campaigns(ctx, 0, below, batchSize)
		if err != nil {
			return fmt.Errorf("load campaigns: %w", err)
		}
		for _, row := range rows {
			if row.Status == Running || row.Status == Scheduled {
				m.launch(row, settingsOf(row))
			}
			below = row.ID
		}
		if len(rows) < batchSize {
			return nil
		}
	}
}

func (m *Manager) launch(row Row, set Settings) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped || m.runs[row.ID] != nil {
		return
	}
	ctx, cancel := context.WithCancel(m.ctx)
	r := &run{m: m, row: row, set: set, cancel: cancel, done: make(chan struct{}), backoff: retryFirst}
	r.pacer = rate.NewLimiter(rate.Inf, batchSize)
	if row.MaxTPS > 0 {
		r.pacer = rate.NewLimiter(rate.Limit(row.MaxTPS), r.step())
	}
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

// step is how many messages are made at once: a tenth of a second's worth at most.
func (r *run) step() int {
	if r.row.MaxTPS == 0 {
		return batchSize
	}
	return min(batchSize, max(1, int(r.row.MaxTPS/10)))
}

func (r *run) main(ctx context.Context) {
	err := r.expand(ctx)
	if err != nil && ctx.Err() == nil {
		r.m.opts.Logger.Error("campaign stopped", "campaign", r.row.ID.String(), "err", err)
		r.set.LastError = "internal error; the campaign was paused"
		r.row.Status = Paused
	}
	save, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveBound)
	defer cancel()
	if err := r.m.save(save, &r.row, &r.set); err != nil {
		r.m.opts.Logger.Error("save campaign", "campaign", r.row.ID.String(), "err", err)
	}
}

// expand makes a message for each recipient above the cursor.
func (r *run) expand(ctx context.Context) error {
	if err := r.wait(ctx, time.UnixMilli(r.row.ScheduleAt).Sub(r.m.opts.Now())); err != nil {
		return err
	}
	select {
	case r.m.slots <- struct{}{}:
		defer func() { <-r.m.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	highest, err := r.m.opts.Store.MaxOrdinal(ctx, r.row.ID)
	if err != nil {
		return fmt.Errorf("read progress: %w", err)
	}
	if highest > r.row.Cursor { // accepted, but the row was not saved any more
		r.row.Accepted += uint64(highest - r.row.Cursor)
		r.row.Cursor = highest
	}
	r.row.Status = Running
	for saved := r.m.opts.Now(); ; {
		more, err := r.batch(ctx)
		if err != nil {
			return err
		}
		if !more {
			r.row.Status, r.row.FinishedAt = Completed, r.m.opts.Now().UnixMilli()
			return nil
		}
		if now := r.m.opts.Now(); now.Sub(saved) > time.Second {
			saved = now
			if err := r.m.save(ctx, &r.row, &r.set); err != nil {
				return err
			}
		}
	}
}

// batch makes the next messages; false when there are no recipients left.
func (r *run) batch(ctx context.Context) (more bool, err error) {
	limit := r.step()
	if r.row.Cursor >= r.set.Added {
		return false, nil
	}
	limit = min(limit, int(min(r.set.Added-r.row.Cursor, math.MaxInt32)))
	recipients, err := r.m.opts.Store.Recipients(ctx, r.row.ID, r.row.Cursor, limit)
	if err != nil {
		return false, fmt.Errorf("read recipients: %w", err)
	}
	if len(recipients) == 0 {
		return false, nil
	}
	if err := r.pacer.WaitN(ctx, len(recipients)); err != nil {
		return false, err
	}
	r.prepare(recipients)
	for {
		wait, err := r.submit(ctx)
		if err != nil {
			return false, err
		}
		if wait == 0 {
			break
		}
		if err := r.wait(ctx, wait); err != nil {
			return false, err
		}
	}
	r.row.Cursor = recipients[len(recipients)-1].Ordinal
	r.backoff = retryFirst
	return true, nil
}

func (r *run) prepare(recipients []Recipient) {
	enc, _ := gsm.ParseEncoding(r.set.Encoding) // checked by Spec.apply
	owner := r.m.opts.Accounts.ByID(r.row.Account)
	r.reqs, r.out = r.reqs[:0], r.out[:0]
	for _, to := range recipients {
		r.reqs = append(r.reqs, intake.Request{
			Account: owner, From: r.row.SenderID, To: to.To, Text: r.row.MessageContent, Encoding: enc,
			Priority: r.row.Priority, DLRURL: r.set.DLRURL, Campaign: r.row.ID, Ordinal: to.Ordinal,
		})
		r.out = append(r.out, intake.Outcome{})
	}
}

// submit hands the batch to intake and counts. It returns how long to wait before the
// same batch is tried again: the account's rate or the platform's back-pressure.
func (r *run) submit(ctx context.Context) (wait time.Duration, err error) {
	if r.reqs[0].Account == nil {
		return 0, errors.New("the account is gone")
	}
	if err := r.m.opts.Intake.Submit(ctx, r.reqs, r.out); err != nil {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		r.backoff = min(2*r.backoff, retryMost)
		r.set.LastError = intake.AsRefusal(err).Detail
		return r.backoff, nil
	}
	// A batch that is turned away for a passing reason is tried again; one that was let in
	// in part goes on with the recipients that were turned away.
	again, pause := false, time.Duration(0)
	keep := 0
	for i := range r.out {
		switch e := r.out[i].Err; {
		case e == nil:
			r.row.Accepted++
		case e.HTTPStatus() == 429 || e.HTTPStatus() == 503:
			again, pause = true, e.Retry
			r.reqs[keep] = r.reqs[i]
			keep++
		default:
			r.row.Refused++
			r.set.LastError = r.reqs[i].To + ": " + e.Detail
		}
	}
	r.reqs, r.out = r.reqs[:keep], r.out[:keep]
	clear(r.out)
	if again {
		r.backoff = min(2*r.backoff, retryMost)
		return max(min(pause, retryMost), r.backoff), nil
	}
	return 0, nil
}

func (r *run) wait(ctx context.Context, d time.Duration) error {
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
