package esme

import (
	"context"
	"sync"
	"time"
)

// courier is the goroutine that sends what Push and the timers leave in mailboxes, and
// tells the outbox what has been confirmed, many at a time.
type courier struct {
	wake chan struct{} // capacity 1

	mu        sync.Mutex // guards below; taken after a mailbox's
	kicked    []*mailbox
	confirmed []*entry
	flying    sync.WaitGroup // batches on the way to the outbox
}

const (
	confirmBatch  = 512
	confirmLinger = 20 * time.Millisecond
	lastFlush     = 5 * time.Second
)

// kick makes the courier look at b.
func (c *courier) kick(b *mailbox) {
	c.mu.Lock()
	known := b.kicked
	if !known {
		b.kicked = true
		c.kicked = append(c.kicked, b)
	}
	c.mu.Unlock()
	if !known {
		c.signal()
	}
}

// confirm queues e for the outbox.
func (c *courier) confirm(e *entry) {
	c.mu.Lock()
	c.confirmed = append(c.confirmed, e)
	n := len(c.confirmed)
	c.mu.Unlock()
	if n == 1 || n == confirmBatch {
		c.signal()
	}
}

func (c *courier) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *courier) takeKicked() []*mailbox {
	c.mu.Lock()
	defer c.mu.Unlock()
	boxes := c.kicked
	c.kicked = nil
	for _, b := range boxes {
		b.kicked = false
	}
	return boxes
}

// takeConfirmed returns what has gathered when it is at least n.
func (c *courier) takeConfirmed(n int) (batch []*entry, left int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.confirmed) < n {
		return nil, len(c.confirmed)
	}
	batch, c.confirmed = c.confirmed, nil
	return batch, 0
}

// deliver is the courier's goroutine.
func (s *Server) deliver(ctx context.Context) {
	c := &s.courier
	linger := time.NewTimer(time.Hour)
	defer linger.Stop()
	lingering := false
	for {
		atLeast := confirmBatch
		select {
		case <-c.wake:
		case <-linger.C:
			lingering, atLeast = false, 1
		case <-ctx.Done():
			s.finish()
			return
		}
		for _, b := range c.takeKicked() {
			b.pump()
		}
		batch, left := c.takeConfirmed(atLeast)
		s.notify(batch)
		if left > 0 && !lingering {
			linger.Reset(confirmLinger)
			lingering = true
		}
	}
}

// notify tells the outbox that the receipts of a batch need no more care.
func (s *Server) notify(batch []*entry) {
	if len(batch) == 0 {
		return
	}
	notices := make([]Notice, len(batch))
	for i, e := range batch {
		notices[i] = e.n
	}
	s.courier.flying.Add(1)
	s.opts.Outbox.Notified(notices, func(err error) {
		defer s.courier.flying.Done()
		if err != nil {
			s.log.Error("esme: receipts delivered but not noted", "count", len(batch), "error", err)
		}
		for _, e := range batch {
			e.box.finished(e, err)
		}
	})
}

// finish notes the last confirmations when all sessions have ended, and waits a little
// for the outbox.
func (s *Server) finish() {
	for _, b := range s.allBoxes() {
		b.stopTimer()
	}
	batch, _ := s.courier.takeConfirmed(1)
	s.notify(batch)
	noted := make(chan struct{})
	go func() {
		s.courier.flying.Wait()
		close(noted)
	}()
	t := time.NewTimer(lastFlush)
	defer t.Stop()
	select {
	case <-noted:
	case <-t.C:
		s.log.Error("esme: the outbox does not answer")
	}
}
