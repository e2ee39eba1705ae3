// Package aggregator sends messages through the HTTP API of an aggregator, whatever that
// looks like: Settings say how a request is made and what its answers and receipts mean.
//
//	Settings ─ Compile ─> Gateway ─ Request ─> HTTP request
//	                              ─ Read ────> upstream.Outcome
//	                              ─ Receipts > what a callback reports
//	Links = Gateway + http.Client + upstream.Throttle: what package dispatch sends with
//
// A Gateway is immutable and safe for concurrent use. Links has a goroutine for each request
// under way, at most Window; Stop joins them.
package aggregator
