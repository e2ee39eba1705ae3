package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/billing"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
)

func (a *API) billingRoutes() {
	type methods = map[string]func(*call) error
	a.on("/api/v1/balance", customers, methods{"GET": (*call).ownBalance})
	a.on("/api/v1/accounts/{id}/balance", customers, methods{"GET": (*call).accountBalance})
	a.on("/api/v1/accounts/{id}/movements", customers, methods{"GET": (*call).listMovements})
	a.on("/api/v1/accounts/{id}/topup", admins, methods{"POST": (*call).topUp})
	a.on("/api/v1/accounts/{id}/adjust", admins, methods{"POST": (*call).adjust})
	a.on("/api/v1/accounts/{id}/transfer", customers, methods{"POST": (*call).transfer})
}

// balanceView is what an account can spend, as the API shows it. Amounts are exact decimal
// numbers.
type balanceView struct {
	Account     uint32       `json:"account_id"`
	Payer       uint32       `json:"paid_by"` // whose balance it is
	Mode        string       `json:"billing"`
	Currency    string       `json:"currency"`
	Balance     money.Amount `json:"balance"`
	Reserved    money.Amount `json:"reserved"`
	CreditLimit money.Amount `json:"credit_limit"`
	Unlimited   bool         `json:"unlimited"`
	// Available is null when there is no limit.
	Available *money.Amount `json:"available"`
	Credits   money.Amount  `json:"credits"`
	Charged   money.Amount  `json:"charged"`
	Refunded  money.Amount  `json:"refunded"`
}

func (c *call) showBalance(a *account.Account) error {
	s := c.api.opts.Billing.Statement(a)
	view := balanceView{
		Account: s.Account, Payer: s.Payer, Mode: s.Mode, Currency: s.Currency, Balance: s.Balance, Reserved: s.Reserved,
		CreditLimit: s.CreditLimit, Unlimited: s.Unlimited, Available: &s.Available,
		Credits: s.Money.Credits, Charged: s.Money.Charged, Refunded: s.Money.Refunded,
	}
	if s.Unlimited {
		view.Available = nil
	}
	return c.document(200, view)
}

func (c *call) ownBalance() error { return c.showBalance(c.who) }

func (c *call) accountBalance() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	return c.showBalance(a)
}

// movementView is a movement as the API shows it.
type movementView struct {
	ID        string       `json:"movement_id"`
	Account   uint32       `json:"account_id"`
	Kind      string       `json:"kind"`
	Amount    money.Amount `json:"amount"` // that the account gets; negative: that it loses
	Currency  string       `json:"currency"`
	Peer      uint32       `json:"other_account,omitempty"`
	By        uint32       `json:"by"`
	At        time.Time    `json:"at"`
	Reference string       `json:"reference,omitempty"`
	Note      string       `json:"note,omitempty"`
	Repeated  bool         `json:"repeated,omitempty"` // the reference was booked before: nothing moved

	Warnings []string `json:"warnings,omitempty"`
}

func (c *call) viewMovement(a *account.Account, m *money.Movement) movementView {
	return movementView{
		ID: m.ID.String(), Account: m.Account, Kind: m.Kind.String(), Amount: m.Amount, Currency: c.api.opts.Billing.Currency(a),
		Peer: m.Peer, By: m.By, At: time.UnixMilli(m.At).UTC(), Reference: m.Reference, Note: m.Note,
	}
}

const (
	movementsShown = 50
	movementsMax   = 1000
)

func (c *call) listMovements() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	limit, below := movementsShown, message.ID(0)
	q := c.r.URL.Query()
	if text := q.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > movementsMax {
			return wrongParameter("limit", fmt.Sprintf("is not a number between 1 and %d", movementsMax))
		}
	}
	if text := q.Get("cursor"); text != "" {
		if below, err = message.ParseID(text); err != nil {
			return wrongParameter("cursor", "is not an id: 16 hex digits")
		}
	}
	list, err := c.api.opts.Billing.Movements(c.r.Context(), a, below, limit)
	if err != nil {
		return err
	}
	views := make([]movementView, len(list))
	for i := range list {
		views[i] = c.viewMovement(a, &list[i])
	}
	answer := map[string]any{"movements": views, "next_cursor": nil}
	if len(list) == limit {
		answer["next_cursor"] = views[limit-1].ID
	}
	return c.document(200, answer)
}

