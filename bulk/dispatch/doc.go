// Package dispatch carries messages from the lanes of a connector to its SMSC and the
// results back into the store: one Dispatcher per connector, and a Sweeper for messages
// whose receipt never came.
//
//	queue.Take ─> pacer (TPS) ─> submit_sm per part ─> upstream.Group
//	                                                        │ submit_sm_resp, timeout, link lost
//	 Submitted · Requeue · Hold · Settle  <── classify <────┘
//
//	deliver_sm ─> parse ─> live index ──found──> Settle ─> durable ─> deliver_sm_resp
//	                          └─ missed ─> resolver: SQLite, 50 ms, park ─┘
//
// # Bounds
//
// In flight: the windows. Results not yet durable: MaxUnsynced, then sending pauses, so a
// crash duplicates at most that and the windows. Throttled parts wait in memory, in
// flight no more: at most the windows. Receipts whose message is not in memory: ReceiptQueue,
// then they are answered ESME_RX_T_APPN and the SMSC brings them again.
//
// # Goroutines
//
// A Dispatcher owns two, the sender and the resolver, and the links of its Group; Start
// starts them and Stop joins them. Results and receipts are handled on the sessions' read
// goroutines, acknowledgements on the store's applier goroutine; neither blocks.
package dispatch
