//go:build unix

package httpload

import (
	"io"
	"net"
	"syscall"
)

func (w *wire) attachRaw(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	w.raw = raw
	if w.step == nil {
		w.step = w.advance
	}
}

// roundTripRaw does write, wait and read in one RawConn.Read call. net.Conn would read
// right after the write, find nothing, wait, and read again: a system call more for
// each exchange. Leaving it out is safe only here, since RawConn.Read clears the
// readiness of the descriptor before it calls step: whatever arrives after that, and the
// answer to a request written by step does, wakes the wait.
func (w *wire) roundTripRaw(out []byte) (*buffer, error) {
	w.out, w.in, w.waited, w.full, w.err = out, nil, false, false, nil
	err := w.raw.Read(w.step)
	if err == nil && w.full {
		// The rest goes the ordinary way, which waits for room.
		_, err = w.conn.Write(w.out)
		if w.out, w.waited = nil, true; err == nil {
			err = w.raw.Read(w.step)
		}
	}
	in := w.in
	w.out, w.in = nil, nil
	if err == nil {
		err = w.err
	}
	return in, err
}

func (w *wire) readRaw(in *buffer) error {
	w.in, w.waited, w.err = in, true, nil
	err := w.raw.Read(w.step)
	w.in = nil
	if err == nil {
		err = w.err
	}
	return err
}

// advance is called with the descriptor until it returns true; false waits for input.
func (w *wire) advance(fd uintptr) bool {
	for len(w.out) > 0 {
		n, err := syscall.Write(int(fd), w.out)
		switch err {
		case nil:
			w.out = w.out[n:]
		case syscall.EINTR:
		case syscall.EAGAIN:
			w.full = true
			return true
		default:
			w.err = err
			return true
		}
	}
	if !w.waited {
		w.waited = true
		return false
	}
	if w.in == nil {
		w.in = w.target.buffer()
	}
	b := w.in.b
	for {
		n, err := syscall.Read(int(fd), b[len(b):cap(b)])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return false
		case err != nil:
			w.err = err
		case n == 0:
			w.err = io.EOF
		default:
			w.in.b = b[:len(b)+n]
		}
		return true
	}
}

// stale says that the peer has closed an idle connection, or sent what nobody asked for.
func (w *wire) stale() bool {
	if w.raw == nil {
		return false
	}
	stale := false
	err := w.raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		stale = err != syscall.EAGAIN && err != syscall.EINTR
	})
	return err != nil || stale
}
