//go:build !unix

package httpload

import "net"

func (w *wire) attachRaw(net.Conn) {}

func (w *wire) roundTripRaw([]byte) (*buffer, error) { panic("httpload: no raw wire here") }

func (w *wire) readRaw(*buffer) error { panic("httpload: no raw wire here") }

func (w *wire) stale() bool { return false }
