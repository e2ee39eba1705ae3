// Package billingtest has balances in memory, for the tests of what money is charged by.
package billingtest

import (
	"context"
	"slices"
	"sync"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
)

// Store is a billing.Store in memory. The zero value is empty.
type Store struct {
	mu     sync.Mutex
	purses map[uint32]*Purse
	moves  []money.Movement
	serial message.ID
}

// Purse is an intake.Purse in memory.
type Purse struct {
	mu  sync.Mutex
	now money.Balance
}

// Purse returns the purse of an account.
func (s *Store) Purse(account uint32) *Purse {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.purses == nil {
		s.purses = make(map[uint32]*Purse)
	}
	if s.purses[account] == nil {
		s.purses[account] = new(Purse)
	}
	return s.purses[account]
}

// Reserve implements intake.Purse.
func (p *Purse) Reserve(amount, floor money.Amount) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now.Left-amount < floor {
		return false
	}
	p.now.Left -= amount
	p.now.Charged += amount
	p.now.Reserved += amount
	return true
}

// Release implements intake.Purse.
func (p *Purse) Release(amount money.Amount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Left += amount
	p.now.Charged -= amount
	p.now.Reserved -= amount
}

// Left implements intake.Purse.
func (p *Purse) Left() money.Amount {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now.Left
}

func (p *Purse) add(amount money.Amount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Left += amount
	p.now.Credits += amount
}

// Balance implements billing.Store.
func (s *Store) Balance(account uint32) money.Balance {
	p := s.Purse(account)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// Move implements billing.Store.
func (s *Store) Move(_ context.Context, mv money.Movement, floor money.Amount) (money.Movement, bool, error) {
	s.mu.Lock()
	for i := range s.moves {
		if m := &s.moves[i]; mv.Reference != "" && m.Account == mv.Account && m.Reference == mv.Reference {
			defer s.mu.Unlock()
			if !m.Same(&mv) {
				return mv, false, money.ErrReferenceUsed
			}
			return *m, true, nil
		}
	}
	s.mu.Unlock()
	loser, amount := mv.Account, -mv.Amount
	if mv.Amount > 0 {
		loser, amount = mv.Peer, mv.Amount
	}
	if loser != 0 && s.Purse(loser).Left()-amount < floor {
		return mv, false, money.ErrInsufficient
	}
	s.Purse(mv.Account).add(mv.Amount)
	if mv.Peer != 0 {
		s.Purse(mv.Peer).add(-mv.Amount)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	mv.ID = s.serial
	s.moves = append(s.moves, mv)
	return mv, false, nil
}

// Movements implements billing.Store.
func (s *Store) Movements(_ context.Context, account uint32, below message.ID, limit int) (list []money.Movement, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, mv := range slices.Backward(s.moves) {
		if below != 0 && mv.ID >= below || len(list) == limit {
			continue
		}
		if mv.Peer == account {
			mv.Account, mv.Peer, mv.Amount = mv.Peer, mv.Account, -mv.Amount
		}
		if mv.Account == account {
			list = append(list, mv)
		}
	}
	return list, nil
}
