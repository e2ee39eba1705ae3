package bulk

import (
	"context"
	"errors"
	"time"

	"protei-bulk/bulk/api"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// sink is the embedded store as package intake wants it.
type sink struct{ store *store.Embedded }

func (s sink) Accept(ctx context.Context, msgs []*message.Message) error {
	return acceptError(s.store.Accept(ctx, msgs, store.AcceptExtra{}))
}

func (s sink) AcceptAsync(m *message.Message, done func(error)) {
	err := s.store.AcceptAsync([]*message.Message{m}, store.AcceptExtra{}, func(err error) { done(acceptError(err)) })
	if err != nil {
		done(acceptError(err))
	}
}

func acceptError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrBusy):
		return intake.ErrBusy
	case errors.Is(err, store.ErrDiskFull):
		return intake.ErrDiskFull
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return intake.ErrUnavailable
}

// reader is the embedded store and the lanes as package api wants them.
type reader struct{ p *Platform }

func (r reader) Message(ctx context.Context, id message.ID) (*message.Message, error) {
	m, err := r.p.store.Message(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.ErrNotFound
	}
	return m, err
}

func (r reader) List(ctx context.Context, q api.Query) ([]*message.Message, message.ID, time.Time, error) {
	return r.p.store.List(ctx, store.Query(q))
}

// scheduledMargin is how long before its time a scheduled message can no longer be
// cancelled: its way into the lane may be under way.
const scheduledMargin = 5 * time.Second

// Cancel withdraws a message that the SMSC has not been given. Taking it out of its
// lane decides between cancel and dispatch; a message that waits for its time is in no
// lane, and nothing but its time puts it into one.
func (r reader) Cancel(ctx context.Context, id message.ID) error {
	for {
		now, err := r.Message(ctx, id)
		if err != nil {
			return err
		}
		switch {
		case now.Status == message.Scheduled:
			if time.Until(time.UnixMilli(now.DueAt)) < scheduledMargin {
				return api.ErrTooLate
			}
		case now.Status != message.Pending:
			return api.ErrTooLate
		case !r.p.lanes.Cancel(now.Lane(), id, now.LaneSeq, now.Status):
			again, err := r.Message(ctx, id)
			if err != nil {
				return err
			}
			if again.LaneSeq != now.LaneSeq || again.Status != now.Status {
				continue // it moved meanwhile
			}
			return api.ErrTooLate
		}
		return r.recordCancel(ctx, id)
	}
}

func (r reader) recordCancel(ctx context.Context, id message.ID) error {
	m, err := r.p.store.Load(context.WithoutCancel(ctx), id)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	r.p.store.Record(message.Event{
		Kind: message.Settle, Msg: m, Part: message.AllParts, Status: message.Cancelled, At: time.Now().UnixMilli(),
	}, func(err error) { done <- err })
	return <-done
}
