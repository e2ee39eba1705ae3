package httpload

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Response is the answer to one request. Body belongs to the Client and is valid until
// Release or the Client's next exchange.
type Response struct {
	Status     int
	Body       []byte
	RetryAfter time.Duration // of a 429 or 503, 0 when not given in seconds
	Sent       time.Duration // before the connection was opened or the request written
	Done       time.Duration // after the last byte, or when the exchange failed

	client  *Client
	request *Request
	in      *buffer
	head    int // bytes of in that are the answer's head
}

// Request is the whole request as it was sent, valid until Release or the Client's next
// exchange, also after an error.
func (r *Response) Request() []byte {
	if r.request == nil {
		return nil
	}
	return r.request.out
}

// Head is the status line and the headers as they came, valid as long as Body; empty
// after an error.
func (r *Response) Head() []byte {
	if r.in == nil || r.Status == 0 {
		return nil
	}
	return r.in.b[:r.head]
}

// Header is the value of the first header of that name, upper or lower case, nil when
// there is none. It is valid as long as Body.
func (r *Response) Header(name string) []byte {
	head := r.Head()
	for len(head) > 0 {
		line, rest, _ := bytes.Cut(head, []byte("\n"))
		head = rest
		key, value, ok := bytes.Cut(line, []byte(":"))
		if ok && len(key) == len(name) && strings.EqualFold(string(key), name) {
			return bytes.TrimSpace(value)
		}
	}
	return nil
}

// Release gives the buffers of request and body back.
func (r *Response) Release() {
	r.releaseBody()
	if r.request != nil {
		r.client.target.releaseRequest(r.request)
		r.request = nil
	}
}

func (r *Response) releaseBody() {
	if r.in != nil {
		r.client.target.release(r.in)
		r.in, r.Body = nil, nil
	}
}

type buffer struct{ b []byte }

func (t *Target) buffer() *buffer {
	in := t.buffers.Get().(*buffer)
	in.b = in.b[:0]
	return in
}

func (t *Target) release(in *buffer) {
	if cap(in.b) <= keepBytes {
		t.buffers.Put(in)
	}
}

// Client is one user's connection to a Target. Its methods belong to one goroutine,
// except Abort.
type Client struct {
	target *Target
	ctx    context.Context
	conn   net.Conn
	wire   wire
	idle   time.Duration // when the last exchange ended
	res    Response

	mu      sync.Mutex // guards aborted, and conn against Abort
	aborted bool
}

// NewClient returns a client that connects at its first exchange. Dialing ends with ctx.
func (t *Target) NewClient(ctx context.Context) *Client {
	c := &Client{target: t, ctx: ctx}
	c.wire.target = t
	c.res.client = c
	return c
}

// Request returns an empty request for the next Do.
func (c *Client) Request() *Request { return c.target.request() }

// staleAfter is the idle time after which a connection is looked at before it is used:
// a server may close idle connections, and that is no failed request.
const staleAfter = time.Second

// Connect opens the connection, if there is none, outside of any exchange.
func (c *Client) Connect() error {
	if c.conn != nil {
		return nil
	}
	if err := c.connect(c.target.opts.Timeout); err != nil {
		return err
	}
	return nil
}

func (c *Client) connect(timeout time.Duration) *Error {
	if c.isAborted() {
		return &Error{Kind: KindAborted}
	}
	conn, err := c.target.dial(c.ctx, timeout)
	if err != nil {
		if c.isAborted() {
			return &Error{Kind: KindAborted}
		}
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted {
		conn.Close()
		return &Error{Kind: KindAborted}
	}
	c.conn = conn
	c.wire.attach(conn)
	c.idle = c.target.opts.Clock()
	return nil
}

func (c *Client) isAborted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.aborted
}

// Close drops the connection; the next exchange opens another.
func (c *Client) Close() {
	c.res.Release()
	c.drop()
}

func (c *Client) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
		c.wire.detach()
	}
}

// Abort ends the exchange under way, and every later one, with KindAborted. Safe for
// concurrent use.
func (c *Client) Abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborted = true
	if c.conn != nil {
		c.conn.Close()
	}
}

// Do sends the request and waits for the whole answer. It takes r back. The Response is
// never nil: after an error it has the times. Errors are *Error.
//
// A GET, HEAD or OPTIONS whose kept connection turns out to be closed is sent once more
// on a new one; anything else is not, since the target may have acted on it.
func (c *Client) Do(h *Head, r *Request) (*Response, error) {
	c.res.Release()
	r.render(h)
	clock := c.target.opts.Clock
	start := clock()
	c.res.Status, c.res.Body, c.res.RetryAfter, c.res.Sent = 0, nil, 0, start
	err := c.exchange(h, r.out, start)
	c.res.request = r
	c.res.Done = clock()
	c.idle = c.res.Done
	if err != nil {
		c.res.releaseBody()
		return &c.res, err
	}
	return &c.res, nil
}

