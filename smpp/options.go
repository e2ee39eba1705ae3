package smpp

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"time"
)

// Errors that end a request without an answer, or a session.
var (
	// ErrWindowFull: TrySend found no free slot, or no room in the write buffer.
	ErrWindowFull = errors.New("smpp: window full")
	// ErrTimeout: no response came within ResponseTimeout. The peer may have acted on the request.
	ErrTimeout = errors.New("smpp: no response in time")
	// ErrClosed: the session has ended. A request in flight may have reached the peer.
	ErrClosed = errors.New("smpp: session closed")
	// ErrUnbinding: no new request after unbind has been sent or received.
	ErrUnbinding = errors.New("smpp: session is unbinding")
	// ErrNotBound: the session is not bound, or not in the direction of the request.
	ErrNotBound = errors.New("smpp: not bound for this request")
	// ErrPeerVersion: the message needs optional parameters and the peer's interface_version is below 3.4.
	ErrPeerVersion = errors.New("smpp: peer does not know optional parameters")
	// ErrLinkDead: enquire_link was not answered.
	ErrLinkDead = errors.New("smpp: enquire_link not answered")
	// ErrInactive: no PDU came within InactivityTimeout.
	ErrInactive = errors.New("smpp: session inactive")
	// ErrWriteTimeout: the peer did not take our bytes within WriteTimeout.
	ErrWriteTimeout = errors.New("smpp: peer does not read")
	// ErrInitTimeout: the peer did not bind within SessionInitTimeout.
	ErrInitTimeout = errors.New("smpp: no bind in time")
	// ErrFraming: the peer sent a command_length that no PDU has.
	ErrFraming = errors.New("smpp: invalid command_length")
	// ErrUnbound: the session ended by unbind.
	ErrUnbound = errors.New("smpp: unbound")
	// ErrServerClosed is what Serve returns after Shutdown.
	ErrServerClosed = errors.New("smpp: server closed")
)

// Result is the end of one request of ours.
type Result struct {
	Status Status // of the response; ROK is success
	// PDU is the response's body, nil when it had none. It aliases the read buffer: valid
	// only during the call.
	PDU PDU
	// Err is set when there was no usable answer: ErrTimeout, ErrClosed, or what was
	// wrong with the response. Status is then meaningless.
	Err        error
	Sent, Done time.Time // when it was handed to the session, and when the answer was read
}

// Failed returns why the request did not succeed: Err, or a *StatusError for cmd; nil on success.
func (r *Result) Failed(cmd CommandID) error {
	if r.Err != nil {
		return r.Err
	}
	if r.Status != ROK {
		return &StatusError{Status: r.Status, Cmd: cmd}
	}
	return nil
}

// Completion is told how a request ended, exactly once. Complete runs on the session's
// read goroutine, or on the one of the timer or of closing; it must not block. It may send the next
// request with TrySend.
type Completion interface {
	Complete(Result)
}

// LateCompletion is a Completion that wants the response which comes after ErrTimeout
// (SMPP.md item 38): a message_id that would be lost otherwise. CompleteLate is called
// at most once, after Complete, when the response comes before its place in the
// in-flight ring has been used again (at least four windows later).
type LateCompletion interface {
	Completion
	CompleteLate(Result)
}

// Request is a request of the peer. It and its PDU are valid only during the call.
type Request struct {
	Header
	PDU PDU
}

