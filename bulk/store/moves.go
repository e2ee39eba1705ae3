package store

import (
	"context"
	"fmt"
	"sync"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
)

// move is a movement with the number of its journal record.
type move struct {
	money.Movement
	number uint64
}

// moves holds what has been journaled of movements and is not in SQLite yet. They are
// written in the order of the journal, and the number of the last one is in the same
// transaction, so that replay counts none twice.
type moves struct {
	desks [16]sync.Mutex // by account: a movement and its look-up for the reference

	mu      sync.Mutex // guards what follows
	fresh   []move
	writing []move // of the transaction under way
	stored  uint64 // number of the last movement in SQLite
}

// apply books a movement. live: what is lost has been reserved before.
func (e *Embedded) applyMove(mv *move, live bool) {
	e.moves.mu.Lock()
	if mv.number <= e.moves.stored {
		e.moves.mu.Unlock()
		return
	}
	e.moves.fresh = append(e.moves.fresh, *mv)
	e.moves.mu.Unlock()
	book := func(account uint32, amount money.Amount) {
		p := e.purses.Get(account, newPurse)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.now.Credits += amount
		if live && amount < 0 {
			p.now.Held += amount
		} else {
			p.now.Left += amount
		}
	}
	book(mv.Account, mv.Amount)
	if mv.Peer != 0 {
		book(mv.Peer, -mv.Amount)
	}
}

// Move makes a movement durable, with a new ID, unless one with its reference was: then it
// returns that one and repeated. The account that loses money keeps floor at least, or the
// error is money.ErrInsufficient. The movement can be listed when Move returns.
func (e *Embedded) Move(ctx context.Context, mv money.Movement, floor money.Amount) (done money.Movement, repeated bool, err error) {
	if full := e.full(); full != nil {
		return mv, false, full
	}
	desk := &e.moves.desks[mv.Account%uint32(len(e.moves.desks))]
	desk.Lock()
	defer desk.Unlock()
	if mv.Reference != "" {
		earlier, err := e.movementOf(ctx, mv.Account, mv.Reference)
		switch {
		case err != nil:
			return mv, false, err
		case earlier != nil && !earlier.Same(&mv):
			return mv, false, money.ErrReferenceUsed
		case earlier != nil:
			return *earlier, true, nil
		}
	}
	loser, amount, gainer := mv.Account, -mv.Amount, mv.Peer
	if mv.Amount > 0 {
		loser, amount, gainer = mv.Peer, mv.Amount, mv.Account
	}
	if gainer != 0 && !e.roomFor(gainer, amount) {
		return mv, false, money.ErrTooMuch
	}
	if loser != 0 && !e.purses.Get(loser, newPurse).Reserve(amount, floor) {
		return mv, false, money.ErrInsufficient
	}
	mv.ID = e.ids.Next()
	result := make(chan error, 1)
	err = e.queue.try(func(err error) { result <- err }, func(p *pending) { p.moves = append(p.moves, move{Movement: mv}) })
	if err != nil {
		if loser != 0 {
			e.purses.Get(loser, newPurse).Release(amount)
		}
		return mv, false, err
	}
	if err := <-result; err != nil {
		return mv, false, err
	}
	return mv, false, e.listed(context.WithoutCancel(ctx))
}

// maxBalance keeps sums far from where they would overflow.
const maxBalance = 1 << 60

func (e *Embedded) roomFor(account uint32, amount money.Amount) bool {
	b := e.Balance(account)
	return b.Credits+amount < maxBalance && b.Left+amount < maxBalance
}

// listed returns when the movements applied so far are in SQLite: if any is not, it is in the
// next transaction, as is what rides here.
func (e *Embedded) listed(ctx context.Context) error {
	e.moves.mu.Lock()
	behind := len(e.moves.fresh)+len(e.moves.writing) > 0
	e.moves.mu.Unlock()
	if !behind {
		return nil
	}
	return e.ride(ctx, nil)
}

