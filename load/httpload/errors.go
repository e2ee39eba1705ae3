package httpload

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Kind names a failure of the transport; it is what reports group failures by.
type Kind uint8

// The kinds of failure. KindAborted is ours: the run ended; it is no failure of the target.
const (
	KindOther Kind = iota
	KindDNS
	KindRefused
	KindUnreachable
	KindConnectTimeout
	KindTLS
	KindReset
	KindClosed
	KindCut
	KindTimeout
	KindBadResponse
	KindTooLarge
	KindNoPorts
	KindNoFiles
	KindAborted
)

var kindNames = [...]string{
	KindOther:          "connection error",
	KindDNS:            "DNS lookup failed",
	KindRefused:        "connection refused",
	KindUnreachable:    "host unreachable",
	KindConnectTimeout: "connect timeout",
	KindTLS:            "TLS handshake failed",
	KindReset:          "connection reset",
	KindClosed:         "connection closed without an answer",
	KindCut:            "answer cut short",
	KindTimeout:        "timeout",
	KindBadResponse:    "bad response",
	KindTooLarge:       "response body too large",
	KindNoPorts:        "no free local port (load generator)",
	KindNoFiles:        "too many open files (load generator)",
	KindAborted:        "aborted",
}

// String is the name under which reports count the failure.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[KindOther]
}

// Error is a failed exchange.
type Error struct {
	Kind Kind
	// Sent says that the target may have received the request: it may have acted on it.
	Sent bool
	Err  error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Kind.String()
	}
	return e.Kind.String() + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of an error that this package returned.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindOther
}

func connectError(err error) *Error {
	var timeout net.Error
	var lookup *net.DNSError
	switch {
	case errors.As(err, &lookup):
		return &Error{Kind: KindDNS, Err: err}
	case errors.Is(err, context.Canceled), errors.Is(err, net.ErrClosed):
		return &Error{Kind: KindAborted, Err: err}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Error{Kind: KindRefused, Err: err}
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return &Error{Kind: KindUnreachable, Err: err}
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EADDRINUSE):
		return &Error{Kind: KindNoPorts, Err: err}
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return &Error{Kind: KindNoFiles, Err: err}
	case errors.Is(err, syscall.ECONNRESET):
		return &Error{Kind: KindReset, Err: err}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &Error{Kind: KindConnectTimeout, Err: err}
	}
	return &Error{Kind: KindOther, Err: err}
}

// ioError names a failure of a connected exchange; began says that a part of the
// answer had come.
func ioError(err error, began bool) *Error {
	switch {
	case errors.Is(err, net.ErrClosed), errors.Is(err, context.Canceled):
		return &Error{Kind: KindAborted, Err: err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &Error{Kind: KindTimeout}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		if began {
			return &Error{Kind: KindCut}
		}
		return &Error{Kind: KindClosed}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return &Error{Kind: KindReset}
	}
	return &Error{Kind: KindOther, Err: err}
}

// handshakeFailed says that TLS found the peer wanting, or the other way round.
func handshakeFailed(err error) bool {
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	return errors.As(err, &cert) || errors.As(err, &record) || errors.As(err, &alert)
}

// NameConnectError names an error of net.Dial or TLS as KindOf would; "" when it has no
// name of its own. It serves clients of other protocols.
func NameConnectError(err error) string {
	if handshakeFailed(err) {
		return KindTLS.String()
	}
	if k := connectError(err).Kind; k != KindOther {
		return k.String()
	}
	return ""
}