// Handler takes the peer's requests that the session does not answer itself: messages and
// their management. HandleRequest runs on the read goroutine, must not block, and has
// each request answered once with Session.Respond, now or later; alert_notification
// takes no answer.
type Handler interface {
	HandleRequest(s *Session, r *Request)
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(s *Session, r *Request)

// HandleRequest calls f.
func (f HandlerFunc) HandleRequest(s *Session, r *Request) { f(s, r) }

// SessionOptions tune a session. The zero value is useful.
type SessionOptions struct {
	Window            int           // requests of ours without a response, 10 by default
	ResponseTimeout   time.Duration // 10 s by default
	EnquireLink       time.Duration // silence after which the link is tested, 30 s by default; negative: never
	InactivityTimeout time.Duration // close after this silence, only when EnquireLink is off; 0: never
	WriteTimeout      time.Duration // close when the peer takes no bytes for so long, 30 s by default
	MaxPDU            int           // octets, DefaultMaxPDU by default
	// MaxInFlight bounds the peer's requests without our response, 1,000 by default. Beyond
	// it the session stops reading until one is answered.
	MaxInFlight int
	// WindowFull, when set (RTHROTTLED or RMSGQFUL), answers the requests beyond
	// MaxInFlight instead of making them wait, so that enquire_link is answered even then.
	WindowFull Status
	Rules      Rules   // which messages of the peer are refused; servers only
	Handler    Handler // nil: deliver_sm is answered RX_T_APPN, so that the SMSC keeps it
	// OnClose runs once when the session has ended, after every Complete, before Done.
	// The error is never nil; ErrUnbound and ErrClosed are the orderly ends.
	OnClose     func(s *Session, err error)
	Logger      *slog.Logger
	ReadBuffer  int // octets, 16 KiB by default; it grows to hold a longer PDU
	WriteBuffer int // octets waiting to be written before Send waits, 64 KiB by default
}

// DialOptions say where to connect and as whom to bind.
type DialOptions struct {
	Addr             string      // host:port
	TLS              *tls.Config // nil: plain TCP; MinVersion is raised to TLS 1.2
	BindType         BindType    // Transceiver by default
	SystemID         string      // ≤ 15 octets
	Password         string      // ≤ 8 octets by the standard; ≤ 64 are sent
	SystemType       string      // ≤ 12 octets
	InterfaceVersion byte        // Version34 by default
	AddrTON, AddrNPI byte
	AddressRange     string        // ≤ 40 octets
	Timeout          time.Duration // to connect and bind, 10 s by default; ctx may be shorter
	Session          SessionOptions
	// DialContext opens the connection, net.Dialer's by default.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
}

// BindInfo is what a peer says of itself in its bind.
type BindInfo struct {
	SystemID, Password, SystemType string
	BindType                       BindType
	InterfaceVersion               byte
	RemoteAddr                     net.Addr
}

// ServerOptions tune a server.
type ServerOptions struct {
	SystemID string // ours, in bind_resp, ≤ 15 octets
	// Authenticate decides about a bind. It runs on the connection's own goroutine and may
	// block until ctx ends with the connection or SessionInitTimeout. Any status but ROK
	// refuses: RINVSYSID, RINVPASWD, RBINDFAIL. userData becomes the session's UserData.
	// Nil accepts everybody.
	Authenticate func(ctx context.Context, b BindInfo) (userData any, st Status)
	// Bound is called on the read goroutine when bind_resp has been queued, before any other request.
	Bound   func(*Session)
	Handler Handler
	Session SessionOptions // Handler is overridden by the one above

	// Client, when set, says whom a connection is from, such as by the header that a balancer puts in front: it may
	// read from conn what comes before TLS and SMPP, and not an octet more. It runs on the connection's own goroutine,
	// has to end in time, and fails when conn is closed. An error closes the connection. What it returns is
	// Session.RemoteAddr and BindInfo.RemoteAddr. Nil: the connection's other end.
	Client func(conn net.Conn) (net.Addr, error)

	SessionInitTimeout time.Duration // from accept to bind, 30 s by default
	// RefusalDelay is how long after the bind a refusal is answered, 200 ms by default: the
	// same for an unknown system_id and a wrong password. Negative: at once.
	RefusalDelay  time.Duration
	LongPasswords bool // accept passwords of up to 64 octets
	// MaxInFlight, when set, overrides Session.MaxInFlight.
	MaxInFlight int
	MaxConns    int         // connections at once, 10,000 by default; more are closed at accept
	TLS         *tls.Config // nil: plain TCP; MinVersion is raised to TLS 1.2
	Logger      *slog.Logger
}
