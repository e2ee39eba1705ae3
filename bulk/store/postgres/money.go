package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
	"protei-bulk/bulk/store"
)

// purse is what this node knows of an account's money: the row as it was last seen, and what is
// held for messages that are not committed yet. The row decides.
type purse struct {
	account uint32
	s       *Store
	looking sync.Mutex // held while the row is read to be sure that there is too little

	mu    sync.Mutex
	row   money.Balance
	seen  time.Time // when row was read
	held  money.Amount
	floor money.Amount // of the last Reserve
}

// purses are those of the accounts that ever paid or were paid for something.
type purses = store.Registry[uint32, purse]

func (s *Store) purse(account uint32) *purse {
	return s.purses.Get(account, func(account uint32) *purse { return &purse{account: account, s: s} })
}

// PurseOf implements store.Store.
func (s *Store) PurseOf(account uint32) store.Purse { return s.purse(account) }

// Reserve implements store.Purse. It spares the database what has no chance; whether there is
// enough says the transaction that accepts. What another node has credited is there: the row is read
// before it is too little, unless it was just now.
func (p *purse) Reserve(amount, floor money.Amount) bool {
	return p.hold(amount, floor) || p.look() && p.hold(amount, floor)
}

// lookAgain is how long a row that was read says that there is too little.
const lookAgain = 100 * time.Millisecond

// look reads the row, unless that was done within lookAgain, and reports whether it is known. While
// PostgreSQL is away nobody waits for it here: nothing is accepted then.
func (p *purse) look() bool {
	if p.s.away.Load() != nil {
		return false
	}
	p.looking.Lock()
	defer p.looking.Unlock()
	p.mu.Lock()
	known := time.Since(p.seen) <= lookAgain // somebody may have looked while this one waited for it
	p.mu.Unlock()
	if known {
		return true
	}
	ctx, cancel := context.WithTimeout(p.s.working, time.Second)
	defer cancel()
	var b money.Balance
	err := p.s.one(ctx, "SELECT "+purseColumns+" FROM purses WHERE account = $1", []any{int64(p.account)}, balanceColumns(&b)...)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		p.s.attempt(err)
		return false
	}
	p.s.see(p.account, b)
	return true
}

func (p *purse) hold(amount, floor money.Amount) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if left := p.row.Left - p.held - amount; left < floor || left > p.row.Left-p.held {
		return false
	}
	p.held += amount
	p.floor = floor
	return true
}

// Release implements store.Purse.
func (p *purse) Release(amount money.Amount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held -= amount
}

// Left implements store.Purse.
func (p *purse) Left() money.Amount {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.row.Left - p.held
}

func (p *purse) balance() money.Balance {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.row
	b.Held, b.Left = p.held, b.Left-p.held
	return b
}

// Balance implements store.Store.
func (s *Store) Balance(account uint32) money.Balance { return s.purse(account).balance() }

// Balances implements store.Store.
func (s *Store) Balances() map[uint32]money.Balance {
	all := make(map[uint32]money.Balance)
	s.purses.Each(func(id uint32, p *purse) {
		if b := p.balance(); b != (money.Balance{}) {
			all[id] = b
		}
	})
	return all
}

const purseColumns = "credits, charged, refunded, reserved, remaining"

func balanceColumns(b *money.Balance) []any {
	return []any{&b.Credits, &b.Charged, &b.Refunded, &b.Reserved, &b.Left}
}

// see takes the row of a purse as a statement of this node left it.
func (s *Store) see(account uint32, b money.Balance) {
	p := s.purse(account)
	p.mu.Lock()
	p.row, p.seen = b, time.Now()
	p.mu.Unlock()
}

func (s *Store) refreshPurses(ctx context.Context) error {
	var account int64
	var b money.Balance
	err := s.each(ctx, "SELECT account, "+purseColumns+" FROM purses", nil, append([]any{&account}, balanceColumns(&b)...), func() error {
		s.see(uint32(account), b)
		return nil
	})
	return wrap(err, "read balances")
}

