// Package smppload is the measured SMPP client of the load tester. A [Client] is one
// bind: it submits asynchronously within a window, reports every answer and every
// delivery receipt to callbacks, and is bound again by its owner after a loss.
//
// The session (package smpp) owns the goroutines; callbacks run on its read goroutine
// and must not block. A Client's methods belong to one goroutine, its counters do not.
package smppload

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"protei-bulk/smpp"
)

// Answer is the end of one submit_sm.
type Answer struct {
	Tag            uint64        // as given to Submit
	Intended, Sent time.Duration // since the start of the run
	Done           time.Duration
	Status         smpp.Status
	// ID is the message_id, valid only during the call.
	ID []byte
	// Err says that no usable answer came, and why; Status is then meaningless.
	Err error
	// Late marks the answer that came after its timeout: it was reported before with Err.
	Late bool
}

// Throttled says that the peer asked for a slower pace.
func (a *Answer) Throttled() bool {
	return a.Err == nil && (a.Status == smpp.RTHROTTLED || a.Status == smpp.RMSGQFUL)
}

// Receipt is a delivery receipt. ID is valid only during the call.
type Receipt struct {
	ID    []byte
	State smpp.MessageState
}

// Final says that no other receipt follows.
func (r Receipt) Final() bool {
	return r.State != smpp.StateEnroute && r.State != smpp.StateAccepted && r.State != 0
}

// Options configure a Client. Addr, Clock, OnAnswer and OnReceipt are required.
type Options struct {
	Addr               string
	TLS                *tls.Config // nil: plain TCP
	SystemID, Password string
	BindType           smpp.BindType // Transceiver by default
	Window             int           // submits without an answer, 50 by default
	ResponseTimeout    time.Duration // 10 s by default
	BindTimeout        time.Duration // 10 s by default
	EnquireLink        time.Duration // silence after which the link is tested, 30 s by default; negative: never
	Clock              func() time.Duration
	OnAnswer           func(*Answer)
	OnReceipt          func(Receipt)
	// OnMessage is told of each deliver_sm that is no receipt; nil: they are only counted.
	OnMessage func(*smpp.DeliverSM)
	// Dial opens the connection; nil means a net.Dialer's.
	Dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	Logger *slog.Logger
}

// Client is one bind and its window.
type Client struct {
	opts    Options
	session *smpp.Session
	free    chan *slot

	windowFull atomic.Int64 // time spent waiting for a place in the window
	odd        atomic.Uint64
}

// New returns a client that is not bound.
func New(opts Options) *Client {
	if opts.Window <= 0 {
		opts.Window = 50
	}
	if opts.BindType == smpp.Unbound {
		opts.BindType = smpp.Transceiver
	}
	if opts.ResponseTimeout <= 0 {
		opts.ResponseTimeout = 10 * time.Second
	}
	if opts.BindTimeout <= 0 {
		opts.BindTimeout = 10 * time.Second
	}
	c := &Client{opts: opts, free: make(chan *slot, opts.Window)}
	for range opts.Window {
		c.free <- &slot{client: c}
	}
	return c
}

// Bind connects and binds. An error is a smpp.StatusError when the peer refused.
func (c *Client) Bind(ctx context.Context) error {
	s, err := smpp.Dial(ctx, smpp.DialOptions{
		Addr: c.opts.Addr, TLS: c.opts.TLS, BindType: c.opts.BindType,
		SystemID: c.opts.SystemID, Password: c.opts.Password,
		Timeout: c.opts.BindTimeout, DialContext: c.opts.Dial,
		Session: smpp.SessionOptions{
			Window:          c.opts.Window,
			ResponseTimeout: c.opts.ResponseTimeout,
			EnquireLink:     c.opts.EnquireLink,
			Handler:         smpp.HandlerFunc(c.handle),
			Logger:          c.opts.Logger,
			ReadBuffer:      8 << 10,
			WriteBuffer:     32 << 10,
		},
	})
	if err != nil {
		return err
	}
	c.session = s
	return nil
}

// Done is closed when the session that Bind made has ended; nil before the first one.
func (c *Client) Done() <-chan struct{} {
	if c.session == nil {
		return nil
	}
	return c.session.Done()
}

// Bound says that there is a session.
func (c *Client) Bound() bool {
	if c.session == nil {
		return false
	}
	select {
	case <-c.session.Done():
		return false
	default:
		return c.session.Err() == nil
	}
}

