package bulk

import (
	"context"
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

// notify offers a final state to whoever tells the customer. What is not taken stays
// open in the store and is read again from there.
func (p *Platform) notify(m *message.Message) {
	if m.Flags&message.ViaSMPP != 0 {
		if p.esme != nil {
			p.esme.Push(esme.NoticeOf(m))
		}
		return
	}
	if n, ok := p.notice(m); ok {
		p.webhooks.Push(n)
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
	return n, address != ""
}

// webhookOutbox is the store's open final states as package callback wants them.
type webhookOutbox struct{ p *Platform }

// Open skips what goes back over SMPP, and ends entries that have no address any more.
func (o webhookOutbox) Open(ctx context.Context, after message.ID, limit int) ([]callback.Notice, error) {
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
	evs := make([]message.Event, len(notices))
	for i := range notices {
		evs[i] = message.Event{Kind: message.Notified, Msg: notices[i].Msg}
	}
	o.p.recordNotified(evs, done)
}

// recordNotified ends outbox entries: the customer knows, or never will.
func (p *Platform) recordNotified(evs []message.Event, done func(error)) {
	now := time.Now().UnixMilli()
	for i := range evs {
		evs[i].At = now
	}
	p.store.RecordMany(evs, done)
}