func (c *call) topUp() error  { return c.moveMoney(c.api.opts.Billing.TopUp) }
func (c *call) adjust() error { return c.moveMoney(c.api.opts.Billing.Adjust) }

// transfer moves money between a child and its parent: for the parent and admins.
func (c *call) transfer() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	if c.who.Role != account.Admin && !c.who.IsParentOf(a) {
		return wrong("forbidden", "only the parent of an account and admins move money to and from it")
	}
	return c.moveMoney(c.api.opts.Billing.Transfer)
}

type mover = func(ctx context.Context, a *account.Account, r billing.Request) (money.Movement, bool, error)

func (c *call) moveMoney(move mover) error {
	a, err := c.account()
	if err != nil {
		return err
	}
	r := billing.Request{By: c.who.ID}
	d := &c.dec
	err = c.object(maxAdminBody, map[string]func(string){
		"amount":    func(n string) { d.value(n, &r.Amount) },
		"reference": func(n string) { d.string(n, &r.Reference) },
		"note":      func(n string) { d.string(n, &r.Note) },
	})
	if err == nil {
		err = d.invalid()
	}
	if err != nil {
		return err
	}
	mv, repeated, err := move(c.r.Context(), a, r)
	if err != nil {
		return moneyProblem(err)
	}
	view := c.viewMovement(a, &mv)
	view.Repeated, view.Warnings = repeated, c.warned()
	if repeated {
		return c.document(http.StatusOK, view)
	}
	return c.document(http.StatusCreated, view)
}

func moneyProblem(err error) error {
	switch {
	case errors.Is(err, money.ErrInsufficient):
		return wrong("insufficient_balance", "the account that would lose the money has too little")
	case errors.Is(err, money.ErrReferenceUsed):
		return wrong("reference_used", "another movement of the account has this reference, with another kind or amount")
	case errors.Is(err, money.ErrTooMuch), errors.Is(err, billing.ErrShared), errors.Is(err, billing.ErrUnrelated):
		return wrong("conflict", err.Error())
	}
	return err
}

// billingMembers are the members of an account that say what it pays.
type billingMembers struct {
	Mode          string        `json:"billing"`
	Currency      string        `json:"currency"`
	CreditLimit   money.Amount  `json:"credit_limit"`
	Price         *money.Amount `json:"price"`
	Refunds       []string      `json:"refunds"`
	Parent        uint32        `json:"parent,omitempty"`
	SharedBalance bool          `json:"shared_balance,omitempty"`
}

func (a *API) viewBilling(b *account.Account) billingMembers {
	return billingMembers{
		Mode: b.BillingMode(), Currency: a.opts.Billing.Currency(b), CreditLimit: b.CreditLimit, Price: b.Price,
		Refunds: b.RefundPolicy().Names(), Parent: b.Parent, SharedBalance: b.SharedBalance,
	}
}

// billingReaders read them over b.
func billingReaders(d *decoder, b *account.Billing) map[string]func(string) {
	return map[string]func(string){
		"billing":      func(n string) { d.string(n, &b.Mode) },
		"currency":     func(n string) { d.string(n, &b.Currency) },
		"credit_limit": func(n string) { d.value(n, &b.CreditLimit) },
		"price": func(n string) {
			b.Price = nil
			d.value(n, &b.Price)
		},
		"refunds": func(n string) {
			var names []string
			d.strings(n, &names)
			r, err := message.ParseRefunds(names)
			if err != nil {
				d.fault("invalid_refunds", n, err.Error())
			}
			b.Refunds = &r
		},
		"parent":         func(n string) { d.value(n, &b.Parent) },
		"shared_balance": func(n string) { d.bool(n, &b.SharedBalance) },
	}
}

// applyBilling copies the member of that name, if it is one of billing's.
func applyBilling(name string, to, from *account.Billing) {
	switch name {
	case "billing":
		to.Mode = from.Mode
	case "currency":
		to.Currency = from.Currency
	case "credit_limit":
		to.CreditLimit = from.CreditLimit
	case "price":
		to.Price = from.Price
	case "refunds":
		to.Refunds = from.Refunds
	case "parent":
		to.Parent = from.Parent
	case "shared_balance":
		to.SharedBalance = from.SharedBalance
	}
}
