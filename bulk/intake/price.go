package intake

import (
	"fmt"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
	"protei-bulk/bulk/route"
)

// PriceOf returns what an account pays for a part of a message that goes as c says: the
// route's price, else the account's or its parent's, else the platform's.
func (in *Intake) PriceOf(a *account.Account, c *route.Choice) money.Amount {
	switch {
	case c.Price != nil:
		return *c.Price
	case a.Price != nil:
		return *a.Price
	case a.Parent != 0 && in.opts.Parent != nil:
		if p := in.opts.Parent(a.Parent); p != nil && p.Price != nil {
			return *p.Price
		}
	}
	return in.opts.Price
}

// price gives m its tariff. Messages in a row share one.
func (b *build) price(m *message.Message, a *account.Account, price money.Amount) {
	payer := a
	if b.in.opts.Payer != nil {
		payer = b.in.opts.Payer(a)
	}
	t := message.Tariff{Price: int64(price), Payer: payer.ID, Refunds: payer.RefundPolicy()}
	if b.tariff == nil || b.tariff.Payer != t.Payer {
		b.purse = b.in.opts.Purse(t.Payer)
	}
	if b.tariff == nil || *b.tariff != t {
		own := t // only this one is kept
		b.tariff = &own
	}
	b.floor = payer.Floor()
	m.Tariff = b.tariff
}

func costOf(m *message.Message) money.Amount {
	return money.Amount(m.Tariff.Price) * money.Amount(len(m.Parts))
}

// pay takes what m costs, which build.price has just found out, from the balance.
func (b *build) pay(m *message.Message) *Refusal {
	if m.Tariff == nil || b.purse.Reserve(costOf(m), b.floor) {
		return nil
	}
	return &Refusal{Code: NoMoney, Detail: fmt.Sprintf(
		"the message costs %s, and what can be spent is %s: top the account up", costOf(m), max(0, b.purse.Left()-b.floor))}
}

// payBack returns what messages cost that were not accepted after all.
func (in *Intake) payBack(msgs ...*message.Message) {
	for _, m := range msgs {
		if m.Tariff != nil {
			in.opts.Purse(m.Tariff.Payer).Release(costOf(m))
		}
	}
}

func (b *build) payBack(msgs ...*message.Message) { b.in.payBack(msgs...) }
