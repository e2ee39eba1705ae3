package store

import (
	"fmt"
	"sync"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
)

// embeddedPurse is the money of one account, twice: as applied, and as the rows in SQLite have it
// (see counts). What is reserved before its commit is only in now.Held.
type embeddedPurse struct {
	account uint32

	mu  sync.Mutex // guards now; held for a few instructions
	now money.Balance

	rows  money.Balance // the materialiser's; Held is 0
	dirty bool          // the materialiser's
}

// purses holds all purses: those of accounts that ever paid or were paid for something.
type purses = Registry[uint32, embeddedPurse]

func newPurse(account uint32) *embeddedPurse { return &embeddedPurse{account: account} }

// PurseOf returns the money of an account, which stays the same object.
func (e *Embedded) PurseOf(account uint32) Purse { return e.purses.Get(account, newPurse) }

// Reserve takes amount, which is not negative, out of the balance for messages that are about
// to be accepted, unless less than floor would be left. Accept of messages with a Tariff
// needs it; it is exact whatever goes on at the same time.
func (p *embeddedPurse) Reserve(amount, floor money.Amount) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if left := p.now.Left - amount; left < floor || left > p.now.Left {
		return false
	}
	p.now.Left -= amount
	p.now.Held += amount
	return true
}

// Release gives back what was reserved for messages that Accept did not take.
func (p *embeddedPurse) Release(amount money.Amount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Left += amount
	p.now.Held -= amount
}

// Left is what the balance is at this moment.
func (p *embeddedPurse) Left() money.Amount {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now.Left
}

// Balance returns the money of an account at this moment.
func (e *Embedded) Balance(account uint32) money.Balance {
	p := e.purses.Find(account)
	if p == nil {
		return money.Balance{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// Balances returns the money of every account that has moved any.
func (e *Embedded) Balances() map[uint32]money.Balance {
	all := make(map[uint32]money.Balance)
	e.purses.Each(func(_ uint32, p *embeddedPurse) {
		p.mu.Lock()
		all[p.account] = p.now
		p.mu.Unlock()
	})
	return all
}

// worth is what a message with a Tariff is to its payer: what may still come back, and what
// came back.
type worth struct{ open, refunded int64 }

func worthOf(m *message.Message) worth {
	return worth{m.Tariff.Price * int64(m.OpenParts()), m.Tariff.Price * int64(m.Refunded)}
}

// pay books an event that changed a message with a Tariff. What was reserved for an accept
// becomes its charge; the replay has no reservations.
func (a *applier) pay(ev *message.Event, before worth) {
	m := ev.Msg
	p := a.purse
	if p == nil || p.account != m.Tariff.Payer {
		p = a.e.purses.Get(m.Tariff.Payer, newPurse)
		a.purse = p
	}
	after := worthOf(m)
	p.mu.Lock()
	defer p.mu.Unlock()
	if ev.Kind == message.Accept {
		charge := money.Amount(m.Tariff.Price * int64(len(m.Parts)))
		p.now.Charged += charge
		if a.replay {
			p.now.Left -= charge
		} else {
			p.now.Held -= charge
		}
		before = worth{}
	}
	p.now.Reserved += money.Amount(after.open - before.open)
	p.now.Refunded += money.Amount(after.refunded - before.refunded)
	p.now.Left += money.Amount(after.refunded - before.refunded)
}

// bill counts a message's money as its row has it. The shard must be locked.
func (m *materialiser) bill(msg *message.Message, fresh bool) {
	p := m.e.purses.Get(msg.Tariff.Payer, newPurse)
	price := money.Amount(msg.Tariff.Price)
	if fresh {
		charge := price * money.Amount(len(msg.Parts))
		p.rows.Charged += charge
		p.rows.Left -= charge
		msg.Store.RowOpen, msg.Store.RowRefunded = 0, 0
	}
	open := msg.OpenParts()
	refund := price * money.Amount(int(msg.Refunded)-int(msg.Store.RowRefunded))
	p.rows.Reserved += price * money.Amount(open-int(msg.Store.RowOpen))
	p.rows.Refunded += refund
	p.rows.Left += refund
	msg.Store.RowOpen, msg.Store.RowRefunded = uint8(open), msg.Refunded
	m.purses.add(p, &p.dirty)
}

// purseRows writes the purses that changed.
func (m *materialiser) purseRows() error {
	for _, p := range m.purses {
		r := &p.rows
		err := exec(m.conn, "INSERT OR REPLACE INTO purses (account, credits, charged, refunded, reserved, remaining) VALUES (?,?,?,?,?,?)",
			int64(p.account), int64(r.Credits), int64(r.Charged), int64(r.Refunded), int64(r.Reserved), int64(r.Left))
		if err != nil {
			return fmt.Errorf("save balance of account %d: %w", p.account, err)
		}
	}
	return nil
}

func (e *Embedded) restorePurses(conn *database) error {
	err := query1(conn, "SELECT account, credits, charged, refunded, reserved, remaining FROM purses", func(stmt *sqlite.Stmt) error {
		p := e.purses.Get(uint32(stmt.ColumnInt64(0)), newPurse)
		amount := func(col int) money.Amount { return money.Amount(stmt.ColumnInt64(col)) }
		p.rows = money.Balance{Credits: amount(1), Charged: amount(2), Refunded: amount(3), Reserved: amount(4), Left: amount(5)}
		p.now = p.rows
		return nil
	})
	if err == nil {
		err = query1(conn, "SELECT moves FROM state", func(stmt *sqlite.Stmt) error {
			e.moves.stored = uint64(stmt.ColumnInt64(0))
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("read balances: %w", err)
	}
	return nil
}
