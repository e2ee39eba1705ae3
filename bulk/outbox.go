package bulk

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"protei-bulk/bulk/callback"
	"protei-bulk/bulk/esme"
	"protei-bulk/bulk/message"
)

func (p *Platform) wireOutbox(context.Context) error {
	s, err := callback.New(callback.Options{
		Outbox: webhookOutbox{p}, Secret: p.webhookSecret, Allow: p.allowed(),
		Concurrency: p.cfg.Webhooks.Concurrency, GiveUp: time.Duration(p.cfg.Webhooks.GiveUp),
		UserAgent: "protei-bulk/" + p.opts.Version, Logger: p.log,
	})
	p.webhooks = s
	return err
}

func (p *Platform) webhookSecret(id uint32) string {
	if a := p.accounts.ByID(id); a != nil {
		return a.WebhookSecret
	}
	return ""
}

// notify offers a state to whoever tells the customer, if he is to be told. What is not taken stays open in the store
// and is read again from there. The message may have gone on: the store's writers do not wait for those who are told.
func (p *Platform) notify(m *message.Message) {
	viaSMPP := m.Flags&message.ViaSMPP != 0
	var receipt esme.Notice
	var event callback.Notice
	tell := false
	p.store.View(m, func(m *message.Message) {
		switch {
		case m.Notify != message.NotifyOpen:
		case viaSMPP:
			receipt, tell = esme.NoticeOf(m), true
		default:
			event, tell = p.notice(m)
		}
	})
	switch {
	case !tell:
	case viaSMPP:
		p.tellSMPP(receipt)
	default:
		p.webhooks.Push(event)
	}
}

// tellSMPP offers a notice to the sessions of its account, here or on another node.
func (p *Platform) tellSMPP(n esme.Notice) {
	if p.esme != nil && p.esme.Push(n) {
		return
	}
	if p.node != nil {
		p.node.binds.elsewhere(&n)
	}
}

// notice makes the webhook's event of a message; false: the customer has no address.
func (p *Platform) notice(m *message.Message) (callback.Notice, bool) {
	address := m.DLRURL
	if address == "" {
		if a := p.accounts.ByID(m.Account); a != nil {
			address = a.DLRURL
		}
	}
	n := callback.Notice{
		MessageID: m.ID, Account: m.Account, URL: address, ClientRef: m.ClientRef,
		To: m.Dest.Addr, From: m.Source.Addr, Status: m.Status, Parts: len(m.Parts),
		SubmittedAt: m.SubmittedAt, DoneAt: m.DoneAt, Msg: m,
	}
	for i := range m.Parts {
		if m.Parts[i].Status == m.Status && m.Parts[i].Error != 0 {
			n.ErrorCode = m.Parts[i].Error
			break
		}
	}
	if m.Callback.Form != message.Webhook {
		p.report(&n, m, 0)
	}
	return n, address != ""
}

// webhookOutbox is the store's open final states as package callback wants them.
type webhookOutbox struct{ p *Platform }

// Open merges the final states and the inbound messages by their ids.
func (o webhookOutbox) Open(ctx context.Context, after message.ID, limit int) ([]callback.Notice, error) {
	page, err := o.open(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	inbound, err := o.p.openInbound(ctx, 0, after, limit, func(m *message.Inbound) bool { return m.URL != "" })
	if err != nil || len(inbound) == 0 {
		return page, err
	}
	for _, m := range inbound {
		page = append(page, o.p.inboundNotice(m))
	}
	slices.SortFunc(page, func(a, b callback.Notice) int { return cmp.Compare(a.MessageID, b.MessageID) })
	return page[:min(len(page), limit)], nil
}

// open skips what goes back over SMPP, and ends entries that have no address any more.
func (o webhookOutbox) open(ctx context.Context, after message.ID, limit int) ([]callback.Notice, error) {
	var page []callback.Notice
	for len(page) < limit {
		msgs, err := o.p.store.LoadNotify(ctx, after, limit)
		if err != nil || len(msgs) == 0 {
			return page, err
		}
		for _, m := range msgs {
			if len(page) == limit {
				break
			}
			after = m.ID
			if m.Flags&message.ViaSMPP != 0 {
				continue
			}
			var n callback.Notice
			var ok bool
			o.p.store.View(m, func(m *message.Message) { n, ok = o.p.notice(m) })
			if !ok {
				o.p.recordNotified([]message.Event{{Kind: message.Notified, Msg: m}}, nil)
				continue
			}
			page = append(page, n)
		}
	}
	return page, nil
}

func (o webhookOutbox) Notified(notices []callback.Notice, done func(error)) {
	o.end(notices, false, done)
}

// GaveUp notes what the endpoint did not take in time, and ends the entries. It may wait for
// the store.
func (o webhookOutbox) GaveUp(notices []callback.Notice, reason string, done func(error)) {
	if err := o.p.noteFailed(notices, reason); err != nil {
		done(err) // the entries stay open, and are given up again
		return
	}
	o.end(notices, true, done)
}

func (o webhookOutbox) end(notices []callback.Notice, failed bool, done func(error)) {
	evs := make([]message.Event, 0, len(notices))
	var inbound []message.InboundChange
	for i := range notices {
		switch n := &notices[i]; {
		case n.Inbound != nil:
			inbound = append(inbound, ended(n.Inbound, failed))
		case n.Request == nil || n.Status.Final():
			evs = append(evs, message.Event{Kind: message.Notified, Msg: n.Msg, Status: gaveUp(failed)})
		case n.Status == message.Sent:
			evs = append(evs, message.Event{Kind: message.Notified, Part: message.ToldSent, Msg: n.Msg, Status: gaveUp(failed)})
		} // what an SMSC tries on has no entry
	}
	o.p.recordEnds(evs, inbound, done)
}

// gaveUp is what Notified says of how an entry ended.
func gaveUp(failed bool) message.Status {
	if failed {
		return message.Failed
	}
	return 0
}

// recordEnds ends the outbox entries of both kinds and calls done once.
func (p *Platform) recordEnds(evs []message.Event, inbound []message.InboundChange, done func(error)) {
	switch {
	case len(inbound) == 0:
		p.recordNotified(evs, done)
	case len(evs) == 0:
		p.store.ChangeInbound(inbound, done)
	default:
		p.recordNotified(evs, func(first error) {
			p.store.ChangeInbound(inbound, func(err error) { done(errors.Join(first, err)) })
		})
	}
}

// recordNotified ends outbox entries: the customer knows, or never will.
func (p *Platform) recordNotified(evs []message.Event, done func(error)) {
	now := time.Now().UnixMilli()
	for i := range evs {
		evs[i].At = now
	}
	p.store.RecordMany(evs, done)
}
