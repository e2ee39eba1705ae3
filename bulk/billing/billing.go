// Package billing is the desk at which money moves: Desk tops accounts up, corrects their
// balances, moves money between parents and children and says what there is. What messages
// cost is taken by intake, of the same balances. It starts no goroutine.
package billing

import (
	"context"
	"errors"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
)

// Store keeps balances and movements.
type Store interface {
	// Balance returns the money of an account at this moment. It is quick.
	Balance(account uint32) money.Balance
	// Move makes a movement durable, once for each reference. Errors: money.ErrInsufficient
	// when less than floor would be left, money.ErrReferenceUsed, money.ErrTooMuch.
	Move(ctx context.Context, mv money.Movement, floor money.Amount) (done money.Movement, repeated bool, err error)
	// Movements lists an account's, newest first, those with ids below one (0: all).
	Movements(ctx context.Context, account uint32, below message.ID, limit int) ([]money.Movement, error)
}

// Options of a Desk. All but Now are needed.
type Options struct {
	Store    Store
	Accounts *account.Directory
	Currency string           // of accounts that name none
	Now      func() time.Time // nil: time.Now
}

// Desk is safe for concurrent use.
type Desk struct{ opts Options }

// New returns a Desk.
func New(opts Options) *Desk {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Desk{opts}
}

// Errors that callers tell apart, beside those of package money.
var (
	ErrShared    = errors.New("the account draws on its parent's balance and has none of its own")
	ErrUnrelated = errors.New("money moves between a parent and its own children only")
)

// Statement is what an account can spend, and how it came to that.
type Statement struct {
	Account     uint32
	Payer       uint32 // whose balance it is: the account's parent when that is shared
	Mode        string // account.Postpaid or Prepaid
	Currency    string
	Balance     money.Amount // what is left; what is reserved is off it already
	Reserved    money.Amount // for parts without a final state: charged, and may be paid back
	CreditLimit money.Amount
	Available   money.Amount // Balance and credit together; 0 when Unlimited
	Unlimited   bool
	Money       money.Balance
}

// Statement says what an account can spend at this moment.
func (d *Desk) Statement(a *account.Account) Statement {
	payer := d.opts.Accounts.Payer(a)
	b := d.opts.Store.Balance(payer.ID)
	s := Statement{
		Account: a.ID, Payer: payer.ID, Mode: payer.BillingMode(), Currency: d.Currency(payer), Balance: b.Left,
		Reserved: b.Reserved, CreditLimit: payer.CreditLimit, Money: b,
	}
	if floor := payer.Floor(); floor == account.NoFloor {
		s.Unlimited = true
	} else {
		s.Available = max(0, b.Left-floor)
	}
	return s
}

// Currency returns what an account's amounts are in.
func (d *Desk) Currency(a *account.Account) string {
	if a.Currency == "" {
		return d.opts.Currency
	}
	return a.Currency
}

// Moved reports whether an account's own balance was ever changed: its currency stays then.
func (d *Desk) Moved(a *account.Account) bool {
	return d.opts.Store.Balance(a.ID) != money.Balance{}
}

// Request is a movement that somebody asks for.
type Request struct {
	By        uint32 // account that asks
	Amount    money.Amount
	Reference string // unique for the account, unless empty
	Note      string
}

func (r Request) movement(a *account.Account, kind money.Kind, now time.Time) money.Movement {
	return money.Movement{
		Account: a.ID, Kind: kind, Amount: r.Amount, By: r.By, At: now.UnixMilli(), Reference: r.Reference, Note: r.Note,
	}
}

// TopUp pays an amount in.
func (d *Desk) TopUp(ctx context.Context, a *account.Account, r Request) (money.Movement, bool, error) {
	return d.move(ctx, a, r.movement(a, money.TopUp, d.opts.Now()), 0)
}

// Adjust corrects a balance, up or down; down to the account's credit limit.
func (d *Desk) Adjust(ctx context.Context, a *account.Account, r Request) (money.Movement, bool, error) {
	return d.move(ctx, a, r.movement(a, money.Adjustment, d.opts.Now()), a.Floor())
}

// Transfer moves an amount from a child's parent to the child, or back when it is negative.
// A child never goes below 0 by it, a parent not below its credit limit.
func (d *Desk) Transfer(ctx context.Context, child *account.Account, r Request) (money.Movement, bool, error) {
	parent := d.opts.Accounts.ByID(child.Parent)
	if parent == nil || !parent.IsParentOf(child) {
		return money.Movement{}, false, ErrUnrelated
	}
	mv := r.movement(child, money.Transfer, d.opts.Now())
	mv.Peer = parent.ID
	floor := money.Amount(0)
	if r.Amount > 0 {
		floor = parent.Floor()
	}
	return d.move(ctx, child, mv, floor)
}

func (d *Desk) move(ctx context.Context, a *account.Account, mv money.Movement, floor money.Amount) (money.Movement, bool, error) {
	if err := mv.Validate(); err != nil {
		return mv, false, err
	}
	if a.SharedBalance && mv.Amount > 0 { // what it had before can be taken back
		return mv, false, ErrShared
	}
	return d.opts.Store.Move(ctx, mv, floor)
}

// Movements lists the movements of an account, newest first, those with ids below one (0: all).
func (d *Desk) Movements(ctx context.Context, a *account.Account, below message.ID, limit int) ([]money.Movement, error) {
	return d.opts.Store.Movements(ctx, a.ID, below, limit)
}
