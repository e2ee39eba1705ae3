package intake_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/account/accounttest"
	"protei-bulk/bulk/billing/billingtest"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/intake/intaketest"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
	"protei-bulk/bulk/route"
)

// shop is a door at which messages cost something.
type shop struct {
	*intake.Intake
	sink     *intaketest.Sink
	money    *billingtest.Store
	accounts *account.Directory
}

func newShop(t testing.TB, platformPrice money.Amount, rules ...route.Row) *shop {
	t.Helper()
	s := &shop{sink: new(intaketest.Sink), money: new(billingtest.Store)}
	var err error
	if s.accounts, err = account.Open(context.Background(), account.Options{Store: new(accounttest.Store)}); err != nil {
		t.Fatal(err)
	}
	table, err := route.Compile([]route.Connector{{ID: 1, Name: "default"}}, rules)
	if err != nil {
		t.Fatal(err)
	}
	router, err := route.NewRouter(table)
	if err != nil {
		t.Fatal(err)
	}
	s.Intake, err = intake.New(intake.Options{
		Sink: s.sink, Router: router, IDs: message.NewIDSource(1, 0, nil), Price: platformPrice,
		Purse: func(id uint32) intake.Purse { return s.money.Purse(id) }, Payer: s.accounts.Payer, Parent: s.accounts.ByID,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shop) customer(t testing.TB, spec account.Spec) *account.Account {
	t.Helper()
	a, _, err := s.accounts.Create(context.Background(), spec, "")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (s *shop) pay(t testing.TB, a *account.Account, amount money.Amount) {
	t.Helper()
	if _, _, err := s.money.Move(context.Background(), money.Movement{Account: a.ID, Kind: money.TopUp, Amount: amount}, 0); err != nil {
		t.Fatal(err)
	}
}

func (s *shop) left(a *account.Account) money.Amount { return s.money.Balance(a.ID).Left }

func sms(a *account.Account) intake.Request {
	return intake.Request{Account: a, From: "Shop", To: "4915112345678", Text: "x"}
}

func price(n money.Amount) *money.Amount { return &n }

func TestWhosePriceItIs(t *testing.T) {
	rule := func(name string, priority int, p *money.Amount, prefix ...string) route.Row {
		return route.Row{ID: uint32(priority + 1), Rule: route.Rule{
			Name: name, Priority: priority, Strategy: route.Failover, Match: route.Match{Prefixes: prefix},
			Targets: []route.Target{{Connector: "default"}}, Price: p,
		}}
	}
	s := newShop(t, 7, rule("dear", 2, price(90), "49151"), rule("free", 1, price(0), "49152"), rule("rest", 0, nil))
	reseller := s.customer(t, account.Spec{Name: "reseller", Role: account.Reseller, Billing: account.Billing{Price: price(30)}})
	for name, c := range map[string]struct {
		a    *account.Account
		to   string
		want int64
	}{
		"the route's":        {s.customer(t, account.Spec{Name: "a", Billing: account.Billing{Price: price(20)}}), "4915112345678", 90},
		"the route's 0":      {s.customer(t, account.Spec{Name: "b", Billing: account.Billing{Price: price(20)}}), "4915212345678", 0},
		"the account's":      {s.customer(t, account.Spec{Name: "c", Billing: account.Billing{Price: price(20)}}), "4915312345678", 20},
		"the account's 0":    {s.customer(t, account.Spec{Name: "d", Billing: account.Billing{Price: price(0)}}), "4915312345678", 0},
		"the platform's":     {s.customer(t, account.Spec{Name: "e"}), "4915312345678", 7},
		"the parent's":       {s.customer(t, account.Spec{Name: "f", Billing: account.Billing{Parent: reseller.ID}}), "4915312345678", 30},
		"the child's before": {s.customer(t, account.Spec{Name: "g", Billing: account.Billing{Parent: reseller.ID, Price: price(31)}}), "4915312345678", 31},
	} {
		req := sms(c.a)
		req.To, req.Text = c.to, strings.Repeat("x", 161)
		out := one(t, s.Intake, req)
		switch got := out.Msg; {
		case out.Err != nil:
			t.Errorf("%s: %v", name, out.Err)
		case c.want == 0 && got.Tariff != nil:
			t.Errorf("%s: %+v", name, got.Tariff)
		case c.want != 0 && (got.Tariff.Price != c.want || got.Tariff.Payer != c.a.ID || got.Charged() != 2*c.want || s.left(c.a) != money.Amount(-2*c.want)):
			t.Errorf("%s: %+v, %s left", name, got.Tariff, s.left(c.a))
		}
	}
}

func TestMoneyComesBackWhenNothingIsAccepted(t *testing.T) {
	s := newShop(t, 10)
	who := s.customer(t, account.Spec{Name: "a", TPS: 1, Burst: 1, Billing: account.Billing{Mode: account.Prepaid}})
	s.pay(t, who, 100)
	for _, fault := range []error{intake.ErrBusy, intake.ErrDiskFull, intake.ErrTooLarge, intake.ErrUnavailable} {
		fresh := s.customer(t, account.Spec{Name: fault.Error(), Billing: account.Billing{Mode: account.Prepaid}})
		s.pay(t, fresh, 100)
		s.sink.Fail(fault)
		if err := s.Submit(t.Context(), []intake.Request{sms(fresh), sms(fresh)}, make([]intake.Outcome, 2)); !errors.Is(err, fault) {
			t.Errorf("error %v, want %v", err, fault)
		}
		req := sms(fresh)
		s.SubmitAsync(&req, func(_ intake.Outcome, err error) {
			if !errors.Is(err, fault) {
				t.Errorf("error %v, want %v", err, fault)
			}
		})
		if s.left(fresh) != 100 {
			t.Errorf("after %v there are %s left", fault, s.left(fresh))
		}
	}
	s.sink.Fail(nil)
	one(t, s.Intake, sms(who))
	if out := one(t, s.Intake, sms(who)); out.Err == nil || out.Err.Code != intake.RateLimited || s.left(who) != 90 {
		t.Errorf("above the rate: %v, %s left", out.Err, s.left(who))
	}
}

func TestRefusedForWantOfMoney(t *testing.T) {
	s := newShop(t, 10)
	who := s.customer(t, account.Spec{Name: "a", Billing: account.Billing{Mode: account.Prepaid, CreditLimit: 5}})
	s.pay(t, who, 26)
	reqs := []intake.Request{sms(who), sms(who), sms(who), sms(who)}
	reqs[1].Text = strings.Repeat("x", 400) // three parts: too dear, and the others are not
	out := make([]intake.Outcome, len(reqs))
	if err := s.Submit(t.Context(), reqs, out); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false, true, true} {
		if r := out[i].Err; (r == nil) != want {
			t.Errorf("message %d: %v", i, r)
		} else if r != nil && (r.Code != intake.NoMoney || r.HTTPStatus() != 402 || r.SMPPStatus() != 0x402 || !strings.Contains(r.Detail, "0.00003")) {
			t.Errorf("message %d: %+v", i, r)
		}
	}
	if s.left(who) != -4 {
		t.Errorf("%s left", s.left(who))
	}
}

func TestParentPaysAndClosesItsChildren(t *testing.T) {
	s := newShop(t, 10)
	parent := s.customer(t, account.Spec{Name: "p", Role: account.Reseller, Billing: account.Billing{Mode: account.Prepaid}})
	child := s.customer(t, account.Spec{Name: "c", Billing: account.Billing{Parent: parent.ID, SharedBalance: true}})
	s.pay(t, parent, 15)
	if out := one(t, s.Intake, sms(child)); out.Err != nil || out.Msg.Account != child.ID || out.Msg.Tariff.Payer != parent.ID {
		t.Errorf("%v", out.Err)
	}
	if out := one(t, s.Intake, sms(child)); out.Err == nil || out.Err.Code != intake.NoMoney || s.left(parent) != 5 || s.left(child) != 0 {
		t.Errorf("%v, %s left", out.Err, s.left(parent))
	}
	if _, err := s.accounts.Update(t.Context(), parent.ID, func(spec *account.Spec) { spec.Disabled = true }); err != nil {
		t.Fatal(err)
	}
	if out := one(t, s.Intake, sms(child)); out.Err == nil || out.Err.Code != intake.AccountDisabled {
		t.Errorf("with a disabled parent: %v", out.Err)
	}
}

// TestAllDoorsAtOnce spends one balance through both calls from many sides: exactly what it
// pays for goes in.
func TestAllDoorsAtOnce(t *testing.T) {
	s := newShop(t, 3)
	who := s.customer(t, account.Spec{Name: "a", Billing: account.Billing{Mode: account.Prepaid}})
	s.pay(t, who, 1000)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for range 50 {
				if worker%2 == 0 {
					req := sms(who)
					s.SubmitAsync(&req, func(intake.Outcome, error) {})
					continue
				}
				if err := s.Submit(context.Background(), []intake.Request{sms(who), sms(who), sms(who)}, make([]intake.Outcome, 3)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(s.sink.Messages()); n != 333 || s.left(who) != 1 {
		t.Errorf("%d messages for 1000 at 3, %s left", n, s.left(who))
	}
}

// TestPricesCostNoAllocations: messages in a row share their tariff.
func TestPricesCostNoAllocations(t *testing.T) {
	if testing.Short() {
		t.Skip("under the race detector sync.Pool drops items on purpose")
	}
	count := func(platformPrice money.Amount) float64 {
		s := newShop(t, platformPrice)
		s.sink.Drop = true
		who := s.customer(t, account.Spec{Name: "a"})
		reqs := make([]intake.Request, 100)
		for i := range reqs {
			reqs[i] = sms(who)
		}
		out := make([]intake.Outcome, len(reqs))
		return testing.AllocsPerRun(20, func() {
			if err := s.Submit(context.Background(), reqs, out); err != nil {
				t.Fatal(err)
			}
		})
	}
	if free, priced := count(0), count(3); priced > free+2 {
		t.Errorf("100 messages take %g allocations when they cost something, %g when not", priced, free)
	}
}
