// Package esme is the platform's SMPP server: customers bind to it, submit messages and
// get delivery receipts back.
//
// The main type is Server. A submit_sm goes to intake and is answered from the store's
// goroutine when it is durable. Final states come in by Server.Push and leave as
// deliver_sm on any receiver or transceiver of the account.
//
//	Push ──> mailbox (one per account with a receiver) ──> courier ──> deliver_sm ──> ESME
//	            ^ bounded; the rest stays in the outbox                     │
//	sweeper ────┘ <── Outbox.OpenReceipts        Outbox.Notified <── deliver_sm_resp
//
// The store is the outbox: what is in a mailbox is a copy, and is dropped when the last
// receiver of the account leaves. Receipts that nobody is there to take wait in the
// store until the next bind, and are given up after Options.GiveUp.
//
// A Server owns two goroutines, the courier and the sweeper, and those of its sessions.
// Stop joins them all.
package esme
