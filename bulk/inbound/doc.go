// Package inbound takes mobile-originated messages (MO): it joins the parts of long ones,
// finds the customer by number, keyword or pattern, and has them stored before the SMSC is
// told that we have them.
//
// The main types are Receiver and Table. A part is durable on its own; when the last one
// is, the joined message takes their place in one record, so that a crash at any moment
// loses nothing and delivers nothing twice that was not delivered before.
//
//	deliver_sm ─> Receive ─┬─ whole ─> route ─> Store ─> ROK, Deliver
//	                       └─ part ──> Store ─> ROK, assembler ── last one ─> join, route ─> Store ─> Deliver
//
// Deliver is a hint for whoever tells the customer; the store is the outbox. A Receiver
// owns one goroutine, which gives up parts whose message does not become complete; Stop
// joins it.
package inbound
