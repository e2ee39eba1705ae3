package smpp

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// The defaults of SessionOptions.
const (
	defaultWindow          = 10
	defaultResponseTimeout = 10 * time.Second
	defaultEnquireLink     = 30 * time.Second
	defaultWriteTimeout    = 30 * time.Second
	defaultMaxInFlight     = 1000
	defaultReadBuffer      = 16 << 10
	defaultWriteBuffer     = 64 << 10
)

func (o SessionOptions) withDefaults() SessionOptions {
	if o.Window <= 0 {
		o.Window = defaultWindow
	}
	if o.ResponseTimeout <= 0 {
		o.ResponseTimeout = defaultResponseTimeout
	}
	if o.EnquireLink == 0 {
		o.EnquireLink = defaultEnquireLink
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = defaultWriteTimeout
	}
	if o.MaxPDU < HeaderLen {
		o.MaxPDU = DefaultMaxPDU
	}
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = defaultMaxInFlight
	}
	if o.ReadBuffer < HeaderLen {
		o.ReadBuffer = defaultReadBuffer
	}
	if o.WriteBuffer <= 0 {
		o.WriteBuffer = defaultWriteBuffer
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// phase is where a session stands in its life.
type phase uint8

const (
	phaseOpen      phase = iota // connected, not bound
	phaseBound                  // in service
	phaseUnbinding              // unbind sent or received: no new request of ours
	phaseClosing                // only what is in the write buffer still goes out
	phaseClosed                 // nothing goes out
)

// Session is one connection, in either role. Its methods are safe for concurrent use.
// The zero value is not usable: see Dial and Server.
type Session struct {
	conn   net.Conn
	remote net.Addr // of the peer
	opts   SessionOptions
	server bool // we are the SMSC
	hooks  hooks

	// Used by the read goroutine only.
	rd      frameReader
	dec     decoder
	req     Request
	discard bool // closing: bytes are read and thrown away
	now     time.Time

	lastRead atomic.Int64 // Unix ns of the last byte that came
	counters counters
	userData atomic.Value // of userBox

	wake   chan struct{} // capacity 1: the writer has work
	space  chan struct{} // capacity 1: Send may look again
	resume chan struct{} // capacity 1: the reader may look again
	dying  chan struct{} // closed when the session is failed
	done   chan struct{} // closed when everything has ended
	wrote  chan struct{} // closed when the writer has ended

	mu           sync.Mutex // guards all below
	phase        phase
	err          error // why it ended
	bind         BindType
	systemID     string
	version      byte   // of the peer
	ring         []slot // nil before the first request of ours
	lastSeq      uint32
	inFlight     int // requests of ours in the window
	waiting      int // Sends that wait for a slot or for room
	out          []byte
	outResp      int  // octets of out that are responses
	writerIdle   bool // the writer sleeps on wake
	corked       bool // the reader has more PDUs in its buffer: let responses gather
	readerWaits  bool
	writeBegan   time.Time     // zero when no Write is under way
	unanswered   int           // requests given to the handler without a response
	unbindSeq    uint32        // of the peer's unbind that waits for unanswered = 0
	unbindAsked  time.Time     // zero: no unbind of the peer waits
	drained      chan struct{} // Unbind waits for inFlight = 0
	served       chan struct{} // Unbind waits for unanswered = 0
	linkChecking bool
	timer        *time.Timer
	timers       sync.WaitGroup // the timer's function, while armed
	initBy       time.Time      // unbound beyond this moment: close; zero: never
}

// hooks are what client and server do differently.
type hooks struct {
	bind    func(s *Session, h Header, p *BindReq) // server: a bind on an open session
	outbind func(p *Outbind)                       // client that waits for outbind
	long    bool                                   // server: long passwords
}

type userBox struct{ v any }

// Counters are what a session has seen since it began.
type Counters struct {
	Sent             uint64 // requests of ours
	Received         uint64 // requests of the peer
	UnknownResponses uint64 // responses to no request of ours, generic_nack with sequence 0 included
	LateResponses    uint64 // responses after ErrTimeout
	Timeouts         uint64 // requests that ended with ErrTimeout
	Malformed        uint64 // PDUs of the peer refused for their form
}

type counters struct {
	sent, received, unknown, late, timeouts, malformed atomic.Uint64
}

// newSession prepares a session; start runs it.
func newSession(conn net.Conn, o SessionOptions, server bool, h hooks) *Session {
	o = o.withDefaults()
	s := &Session{
		conn: conn, remote: conn.RemoteAddr(), opts: o, server: server, hooks: h,
		rd:      newFrameReader(o.ReadBuffer, o.MaxPDU),
		wake:    make(chan struct{}, 1),
		space:   make(chan struct{}, 1),
		resume:  make(chan struct{}, 1),
		dying:   make(chan struct{}),
		done:    make(chan struct{}),
		wrote:   make(chan struct{}),
		version: Version34,
		now:     time.Now(),
	}
	s.lastRead.Store(s.now.UnixNano())
	return s
}

// start runs the writer and the timer; the caller runs readLoop.
func (s *Session) start() {
	go s.writeLoop()
	s.armTimer()
}

// Done is closed when the session has ended: every request is completed, OnClose has
// returned and its goroutines are gone.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the session ended, nil while it lives. ErrUnbound and ErrClosed are
// the orderly ends.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close ends the session at once, without unbind. It does not wait: see Done.
func (s *Session) Close() error {
	s.fail(ErrClosed)
	return nil
}

// InFlight returns the number of our requests that have no response yet.
func (s *Session) InFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inFlight
}

