package esme

import (
	"context"
	"time"

	"protei-bulk/bulk/message"
)

const (
	sweepPage   = 10_000 // a page costs the store a walk over all that is open in memory
	everyBox    = 10     // ticks from one sweep of all mailboxes to the next
	giveUpEvery = time.Hour
)

func (s *Server) requestSweep() {
	select {
	case s.swept <- struct{}{}:
	default:
	}
}

// sweep is the goroutine that reads from the outbox what Push could not take: at a bind,
// when there is room again, after an error at the next tick, and now and then in any
// case: reading costs the store a walk over all that is open.
func (s *Server) sweep(ctx context.Context) {
	tick := time.NewTicker(s.opts.Sweep)
	defer tick.Stop()
	lastGiveUp := s.opts.Now()
	for ticks := 0; ; {
		all := false
		select {
		case <-s.swept:
		case <-tick.C:
			ticks++
			all = ticks%everyBox == 0
		case <-ctx.Done():
			return
		}
		for _, b := range s.allBoxes() {
			for b.beginSweep(all) && s.sweepBox(ctx, b) {
				all = false
			}
		}
		if now := s.opts.Now(); all && now.Sub(lastGiveUp) >= giveUpEvery {
			lastGiveUp = now
			s.giveUp(ctx, now)
		}
	}
}

// beginSweep reports whether b is to be swept now.
func (b *mailbox) beginSweep(all bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.receivers) == 0 || !b.wantSweep && !all {
		return false // woken for another mailbox, or for what was swept already: what this one waits for stays
	}
	b.wantSweep, b.full = false, false
	if b.restart {
		b.restart, b.cursor = false, 0
	}
	if b.cursor == 0 {
		b.refused = false
	}
	return true
}

// sweepBox reads pages from the cursor on until the end or until b is full. It reports whether
// b is to be swept again at once.
func (s *Server) sweepBox(ctx context.Context, b *mailbox) bool {
	for {
		limit, after, ok := b.beginPage()
		if !ok {
			return false
		}
		page, err := s.opts.Outbox.OpenReceipts(ctx, b.account, after, limit)
		if err != nil {
			b.endPage(nil)
			b.sweepLater()
			if ctx.Err() == nil {
				s.log.Error("esme: read the outbox", "account", b.account, "error", err)
			}
			return false
		}
		more := b.endPage(page)
		s.courier.kick(b)
		if len(page) == 0 || !more {
			return b.endPass(len(page) == 0)
		}
	}
}

// sweepLater has b swept at the next tick.
func (b *mailbox) sweepLater() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wantSweep = true
}

// beginPage returns how much may be read, and from where on.
func (b *mailbox) beginPage() (limit int, after message.ID, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	room := b.srv.opts.MaxPending - len(b.entries)
	if room <= 0 {
		b.full = true
		return 0, 0, false
	}
	b.gone = make(map[message.ID]struct{})
	return min(room, sweepPage), b.cursor, true
}

// endPage adds what is new. It reports false when nobody is there any more, or no room.
func (b *mailbox) endPage(page []Notice) bool {
	now := b.srv.opts.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	gone := b.gone
	b.gone = nil
	if len(b.receivers) == 0 {
		return false
	}
	for i := range page {
		n := &page[i]
		if len(b.entries) >= b.srv.opts.MaxPending { // Push came first
			b.full = true
			return false
		}
		b.cursor = n.MessageID
		if _, ok := gone[n.MessageID]; ok || b.entries[n.MessageID] != nil {
			continue
		}
		if b.srv.tooOld(n, now) {
			e := &entry{box: b, n: *n}
			e.n.Failed = true
			b.entries[n.MessageID] = e
			b.srv.stats.givenUp.Add(1)
			b.confirm(e)
			continue
		}
		b.add(n)
	}
	return true
}

// endPass begins at the first id again when the last one was reached, and at once when
// receipts were refused or the receivers changed in the meantime.
func (b *mailbox) endPass(complete bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if complete {
		b.cursor = 0
	}
	again := len(b.receivers) > 0 && (b.restart || complete && b.refused && len(b.entries) < b.srv.opts.MaxPending)
	if again {
		b.wantSweep = true
	}
	return again
}

// giveUp ends the receipts that nobody has come for.
func (s *Server) giveUp(ctx context.Context, now time.Time) {
	var after message.ID
	newest := message.FirstID(now.Add(-s.opts.GiveUp))
	for after < newest {
		page, err := s.opts.Outbox.OpenReceipts(ctx, 0, after, sweepPage)
		if err != nil || len(page) == 0 {
			return
		}
		var old []Notice
		for i := range page {
			after = page[i].MessageID
			if s.tooOld(&page[i], now) {
				page[i].Failed = true
				old = append(old, page[i])
			}
		}
		if len(old) > 0 {
			s.stats.givenUp.Add(uint64(len(old)))
			s.opts.Outbox.Notified(old, func(err error) {
				if err != nil {
					s.log.Error("esme: give up receipts", "count", len(old), "error", err)
				}
			})
		}
	}
}
