// Package load is the load tester's engine and the vocabulary for those who write
// scenarios: a [UserClass] says what one kind of virtual user does and how long it
// waits between two tasks, a [Shape] how many users there are at what time, a [Rate] when
// iterations start, and an [Engine] lets them loose, ticks once a second, stops them,
// drains and returns. docs/load-go.md is the guide.
//
//	Shape.At(elapsed) ─> scheduler ── closed model: starts and stops users, smoothly, at the spawn rate
//	Rate (start times) ─> arrivals ── open model: starts iterations on a bounded pool of users; none free: dropped+1
//	                        │
//	User (goroutine, own rand, own connection): intended start ─> task ─> wait ─> …
//	                        │ records into its shard (load/stats)
//	ticker, each second: Collector.Tick ─> Options.OnTick (terminal, CSV) ─> Options.Guards
//	end: stop users (StopTimeout) ─> drain receipts (DrainTimeout) ─> Options.Resolve ─> Result
//
// In the closed model a user starts its next iteration when the last one has ended and
// its wait is over; in the open one iterations are due at the times of the rate, whatever
// the answers take. Either moment is the intended start: response times count from it, and
// being late for it is recorded as the generator's own delay. [FindMax] searches the
// highest rate that keeps targets.
//
// [Engine.Run] owns every goroutine that the engine starts and returns when all have ended.
package load
