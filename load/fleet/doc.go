// Package fleet runs one load test on many machines: a [Master] plans and judges it and has
// no users, [Worker]s have the users and no plan. DESIGN.md beside this file has the
// protocol.
//
//	load.Engine ── load.Remote ── Run ─┐                          ┌─ Worker ── Session ── load.Part
//	                                   ├─ Master ══ NATS, TLS ════┤
//	stats.Collector ── stats.Union ────┘  plan →, ← beats, reports └─ Worker ── …
//
// A Master owns its NATS server, its connection and the goroutine that notices lost
// workers; Close ends them and tells the workers goodbye. A Worker's Run owns everything
// it starts and returns when it has ended.
package fleet
