// Package callback tells customers the final state of their messages by webhook:
// batched, signed as Standard Webhooks, retried for 72 hours, one breaker per endpoint.
//
// The main type is Sender. It keeps bounded memory: the store's settled records are the
// durable outbox, Sender.Push is only a hint that one is there, and what it cannot take
// is read again through Outbox when there is room. A notice leaves the outbox when the
// endpoint answered 2xx, or when it was given up.
//
// A Sender owns its goroutines: one sweeper that reads the outbox, and for each endpoint
// with work up to Options.Concurrency senders, which end when there is none. Stop joins
// them all.
package callback
