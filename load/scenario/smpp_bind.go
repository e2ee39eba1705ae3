package scenario

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"protei-bulk/load/smppload"
	"protei-bulk/load/stats"
	"protei-bulk/smpp"
)

// BindMode is how an SMPPUser binds.
type BindMode uint8

// The modes of --set smpp_bind.
const (
	BindTransceivers BindMode = iota // one bind for both directions
	BindPairs                        // a receiver and a transmitter
	BindTransmitters                 // a transmitter; receipts are not followed
	BindReceivers                    // a receiver that submits nothing
)

var bindModes = [...]struct {
	name  string
	types []smpp.BindType
}{
	BindTransceivers: {"trx", []smpp.BindType{smpp.Transceiver}},
	BindPairs:        {"tx+rx", []smpp.BindType{smpp.Receiver, smpp.Transmitter}},
	BindTransmitters: {"tx", []smpp.BindType{smpp.Transmitter}},
	BindReceivers:    {"rx", []smpp.BindType{smpp.Receiver}},
}

// types are the binds of one user, in the order in which they are made: the receiver
// first, so that the first receipt finds it.
func (m BindMode) types() []smpp.BindType { return bindModes[m].types }

func parseBind(s string) (BindMode, error) {
	for m, mode := range bindModes {
		if s == mode.name {
			return BindMode(m), nil
		}
	}
	return 0, errors.New("want trx, tx+rx, tx or rx")
}

const (
	// receiverLooks is how often a user that only receives looks at its bind.
	receiverLooks = time.Second
	// settledBind is how long a bind has to live for the next one to follow at once.
	settledBind = 5 * time.Second
)

// smppBind is one bind of a user, made again after a loss. It belongs to the user's
// goroutine, or to keep's while the user is parked.
type smppBind struct {
	group   *smppGroup
	client  *smppload.Client
	kind    smpp.BindType
	shard   *stats.Shard
	backoff smppload.Backoff
	since   time.Duration // when it was bound
	was     bool          // it was bound and its loss is not noted yet
	tried   bool          // the next attempt is not the first
}

// newBinds makes a user's binds, not bound yet.
func (g *smppGroup) newBinds(shard *stats.Shard, answer func(*smppload.Answer)) []*smppBind {
	s := &g.settings
	var binds []*smppBind
	for _, kind := range s.SMPPBind.types() {
		binds = append(binds, &smppBind{
			group: g, kind: kind, shard: shard,
			backoff: smppload.Backoff{Least: s.SMPPRebindMin, Most: s.SMPPRebindMax},
			client: smppload.New(smppload.Options{
				Addr: g.opts.SMPP.Addr, Dial: g.dialSMPP, TLS: g.tls,
				SystemID: g.opts.SMPP.SystemID, Password: g.opts.SMPP.Password, BindType: kind,
				Window: s.SMPPWindow, ResponseTimeout: g.opts.Timeout, EnquireLink: s.SMPPEnquireLink,
				Clock: g.opts.Clock.Now, Logger: g.opts.Logger,
				OnAnswer: answer, OnReceipt: g.smppReceipt,
			}),
		})
	}
	return binds
}

// senderOf is the client that may submit, nil when none may.
func senderOf(binds []*smppBind) *smppload.Client {
	for _, b := range binds {
		if b.kind.CanTransmit() {
			return b.client
		}
	}
	return nil
}

// pause is the time to wait before the next attempt: none before the first one and after
// a bind that lasted.
func (b *smppBind) pause() time.Duration {
	b.noteLoss()
	if !b.tried {
		return 0
	}
	return b.backoff.Next()
}

// noteLoss counts the end of a session once.
func (b *smppBind) noteLoss() {
	if !b.was {
		return
	}
	b.was = false
	b.group.opts.Recorder.Exception("SMPP session lost: "+smppErrorText(b.client.Err()), "")
	if b.group.opts.Clock.Now()-b.since >= settledBind {
		b.backoff.Reset()
		b.tried = false
	}
}