// Unanswered returns the number of the peer's requests that have no response yet.
func (s *Session) Unanswered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unanswered
}

// Window returns the highest number of our requests in flight.
func (s *Session) Window() int { return s.opts.Window }

// SystemID returns the peer's system_id: the ESME's on a server, the SMSC's on a client.
func (s *Session) SystemID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.systemID
}

// BindType returns the direction, Unbound before the bind.
func (s *Session) BindType() BindType {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bind
}

// InterfaceVersion returns the peer's interface_version.
func (s *Session) InterfaceVersion() byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// RemoteAddr returns the peer's address, or what ServerOptions.Client says that it is.
func (s *Session) RemoteAddr() net.Addr { return s.remote }

// SetUserData attaches v to the session.
func (s *Session) SetUserData(v any) { s.userData.Store(userBox{v}) }

// UserData returns what SetUserData or the server's Authenticate attached, or nil.
func (s *Session) UserData() any {
	b, _ := s.userData.Load().(userBox)
	return b.v
}

// Counters returns what the session has seen so far.
func (s *Session) Counters() Counters {
	c := &s.counters
	return Counters{
		Sent: c.sent.Load(), Received: c.received.Load(), UnknownResponses: c.unknown.Load(),
		LateResponses: c.late.Load(), Timeouts: c.timeouts.Load(), Malformed: c.malformed.Load(),
	}
}

// fail ends the session at once: what is unsent is dropped, both goroutines leave. The
// first reason counts, and an orderly one that came before it.
func (s *Session) fail(err error) {
	s.mu.Lock()
	if s.phase == phaseClosed {
		s.mu.Unlock()
		return
	}
	s.phase = phaseClosed
	if s.err == nil {
		s.err = err
	}
	s.wakeWriter()
	s.mu.Unlock()
	close(s.dying)
	s.conn.Close()
}

// finishOutput lets the writer send what is queued and then ends the session with err.
// It needs mu.
func (s *Session) finishOutput(err error) {
	if s.phase >= phaseClosing {
		return
	}
	s.phase = phaseClosing
	s.err = err
	s.wakeWriter()
}

// end is the last thing the read goroutine does.
func (s *Session) end(err error) {
	s.fail(endReason(err))
	<-s.wrote
	s.stopTimer()
	s.completeAll()
	if s.opts.OnClose != nil {
		s.opts.OnClose(s, s.Err())
	}
	close(s.done)
}

func endReason(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return ErrClosed
	}
	if err == nil {
		return io.EOF
	}
	return err
}
