// Package panel is the load tester's live web page: the form that starts a test, what is measured while it runs, and
// Locust's routes for scripts.
//
//	engine ── Page.Tick (each second) ──> one encoding ──┬─> every viewer's event stream
//	       ── Page.Begin, Say, End ─────> state          ├─> /stats/requests, /api/history … when asked
//	browser ─ POST /swarm, /stop … ─────> Control ───────┴─> the command that owns the runs
//
// A [Page] is an http.Handler and starts no goroutine: it lives on those of the requests and of the run that tells it
// what happens. It knows nothing of commands and flags: a [Control] starts, changes and stops runs. A process may have
// many runs one after the other.
//
// Everything is bounded: viewers (64), what a slow viewer misses is skipped and not kept for it, points of a history
// (2,000 a run), runs whose charts are kept (10), log lines (1,000).
package panel
