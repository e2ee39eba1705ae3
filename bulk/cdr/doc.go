// Package cdr writes call detail records: one line, in CSV or JSON, for each part of a
// message and each final state that it reaches. It also reads and verifies complete files.
//
// The main types are Writer and Record. A Writer owns two goroutines: one writes, syncs
// and rotates, the other completes closed files and deletes old ones; Close joins both.
//
// # Files
//
// Lines go to current.csv (or current.jsonl). By size and age it is renamed to
// closing-YYYYMMDD-HHMMSS-NNN.csv (UTC, moment of rotation). It then gets a last line with
// the number of its records and the SHA-256 of what stands before, is compressed if that
// is set, and appears as cdr-YYYYMMDD-HHMMSS-NNN.csv (.gz, .zst) by a rename. Whatever
// matches cdr-* is complete and never touched again.
//
//	current.csv ──rename──> closing-….csv ──trailer, sync, rename──────────> cdr-….csv
//	                              └──> closing-….csv.tmp ──sync, rename──> cdr-….csv.zst, then closing-… goes
//
// # Exactly once
//
// The writer follows the store's journal. Append names the position of the last event
// its records come from; the file "position" holds, as of the last Sync, that position
// and the length of the current file. After a crash Open cuts the current file to that
// length, torn line included, and the events behind Position are appended again by the
// store's replay; Append ignores what is not behind it. So each record is there once,
// provided the store calls SyncTo before it lets go of an event (before the SQLite commit
// that holds its effect, since an event that changes nothing any more gives no record).
package cdr
