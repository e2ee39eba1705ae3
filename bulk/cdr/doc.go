// Package cdr writes call detail records: one CSV line for each part of a message and
// each final state that it reaches.
//
// The main types are Writer and Record. A Writer owns one goroutine, which writes,
// syncs, rotates and deletes old files; Close joins it.
//
// # Files
//
// Lines go to current.csv. By size and age it is renamed to
// cdr-YYYYMMDD-HHMMSS-NNN.csv (UTC, moment of rotation) and never touched again, so
// whatever matches cdr-*.csv is complete. Every file begins with Header.
//
// # Exactly once
//
// The writer follows the store's journal. Append names the position of the last event
// its records come from; the file "position" holds, as of the last Sync, that position
// and the length of current.csv. After a crash Open cuts current.csv to that length,
// torn line included, and the events behind Position are appended again by the store's
// replay; Append ignores what is not behind it. So each record is there once, provided
// the store calls SyncTo before it lets go of an event (before the SQLite commit that
// holds its effect, since an event that changes nothing any more gives no record).
package cdr
