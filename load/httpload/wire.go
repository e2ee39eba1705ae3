package httpload

import (
	"net"
	"syscall"
)

// wire moves bytes over a connection. On Unix a plain TCP connection is driven through
// its descriptor (wire_unix.go); TLS, and other systems, go through net.Conn.
type wire struct {
	target *Target
	conn   net.Conn
	raw    syscall.RawConn // nil: through conn
	step   func(fd uintptr) bool

	// The state of one raw round trip, used by step.
	out    []byte  // still to be written
	in     *buffer // taken from the pool when there is something to read
	waited bool    // the first look at the socket has been left out
	full   bool    // the socket's buffer took only a part of out
	err    error
}

func (w *wire) attach(conn net.Conn) {
	w.conn = conn
	w.attachRaw(conn)
}

func (w *wire) detach() { w.conn, w.raw, w.out, w.in, w.err = nil, nil, nil, nil, nil }

// roundTrip writes out and reads the first bytes of the answer. The buffer, which may be
// nil after an error, belongs to the caller.
func (w *wire) roundTrip(out []byte) (*buffer, error) {
	if w.raw != nil {
		return w.roundTripRaw(out)
	}
	if _, err := w.conn.Write(out); err != nil {
		return nil, err
	}
	in := w.target.buffer()
	return in, w.read(in)
}

// read appends at least one byte to in, or fails.
func (w *wire) read(in *buffer) error {
	in.grow(2 * cap(in.b)) // nobody knows how much comes: doubling keeps the copies linear
	if w.raw != nil {
		return w.readRaw(in)
	}
	n, err := w.conn.Read(in.b[len(in.b):cap(in.b)])
	in.b = in.b[:len(in.b)+n]
	if n > 0 {
		return nil
	}
	return err
}