const charge = `UPDATE purses SET charged = charged + $2, reserved = reserved + $2, remaining = remaining - $2
WHERE account = $1 AND remaining - $2 >= $3`

// charge takes what the messages cost out of their payers' purses, all requests of a payer at
// once; if there is too little for that, one by one, until it does not suffice.
func (s *Store) charge(b *pgx.Batch, a *accepting) {
	a.paid = make(map[uint32]money.Amount)
	cost := make(map[*request]map[uint32]money.Amount)
	for _, r := range a.list {
		for _, m := range r.msgs {
			if m.Tariff == nil {
				continue
			}
			if cost[r] == nil {
				cost[r] = make(map[uint32]money.Amount)
			}
			cost[r][m.Tariff.Payer] += costOf(m)
			a.paid[m.Tariff.Payer] += costOf(m)
		}
	}
	for _, payer := range payers(a.paid) {
		floor := s.purse(payer).lastFloor()
		b.Queue("INSERT INTO purses (account) VALUES ($1) ON CONFLICT DO NOTHING", int64(payer))
		if !a.scarce[payer] {
			s.pay(b, payer, a.paid[payer], floor, func() { a.scarce[payer] = true })
			continue
		}
		for _, r := range a.list {
			if amount := cost[r][payer]; amount > 0 {
				s.pay(b, payer, amount, floor, func() { r.refuse(money.ErrInsufficient) })
			}
		}
	}
}

func (p *purse) lastFloor() money.Amount {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.floor
}

// pay takes an amount out of a purse; scarce is called when there is too little.
func (s *Store) pay(b *pgx.Batch, payer uint32, amount, floor money.Amount, scarce func()) {
	b.Queue(charge, int64(payer), int64(amount), int64(floor)).Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() == 0 {
			scarce()
		}
		return nil
	})
}

// paidFor turns what was held for committed messages into their charge.
func (s *Store) paidFor(paid map[uint32]money.Amount) {
	for payer, amount := range paid {
		p := s.purse(payer)
		p.mu.Lock()
		p.held -= amount
		p.row.Charged += amount
		p.row.Reserved += amount
		p.row.Left -= amount
		p.mu.Unlock()
	}
}

// refund books what parts that ended give back, and that they give nothing back any more.
func (s *Store) refund(b *pgx.Batch, refunds map[uint32]worth) {
	for _, payer := range payers(refunds) {
		if w := refunds[payer]; w != (worth{}) {
			b.Queue("UPDATE purses SET refunded = refunded + $2, remaining = remaining + $2, reserved = reserved + $3 WHERE account = $1", int64(payer), w.refunded, w.open)
		}
	}
}

// refunded notes what refund has made durable.
func (s *Store) refunded(refunds map[uint32]worth) {
	for payer, w := range refunds {
		p := s.purse(payer)
		p.mu.Lock()
		p.row.Refunded += money.Amount(w.refunded)
		p.row.Left += money.Amount(w.refunded)
		p.row.Reserved += money.Amount(w.open)
		p.mu.Unlock()
	}
}

// maxBalance is the most that can be counted without an overflow, with room for a sum of two.
const maxBalance = 1 << 60

const movementColumns = "account, id, kind, amount, peer, by_account, at, reference, note"

