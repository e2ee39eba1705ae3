package bulk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"protei-bulk/bulk/api"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
	"protei-bulk/bulk/store"
)

// sink is the store as package intake wants it.
type sink struct{ store store.Store }

func (s sink) Accept(ctx context.Context, msgs []*message.Message, answer *message.Answer) error {
	return acceptError(s.store.Accept(ctx, msgs, store.AcceptExtra{Answer: answer}))
}

func (s sink) AcceptAsync(m *message.Message, done func(error)) {
	err := s.store.AcceptAsync([]*message.Message{m}, store.AcceptExtra{}, func(err error) { done(acceptError(err)) })
	if err != nil {
		done(acceptError(err))
	}
}

func acceptError(err error) error {
	var over *store.QuotaError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrBusy):
		return intake.ErrBusy
	case errors.Is(err, store.ErrDiskFull):
		return intake.ErrDiskFull
	case errors.Is(err, store.ErrTooLarge):
		return intake.ErrTooLarge
	case errors.Is(err, money.ErrInsufficient):
		return intake.ErrNoMoney
	case errors.As(err, &over):
		return overQuota(over)
	case errors.Is(err, store.ErrTaken):
		return intake.ErrRepeated
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return intake.ErrUnavailable
}

// answers are the store's as package api wants them.
type answers struct{ store store.Store }

func (a answers) Answer(ctx context.Context, account uint32, key [32]byte) (*message.Answer, error) {
	found, err := a.store.Answer(ctx, account, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return found, err
}

// admitOrdered refuses ordered messages while too many wait for their turn.
func (p *Platform) admitOrdered() error {
	if p.lanes.OrderFull() {
		return intake.ErrBusy
	}
	return nil
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

// Cancel withdraws a message that the SMSC has not been given.
func (r reader) Cancel(ctx context.Context, id message.ID) error {
	if n := r.p.node; n != nil {
		if asked, err := n.elsewhere(ctx, id, nil); asked {
			return err
		}
	}
	return r.cancelHere(ctx, id)
}

// cancelHere withdraws a message that is in no lane of another node.
func (r reader) cancelHere(ctx context.Context, id message.ID) error {
	err := r.takeOut(ctx, id)
	if errors.Is(err, errHeld) {
		return r.cancelHeld(ctx, id)
	}
	if err != nil {
		return err
	}
	return r.recordCancel(ctx, id)
}

// errHeld: the message is in no lane, and somebody decides about it.
var errHeld = fmt.Errorf("%w: it is held", api.ErrTooLate)

// takeOut takes a message out of its lane, which decides between its caller and dispatch; a
// message that waits for its time is in no lane, and nothing but its time puts it into one.
// Nothing is recorded yet.
func (r reader) takeOut(ctx context.Context, id message.ID) error {
	for try := 0; ; try++ {
		now, err := r.Message(ctx, id)
		if err != nil {
			return err
		}
		switch {
		case now.Status == message.Held:
			return errHeld
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
			if n := r.p.node; n != nil && again.Status == message.Pending && again.LaneSeq == 0 {
				if taken, err := n.takeWaiting(ctx, id, try); taken || err != nil {
					return err
				}
				continue
			}
			return api.ErrTooLate
		}
		return nil
	}
}

func (r reader) recordCancel(ctx context.Context, id message.ID) error {
	return r.record(ctx, id, message.Event{Kind: message.Settle, Part: message.AllParts, Status: message.Cancelled})
}

// record makes the events of one message durable, whatever becomes of ctx meanwhile.
func (r reader) record(ctx context.Context, id message.ID, evs ...message.Event) error {
	m, err := r.p.store.Load(context.WithoutCancel(ctx), id)
	if err != nil {
		return err
	}
	for i := range evs {
		evs[i].Msg, evs[i].At = m, time.Now().UnixMilli()
	}
	done := make(chan error, 1)
	r.p.store.RecordMany(evs, func(err error) { done <- err })
	return <-done
}

// decisions are the locks under which people decide about HELD messages: nothing but a
// decision and a late receipt changes one, and a receipt makes it final.
type decisions [32]sync.Mutex

func (d *decisions) of(id message.ID) *sync.Mutex { return &d[uint64(id)%uint64(len(d))] }

// Release gives a HELD message a new place in its lane. The SMSC may have it already,
// which it is told.
func (r reader) Release(ctx context.Context, id message.ID) error {
	mu := r.p.decisions.of(id)
	mu.Lock()
	defer mu.Unlock()
	now, err := r.Message(ctx, id)
	if err != nil {
		return err
	}
	if now.Status != message.Held {
		return api.ErrNotHeld
	}
	return r.record(ctx, id, message.Event{Kind: message.Requeue, Part: message.AllParts, Dup: true})
}

// cancelHeld withdraws the parts of a HELD message that are held. What the SMSC took of it
// goes its way.
func (r reader) cancelHeld(ctx context.Context, id message.ID) error {
	mu := r.p.decisions.of(id)
	mu.Lock()
	defer mu.Unlock()
	now, err := r.Message(ctx, id)
	if err != nil {
		return err
	}
	var evs []message.Event
	for i := range now.Parts {
		if now.Parts[i].Status == message.Held {
			evs = append(evs, message.Event{Kind: message.Settle, Part: uint16(i), Status: message.Cancelled})
		}
	}
	if len(evs) == 0 {
		return api.ErrTooLate // it was released meanwhile, or its receipt came
	}
	return r.record(ctx, id, evs...)
}
