// Package queue keeps the messages that wait for their turn: Lanes, one per connector
// and priority, first in first out by lane sequence, over the store that holds them all.
//
//	Applied (store's applier) ─> lane: [ fifo by Seq ] ──┐
//	                              └ wheel (due ≤ 60 s) ──┴─> Take (dispatcher)
//	                              └ beyond the bound: only in the store ─> loader ─> fifo
//
// # Bounds
//
// A connector's lanes hold up to Options.Memory items together; an eighth of it is
// reserved for each lane, the rest is shared. A lane without room goes to disk mode:
// it remembers the last sequence it has in memory and loads what comes after it from
// the Store when it is half empty. It is back in memory mode when the last sequence
// loaded is the last one appended. SCHEDULED messages (due in more than 60 s, or with a
// schedule) stay in the store; the loader makes them PENDING when their time comes,
// which puts them at the end of their lane.
//
// # Order and fairness
//
// Within a lane items leave in the order of Seq; a retry has a new one. Between the
// lanes of a connector Take is weighted fair: CRITICAL 32, HIGH 12, NORMAL 4, LOW 1
// while all of them wait, so no lane starves.
//
// # Send horizon
//
// Take never returns an item above the lane's durable send horizon. The lane asks the
// Store for a higher one ahead of need, in steps of 1,000, and asks further ahead after
// it had to wait. After a crash the items up to it come out marked Suspect.
//
// # Claim and cancel
//
// Taking an item is the claim. Cancel takes a waiting item out under the same lock, so
// that exactly one of the two gets it.
//
// Lanes owns two goroutines, the loader and the promoter, from Start to Stop. Applied
// and Cancel may be called by any goroutine, Take by one goroutine per Queue.
package queue
