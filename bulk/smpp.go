package bulk

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"protei-bulk/bulk/esme"
	"protei-bulk/bulk/message"
)

// smppOff as the listen address closes the SMPP server.
const smppOff = "off"

func (p *Platform) wireSMPP(context.Context) error {
	if p.cfg.SMPP == smppOff || !p.cfg.has(roleESME) {
		return nil
	}
	o := esme.Options{
		Accounts: p.accounts, Intake: p.intake, Outbox: smppOutbox{p}, TLS: p.tls,
		Messages: smppMessages{p}, IDs: p.store.IDs(), Congestion: p.congestion,
		Receivers: p.receivers, MaxConns: p.cfg.Limits.MaxBinds, GiveUp: time.Duration(p.cfg.Webhooks.GiveUp), Logger: p.log,
	}
	if p.cfg.SMPPProxyProtocol {
		o.Client = p.proxies.clientOf
	}
	if p.node != nil {
		o.Binds = p.node.count
	}
	s, err := esme.New(o)
	p.esme = s
	return err
}

func (p *Platform) startSMPP(context.Context) error {
	if p.esme == nil {
		return nil
	}
	ln, err := net.Listen("tcp", p.cfg.SMPP)
	if err != nil {
		return fmt.Errorf("smpp: %w", err)
	}
	at := ln.Addr().String()
	p.smppAt.Store(&at)
	p.esme.Start(ln)
	p.onStopWithin(doorPatience, "SMPP", p.esme.Stop)
	return nil
}

// SMPPAddr returns the address of the SMPP server, valid after Start; "" when it is off.
func (p *Platform) SMPPAddr() string {
	if at := p.smppAt.Load(); at != nil {
		return *at
	}
	return ""
}

// smppOutbox is the store's open final states as package esme wants them.
type smppOutbox struct{ p *Platform }

// OpenReceipts merges the receipts and the inbound messages by their ids.
func (o smppOutbox) OpenReceipts(ctx context.Context, account uint32, after message.ID, limit int) ([]esme.Notice, error) {
	page, err := o.openReceipts(ctx, account, after, limit)
	if err != nil {
		return nil, err
	}
	inbound, err := o.p.openInbound(ctx, account, after, limit, func(m *message.Inbound) bool { return m.URL == "" })
	if err != nil || len(inbound) == 0 {
		return page, err
	}
	for _, m := range inbound {
		page = append(page, esme.NoticeOfInbound(m))
	}
	slices.SortFunc(page, func(a, b esme.Notice) int { return cmp.Compare(a.MessageID, b.MessageID) })
	return page[:min(len(page), limit)], nil
}

func (o smppOutbox) openReceipts(ctx context.Context, account uint32, after message.ID, limit int) ([]esme.Notice, error) {
	page := make([]esme.Notice, 0, limit)
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
			if m.Flags&message.ViaSMPP != 0 && (account == 0 || m.Account == account) {
				o.p.store.View(m, func(m *message.Message) { page = append(page, esme.NoticeOf(m)) })
			}
		}
	}
	return page, nil
}

func (o smppOutbox) Notified(notices []esme.Notice, done func(error)) {
	evs := make([]message.Event, 0, len(notices))
	var inbound []message.InboundChange
	for i := range notices {
		if n := &notices[i]; n.Inbound != nil {
			inbound = append(inbound, ended(n.Inbound, n.Failed))
		} else {
			evs = append(evs, message.Event{Kind: message.Notified, Msg: n.Msg, Status: gaveUp(n.Failed)})
		}
	}
	o.p.recordEnds(evs, inbound, done)
}