// bind makes one attempt and records it.
func (b *smppBind) bind(ctx context.Context) bool {
	g := b.group
	e := g.binds[b.kind]
	sent := g.opts.Clock.Now()
	err := b.client.Bind(ctx)
	if ctx.Err() != nil {
		return err == nil
	}
	b.tried = true
	b.since = g.opts.Clock.Now()
	smp := stats.Sample{Service: b.since - sent, Response: b.since - sent}
	if err != nil {
		smp.Outcome = stats.Failed
		g.opts.Recorder.Fail(e, smppErrorText(err), time.Now())
	}
	b.shard.Record(e, smp)
	b.was = err == nil
	return err == nil
}

// keep binds again whenever the session ends, until ctx does: the receipts of a parked
// user come over it, also while the run drains.
func (b *smppBind) keep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.client.Done():
		}
		for !b.client.Bound() {
			if !sleep(ctx, b.pause()) {
				return
			}
			b.bind(ctx)
		}
	}
}

// sleep waits for d; false says that ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// park leaves the user's binds to goroutines of their own until it is taken over.
func (c *smppUser) park() {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, b := range c.binds {
		if b.kind.CanReceive() && b.client.Done() != nil && !c.group.opts.NoReceipts {
			wg.Go(func() { b.keep(ctx) })
		}
	}
	c.release = func() {
		cancel()
		wg.Wait()
	}
	c.group.mu.Lock()
	defer c.group.mu.Unlock()
	c.group.parked = append(c.group.parked, c)
}

// close ends all binds.
func (g *smppGroup) close() {
	g.mu.Lock()
	users := g.users
	g.users, g.parked = nil, nil
	g.mu.Unlock()
	var binds []*smppBind
	for _, c := range users {
		if c.release != nil {
			c.release()
		}
		binds = append(binds, c.binds...)
	}
	closeBinds(context.Background(), binds)
}

// closeBinds unbinds, for at most closeTimeout.
func closeBinds(ctx context.Context, binds []*smppBind) {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, b := range binds {
		wg.Go(func() { _ = b.client.Close(ctx) })
	}
	wg.Wait()
}

// windowFull is the time that users waited for places in their own windows.
func (g *smppGroup) windowFull() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	var sum time.Duration
	for _, c := range g.users {
		if c.sender != nil {
			sum += c.sender.WindowFull()
		}
	}
	return sum
}

// notableWait is how much waiting for own windows is worth a line.
const notableWait = time.Second

// notes are what the report should say about the class beside its tables.
func (g *smppGroup) notes() []string {
	var notes []string
	if w := g.windowFull(); w >= notableWait {
		notes = append(notes, fmt.Sprintf("users waited %v in all for places in their own windows (%d): the generator's time, not in the response times",
			w.Round(100*time.Millisecond), g.settings.SMPPWindow))
	}
	if g.settings.SMPPThrottle == ThrottleFindLimit {
		notes = append(notes, g.foundLimit())
	}
	return notes
}

// receiptTimes is submit → DLR by final state, "" without receipts that name one.
func receiptTimes(l *stats.Ledger) string {
	var parts []string
	for state := smpp.StateEnroute; state <= smpp.StateRejected; state++ {
		h := l.LatencyByState(uint8(state))
		if h.Count() == 0 {
			continue
		}
		ms := func(q float64) float64 { return float64(h.Quantile(q)) / float64(time.Millisecond) }
		parts = append(parts, fmt.Sprintf("%s %d (p50 %.1f, p95 %.1f, p99 %.1f ms)", state.Stat(), h.Count(), ms(0.5), ms(0.95), ms(0.99)))
	}
	if parts == nil {
		return ""
	}
	return "Submit → DLR by final state: " + strings.Join(parts, "; ")
}

// foundLimit sums up what the binds found.
func (g *smppGroup) foundLimit() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	sum, found, offered := 0.0, 0, 0.0
	for _, c := range g.users {
		rate, ok := c.pace.limit()
		if ok {
			sum += rate
			found++
			continue
		}
		offered += rate
	}
	switch {
	case found == 0:
		return fmt.Sprintf("find-limit: no answer was throttled up to %.0f submit_sm/s over %d binds", offered, len(g.users))
	case found < len(g.users):
		return fmt.Sprintf("find-limit: %d of %d binds were throttled; these were let through %.0f submit_sm/s in all", found, len(g.users), sum)
	}
	return fmt.Sprintf("find-limit: the target lets through about %.0f submit_sm/s over %d binds", sum, found)
}
