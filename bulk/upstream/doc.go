// Package upstream keeps the links to one SMSC: a Group of SMPP binds (transceivers, or
// transmitters with receivers) that reconnects, spreads submit_sm over the binds with
// the most room in their windows, and slows down for an SMSC that throttles.
//
//	Group ──> link 0 ──> smpp.Session (window) ──> SMSC
//	      ──> link 1 ──> …
//
// Each link has a goroutine that dials, waits for the end of the session and dials
// again after a backoff of up to 1 s, doubling to 30 s while the SMSC does not want it; Start starts them, Stop unbinds and joins them. The
// peer's deliver_sm go to Options.Handler on the session's read goroutine, the answer to
// a submit_sm goes to its Call there too. Submit may be called by any goroutine and never
// blocks: Free says how much room there is, Ready when there may be more.
package upstream