// Move implements store.Store.
func (s *Store) Move(ctx context.Context, mv money.Movement, floor money.Amount) (done money.Movement, repeated bool, err error) {
	mv.ID = s.IDs().Next()
	err = s.change(ctx, func(tx pgx.Tx) error {
		done, repeated = mv, false
		for _, account := range ordered(mv.Account, mv.Peer) {
			if _, err := tx.Exec(ctx, "INSERT INTO purses (account) VALUES ($1) ON CONFLICT (account) DO UPDATE SET account = excluded.account", int64(account)); err != nil {
				return err
			}
		}
		if earlier, err := movementOf(ctx, tx, mv.Account, mv.Reference); err != nil || earlier != nil {
			switch {
			case err != nil:
				return err
			case !earlier.Same(&mv):
				return money.ErrReferenceUsed
			}
			done, repeated = *earlier, true
			return nil
		}
		if err := book(ctx, tx, mv.Account, mv.Amount, floor); err != nil {
			return err
		}
		if err := insertMovement(ctx, tx, &mv, mv.Account, mv.Amount, mv.Peer, false); err != nil || mv.Peer == 0 {
			return err
		}
		if err := book(ctx, tx, mv.Peer, -mv.Amount, floor); err != nil {
			return err
		}
		return insertMovement(ctx, tx, &mv, mv.Peer, -mv.Amount, mv.Account, true)
	})
	switch {
	case errors.Is(err, money.ErrReferenceUsed), errors.Is(err, money.ErrInsufficient), errors.Is(err, money.ErrTooMuch):
		return mv, false, err
	case err != nil:
		return mv, false, wrap(err, "move money of account %d", mv.Account)
	}
	return done, repeated, wrap(s.refreshPurses(context.WithoutCancel(ctx)), "read balances after a movement")
}

func ordered(a, b uint32) []uint32 {
	switch {
	case b == 0:
		return []uint32{a}
	case a < b:
		return []uint32{a, b}
	}
	return []uint32{b, a}
}

// book changes a purse, which the transaction has locked. Who loses keeps floor at least.
func book(ctx context.Context, tx pgx.Tx, account uint32, amount, floor money.Amount) error {
	var credits, left money.Amount
	err := tx.QueryRow(ctx, "UPDATE purses SET credits = credits + $2, remaining = remaining + $2 WHERE account = $1 RETURNING credits, remaining",
		int64(account), int64(amount)).Scan(&credits, &left)
	switch {
	case err != nil:
		return err
	case amount < 0 && left < floor:
		return money.ErrInsufficient
	case amount > 0 && (credits >= maxBalance || left >= maxBalance):
		return money.ErrTooMuch
	}
	return nil
}

func insertMovement(ctx context.Context, tx pgx.Tx, mv *money.Movement, account uint32, amount money.Amount, peer uint32, mirror bool) error {
	_, err := tx.Exec(ctx, "INSERT INTO movements ("+movementColumns+", mirror) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)",
		int64(account), int64(mv.ID), int16(mv.Kind), int64(amount), int64(peer), int64(mv.By), mv.At, mv.Reference, mv.Note, mirror)
	return err
}

// movement is a row of movements on its way.
type movement struct {
	account, id, amount, peer, by int64
	kind                          int16
	mv                            money.Movement
}

func (r *movement) columns() []any {
	return []any{&r.account, &r.id, &r.kind, &r.amount, &r.peer, &r.by, &r.mv.At, &r.mv.Reference, &r.mv.Note}
}

func (r *movement) get() money.Movement {
	mv := r.mv
	mv.Account, mv.ID, mv.Kind, mv.Amount = uint32(r.account), message.ID(r.id), money.Kind(r.kind), money.Amount(r.amount)
	mv.Peer, mv.By = uint32(r.peer), uint32(r.by)
	return mv
}

// movementOf returns the movement of an account with a reference, or nil.
func movementOf(ctx context.Context, tx pgx.Tx, account uint32, reference string) (*money.Movement, error) {
	if reference == "" {
		return nil, nil
	}
	var r movement
	err := tx.QueryRow(ctx, "SELECT "+movementColumns+" FROM movements WHERE account = $1 AND reference = $2 AND NOT mirror AND reference <> ''", int64(account), reference).Scan(r.columns()...)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	mv := r.get()
	return &mv, err
}

// Movements implements store.Store.
func (s *Store) Movements(ctx context.Context, account uint32, below message.ID, limit int) (list []money.Movement, err error) {
	w := where{}
	w.add("account = ?", int64(account))
	if below != 0 {
		w.add("id < ?", int64(below))
	}
	var r movement
	err = s.each(ctx, "SELECT "+movementColumns+" FROM movements"+w.text+" ORDER BY id DESC"+w.limit(limit), w.args, r.columns(), func() error {
		list = append(list, r.get())
		return nil
	})
	return list, wrap(err, "list the movements of account %d", account)
}
