// Package smsc simulates an SMSC: the far end for demos, load tests and the project's
// own tests. It takes messages over SMPP 3.4, answers them, sends delivery receipts and
// counts what came once, twice or not at all. What it does besides, errors, delays,
// losses, disconnects, is its [Behaviour], which a control port changes while it runs.
//
// A [Simulator] is started and stopped like any other server. It owns the goroutines of
// its smpp.Server, one that works the timing wheel, one that takes a sample of the
// rates each second, and those of its HTTP server; Stop joins them all.
//
// # The way of a message
//
//	submit_sm ─> throttle ─> seen set ─> verdict(seed, message, attempt)
//	                                         │
//	   record in the spool <─────────────────┘
//	      │ latency: timing wheel
//	      v
//	   submit_sm_resp ──> receipt delay: timing wheel ──> deliver_sm on a bind with room,
//	                                                      else ready list of the system_id
//	                                                         │ deliver_sm_resp
//	                                 acknowledged: forgotten <┴> ESME_RX_T_APPN, RMSGQFUL,
//	                                                             timeout, link loss: again
//
// A message is recognised when it comes again by the vendor parameter TraceTag, or
// without it by destination and text. A message refused is not counted as seen.
//
// # Bounds
//
// MaxTracked messages are remembered, in 10 to 19 octets each; later ones count as
// untracked. MaxPending records wait for an answer or a receipt, in 120 octets each;
// beyond that submits are answered ESME_RMSGQFUL. Receipts are given up after
// ReceiptTTL. Nothing is allocated for a message.
package smsc
