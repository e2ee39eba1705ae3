package billing_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/account/accounttest"
	"protei-bulk/bulk/billing"
	"protei-bulk/bulk/billing/billingtest"
	"protei-bulk/bulk/money"
)

type desk struct {
	*billing.Desk
	t        *testing.T
	store    *billingtest.Store
	accounts *account.Directory
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, store: new(billingtest.Store)}
	var err error
	if d.accounts, err = account.Open(context.Background(), account.Options{Store: new(accounttest.Store)}); err != nil {
		t.Fatal(err)
	}
	d.Desk = billing.New(billing.Options{Store: d.store, Accounts: d.accounts, Currency: "EUR"})
	return d
}

func (d *desk) account(name string, role account.Role, b account.Billing) *account.Account {
	d.t.Helper()
	a, _, err := d.accounts.Create(context.Background(), account.Spec{Name: name, Role: role, Billing: b}, "")
	if err != nil {
		d.t.Fatal(err)
	}
	return a
}

func (d *desk) want(what string, err, want error) {
	d.t.Helper()
	if !errors.Is(err, want) {
		d.t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func TestStatement(t *testing.T) {
	d := newDesk(t)
	for name, c := range map[string]struct {
		b         account.Billing
		left      money.Amount
		available money.Amount
		unlimited bool
	}{
		"postpaid":                 {account.Billing{}, -70, 0, true},
		"postpaid, with a limit":   {account.Billing{CreditLimit: 100}, -70, 30, false},
		"prepaid":                  {account.Billing{Mode: account.Prepaid}, 30, 30, false},
		"prepaid, with credit":     {account.Billing{Mode: account.Prepaid, CreditLimit: 100}, -70, 30, false},
		"prepaid, credit taken":    {account.Billing{Mode: account.Prepaid, CreditLimit: 50}, -70, 0, false},
		"prepaid, another's money": {account.Billing{Mode: account.Prepaid, Currency: "TMT"}, 5, 5, false},
	} {
		a := d.account(name, account.Customer, c.b)
		if !d.store.Purse(a.ID).Reserve(-c.left, account.NoFloor) {
			t.Fatal("not reserved")
		}
		s := d.Statement(a)
		if s.Balance != c.left || s.Available != c.available || s.Unlimited != c.unlimited || s.Payer != a.ID || s.Currency != max(c.b.Currency, "EUR") {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestTransfersStayInTheFamily(t *testing.T) {
	d := newDesk(t)
	ctx := context.Background()
	parent := d.account("parent", account.Reseller, account.Billing{Mode: account.Prepaid, CreditLimit: 10})
	child := d.account("child", account.Customer, account.Billing{Mode: account.Prepaid, Parent: parent.ID, CreditLimit: 10})
	other := d.account("other", account.Customer, account.Billing{Mode: account.Prepaid})
	_, _, err := d.TopUp(ctx, parent, billing.Request{Amount: 100})
	d.want("top-up", err, nil)
	_, _, err = d.Transfer(ctx, other, billing.Request{Amount: 1})
	d.want("to somebody without a parent", err, billing.ErrUnrelated)
	_, _, err = d.Transfer(ctx, parent, billing.Request{Amount: 1})
	d.want("to the parent itself", err, billing.ErrUnrelated)
	_, _, err = d.Transfer(ctx, child, billing.Request{Amount: 111})
	d.want("more than balance and credit", err, money.ErrInsufficient)
	mv, _, err := d.Transfer(ctx, child, billing.Request{Amount: 110, Reference: "a", By: parent.ID})
	d.want("all and the credit", err, nil)
	if mv.Peer != parent.ID || mv.By != parent.ID || mv.Kind != money.Transfer {
		t.Errorf("movement %+v", mv)
	}
	_, repeated, err := d.Transfer(ctx, child, billing.Request{Amount: 110, Reference: "a"})
	if d.want("again", err, nil); !repeated {
		t.Error("it moved twice")
	}
	_, _, err = d.Transfer(ctx, child, billing.Request{Amount: -111})
	d.want("back more than it has: its credit is not money to give", err, money.ErrInsufficient)
	if p, c := d.Statement(parent), d.Statement(child); p.Balance != -10 || c.Balance != 110 {
		t.Errorf("%s and %s", p.Balance, c.Balance)
	}
	shared, err := d.accounts.Update(ctx, child.ID, func(s *account.Spec) { s.SharedBalance = true })
	d.want("share", err, nil)
	_, _, err = d.TopUp(ctx, shared, billing.Request{Amount: 1})
	d.want("pay in what nobody spends", err, billing.ErrShared)
	_, _, err = d.Transfer(ctx, shared, billing.Request{Amount: -110})
	d.want("take back what it had", err, nil)
	if s := d.Statement(shared); s.Payer != parent.ID || s.Balance != 100 {
		t.Errorf("shared %+v", s)
	}
}

func TestFamiliesThatCannotBe(t *testing.T) {
	d := newDesk(t)
	ctx := context.Background()
	parent := d.account("parent", account.Reseller, account.Billing{Currency: "TMT"})
	child := d.account("child", account.Customer, account.Billing{Currency: "TMT", Parent: parent.ID})
	for what, change := range map[string]struct {
		id     uint32
		change func(*account.Spec)
		field  string
	}{
		"its own parent":                {child.ID, func(s *account.Spec) { s.Parent = child.ID }, "parent"},
		"a child of a customer":         {child.ID, func(s *account.Spec) { s.Parent = 99 }, "parent"},
		"a reseller that is a child":    {child.ID, func(s *account.Spec) { s.Role = account.Reseller }, "parent"},
		"another currency":              {child.ID, func(s *account.Spec) { s.Currency = "EUR" }, "currency"},
		"a parent of another currency":  {parent.ID, func(s *account.Spec) { s.Currency = "EUR" }, "role"},
		"a parent that is no reseller":  {parent.ID, func(s *account.Spec) { s.Role = account.Customer }, "role"},
		"shared balance without parent": {child.ID, func(s *account.Spec) { s.Parent, s.SharedBalance = 0, true }, "shared_balance"},
	} {
		_, err := d.accounts.Update(ctx, change.id, change.change)
		var fault *account.FieldError
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), change.field+":") {
			t.Errorf("%s: %v, want a fault of %s", what, err, change.field)
		}
	}
}
