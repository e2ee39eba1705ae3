package smpp

import (
	"context"
	"net"
)

// Session is one connection, in either role.
type Session struct{}

func (s *Session) Send(ctx context.Context, p PDU, c Completion) error         { return ErrClosed }
func (s *Session) TrySend(p PDU, c Completion) error                           { return ErrClosed }
func (s *Session) Do(ctx context.Context, p PDU) (Status, PDU, error)          { return 0, nil, ErrClosed }
func (s *Session) Respond(seq uint32, id CommandID, st Status, body PDU) error { return ErrClosed }
func (s *Session) Unbind(ctx context.Context) error                            { return ErrClosed }
func (s *Session) Close() error                                                { return ErrClosed }
func (s *Session) Done() <-chan struct{}                                       { return nil }
func (s *Session) Err() error                                                  { return nil }
func (s *Session) InFlight() int                                               { return 0 }
func (s *Session) Window() int                                                 { return 0 }
func (s *Session) SystemID() string                                            { return "" }
func (s *Session) BindType() BindType                                          { return 0 }
func (s *Session) RemoteAddr() net.Addr                                        { return nil }
func (s *Session) InterfaceVersion() byte                                      { return 0 }
func (s *Session) SetUserData(v any)                                           {}
func (s *Session) UserData() any                                               { return nil }
func Dial(ctx context.Context, o DialOptions) (*Session, error)                { return nil, ErrClosed }

// Server accepts connections.
type Server struct{}

func NewServer(o ServerOptions) (*Server, error)     { return nil, ErrClosed }
func (s *Server) Serve(ln net.Listener) error        { return ErrServerClosed }
func (s *Server) Shutdown(ctx context.Context) error { return nil }

// Receipt is a delivery receipt.
type Receipt struct {
	ID, Sub, Dlvrd, SubmitDate, DoneDate, Stat, Err, Text []byte
	State                                                 MessageState
}

func AppendReceipt(dst []byte, r *Receipt) []byte          { return dst }
func ParseReceipt(text []byte, tlvs TLVs) (Receipt, error) { return Receipt{}, ErrClosed }
func ParseStat(stat []byte) (MessageState, bool)           { return 0, false }
