package scenario

import (
	"context"
	"errors"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/httpload"
	"protei-bulk/load/smppload"
	"protei-bulk/load/stats"
	"protei-bulk/smpp"
)

// smppUser is a customer's program with a transceiver bind. It outlives its virtual user:
// receipts still come over its bind, and the next user of the class takes it over.
type smppUser struct {
	scenario *Messaging
	client   *smppload.Client
	shard    *stats.Shard
	user     *load.User
	pdu      smpp.SubmitSM
	to, text []byte
	wasBound bool
}

func (m *Messaging) newSMPPUser(u *load.User) (*smppUser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.parked); n > 0 {
		c := m.parked[n-1]
		m.parked = m.parked[:n-1]
		c.user = u
		return c, nil
	}
	c := &smppUser{scenario: m, shard: u.Shard(), user: u}
	c.client = smppload.New(m.smppOptions(c.answer))
	c.pdu = m.newSubmit()
	m.binds = append(m.binds, c.client)
	return c, nil
}

func (m *Messaging) smppOptions(answer func(*smppload.Answer)) smppload.Options {
	return smppload.Options{
		Addr: m.opts.SMPP.Addr, Dial: m.dialSMPP, TLS: m.tls,
		SystemID: m.opts.SMPP.SystemID, Password: m.opts.SMPP.Password,
		Window: m.opts.Settings.SMPPWindow, ResponseTimeout: m.opts.Timeout,
		Clock: m.opts.Clock.Now, Logger: m.opts.Logger,
		OnAnswer: answer, OnReceipt: m.smppReceipt,
	}
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

// retryBind is the pause between two attempts to bind.
const retryBind = time.Second

// Close implements load.Actor: it waits for the answers under way and parks the bind.
func (c *smppUser) Close() {
	_ = c.client.Flush(c.user.Context())
	c.scenario.mu.Lock()
	defer c.scenario.mu.Unlock()
	c.scenario.parked = append(c.scenario.parked, c)
}

// Abort implements load.Actor; the user's context does it.
func (c *smppUser) Abort() {}

// submit sends one submit_sm and does not wait for its answer.
func (c *smppUser) submit(u *load.User) {
	if !c.client.Bound() && !c.bind(u) {
		u.Sleep(retryBind)
		return
	}
	m := c.scenario
	now := u.Now()
	seq := m.opts.Ledger.Issue(1, now)
	c.to = appendDigits(append(c.to[:0], m.opts.Settings.ToPrefix...), u.Rand)
	c.text = m.opts.Ledger.AppendRef(append(c.text[:0], m.opts.Settings.Text...), seq)
	c.pdu.Dest.Addr, c.pdu.ShortMessage = c.to, c.text
	sent, err := c.client.Submit(u.Context(), &c.pdu, seq, u.Intended(now))
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

// bind binds, for the first time or after a loss, and records that.
func (c *smppUser) bind(u *load.User) bool {
	e := c.scenario.entries.bind
	sent := u.Now()
	if c.wasBound {
		c.wasBound = false
		c.scenario.opts.Recorder.Exception("SMPP session lost: "+smppErrorText(c.client.Err()), "")
	}
	err := c.client.Bind(u.Context())
	if u.Context().Err() != nil {
		return false
	}
	smp := stats.Sample{}
	if err != nil {
		smp.Outcome = stats.Failed
		u.Fail(e, smppErrorText(err))
	}
	u.Record(e, sent, u.Now(), smp)
	c.wasBound = err == nil
	return err == nil
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
	m.opts.Ledger.ReceiptID(r.ID, f, m.opts.Clock.Now())
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
	}
	if name := httpload.NameConnectError(err); name != "" {
		return name
	}
	return err.Error()
}
