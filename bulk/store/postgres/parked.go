package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
	"protei-bulk/bulk/store/receiptindex"
)

const (
	// parkedAge is how long a receipt waits for its message.
	parkedAge = 24 * time.Hour
	// maxParked bounds the parked receipts in memory; the others wait in the database for the next owner.
	maxParked = 200_000
)

// parked are the receipts of this node's connectors that came before their messages were known.
type parked struct {
	mu sync.Mutex
	m  map[message.ReceiptKey]message.Receipt // guarded by mu
}

func (p *parked) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.m)
}

func (p *parked) put(r message.Receipt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m == nil {
		p.m = make(map[message.ReceiptKey]message.Receipt)
	}
	if len(p.m) < maxParked {
		p.m[r.Key] = r
	}
}

// take takes out the receipt of a key that went to dest.
func (p *parked) take(key message.ReceiptKey, dest string) (message.Receipt, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.m[key]
	if !ok || !receiptindex.SameDest(dest, r.Dest) {
		return r, false
	}
	delete(p.m, key)
	return r, true
}

// ParkReceipt implements store.Store.
func (s *Store) ParkReceipt(r message.Receipt, done func(error)) {
	s.write(func(b *pgx.Batch) {
		b.Queue(`INSERT INTO parked (connector, smsc_id, dest, status, error, at) VALUES ($1,$2,$3,$4,$5,$6)
ON CONFLICT (connector, smsc_id) DO UPDATE SET dest = excluded.dest, status = excluded.status, error = excluded.error, at = excluded.at`,
			int16(r.Key.Group), r.Key.SMSCID, r.Dest, int16(r.Status), int64(r.Error), r.At)
	}, func() {
		s.parked.put(r)
		// The message may have become known since the last look.
		var out [1]store.ReceiptMatch
		if s.FindReceipts([]message.ReceiptKey{r.Key}, []string{r.Dest}, out[:]) == 1 {
			s.unpark(r.Key, out[0].Msg, out[0].Part)
		}
	}, done)
}

// matchParked settles a part that was just submitted and whose receipt had come before.
func (s *Store) matchParked(ev *message.Event) {
	if ev.Kind == message.Submitted && ev.Changed && ev.SMSCID != "" && s.parked.len() > 0 {
		s.unpark(message.ReceiptKey{Group: ev.Msg.Connector, SMSCID: ev.SMSCID}, ev.Msg, int(ev.Part))
	}
}

func (s *Store) unpark(key message.ReceiptKey, m *message.Message, part int) {
	r, ok := s.parked.take(key, m.Dest.Addr)
	if !ok {
		return
	}
	s.settles.put(&change{
		evs: []message.Event{{Kind: message.Settle, Msg: m, Part: uint16(part), Status: r.Status, Error: r.Error, At: r.At}},
		queue: func(b *pgx.Batch) {
			b.Queue("DELETE FROM parked WHERE connector = $1 AND smsc_id = $2", int16(key.Group), key.SMSCID)
		},
	})
}

// loadParked reads what was parked for a connector while another node had it.
func (s *Store) loadParked(ctx context.Context, connector uint16) error {
	r := message.Receipt{Key: message.ReceiptKey{Group: connector}}
	var status int16
	var code int64
	return s.each(ctx, "SELECT smsc_id, dest, status, error, at FROM parked WHERE connector = $1 ORDER BY at DESC LIMIT $2", []any{int16(connector), maxParked},
		[]any{&r.Key.SMSCID, &r.Dest, &status, &code, &r.At}, func() error {
			r.Status, r.Error = message.Status(status), uint32(code)
			s.parked.put(r)
			return nil
		})
}

// purgeParked forgets the receipts whose messages never came.
func (s *Store) purgeParked(ctx context.Context) error {
	oldest := s.opts.Now().Add(-parkedAge).UnixMilli()
	if _, err := s.pool.Exec(ctx, "DELETE FROM parked WHERE at < $1", oldest); err != nil {
		return fmt.Errorf("forget receipts without a message: %w", err)
	}
	s.parked.mu.Lock()
	defer s.parked.mu.Unlock()
	for key, r := range s.parked.m {
		if r.At < oldest {
			delete(s.parked.m, key)
		}
	}
	return nil
}
