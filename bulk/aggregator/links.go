package aggregator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/upstream"
	"protei-bulk/smpp"
)

// Options configure Links. Gateway is needed. Of Upstream, Name, TLS, Window, TPS, Unknown,
// SMSCIDs, ResponseTimeout, BackoffMin, BackoffMax, PauseMin, PauseMax and Logger count.
type Options struct {
	Gateway  *Gateway
	Upstream upstream.Options
}

// Links sends with a Gateway: at most Window requests at a time, over connections that are
// kept. It is safe for concurrent use.
//
// While the aggregator cannot be reached or refuses us (upstream.Unavailable), one request
// after each backoff of BackoffMin to BackoffMax tries whether it can again.
type Links struct {
	g        *Gateway
	o        upstream.Options
	client   *http.Client
	ready    chan struct{}
	throttle *upstream.Throttle

	flying   atomic.Int32
	probing  atomic.Bool // a request is trying
	lost     atomic.Uint64
	statuses [600]atomic.Uint64

	mu      sync.Mutex // guards what follows
	state   upstream.State
	since   time.Time
	err     string
	binds   uint64
	backoff time.Duration
	retry   *time.Timer
	stopped bool

	requests context.Context // of all requests
	cut      context.CancelFunc
	joined   sync.WaitGroup
}

// NewLinks returns links that are not started.
func NewLinks(opts Options) (*Links, error) {
	if opts.Gateway == nil {
		return nil, errors.New("aggregator: no gateway")
	}
	l := &Links{g: opts.Gateway, o: opts.Upstream, ready: make(chan struct{}, 1), state: upstream.Stopped, since: time.Now()}
	o := &l.o
	for _, d := range []struct {
		at   *time.Duration
		want time.Duration
	}{
		{&o.ResponseTimeout, 10 * time.Second},
		{&o.BackoffMin, time.Second},
		{&o.BackoffMax, 30 * time.Second},
		{&o.PauseMin, 50 * time.Millisecond},
		{&o.PauseMax, 1600 * time.Millisecond},
	} {
		if *d.at == 0 {
			*d.at = d.want
		}
	}
	if o.Window == 0 {
		o.Window = 100
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l.throttle = upstream.NewThrottle(o.PauseMin, o.PauseMax, l.signal)
	l.backoff = o.BackoffMin
	l.requests, l.cut = context.WithCancel(context.Background())
	l.client = &http.Client{
		Transport:     transport(o),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return l, nil
}

const (
	dialTimeout = 5 * time.Second
	keepIdle    = 90 * time.Second
	maxAnswer   = 64 << 10 // octets of an answer that are read
)

func transport(o *upstream.Options) *http.Transport {
	conf := o.TLS
	if conf == nil {
		conf = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepIdle}).DialContext,
		TLSClientConfig:     conf,
		TLSHandshakeTimeout: dialTimeout,
		ForceAttemptHTTP2:   true,
		MaxConnsPerHost:     o.Window,
		MaxIdleConnsPerHost: o.Window,
		IdleConnTimeout:     keepIdle,
		DisableCompression:  true,
	}
}

// Options returns the settings with their defaults.
func (l *Links) Options() upstream.Options { return l.o }

// Gateway returns what it sends with.
func (l *Links) Gateway() *Gateway { return l.g }

// Whole reports whether Submit takes whole messages and not parts.
func (l *Links) Whole() bool { return l.g.Whole() }

// Start lets requests go out. An aggregator sends us nothing over them: handler is not used.
func (l *Links) Start(smpp.Handler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == upstream.Stopped && !l.stopped {
		l.set(upstream.Bound, "")
	}
	l.signal()
}

// set needs mu.
func (l *Links) set(s upstream.State, err string) {
	l.state, l.since, l.err = s, time.Now(), err
	if s == upstream.Bound {
		l.binds++
	}
}

// Stop waits for the answers to what is under way. When ctx ends first the requests are cut,
// and what was written of them has an unknown outcome.
func (l *Links) Stop(ctx context.Context) error {
	l.mu.Lock()
	l.stopped = true
	l.set(upstream.Stopped, "")
	if l.retry != nil {
		l.retry.Stop()
	}
	l.mu.Unlock()
	done := make(chan struct{})
	go func() { l.joined.Wait(); close(done) }()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
		l.cut()
		<-done
	}
	l.cut()
	l.throttle.Stop()
	l.client.CloseIdleConnections()
	return err
}

// Ready gets a value when there may be more room.
func (l *Links) Ready() <-chan struct{} { return l.ready }

func (l *Links) signal() {
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// Up reports whether messages can go out, in a pause or not.
func (l *Links) Up() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state == upstream.Bound
}

// Free returns how many submissions are taken now.
func (l *Links) Free() int {
	l.mu.Lock()
	state := l.state
	l.mu.Unlock()
	switch state {
	case upstream.Stopped, upstream.Waiting:
		return 0
	case upstream.Connecting: // one tries
		if l.probing.Load() {
			return 0
		}
		return int(l.throttle.Free(1))
	}
	return int(l.throttle.Free(int32(l.o.Window) - l.flying.Load()))
}

