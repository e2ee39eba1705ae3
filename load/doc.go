// Package load is the load tester's engine and the vocabulary for those who write
// scenarios: a [UserClass] says what one kind of virtual user does and how long it
// waits between two tasks, a [Shape] how many users there are at what time, and [Run]
// lets them loose, ticks once a second, stops them, drains and returns.
//
//	Shape.At(elapsed) ─> scheduler ── starts and stops users, smoothly, at the spawn rate
//	                        │
//	User (goroutine, own rand, own connection): intended start ─> task ─> wait ─> …
//	                        │ records into its shard (load/stats)
//	ticker, each second: Collector.Tick ─> Options.OnTick (terminal, CSV)
//	end: stop users (StopTimeout) ─> drain receipts (DrainTimeout) ─> Options.Resolve ─> Result
//
// The model is closed: a user starts its next iteration when the last one has ended and
// its wait is over; that moment is the intended start, and being late for it is recorded
// as the generator's own delay.
//
// [Run] owns every goroutine it starts and returns when all have ended.
package load
