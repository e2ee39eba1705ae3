// Package smpp speaks SMPP 3.4 (Issue 1.2) with the optional parameters of 5.0: the
// codec of every PDU, the session with its window and timers, the client (ESME) and
// the server (SMSC).
//
// # Codec
//
// A [PDU] is the body of one command; [Append] writes a whole PDU to a buffer and
// [Decode] reads one. Both work in place: encoding appends, decoding aliases. Every
// []byte field of a decoded PDU points into the buffer it was read from and is valid
// only until the call that got it returns; keep a copy (string(x)) of what must live
// longer. Encoding and decoding submit_sm, submit_sm_resp, deliver_sm and enquire_link
// allocates nothing.
//
// # Session
//
// A [Session] is one connection in either role. It owns two goroutines, a reader and a
// writer, and one timer; all have ended when [Session.Done] is closed. Requests
// go out through [Session.Send], [Session.TrySend] or [Session.Do] and are bounded by
// the window; their [Completion] runs on the reader. Requests of the peer go to the
// [Handler], also on the reader, and are answered at once or later, from any
// goroutine, by [Session.Respond], which never blocks.
//
//	Send ──> in-flight ring ──> write buffer ──swap──> writer goroutine ──> one Write per wake-up
//	                ^                ^
//	Completion <── reader goroutine  └── Respond <── Handler <── reader goroutine
//
// The session itself answers enquire_link and unbind, unknown commands (generic_nack),
// commands that the bind does not allow, and malformed PDUs; it sends enquire_link when
// the line is idle and times out requests.
//
// # Bounds
//
// Requests of ours: Window. Requests of the peer: MaxInFlight unanswered, then the
// session stops reading, or answers WindowFull when that is set. Unsent bytes:
// WriteBuffer, then Send waits; when the peer does not take its responses either, the
// session stops reading, and after WriteTimeout it is closed. One PDU: MaxPDU; the
// announced length is never allocated before the bytes have come.
//
// [Dial] makes a bound client session; [Server] accepts connections, asks its
// Authenticate hook, and drains with unbind at Shutdown.
package smpp