func (c *Client) exchange(h *Head, out []byte, start time.Duration) error {
	deadline := time.Now().Add(c.target.opts.Timeout)
	if c.conn != nil && start-c.idle > staleAfter && c.wire.stale() {
		c.drop()
	}
	kept := c.conn != nil
	err := c.attempt(h, out, deadline)
	if err == nil {
		return nil
	}
	c.drop()
	if kind := err.Kind; kept && safeToRepeat(h.method) && (kind == KindClosed || kind == KindReset) {
		c.res.releaseBody()
		if err = c.attempt(h, out, deadline); err == nil {
			return nil
		}
		c.drop()
	}
	if err.Kind != KindAborted && c.isAborted() {
		err.Kind = KindAborted
	}
	return err
}

func safeToRepeat(method string) bool {
	return method == "GET" || method == "HEAD" || method == "OPTIONS"
}

// attempt is one exchange on one connection.
func (c *Client) attempt(h *Head, out []byte, deadline time.Time) *Error {
	if c.conn == nil {
		if err := c.connect(time.Until(deadline)); err != nil {
			return err
		}
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return ioError(err, false)
	}
	in, err := c.wire.roundTrip(out)
	c.res.in = in
	if err != nil {
		e := ioError(err, false)
		e.Sent = true
		return e
	}
	keep, e := c.receive(h)
	if e != nil {
		e.Sent = true
		return e
	}
	if !keep {
		c.drop()
	}
	return nil
}

// receive reads the answer, of which a first part is in c.res.in, and says whether the
// connection can be kept.
func (c *Client) receive(h *Head) (keep bool, _ *Error) {
	head, err := c.receiveHead()
	if err != nil {
		return false, err
	}
	in := c.res.in
	c.res.Status, c.res.head = head.status, head.bytes
	if head.status == 429 || head.status == 503 {
		c.res.RetryAfter = retryAfter(head.retry)
	}
	body := in.b[head.bytes:]
	switch {
	case head.bodyless(h.method):
		c.res.Body = nil
		return head.reusable() && len(body) == 0, nil
	case head.chunked:
		return c.receiveChunked(head)
	case head.length >= 0:
		return c.receiveSized(head)
	}
	return false, c.receiveRest(head)
}

// receiveHead skips interim answers.
func (c *Client) receiveHead() (answerHead, *Error) {
	in := c.res.in
	for interim := 0; ; {
		head, ok, err := parseHead(in.b)
		switch {
		case err != nil:
			return head, &Error{Kind: KindBadResponse, Err: err}
		case !ok:
			if err := c.wire.read(in); err != nil {
				return head, ioError(err, len(in.b) > 0 || interim > 0)
			}
		case head.status >= 200:
			return head, nil
		case head.status == 101:
			return head, &Error{Kind: KindBadResponse, Err: errUpgrade}
		default:
			if interim++; interim > maxInterim {
				return head, &Error{Kind: KindBadResponse, Err: errInterim}
			}
			in.b = in.b[:copy(in.b, in.b[head.bytes:])]
		}
	}
}

func (c *Client) receiveSized(head answerHead) (bool, *Error) {
	in := c.res.in
	if head.length > int64(c.target.opts.MaxBodyBytes) {
		return false, &Error{Kind: KindTooLarge}
	}
	total := head.bytes + int(head.length)
	for len(in.b) < total {
		in.grow(total)
		if err := c.wire.read(in); err != nil {
			return false, ioError(err, true)
		}
	}
	c.res.Body = in.b[head.bytes:total]
	// Bytes beyond the answer would be taken for the next one.
	return head.reusable() && len(in.b) == total, nil
}

func (c *Client) receiveChunked(head answerHead) (bool, *Error) {
	in := c.res.in
	dec := chunks{w: head.bytes, r: head.bytes}
	for {
		done, err := dec.decode(in.b)
		switch {
		case err != nil:
			return false, &Error{Kind: KindBadResponse, Err: err}
		case dec.w-head.bytes > c.target.opts.MaxBodyBytes:
			return false, &Error{Kind: KindTooLarge}
		case done:
			c.res.Body = in.b[head.bytes:dec.w]
			return head.reusable() && dec.r == len(in.b), nil
		}
		in.b = in.b[:dec.w+copy(in.b[dec.w:], in.b[dec.r:])]
		dec.r = dec.w
		if err := c.wire.read(in); err != nil {
			return false, ioError(err, true)
		}
	}
}

// receiveRest reads a body that ends with the connection.
func (c *Client) receiveRest(head answerHead) *Error {
	in := c.res.in
	for {
		if len(in.b)-head.bytes > c.target.opts.MaxBodyBytes {
			return &Error{Kind: KindTooLarge}
		}
		err := c.wire.read(in)
		if errors.Is(err, io.EOF) {
			c.res.Body = in.b[head.bytes:]
			return nil
		}
		if err != nil {
			return ioError(err, true)
		}
	}
}

// grow makes room for at least total bytes, in steps, so that a server that announces
// much and sends little costs little.
func (in *buffer) grow(total int) {
	if len(in.b) < cap(in.b) {
		return
	}
	size := min(max(total, len(in.b)+readBytes), 2*cap(in.b))
	b := make([]byte, len(in.b), size)
	copy(b, in.b)
	in.b = b
}

func retryAfter(v []byte) time.Duration {
	var n int
	for _, c := range v {
		if c < '0' || c > '9' || n > 1e6 {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return time.Duration(n) * time.Second
}
