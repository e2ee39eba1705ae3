package account

import (
	"fmt"
	"math"
	"strings"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
)

// The values of Billing.Mode.
const (
	Postpaid = "postpaid" // spending is counted and not limited, but for a credit limit
	Prepaid  = "prepaid"  // what the balance does not pay for is refused
)

// Bounds of billing.
const (
	MaxCurrency = 8
	MaxPrice    = 1000 * money.Unit
)

// Billing is what an account pays, and out of whose balance. The zero Billing is postpaid.
type Billing struct {
	Mode        string           // Postpaid or Prepaid; empty: postpaid
	Currency    string           // of all its amounts; empty: the platform's
	CreditLimit money.Amount     // how far below 0 the balance may go; 0: not at all when prepaid, without a limit when postpaid
	Price       *money.Amount    // of a part that no route has a price for; nil: the platform's
	Refunds     *message.Refunds // final states of a part whose price is paid back; nil: message.DefaultRefunds

	Parent        uint32 // the Reseller that it belongs to; 0: nobody
	SharedBalance bool   // its messages are paid by Parent
}

// BillingMode is Mode with its default.
func (b *Billing) BillingMode() string {
	if b.Mode == "" {
		return Postpaid
	}
	return b.Mode
}

// RefundPolicy is Refunds with its default.
func (b *Billing) RefundPolicy() message.Refunds {
	if b.Refunds == nil {
		return message.DefaultRefunds
	}
	return *b.Refunds
}

// NoFloor is the Floor of an account whose spending has no limit.
const NoFloor = money.Amount(math.MinInt64)

// Floor is what an account's balance may not go below.
func (b *Billing) Floor() money.Amount {
	if b.BillingMode() == Postpaid && b.CreditLimit == 0 {
		return NoFloor
	}
	return -b.CreditLimit
}

func (s *Spec) validateBilling(bad func(field, format string, args ...any)) {
	if s.Mode != "" && s.Mode != Postpaid && s.Mode != Prepaid {
		bad("billing", "is one of postpaid, prepaid")
	}
	if len(s.Currency) > MaxCurrency || strings.Trim(s.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		bad("currency", "has at most %d capital letters and digits, such as EUR", MaxCurrency)
	}
	if s.CreditLimit < 0 || s.CreditLimit > money.MaxAmount {
		bad("credit_limit", "is between 0 and %s", money.MaxAmount)
	}
	if s.Price != nil && (*s.Price < 0 || *s.Price > MaxPrice) {
		bad("price", "is between 0 and %s", MaxPrice)
	}
	if s.Refunds != nil && !s.Refunds.Valid() {
		bad("refunds", "has states that are not known")
	}
	if s.Parent != 0 && s.Role != Customer {
		bad("parent", "is for customers only: an account with children has no parent")
	}
	if s.SharedBalance && s.Parent == 0 {
		bad("shared_balance", "needs a parent")
	}
}

// related checks what an account and its parent and children must have in common. It needs mu.
func (d *Directory) related(spec *Spec, id uint32) error {
	snap := d.Snapshot()
	if spec.Parent != 0 {
		p := snap.byID[spec.Parent]
		switch {
		case p == nil || p.ID == id || p.Role != Reseller:
			return &FieldError{"parent", fmt.Sprintf("%d is not the number of a reseller", spec.Parent)}
		case p.Currency != spec.Currency:
			return &FieldError{"currency", fmt.Sprintf("is that of the parent, %q", p.Currency)}
		}
	}
	old := snap.byID[id]
	if old == nil || old.Role != Reseller || spec.Role == Reseller && spec.Currency == old.Currency {
		return nil
	}
	for _, a := range snap.byID {
		if a.Parent == id {
			return &FieldError{"role", fmt.Sprintf("account %d is its child: role and currency stay", a.ID)}
		}
	}
	return nil
}

// Payer returns the account whose balance pays for the messages of a.
func (d *Directory) Payer(a *Account) *Account {
	if a.SharedBalance {
		if p := d.ByID(a.Parent); p != nil {
			return p
		}
	}
	return a
}

// Manages reports whether a may see and manage the account other: itself, as an admin every
// one, as a reseller its children.
func (a *Account) Manages(other *Account) bool {
	return a.ID == other.ID || a.Role == Admin || a.IsParentOf(other)
}

// IsParentOf reports whether other is a child of the reseller a.
func (a *Account) IsParentOf(other *Account) bool {
	return a.Role == Reseller && other.Parent == a.ID && a.ID != 0
}