// Submit sends, and calls done once, unless it returns upstream.ErrBusy. It does not block.
func (l *Links) Submit(s upstream.Submission, done func(upstream.Outcome)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	probe := l.state == upstream.Connecting
	switch {
	case l.stopped, l.state != upstream.Bound && !probe, probe && l.probing.Load():
		return upstream.ErrBusy
	case l.throttle.Free(int32(l.o.Window)-l.flying.Load()) == 0:
		return upstream.ErrBusy
	}
	if probe {
		l.probing.Store(true)
	}
	l.flying.Add(1)
	l.throttle.Spend()
	l.joined.Go(func() {
		sent := time.Now()
		out := l.send(&s)
		l.learn(sent, &out, probe)
		done(out)
		l.signal()
	})
	return nil
}

// send makes the request and understands the answer.
func (l *Links) send(s *upstream.Submission) upstream.Outcome {
	r, err := l.g.Render(s, time.Now())
	if err != nil {
		l.o.Logger.Warn("message refused", "connector", l.o.Name, "message", s.Msg.ID, "part", s.Part, "err", err)
		return upstream.Outcome{Class: upstream.Rejected, Code: uint32(smpp.RSUBMITFAIL), Detail: err.Error(), Done: time.Now()}
	}
	ctx, cancel := context.WithTimeout(l.requests, l.o.ResponseTimeout)
	defer cancel()
	resp, wrote, err := l.do(ctx, r)
	if err != nil {
		class := upstream.Unavailable
		if wrote {
			class = upstream.Unknown
		}
		return upstream.Outcome{Class: class, Code: uint32(smpp.RUNKNOWNERR), Detail: hide(err), Done: time.Now()}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode < len(l.statuses) {
		l.statuses[resp.StatusCode].Add(1)
	}
	out := l.g.Read(&Answer{Status: resp.StatusCode, Header: resp.Header, Body: body, Cut: err != nil}, time.Now())
	if out.Class != upstream.Accepted && out.Detail == "" {
		out.Detail = fmt.Sprintf("HTTP %d: %.200q", resp.StatusCode, body)
	}
	return out
}

// do sends the request and reports whether any of it was written. A request that met the end
// of a connection that the aggregator closed because it was idle was not read by it, and goes
// again on another one.
func (l *Links) do(ctx context.Context, r *Rendered) (resp *http.Response, wrote bool, err error) {
	for {
		var headers, reused atomic.Bool
		traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			GotConn:      func(c httptrace.GotConnInfo) { reused.Store(c.Reused) },
			WroteHeaders: func() { headers.Store(true) },
		})
		req, err := r.request(traced)
		if err != nil {
			return nil, false, err
		}
		resp, err := l.client.Do(req)
		if err == nil || !reused.Load() || !strings.Contains(err.Error(), "server closed idle connection") {
			return resp, headers.Load(), err
		}
	}
}

// hide takes the URL out of an error of net/http: it may have the password as a field.
func hide(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}

// learn draws the consequences of an outcome for what comes next.
func (l *Links) learn(sent time.Time, out *upstream.Outcome, probe bool) {
	l.flying.Add(-1)
	switch out.Class {
	case upstream.Accepted:
		l.throttle.Accepted(sent, out.Done)
	case upstream.Slow:
		l.throttle.Slow(sent, out.Wait)
	case upstream.Unknown:
		l.lost.Add(1)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if probe {
		l.probing.Store(false)
	}
	switch {
	case l.stopped:
	case out.Class == upstream.Unavailable, probe && out.Class == upstream.Unknown:
		l.away(out)
	case l.state != upstream.Bound && probe:
		l.o.Logger.Info("the aggregator answers again", "connector", l.o.Name)
		l.set(upstream.Bound, "")
		l.backoff = l.o.BackoffMin
	}
}

// away waits before the next try. It needs mu.
func (l *Links) away(out *upstream.Outcome) {
	if l.state == upstream.Waiting {
		return
	}
	wait := max(l.backoff/2+rand.N(l.backoff/2+1), out.Wait)
	l.o.Logger.Warn("the aggregator cannot be used", "connector", l.o.Name, "err", out.Detail, "retry_in", wait.Round(time.Millisecond))
	l.backoff = min(2*l.backoff, l.o.BackoffMax)
	l.set(upstream.Waiting, out.Detail)
	if l.retry != nil {
		l.retry.Reset(wait)
		return
	}
	l.retry = time.AfterFunc(wait, func() {
		l.mu.Lock()
		if l.state == upstream.Waiting && !l.stopped {
			err := l.err
			l.set(upstream.Connecting, err)
		}
		l.mu.Unlock()
		l.signal()
	})
}

// Pace is the requests a second that an aggregator which throttles is sent, 0: no limit.
func (l *Links) Pace() float64 { return l.throttle.Rate() }

// States shows the state as that of one bind.
func (l *Links) States() []upstream.BindState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return []upstream.BindState{{
		Type: "http", State: l.state, Since: l.since, Err: l.err, Binds: l.binds, Paused: l.throttle.Paused(),
		Window: l.o.Window, InFlight: int(l.flying.Load()), Pauses: l.throttle.Pauses(), Lost: l.lost.Load(),
	}}
}

// EachHTTPStatus calls fn with each HTTP status that came and how often.
func (l *Links) EachHTTPStatus(fn func(status int, n uint64)) {
	for st := range l.statuses {
		if n := l.statuses[st].Load(); n > 0 {
			fn(st, n)
		}
	}
}
