package scenario

import (
	"context"
	"errors"
	"io"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/httpload"
	"protei-bulk/load/smppload"
	"protei-bulk/load/stats"
	"protei-bulk/smpp"
)

// smppUser is a customer's program with its bind, or two in the mode tx+rx. It outlives
// its virtual user: receipts still come over its binds, and the next user of the class
// takes it over.
type smppUser struct {
	group   *smppGroup
	shard   *stats.Shard
	user    *load.User
	binds   []*smppBind
	sender  *smppload.Client // of one of the binds; nil when none may send
	pace    throttling
	pdu     smpp.SubmitSM
	release func() // ends the keeping of the binds between two users
}

// unfollowedTag marks submits that are not in the ledger, which knows no such number.
const unfollowedTag = ^uint64(0)

// newUser takes over the binds of a user that has ended, or makes new ones.
func (g *smppGroup) newUser(u *load.User) *smppUser {
	g.mu.Lock()
	var c *smppUser
	if n := len(g.parked); n > 0 {
		c, g.parked = g.parked[n-1], g.parked[:n-1]
	}
	g.mu.Unlock()
	if c != nil {
		c.release()
		c.user = u
		return c
	}
	c = &smppUser{group: g, shard: u.Shard(), user: u}
	c.pace = throttling{mode: g.settings.SMPPThrottle, ceiling: g.settings.SMPPRate}
	c.binds = g.newBinds(c.shard, c.answer)
	c.sender = senderOf(c.binds)
	g.mu.Lock()
	g.users = append(g.users, c)
	g.mu.Unlock()
	return c
}

// Close waits for the answers under way and parks the binds.
func (c *smppUser) Close() {
	if c.sender != nil {
		_ = c.sender.Flush(c.user.Context())
	}
	c.park()
}

// bound says that every bind is up; it tries the ones that are down.
func (c *smppUser) bound(u *load.User) bool {
	for _, b := range c.binds {
		if b.client.Bound() {
			continue
		}
		if d := b.pause(); d > 0 && !u.Sleep(d) {
			return false
		}
		if !b.bind(u.Context()) {
			return false
		}
	}
	return true
}

// unsent books a submit that never reached the wire.
func (c *smppUser) unsent(u *load.User, seq uint64, err error) {
	c.group.opts.Ledger.Reject(seq)
	if errors.Is(err, context.Canceled) || errors.Is(err, smpp.ErrClosed) {
		return // the run's end, or a loss that the answers under way report
	}
	e := c.group.submit
	now := u.Now()
	u.Fail(e, smppErrorText(err))
	u.Record(e, now, now, stats.Sample{Outcome: stats.Failed})
}

// answer books the end of a submit_sm, on the session's goroutine.
func (c *smppUser) answer(a *smppload.Answer) {
	g := c.group
	if a.Late {
		if a.Status == smpp.ROK && len(a.ID) > 0 && a.Tag != unfollowedTag {
			g.opts.Ledger.AcceptSMPP(a.Tag, a.ID)
		}
		return
	}
	c.pace.answered(a)
	smp := stats.Sample{Service: a.Done - a.Sent, Response: a.Done - a.Intended}
	fault := ""
	switch {
	case a.Err != nil:
		g.opts.Ledger.Unanswered(a.Tag)
		fault = smppErrorText(a.Err)
	case a.Throttled():
		g.opts.Ledger.Reject(a.Tag)
		smp.Outcome = stats.Throttled
	case a.Status != smpp.ROK:
		g.opts.Ledger.Reject(a.Tag)
		fault = a.Status.String()
	case a.Tag == unfollowedTag:
		smp.Messages, smp.Segments = 1, 1
	case len(a.ID) == 0:
		g.opts.Ledger.Unanswered(a.Tag)
		fault = "submit_sm_resp without message_id"
	default:
		g.opts.Ledger.AcceptSMPP(a.Tag, a.ID)
		smp.Messages, smp.Segments = 1, 1
	}
	if fault != "" {
		smp.Outcome = stats.Failed
		g.opts.Recorder.Fail(g.submit, fault, time.Now())
	}
	c.shard.Record(g.submit, smp)
}

// smppReceipt takes a delivery receipt, on a session's goroutine.
func (g *smppGroup) smppReceipt(r smppload.Receipt) {
	if !r.Final() {
		return
	}
	f := stats.FinalFailed
	if r.State == smpp.StateDelivered {
		f = stats.FinalDelivered
	}
	if c := g.canary.Load(); c != nil && c.takesID(r.ID, f) {
		c.arrived(f)
		return
	}
	g.opts.Ledger.ReceiptID(r.ID, f.WithState(uint8(r.State)), g.opts.Clock.Now())
}

// smppErrorText names an error of the SMPP client for the failure table.
func smppErrorText(err error) string {
	var refused *smpp.StatusError
	switch {
	case errors.As(err, &refused):
		return refused.Status.String()
	case errors.Is(err, smpp.ErrTimeout):
		return "timeout"
	case errors.Is(err, smpp.ErrClosed), errors.Is(err, smpp.ErrUnbound):
		return "session closed"
	case errors.Is(err, io.EOF):
		return "connection closed by the peer"
	}
	if name := httpload.NameConnectError(err); name != "" {
		return name
	}
	return err.Error()
}
