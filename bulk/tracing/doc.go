// Package tracing shows the way of single messages as OpenTelemetry traces: spans for accept,
// queue, submit, receipt and notification below one for the message, sent to a collector by
// OTLP over HTTP.
//
// Spans are made afterwards, of the events that the store applied and the times in them, so
// that nothing is carried along with a message. Which messages are traced follows from their
// ids, and so do trace id and root span id: every node, and a node that started again, adds
// to the same trace.
//
// A Tracer has one goroutine, which makes the spans and sends them. It is behind a bounded
// queue: what has no room, because the collector is slow or away, is dropped and counted.
package tracing
