package storetest

import (
	"context"
	"errors"
	"sync"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
)

// topUp puts money on an account.
func (s *suite) topUp(account uint32, amount money.Amount) {
	s.Helper()
	_, _, err := s.Move(context.Background(), money.Movement{Account: account, Kind: money.TopUp, Amount: amount}, 0)
	s.must(err)
}

// buy reserves and accepts a message of n parts, or reports that the money does not suffice.
func (s *suite) buy(payer uint32, price int64, n int, floor money.Amount) *message.Message {
	if !s.PurseOf(payer).Reserve(money.Amount(price)*money.Amount(n), floor) {
		return nil
	}
	m := s.message(1, parts(n), func(m *message.Message) {
		m.Tariff = &message.Tariff{Price: price, Payer: payer, Refunds: message.DefaultRefunds}
	})
	s.accept(m)
	return m
}

func chargedAndPaidBack(s *suite) {
	s.topUp(7, 1000)
	if s.buy(7, 500, 3, 0) != nil {
		s.Fatal("a message for 1,500 was bought with 1,000")
	}
	m := s.buy(7, 100, 3, 0)
	want := func(step string, charged, refunded, reserved money.Amount) {
		s.Helper()
		b := s.Balance(7)
		if b.Charged != charged || b.Refunded != refunded || b.Reserved != reserved || b.Held != 0 || b.Left != 1000-charged+refunded || !b.Closes() {
			s.Errorf("%s: %+v", step, b)
		}
	}
	want("accepted", 300, 0, 300)
	s.record(submitted(m, "a"), ofPart(1, submitted(m, "b")))
	want("two parts sent", 300, 0, 300)
	s.record(settled(m, message.Delivered), ofPart(1, settled(m, message.Failed)))
	want("delivered and undeliverable", 300, 0, 100)
	s.record(ofPart(2, settled(m, message.Expired)))
	want("the third expired unsent", 300, 100, 0)
	s.record(ofPart(2, settled(m, message.Expired)))
	want("twice", 300, 100, 0)
	s.reopen()
	want("after a start", 300, 100, 0)
	if got := s.stored(m.ID); got.Refunded != 1 || got.Charged() != 200 {
		s.Errorf("%d parts are refunded and %d charged", got.Refunded, got.Charged())
	}
}

func oneReference(s *suite) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	ids, news := make(map[message.ID]bool), 0
	for range 20 {
		wg.Go(func() {
			mv, repeated, err := s.Move(context.Background(), money.Movement{Account: 7, Kind: money.TopUp, Amount: 50, Reference: "inv-1"}, 0)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				s.Error(err)
			}
			ids[mv.ID] = true
			if !repeated {
				news++
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 || news != 1 || s.Balance(7).Left != 50 {
		s.Errorf("%d movements, %d new, balance %+v", len(ids), news, s.Balance(7))
	}
	if _, _, err := s.Move(context.Background(), money.Movement{Account: 7, Kind: money.TopUp, Amount: 51, Reference: "inv-1"}, 0); !errors.Is(err, money.ErrReferenceUsed) {
		s.Errorf("another amount: %v", err)
	}
}

func transfers(s *suite) {
	s.topUp(7, 50)
	s.topUp(8, 51)
	_, _, err := s.Move(context.Background(), money.Movement{Account: 8, Kind: money.Transfer, Amount: -51, Peer: 7, Reference: "back"}, 0)
	s.must(err)
	if _, _, err := s.Move(context.Background(), money.Movement{Account: 8, Kind: money.Transfer, Amount: 102, Peer: 7}, 0); !errors.Is(err, money.ErrInsufficient) {
		s.Errorf("more than the peer has: %v", err)
	}
	s.reopen()
	if a, b := s.Balance(7), s.Balance(8); a.Left != 101 || b.Left != 0 || !a.Closes() || !b.Closes() {
		s.Errorf("balances %+v and %+v", a, b)
	}
	list, err := s.Movements(context.Background(), 7, 0, 10)
	if err != nil || len(list) != 2 || list[0].Amount != 51 || list[0].Peer != 8 || list[1].Amount != 50 {
		s.Fatalf("movements %+v, %v", list, err)
	}
	if list, err = s.Movements(context.Background(), 7, list[0].ID, 10); err != nil || len(list) != 1 {
		s.Errorf("the page after: %+v, %v", list, err)
	}
}

// neverNegative lets many buy at once: exactly what the balance pays for is accepted.
func neverNegative(s *suite) {
	s.topUp(7, 1000)
	var wg sync.WaitGroup
	var mu sync.Mutex
	bought := 0
	for range 16 {
		wg.Go(func() {
			for range 40 {
				m := s.buy(7, 7, 1, -50)
				if left := s.Balance(7).Left; left < -50 {
					s.Errorf("%d is left", left)
				}
				if m == nil {
					continue
				}
				mu.Lock()
				bought++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if want := 1050 / 7; bought != want {
		s.Errorf("%d messages were bought, want %d", bought, want)
	}
	if b := s.Balance(7); b.Left != -50 || !b.Closes() || b.Held != 0 {
		s.Errorf("balance %+v", b)
	}
}

func released(s *suite) {
	s.topUp(7, 100)
	p := s.PurseOf(7)
	if !p.Reserve(60, 0) || p.Reserve(60, 0) || p.Left() != 40 {
		s.Errorf("%d is left of 100 after 60 were reserved", p.Left())
	}
	p.Release(60)
	if p.Left() != 100 || !p.Reserve(100, 0) {
		s.Errorf("%d is left after the release", p.Left())
	}
}
