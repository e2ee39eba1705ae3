// Package stats is the measuring core of the load tester: what virtual users record on the hot path, and what comes
// out of it once a second.
//
//	user goroutine ── Shard.Record ──┐                                   ┌─ Live     (terminal, page, CSV)
//	                  Shard.Late ────┤                                   ├─ Points   (charts)
//	                                 ├─ Collector.Tick (each second) ──> │
//	                  Ledger.Issue ──┤    drains shards and ledger       ├─ Window   (the measured window)
//	                  Ledger.Accept ─┤    into one Timeline row          └─ Summary  (any window recombined)
//	receipt handler ─ Ledger.Receipt ┘
//
// Main types: [Recorder] with its [Shard]s takes one sample per request; [Histogram] is the merged form of the samples;
// [Ledger] follows every message from submit to delivery receipt; [Collector] drains both into a timeline of bounded
// size, from which any window is recombined with exact percentiles.
//
// The package starts no goroutine: recording runs on the caller's goroutines, and [Collector.Tick] is called once a
// second by whoever owns the run.
package stats
