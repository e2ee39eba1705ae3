package upstream

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/internal/pause"
	"protei-bulk/smpp"
)

// numCounted is how many command_status values have a counter of their own.
const numCounted = 0x108

// link is one bind of a Group.
type link struct {
	g      *Group
	index  int
	bind   smpp.BindType
	window int32

	session  atomic.Pointer[smpp.Session] // nil: not bound
	took     atomic.Bool                  // the SMSC took a message over this bind
	inFlight atomic.Int32
	throttle *Throttle // its own, or that of all binds

	status [numCounted]atomic.Uint64 // submit_sm_resp by command_status
	other  atomic.Uint64             // of a status above
	lost   atomic.Uint64             // submit_sm without an answer
	late   atomic.Uint64             // answers after the timeout

	told told // of run alone

	mu    sync.Mutex // guards what follows
	state State
	since time.Time
	err   string // why it is not bound
	binds uint64 // successful ones
}

// State is where a bind stands.
type State string

// The states of a bind.
const (
	Connecting State = "connecting"
	Bound      State = "bound"
	Waiting    State = "waiting" // for the next try to connect
	Stopped    State = "stopped"
)

func (l *link) set(s State, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state, l.since = s, time.Now()
	switch {
	case err != nil:
		l.err = err.Error()
	case s == Bound:
		l.err = ""
		l.binds++
	}
}

// run keeps the link bound until ctx ends.
func (l *link) run(ctx context.Context) {
	o := &l.g.o
	r := newReconnect(o.BackoffMin, o.BackoffMax, time.Now())
	for ctx.Err() == nil {
		l.set(Connecting, nil)
		wait, err := l.once(ctx, &r)
		if ctx.Err() != nil {
			break
		}
		l.set(Waiting, err)
		o.Logger.Log(ctx, l.told.level(err, time.Now()), "bind down", "connector", o.Name, "bind", l.index, "type", l.bind, "err", err, "retry_in", wait.Round(time.Millisecond))
		_ = pause.For(ctx, wait)
	}
	l.set(Stopped, nil)
}

// tellAgain is how often a bind that stays down for the same reason says so.
const tellAgain = time.Minute

// told is what a bind said last about why it is down.
type told struct {
	err string
	at  time.Time
}

// level is that of the line about err: news are warnings, a try that fails as the one before is for debugging.
func (t *told) level(err error, now time.Time) slog.Level {
	if err.Error() == t.err && now.Sub(t.at) < tellAgain {
		return slog.LevelDebug
	}
	t.err, t.at = err.Error(), now
	return slog.LevelWarn
}

// once binds, and returns when that has failed or the bind has ended: why, and how long to wait.
func (l *link) once(ctx context.Context, r *reconnect) (wait time.Duration, err error) {
	s, err := l.dial(ctx)
	if err != nil {
		return r.failed(time.Now(), err), err
	}
	began := time.Now()
	l.told = told{}
	l.took.Store(false)
	l.bound(s)
	err = l.serve(ctx, s)
	return r.ended(time.Now(), time.Since(began), l.took.Load()), err
}

func (l *link) dial(ctx context.Context) (*smpp.Session, error) {
	o := &l.g.o
	if o.Mode == Outbind && l.bind == smpp.Receiver {
		return l.await(ctx)
	}
	s, err := smpp.Dial(ctx, l.options())
	if err != nil {
		return nil, err // it names the address, and the system_id where that matters
	}
	return s, nil
}

func (l *link) options() smpp.DialOptions {
	o := &l.g.o
	return smpp.DialOptions{
		Addr: o.Addr, TLS: o.TLS, BindType: l.bind,
		SystemID: o.SystemID, Password: o.Password, SystemType: o.SystemType, InterfaceVersion: o.Version,
		DialContext: (&net.Dialer{Timeout: connectTimeout}).DialContext,
		Session: smpp.SessionOptions{
			Window: o.Window, ResponseTimeout: o.ResponseTimeout, EnquireLink: o.EnquireLink,
			MaxInFlight: maxReceiptsInFlight, Handler: o.Handler, Logger: o.Logger,
			ReadBuffer: 64 << 10, WriteBuffer: max(64<<10, o.Window*bytesPerSubmit),
		},
	}
}

const (
	// connectTimeout bounds a TCP connect. A host that is back is met by the next try, not by a
	// repetition of the first packet, which come at ever longer intervals.
	connectTimeout = 3 * time.Second
	// maxReceiptsInFlight is how many deliver_sm of one bind may wait for the store
	// before the session stops reading.
	maxReceiptsInFlight = 10_000
	// bytesPerSubmit makes the write buffer large enough for a whole window.
	bytesPerSubmit = 512
)

func (l *link) bound(s *smpp.Session) {
	l.set(Bound, nil)
	l.g.o.Logger.Info("bound", "connector", l.g.o.Name, "bind", l.index, "type", l.bind, "smsc", s.SystemID(), "addr", s.RemoteAddr().String())
	l.session.Store(s)
	l.g.signal()
}

// serve waits for the end of the session and returns why it ended. When ctx ends, it
// unbinds.
func (l *link) serve(ctx context.Context, s *smpp.Session) error {
	select {
	case <-s.Done():
	case <-ctx.Done():
		l.g.unbind(s)
		<-s.Done()
	}
	l.session.Store(nil)
	l.g.signal() // whoever waits for room learns that there is none
	return s.Err()
}

// room returns how many submit_sm the window of the link takes now.
func (l *link) room() int32 {
	if l.session.Load() == nil {
		return 0
	}
	return max(0, l.window-l.inFlight.Load())
}

// free returns how many submit_sm the link takes now.
func (l *link) free() int32 { return l.throttle.Free(l.room()) }

// finished accounts for the end of one submit_sm.
func (l *link) finished(r *smpp.Result) {
	l.inFlight.Add(-1)
	switch {
	case r.Err != nil:
		l.lost.Add(1)
	case r.Status < numCounted:
		l.status[r.Status].Add(1)
	default:
		l.other.Add(1)
	}
	switch {
	case r.Err != nil:
	case r.Status == smpp.ROK:
		l.throttle.Accepted(r.Sent, r.Done)
		if !l.took.Load() {
			l.took.Store(true)
		}
	case l.g.o.Throttled(r.Status):
		l.throttle.Slow(r.Sent, 0)
	}
	l.g.signal()
}
