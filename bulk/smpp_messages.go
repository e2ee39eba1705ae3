package bulk

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"protei-bulk/bulk/api"
	"protei-bulk/bulk/esme"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
)

// smppMessages is the store and the lanes as query_sm, cancel_sm and replace_sm want them.
type smppMessages struct{ p *Platform }

// Messages implements esme.Messages. A message that was replaced is CANCELLED, and the one in
// its place has its id as the batch.
func (s smppMessages) Messages(ctx context.Context, account uint32, id message.ID) ([]*message.Message, error) {
	m, err := reader(s).Message(ctx, id)
	switch {
	case errors.Is(err, api.ErrNotFound), err == nil && m.Account != account:
		m = nil
	case err != nil:
		return nil, err
	}
	if m != nil && m.Status != message.Cancelled {
		return []*message.Message{m}, nil
	}
	call, err := s.list(ctx, api.Query{Account: account, Batch: id, Limit: maxCall})
	if err != nil {
		return nil, err
	}
	live := slices.DeleteFunc(slices.Clone(call), func(m *message.Message) bool { return m.Status == message.Cancelled })
	switch {
	case len(live) > 0:
		return live, nil
	case len(call) > 0:
		return call[:1], nil
	case m != nil:
		return []*message.Message{m}, nil
	}
	return nil, esme.ErrNoMessage
}

// maxCall is above the messages of one submit_multi and what replaced them.
const maxCall = 1000

// Waiting implements esme.Messages.
func (s smppMessages) Waiting(ctx context.Context, account uint32, source, dest string, limit int) ([]*message.Message, error) {
	all, err := s.list(ctx, api.Query{Account: account, From: source, To: dest, Limit: limit})
	return slices.DeleteFunc(all, func(m *message.Message) bool { return !m.Status.Waiting() }), err
}

const listPause = 50 * time.Millisecond

// list reads a list that shows what was durable when it was called.
func (s smppMessages) list(ctx context.Context, q api.Query) ([]*message.Message, error) {
	called := time.Now()
	tick := time.NewTicker(listPause)
	defer tick.Stop()
	for {
		all, _, asOf, err := reader(s).List(ctx, q)
		if err != nil || !asOf.Before(called.Truncate(time.Millisecond)) {
			return all, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Cancel implements esme.Messages.
func (s smppMessages) Cancel(ctx context.Context, id message.ID) error {
	return lateness(reader(s).Cancel(ctx, id))
}

func lateness(err error) error {
	if errors.Is(err, api.ErrTooLate) || errors.Is(err, api.ErrNotFound) {
		return esme.ErrTooLate
	}
	return err
}

// Replace implements esme.Messages: the new message is accepted before the old one is
// withdrawn, so that a crash in between loses neither.
func (s smppMessages) Replace(ctx context.Context, m *message.Message, with *esme.Replacement) error {
	if n := s.p.node; n != nil {
		if asked, err := n.elsewhere(ctx, m.ID, with); asked {
			return lateness(err)
		}
	}
	return s.replaceHere(ctx, m, with)
}

// replaceHere replaces a message that is in no lane of another node.
func (s smppMessages) replaceHere(ctx context.Context, m *message.Message, with *esme.Replacement) error {
	r := reader(s)
	if err := r.takeOut(ctx, m.ID); err != nil {
		return lateness(err)
	}
	if err := s.submit(ctx, m, with); err != nil {
		back := message.Event{Kind: message.Requeue, Part: message.AllParts, Due: m.DueAt}
		return errors.Join(err, r.record(ctx, m.ID, back))
	}
	return r.record(ctx, m.ID,
		message.Event{Kind: message.Settle, Part: message.AllParts, Status: message.Cancelled}, message.Event{Kind: message.Notified})
}

func (s smppMessages) submit(ctx context.Context, m *message.Message, with *esme.Replacement) error {
	a := s.p.accounts.ByID(m.Account)
	if a == nil {
		return esme.ErrTooLate
	}
	req := []intake.Request{{
		Account: a, Priority: m.Priority, ClientRef: m.ClientRef, Batch: cmp.Or(m.Batch, m.ID),
		Raw: &intake.Raw{
			Source: m.Source, Dest: m.Dest, DataCoding: m.DataCoding, ESMClass: m.ESMClass &^ smpp.ESMUDHI, ProtocolID: m.ProtocolID,
			Octets: with.Octets, ScheduleAt: cmp.Or(with.ScheduleAt, m.ScheduleAt), ValidUntil: cmp.Or(with.ValidUntil, m.ValidUntil),
			ReceiptRequested: with.ReceiptRequested,
		},
	}}
	out := make([]intake.Outcome, 1)
	if err := s.p.intake.Submit(ctx, req, out); err != nil {
		return intake.AsRefusal(err)
	}
	if out[0].Err != nil {
		return out[0].Err
	}
	return nil
}

// intermediate tells a customer who asked for it a state on the way.
func (p *Platform) intermediate(m *message.Message, state smpp.MessageState) {
	if m.Callback.Tells&message.TellBuffered != 0 {
		p.tellNow(m, message.TellBuffered)
	}
	if p.esme != nil && m.Flags&message.NotifyIntermediate != 0 && m.Flags&message.ViaSMPP != 0 {
		p.store.View(m, func(m *message.Message) {
			n := esme.NoticeOf(m)
			n.DoneAt = time.Now().UnixMilli()
			p.esme.Intermediate(n, state)
		})
	}
}

// alert passes an alert_notification on to the customer whose number it names.
func (p *Platform) alert(a *smpp.AlertNotification) {
	if p.esme == nil {
		return
	}
	if r, ok := p.mo.Table().Match(string(a.Source.Addr), string(a.ESME.Addr), ""); ok {
		p.esme.Alert(r.Account, a)
	}
}

// congestion is how full the platform is, from 0 to 99: the share of limits.max_backlog.
func (p *Platform) congestion() uint8 {
	return uint8(min(99, p.store.Backlog()*100/p.cfg.Limits.MaxBacklog))
}