// movementOf returns the account's movement with a reference, or nil.
func (e *Embedded) movementOf(ctx context.Context, account uint32, reference string) (found *money.Movement, err error) {
	if err := e.listed(ctx); err != nil {
		return nil, err
	}
	err = e.rows(ctx, moveColumns+"WHERE account = ? AND reference = ? AND mirror = 0 AND reference <> ''", func(stmt *sqlite.Stmt) error {
		found = scanMove(stmt)
		return nil
	}, int64(account), reference)
	return found, wrap(err, "look for movement %q of account %d", reference, account)
}

const moveColumns = "SELECT account, id, kind, amount, peer, by_account, at, reference, note FROM movements "

func scanMove(stmt *sqlite.Stmt) *money.Movement {
	return &money.Movement{
		Account: uint32(stmt.ColumnInt64(0)), ID: message.ID(stmt.ColumnInt64(1)), Kind: money.Kind(stmt.ColumnInt64(2)),
		Amount: money.Amount(stmt.ColumnInt64(3)), Peer: uint32(stmt.ColumnInt64(4)), By: uint32(stmt.ColumnInt64(5)),
		At: stmt.ColumnInt64(6), Reference: stmt.ColumnText(7), Note: stmt.ColumnText(8),
	}
}

// Movements returns up to limit movements of an account with ids below one (0: from the
// newest), newest first. A transfer is in the list of both of its accounts.
func (e *Embedded) Movements(ctx context.Context, account uint32, below message.ID, limit int) (list []money.Movement, err error) {
	if below == 0 {
		below = ^message.ID(0) >> 1
	}
	if err := e.listed(ctx); err != nil {
		return nil, err
	}
	err = e.rows(ctx, moveColumns+"WHERE account = ? AND id < ? ORDER BY id DESC LIMIT ?", func(stmt *sqlite.Stmt) error {
		list = append(list, *scanMove(stmt))
		return nil
	}, int64(account), int64(below), int64(limit))
	return list, wrap(err, "list the movements of account %d", account)
}

func (s *moves) take() []move {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing, s.fresh = s.fresh, nil
	return s.writing
}

func (s *moves) written() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.writing); n > 0 {
		s.stored = s.writing[n-1].number
	}
	s.writing = nil
}

// bookMoves takes the movements that the transaction writes and counts them as its rows do.
func (m *materialiser) bookMoves() {
	m.moved = m.e.moves.take()
	book := func(account uint32, amount money.Amount) {
		p := m.e.purses.Get(account, newPurse)
		p.rows.Credits += amount
		p.rows.Left += amount
		m.purses.add(p, &p.dirty)
	}
	for i := range m.moved {
		mv := &m.moved[i]
		book(mv.Account, mv.Amount)
		if mv.Peer != 0 {
			book(mv.Peer, -mv.Amount)
		}
	}
}

// moveRows writes the movements into SQLite.
func (m *materialiser) moveRows() error {
	list := m.moved
	for i := range list {
		mv := &list[i]
		if err := m.moveRow(mv, mv.Account, mv.Amount, mv.Peer, 0); err != nil {
			return err
		}
		if mv.Peer == 0 {
			continue
		}
		if err := m.moveRow(mv, mv.Peer, -mv.Amount, mv.Account, 1); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		return nil
	}
	if err := exec(m.conn, "UPDATE state SET moves = ?", int64(list[len(list)-1].number)); err != nil {
		return fmt.Errorf("save place of movements: %w", err)
	}
	return nil
}

func (m *materialiser) moveRow(mv *move, account uint32, amount money.Amount, peer uint32, mirror int64) error {
	err := exec(m.conn, "INSERT INTO movements (account, id, mirror, kind, amount, peer, by_account, at, reference, note) VALUES (?,?,?,?,?,?,?,?,?,?)",
		int64(account), int64(mv.ID), mirror, int64(mv.Kind), int64(amount), int64(peer), int64(mv.By), mv.At, mv.Reference, mv.Note)
	if err != nil {
		return fmt.Errorf("insert movement %s of account %d: %w", mv.ID, account, err)
	}
	return nil
}
