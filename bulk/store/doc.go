// Package store is the embedded store of the platform: a live table of the messages
// that something still happens to, a journal (package journal) that makes each change
// durable before it is answered, and SQLite behind the two that keeps everything and
// answers every query.
//
// # How a change travels
//
//	Accept, Record ──> queue ──> WRITER ──> APPLIER ──> dirty list ──> MATERIALISER
//	 (any goroutine)             one write     Event.Apply,   (oldest      one SQLite
//	                             and fdatasync counts,        first)       transaction with
//	                             per group     hook, done                  the journal position
//
// The writer gives every event its place (lane sequence and record number), the
// applier is the only code that changes a message, the materialiser writes messages
// that have been quiet for about a second, most of them once, in their last state.
// Those three goroutines belong to Embedded: OpenEmbedded starts them, Stop ends and
// joins them.
//
// # One object per message
//
// While a message is in the live table there is one *message.Message for its id. It
// leaves the table only after SQLite holds its state, and events that still refer to
// the old object afterwards are redirected to the one that is current.
//
// See DESIGN.md in this folder for the tables, the postings and what makes replay exact.
package store
