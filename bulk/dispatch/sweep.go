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
	// LoadOverdue returns up to limit messages that are SENT and want a receipt, oldest
	// first: at least those accepted before the moment (Unix ms) whose validity ended by then.
	LoadOverdue(ctx context.Context, before int64, limit int) ([]*message.Message, error)
	RecordMany(evs []message.Event, done func(error))
}

// SweepOptions configure a Sweeper. Only Store is needed.
type SweepOptions struct {
	Store    SweepStore
	Validity time.Duration // of a message that names none, 48 h by default
	Grace    time.Duration // after the validity, 24 h by default
	Every    time.Duration // 1 min by default
	Batch    int           // messages at once, 5,000 by default
	Logger   *slog.Logger
	Now      func() time.Time
}

// Sweeper makes UNKNOWN of the messages whose receipt did not come by the end of their
// validity and Grace. A receipt that comes even later still corrects it. Its one
// goroutine lives from Start to Stop.
type Sweeper struct {
	o      SweepOptions
	mu     sync.Mutex // guards cancel
	cancel context.CancelFunc
	joined sync.WaitGroup
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
		for ctx.Err() == nil {
			more, err := s.sweep(ctx)
			if err != nil && ctx.Err() == nil {
				s.o.Logger.Error("sweep overdue messages", "err", err)
			}
			if !more || err != nil {
				break
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// sweep settles one batch and waits until that is applied, so that the next one brings others.
func (s *Sweeper) sweep(ctx context.Context) (more bool, err error) {
	now := s.o.Now()
	ended := now.Add(-s.o.Grace).UnixMilli()
	msgs, err := s.o.Store.LoadOverdue(ctx, ended, s.o.Batch)
	if err != nil {
		return false, err
	}
	evs := make([]message.Event, 0, len(msgs))
	for _, m := range msgs {
		if validUntil(m, s.o.Validity) < ended {
			evs = append(evs, message.Event{Kind: message.Settle, Msg: m, Part: message.AllParts, Status: message.Unknown, At: now.UnixMilli()})
		}
	}
	if len(evs) == 0 {
		return false, nil
	}
	done := make(chan error, 1)
	s.o.Store.RecordMany(evs, func(err error) { done <- err })
	select {
	case err := <-done:
		return len(msgs) == s.o.Batch, err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}
