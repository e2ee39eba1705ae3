package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"protei-bulk/bulk/message"
)

// SweepStore is what a Sweeper needs of the store.
type SweepStore interface {
	// LoadOpen looks at up to limit messages in a status that is not final, from a place
	// on. It returns those that want selects by what is fixed at accept, and the place to
	// go on from, the zero one at the end.
	LoadOpen(ctx context.Context, status message.Status, from message.Place, limit int, want func(*message.Message) bool) (msgs []*message.Message, next message.Place, err error)
	// View calls f while the state of m cannot change.
	View(m *message.Message, f func(*message.Message))
	RecordMany(evs []message.Event, done func(error))
}

// SweepLanes takes a waiting message out of its lane and reports whether it did: then
// nobody else sends it, and it is the caller's to end.
type SweepLanes interface {
	Cancel(lane message.Lane, id message.ID, seq uint64, status message.Status) bool
}

// SweepOptions configure a Sweeper. Only Store is needed.
type SweepOptions struct {
	Store    SweepStore
	Lanes    SweepLanes    // nil: what waits for its turn is left alone
	Validity time.Duration // of a message that names none, 48 h by default
	Grace    time.Duration // after the validity, 24 h by default
	Every    time.Duration // 1 min by default
	Batch    int           // messages looked at at once, 5,000 by default
	Pages    int           // batches looked at in a row, 100 by default
	Logger   *slog.Logger
	Now      func() time.Time
}

// Sweeper ends the messages that nothing happens to any more: UNKNOWN when the receipt did
// not come by the end of the validity and Grace (one that comes even later still corrects
// it), EXPIRED when the validity ended before a message's turn came.
//
// Each round looks at up to Batch × Pages open messages of either kind and the next one
// goes on where it ended, so that all of them are looked at in turn. A SCHEDULED message is
// not: its time comes before its validity ends, and then it is PENDING.
//
// Its one goroutine lives from Start to Stop.
type Sweeper struct {
	o      SweepOptions
	mu     sync.Mutex // guards cancel
	cancel context.CancelFunc
	joined sync.WaitGroup

	sent, pending message.Place // of the goroutine: how far the rounds came
}

// NewSweeper returns a sweeper that is not started.
func NewSweeper(opts SweepOptions) (*Sweeper, error) {
	if opts.Store == nil {
		return nil, errors.New("dispatch: no store to sweep")
	}
	setDefault(&opts.Validity, 48*time.Hour)
	setDefault(&opts.Grace, 24*time.Hour)
	setDefault(&opts.Every, time.Minute)
	setDefault(&opts.Batch, 5000)
	setDefault(&opts.Pages, 100)
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Sweeper{o: opts}, nil
}

// Start begins to sweep.
func (s *Sweeper) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.joined.Go(func() { s.run(ctx) })
}

// Stop ends it.
func (s *Sweeper) Stop() {
	s.mu.Lock()
	if s.cancel != nil {
		s.cancel()
	}
	s.mu.Unlock()
	s.joined.Wait()
}

func (s *Sweeper) run(ctx context.Context) {
	tick := time.NewTicker(s.o.Every)
	defer tick.Stop()
	for {
		s.round(ctx, &s.sent, s.overdue)
		if s.o.Lanes != nil {
			s.round(ctx, &s.pending, s.expired)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// round goes through open messages from a place on, up to their end or Pages.
func (s *Sweeper) round(ctx context.Context, at *message.Place, page func(context.Context, message.Place) (message.Place, error)) {
	for range s.o.Pages {
		next, err := page(ctx, *at)
		if err != nil {
			if ctx.Err() == nil {
				s.o.Logger.Error("sweep open messages", "err", err)
			}
			return
		}
		if *at = next; next == (message.Place{}) {
			return
		}
	}
}

// overdue makes UNKNOWN of the messages of a page that await a receipt in vain.
func (s *Sweeper) overdue(ctx context.Context, from message.Place) (message.Place, error) {
	now := s.o.Now()
	ended := now.Add(-s.o.Grace).UnixMilli()
	msgs, next, err := s.o.Store.LoadOpen(ctx, message.Sent, from, s.o.Batch, func(m *message.Message) bool {
		return m.Flags&message.WantReceipt != 0 && validUntil(m, s.o.Validity) < ended
	})
	if err != nil {
		return from, err
	}
	return next, s.settle(ctx, msgs, message.Unknown, now)
}

// expired makes EXPIRED of the messages of a page whose turn did not come in time: those
// on disk that lanes have no room for, and those behind them. What is being sent at this
// moment is not ours to end.
func (s *Sweeper) expired(ctx context.Context, from message.Place) (message.Place, error) {
	now := s.o.Now()
	msgs, next, err := s.o.Store.LoadOpen(ctx, message.Pending, from, s.o.Batch, func(m *message.Message) bool {
		return validUntil(m, s.o.Validity) <= now.UnixMilli()
	})
	if err != nil {
		return from, err
	}
	ours := msgs[:0]
	for _, m := range msgs {
		var seq uint64
		var status message.Status
		var lane message.Lane
		s.o.Store.View(m, func(m *message.Message) { seq, status, lane = m.LaneSeq, m.Status, m.Lane() })
		if status == message.Pending && s.o.Lanes.Cancel(lane, m.ID, seq, status) {
			ours = append(ours, m)
		}
	}
	return next, s.settle(ctx, ours, message.Expired, now)
}

// settle ends messages and waits until that is applied.
func (s *Sweeper) settle(ctx context.Context, msgs []*message.Message, to message.Status, now time.Time) error {
	if len(msgs) == 0 {
		return nil
	}
	evs := make([]message.Event, 0, len(msgs))
	for _, m := range msgs {
		evs = append(evs, message.Event{Kind: message.Settle, Msg: m, Part: message.AllParts, Status: to, At: now.UnixMilli()})
	}
	done := make(chan error, 1)
	s.o.Store.RecordMany(evs, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
