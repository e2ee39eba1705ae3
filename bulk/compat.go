package bulk

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/billing"
	"protei-bulk/bulk/callback"
	"protei-bulk/bulk/compat"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
	"protei-bulk/bulk/store"
)

// The HTTP APIs of other products that can be switched on.
const (
	compatLegacy = "legacy"
	compatJasmin = "jasmin"
	compatKannel = "kannel"
	compatNone   = "none"
)

func compatAPIs() []string { return []string{compatLegacy, compatJasmin, compatKannel} }

// compatible puts the paths of other products in front of a handler.
func (p *Platform) compatible(next http.Handler) (http.Handler, error) {
	apis := p.cfg.Compat.APIs
	return compat.New(compat.Options{
		Accounts: p.accounts, Intake: p.intake, IDs: p.store.IDs(), Messages: compatReader{reader{p}}, Money: compatMoney{p.billing},
		Legacy: slices.Contains(apis, compatLegacy), Jasmin: slices.Contains(apis, compatJasmin), Kannel: slices.Contains(apis, compatKannel),
		CheckURL: (&callback.Guard{Allow: p.allowed()}).CheckURL, Tell: p.tell,
		Next: next, Logger: p.log,
	})
}

// tell sends a request that no message stands for: one of a client of another product who
// wants to know what became of a batch. It is lost when the process ends.
func (p *Platform) tell(account uint32, r *callback.Request) {
	p.webhooks.Push(callback.Notice{
		MessageID: p.store.IDs().Next(), Account: account, URL: r.URL, Request: r, Status: message.Pending, DoneAt: time.Now().UnixMilli(),
	})
}

// compatMoney is the billing desk as package compat wants it.
type compatMoney struct{ desk *billing.Desk }

// Balance implements compat.Money.
func (m compatMoney) Balance(a *account.Account) (amount, currency string, limited bool) {
	s := m.desk.Statement(a)
	if s.Unlimited {
		return "", "", false
	}
	return s.Available.String(), s.Currency, true
}

// Price implements compat.Money: of a message as intake would accept it.
func (m compatMoney) Price(_ *account.Account, msg *message.Message) string {
	if msg.Tariff == nil {
		return "0"
	}
	return money.Amount(msg.Tariff.Price).String()
}

// startCompat opens the addresses where the other products listened. They answer nothing
// but those products' paths.
func (p *Platform) startCompat(context.Context) error {
	for _, addr := range p.cfg.Compat.Listen {
		handler, err := p.compatible(http.NotFoundHandler())
		if err != nil {
			return err
		}
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return fmt.Errorf("compat.listen: %w", err)
		}
		p.log.Info("answering the APIs of other products", "address", ln.Addr().String(), "apis", p.cfg.Compat.APIs)
		server := p.httpServer(p.accessed(p.meter.HTTP(handler)))
		p.joined.Go(func() {
			if err := server.Serve(ln); err != nil {
				p.log.Error("compatibility server ended", "address", addr, "error", err)
				p.fail(err)
			}
		})
		p.onStopWithin(doorPatience, "compatibility at "+addr, server.Shutdown)
	}
	return nil
}

// compatReader is the store as package compat wants it.
type compatReader struct{ reader }

// Batch implements compat.Messages.
func (r compatReader) Batch(ctx context.Context, account uint32, batch message.ID, limit int) ([]*message.Message, error) {
	const page = 1000
	var all []*message.Message
	q := store.Query{Account: account, Batch: batch}
	for len(all) < limit {
		q.Limit = min(page, limit-len(all))
		msgs, next, _, err := r.p.store.List(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, msgs...)
		if next == 0 {
			break
		}
		q.Cursor = next
	}
	return all, nil
}

// report makes the notice of a message whose customer is told in another product's form.
// Its state must not change meanwhile.
func (p *Platform) report(n *callback.Notice, m *message.Message, as message.Tells) {
	r := compat.Report{Msg: m, SMSC: p.connector.Name(m.Connector), As: as}
	n.Request = r.Request()
	n.URL = n.Request.URL
	switch {
	case as == message.TellBuffered:
		n.Status, n.DoneAt = message.Pending, time.Now().UnixMilli()
	case as == message.TellSent || n.Status == message.Sent:
		n.Status, n.DoneAt = message.Sent, max(compat.LastSent(m), m.SubmittedAt)
	}
}

// tellNow tells a customer who asked for it a state on the way, if there is room: that the
// SMSC took a message which has gone on since, or that it tries on. A message that is SENT
// has an entry in the outbox for that.
func (p *Platform) tellNow(m *message.Message, as message.Tells) {
	var n callback.Notice
	tell := false
	p.store.View(m, func(m *message.Message) {
		if as == message.TellBuffered && m.Status.Final() || as == message.TellSent && m.Status == message.Sent {
			return
		}
		if n, tell = p.notice(m); tell {
			p.report(&n, m, as)
		}
	})
	if tell {
		p.webhooks.Push(n)
	}
}
