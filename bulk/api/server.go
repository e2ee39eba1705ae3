package api

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/internal/web"
)

// Bounds of a connection. A client that is slower than this is cut off.
const (
	headerTimeout  = 10 * time.Second
	requestTimeout = 60 * time.Second // headers and body
	answerTimeout  = 30 * time.Second // for the answer, on top of requestTimeout
	idleTimeout    = 120 * time.Second
	maxHeaderBytes = 16 << 10
)

// ServerOptions configure a Server.
type ServerOptions struct {
	Handler http.Handler
	// Outer sees each request first, before the headers of the answer are set; nil: nothing does.
	Outer func(http.Handler) http.Handler
	TLS   *tls.Config // nil: plain HTTP
	// MaxConns bounds the connections at once: the next one is closed at once. 0: 65,536.
	MaxConns int
	// HeaderTimeout is how long the headers may take, 0: 10 s; RequestTimeout headers and
	// body together, 0: 60 s.
	HeaderTimeout, RequestTimeout time.Duration
	Logger                        *slog.Logger // nil: silent
}

// Server runs an API on one listener. Every answer has the headers of [web.Secure].
type Server struct {
	http *http.Server
	tls  *tls.Config
	max  int64
}

// NewServer returns a server that is not listening yet.
func NewServer(opts ServerOptions) *Server {
	if opts.MaxConns == 0 {
		opts.MaxConns = 65_536
	}
	if opts.HeaderTimeout == 0 {
		opts.HeaderTimeout = headerTimeout
	}
	if opts.RequestTimeout == 0 {
		opts.RequestTimeout = requestTimeout
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	handler := web.Secure(opts.Handler)
	if opts.Outer != nil {
		handler = opts.Outer(handler)
	}
	return &Server{
		tls: opts.TLS,
		max: int64(opts.MaxConns),
		http: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: opts.HeaderTimeout,
			ReadTimeout:       opts.RequestTimeout,
			WriteTimeout:      opts.RequestTimeout + answerTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          slog.NewLogLogger(opts.Logger.Handler(), slog.LevelDebug),
		},
	}
}

// Serve answers requests until Shutdown; it returns nil then.
func (s *Server) Serve(ln net.Listener) error {
	ln = &boundedListener{Listener: ln, max: s.max}
	if s.tls != nil {
		ln = tls.NewListener(ln, s.tls)
	}
	if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown stops accepting, waits for the requests that run, until ctx ends, and closes
// what is left.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}

// boundedListener closes connections beyond its bound instead of queueing them.
type boundedListener struct {
	net.Listener
	max  int64
	open atomic.Int64
}

func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.max {
			return &boundedConn{Conn: c, open: &l.open}, nil
		}
		l.open.Add(-1)
		_ = c.Close()
	}
}

type boundedConn struct {
	net.Conn
	open   *atomic.Int64
	closed sync.Once
}

func (c *boundedConn) Close() error {
	c.closed.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}