// Err says why the last session ended.
func (c *Client) Err() error {
	if c.session == nil {
		return smpp.ErrClosed
	}
	return c.session.Err()
}

// WindowFull is the time that Submit has waited for places in the window.
func (c *Client) WindowFull() time.Duration { return time.Duration(c.windowFull.Load()) }

// OddReceipts counts delivery receipts that could not be read.
func (c *Client) OddReceipts() uint64 { return c.odd.Load() }

// Submit sends p and returns; OnAnswer is called once when it returned nil. It waits for
// a place in the window until ctx ends: that time is the generator's, so intended, from
// which the response time counts, is moved by it. It returns the time of sending.
func (c *Client) Submit(ctx context.Context, p *smpp.SubmitSM, tag uint64, intended time.Duration) (sent time.Duration, err error) {
	s, waited, err := c.place(ctx)
	if err != nil {
		return 0, err
	}
	sent = c.opts.Clock()
	s.tag, s.sent = tag, sent
	s.intended = min(intended+waited, sent)
	if err := c.session.Send(ctx, p, s); err != nil {
		c.free <- s
		return sent, err
	}
	return sent, nil
}

func (c *Client) place(ctx context.Context) (*slot, time.Duration, error) {
	select {
	case s := <-c.free:
		return s, 0, nil
	default:
	}
	start := c.opts.Clock()
	var s *slot
	select {
	case s = <-c.free:
	case <-ctx.Done():
	}
	waited := c.opts.Clock() - start
	c.windowFull.Add(int64(waited))
	if s == nil {
		return nil, waited, ctx.Err()
	}
	return s, waited, nil
}

// Flush waits until every submit has its answer, or for ctx.
func (c *Client) Flush(ctx context.Context) error {
	var held []*slot
	defer func() {
		for _, s := range held {
			c.free <- s
		}
	}()
	for len(held) < c.opts.Window {
		select {
		case s := <-c.free:
			held = append(held, s)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Close unbinds; what is unanswered when ctx ends is reported with an error.
func (c *Client) Close(ctx context.Context) error {
	if c.session == nil {
		return nil
	}
	err := c.session.Unbind(ctx)
	<-c.session.Done()
	if errors.Is(err, smpp.ErrClosed) || errors.Is(err, smpp.ErrUnbound) {
		return nil
	}
	return err
}

// slot is a place in the window: the completion of one submit_sm.
type slot struct {
	client         *Client
	tag            uint64
	intended, sent time.Duration
}

// Complete implements smpp.Completion.
func (s *slot) Complete(r smpp.Result) {
	s.report(r, false)
	if errors.Is(r.Err, smpp.ErrTimeout) {
		// The session may still call CompleteLate: this slot keeps its tag.
		s = &slot{client: s.client}
	}
	s.client.free <- s
}

// CompleteLate implements smpp.LateCompletion.
func (s *slot) CompleteLate(r smpp.Result) { s.report(r, true) }

func (s *slot) report(r smpp.Result, late bool) {
	c := s.client
	a := Answer{
		Tag: s.tag, Intended: s.intended, Sent: s.sent, Done: c.opts.Clock(),
		Status: r.Status, Err: r.Err, Late: late,
	}
	if resp, ok := r.PDU.(*smpp.SubmitSMResp); ok && r.Err == nil {
		a.ID = resp.MessageID
	}
	c.opts.OnAnswer(&a)
}

// handle takes what the peer sends. It runs on the session's read goroutine.
func (c *Client) handle(s *smpp.Session, r *smpp.Request) {
	p, ok := r.PDU.(*smpp.DeliverSM)
	if !ok {
		_ = s.Respond(r.Seq, r.ID, smpp.RINVCMDID, nil)
		return
	}
	c.take(p)
	_ = s.Respond(r.Seq, r.ID, smpp.ROK, nil)
}

func (c *Client) take(p *smpp.DeliverSM) {
	if !p.IsReceipt() {
		if c.opts.OnMessage != nil {
			c.opts.OnMessage(p)
		}
		return
	}
	r, err := smpp.ParseReceipt(p.Payload(), p.TLVs)
	if err != nil {
		c.odd.Add(1)
		return
	}
	state, ok := smpp.ParseStat(r.Stat)
	if !ok || len(r.ID) == 0 {
		c.odd.Add(1)
		return
	}
	c.opts.OnReceipt(Receipt{ID: r.ID, State: state})
}
