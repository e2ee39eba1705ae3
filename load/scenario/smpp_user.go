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
	scenario *Messaging
	shard    *stats.Shard
	user     *load.User
	binds    []*smppBind
	sender   *smppload.Client // of one of the binds; nil when none may send
	pace     throttling
	pdu      smpp.SubmitSM
	to, text []byte

	release func() // ends the keeping of the binds between two users
}

func (m *Messaging) newSMPPUser(u *load.User) (*smppUser, error) {
	m.mu.Lock()
	var c *smppUser
	if n := len(m.parked); n > 0 {
		c, m.parked = m.parked[n-1], m.parked[:n-1]
	}
	m.mu.Unlock()
	if c != nil {
		c.release()
		c.user = u
		return c, nil
	}
	c = &smppUser{scenario: m, shard: u.Shard(), user: u, pdu: m.newSubmit()}
	c.pace = throttling{mode: m.opts.Settings.SMPPThrottle, ceiling: m.opts.Settings.SMPPRate}
	c.binds = m.newBinds(c.shard, c.answer)
	c.sender = senderOf(c.binds)
	m.mu.Lock()
	m.smppUsers = append(m.smppUsers, c)
	m.mu.Unlock()
	return c, nil
}

// newSubmit is a submit_sm without number and text.
func (m *Messaging) newSubmit() smpp.SubmitSM {
	p := smpp.SubmitSM{
		Source: smpp.Address{TON: 5, NPI: 0, Addr: []byte(m.opts.Settings.From)},
		Dest:   smpp.Address{TON: 1, NPI: 1},
	}
	if isNumber(m.opts.Settings.From) {
		p.Source.TON, p.Source.NPI = 1, 1
	}
	if !m.opts.NoReceipts {
		p.RegisteredDelivery = 1
	}
	return p
}

func isNumber(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return s != ""
}

// Close implements load.Actor: it waits for the answers under way and parks the binds.
func (c *smppUser) Close() {
	if c.sender != nil {
		_ = c.sender.Flush(c.user.Context())
	}
	c.park()
}

// Abort implements load.Actor; the user's context does it.
func (c *smppUser) Abort() {}

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

// watch is the task of a user that only receives: it keeps its bind.
func (c *smppUser) watch(u *load.User) { c.bound(u) }

// submit sends one submit_sm and does not wait for its answer.
func (c *smppUser) submit(u *load.User) {
	if !c.bound(u) {
		return
	}
	m, now := c.scenario, u.Now()
	intended := u.Intended(now)
	if d := c.pace.wait(now); d > 0 {
		if !u.Sleep(d) {
			return
		}
		intended += d // a pause that the target asked for is no response time
		now = u.Now()
	}
	seq := m.opts.Ledger.Issue(1, now)
	c.to = appendDigits(append(c.to[:0], m.opts.Settings.ToPrefix...), u.Rand)
	c.text = m.opts.Ledger.AppendRef(append(c.text[:0], m.opts.Settings.Text...), seq)
	c.pdu.Dest.Addr, c.pdu.ShortMessage = c.to, c.text
	sent, err := c.sender.Submit(u.Context(), &c.pdu, seq, min(intended, now))
	if err != nil {
		c.unsent(u, seq, err)
		return
	}
	if sent-now > time.Millisecond {
		m.opts.Ledger.Sent(seq, sent)
	}
}

// unsent books a submit that never reached the wire.
func (c *smppUser) unsent(u *load.User, seq uint64, err error) {
	c.scenario.opts.Ledger.Reject(seq)
	if errors.Is(err, context.Canceled) || errors.Is(err, smpp.ErrClosed) {
		return // the run's end, or a loss that the answers under way report
	}
	e := c.scenario.entries.submit
	now := u.Now()
	u.Fail(e, smppErrorText(err))
	u.Record(e, now, now, stats.Sample{Outcome: stats.Failed})
}

// answer books the end of a submit_sm, on the session's goroutine.
func (c *smppUser) answer(a *smppload.Answer) {
	m := c.scenario
	if a.Late {
		if a.Status == smpp.ROK && len(a.ID) > 0 {
			m.opts.Ledger.AcceptSMPP(a.Tag, a.ID)
		}
		return
	}
	c.pace.answered(a)
	smp := stats.Sample{Service: a.Done - a.Sent, Response: a.Done - a.Intended}
	fault := ""
	switch {
	case a.Err != nil:
		m.opts.Ledger.Unanswered(a.Tag)
		fault = smppErrorText(a.Err)
	case a.Throttled():
		m.opts.Ledger.Reject(a.Tag)
		smp.Outcome = stats.Throttled
	case a.Status != smpp.ROK:
		m.opts.Ledger.Reject(a.Tag)
		fault = a.Status.String()
	case len(a.ID) == 0:
		m.opts.Ledger.Unanswered(a.Tag)
		fault = "submit_sm_resp without message_id"
	default:
		m.opts.Ledger.AcceptSMPP(a.Tag, a.ID)
		smp.Messages, smp.Segments = 1, 1
	}
	if fault != "" {
		smp.Outcome = stats.Failed
		m.opts.Recorder.Fail(m.entries.submit, fault, time.Now())
	}
	c.shard.Record(m.entries.submit, smp)
}

// smppReceipt takes a delivery receipt, on a session's goroutine.
func (m *Messaging) smppReceipt(r smppload.Receipt) {
	if !r.Final() {
		return
	}
	f := stats.FinalFailed
	if r.State == smpp.StateDelivered {
		f = stats.FinalDelivered
	}
	if c := m.canary.Load(); c != nil && c.takesID(r.ID, f) {
		c.arrived(f)
		return
	}
	m.opts.Ledger.ReceiptID(r.ID, f.WithState(uint8(r.State)), m.opts.Clock.Now())
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
