// Package api is the REST face of the platform. API is the http.Handler for everything
// under /api/v1 and /metrics; Server runs it on a listener with bounds on time, headers
// and connections. Messages enter through intake, campaigns through campaign; what is
// read comes through the small interfaces of this file, which package bulk wires.
//
// The endpoints that carry the load (POST, GET and DELETE of messages) are written by
// hand: bodies are read into pooled buffers, scanned once without reflection and answered
// append-style. Every error is an RFC 9457 problem document from one table. Only Server
// starts goroutines: those of net/http, joined by Shutdown.
package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/billing"
	"protei-bulk/bulk/campaign"
	"protei-bulk/bulk/connector"
	"protei-bulk/bulk/contact"
	"protei-bulk/bulk/contact/suppression"
	"protei-bulk/bulk/inbound"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/route"
	"protei-bulk/bulk/user"
)

// Errors that the interfaces below return.
var (
	ErrNotFound = errors.New("no such message")
	ErrTooLate  = errors.New("the message can no longer be cancelled: it is with the SMSC, final, or due within 5 seconds")
	// ErrUnowned: the message waits in the lane of a node that is being replaced, or does not answer.
	ErrUnowned = errors.New("the node that has the message in its lane does not answer at the moment")
	ErrNotHeld = errors.New("the message is not held")

	ErrBackupRuns = errors.New("a backup is being made: wait for its end")
	ErrNoRoom     = errors.New("the disk has no room for a backup")
)

// Query selects messages, newest first. Zero fields do not filter.
type Query struct {
	Account  uint32
	Status   message.Status
	From, To string
	Campaign message.ID
	Batch    message.ID
	Since    time.Time // inclusive
	Until    time.Time // exclusive

	Cursor message.ID // only ids below it
	Page   int        // 1-based, when there is no Cursor
	Limit  int        // 1 to 1,000
}

// Messages reads what the platform knows of messages. What it returns are copies that
// nobody else writes.
type Messages interface {
	// Message returns ErrNotFound for an unknown id. It sees every durable write.
	Message(ctx context.Context, id message.ID) (*message.Message, error)
	// List returns at most q.Limit messages, the cursor of the next call (0 at the end)
	// and the moment that the list shows.
	List(ctx context.Context, q Query) (msgs []*message.Message, next message.ID, asOf time.Time, err error)
	// Cancel withdraws a waiting message, durably: ErrNotFound, ErrTooLate.
	Cancel(ctx context.Context, id message.ID) error
	// Release lets a HELD message be sent again, durably: ErrNotFound, ErrNotHeld.
	Release(ctx context.Context, id message.ID) error
}

// Answers remembers what requests with an Idempotency-Key were answered. They are stored by
// way of intake.SubmitOnce.
type Answers interface {
	// Answer returns what the account's request was answered in the last 24 hours, or nil. It
	// sees every durable answer.
	Answer(ctx context.Context, account uint32, key [32]byte) (*message.Answer, error)
}

// SentDone is the index in Counts of messages that are SENT and want no receipt: their
// work is done. Those at message.Sent still await one.
const SentDone = 0

// Counts are messages by status; the index is message.Status.
type Counts [message.Unknown + 1]int64

// Queue is the state of one lane.
type Queue struct {
	Connector string           `json:"connector"`
	Priority  message.Priority `json:"-"`
	Waiting   int64            `json:"waiting"` // due now, disk included
	Delayed   int64            `json:"delayed"` // retries that wait for their time
	InMemory  int64            `json:"in_memory"`
}

// Insight tells how the platform is doing. Its methods are quick and take no I/O.
type Insight interface {
	// Ready returns nil, or why the platform cannot take messages now.
	Ready() error
	// Counts returns the ledger of an account, of all accounts for 0.
	Counts(account uint32) Counts
	// EachAccount calls f with the ledger of each account that has had messages.
	EachAccount(f func(account uint32, counts Counts))
	// Accepted returns the messages accepted, counted apart from the statuses: it equals
	// the sum of Counts, or the ledger does not close.
	Accepted(account uint32) int64
	Connectors() []Connector
	Queues() []Queue
}

// Options of an API. Accounts, Intake, Messages, Answers, Insight and Billing are needed.
type Options struct {
	Accounts  *account.Directory
	Intake    *intake.Intake
	Messages  Messages
	Answers   Answers // of requests with an Idempotency-Key
	Insight   Insight
	Billing   *billing.Desk
	Campaigns *campaign.Manager // nil: the campaign endpoints answer 404
	Lists     *contact.Lists    // nil: the endpoints of contact lists answer 404
	TempDir   string            // of files that are uploaded; "": os.TempDir
	// Connectors can be changed; nil: they are only shown.
	Connectors *connector.Directory
	Gateways   Gateways   // nil: connectors of kind http take no receipts and are not tried
	IDs        intake.IDs // batch ids

	Webhooks      Webhooks           // nil: endpoints, failed and replay answer 404
	Inbound       InboundMessages    // nil: the inbound endpoints answer 404
	InboundRoutes *inbound.Routes    // needed with Inbound
	Audit         Audit              // nil: changes are not logged
	Alerts        Alerts             // nil: the calls of alerts answer 404
	Suppressed    *suppression.Lists // nil: the calls of blacklist and optouts answer 404
	// Routes are the rules, and Router has them in force; nil: there are no calls for them.
	Routes *route.Book
	Router *route.Router
	// Route names a rule in answers; nil: none is shown.
	Route func(id uint32) string

	// SMSC names a connector in answers; nil: its number is shown.
	SMSC func(connector uint16) string
	// Backup writes a copy of the store to w while the platform works: ErrBackupRuns,
	// ErrNoRoom. nil: POST /api/v1/backup answers 404.
	Backup func(ctx context.Context, w io.Writer) error
	CDR    CDRFiles        // nil: the calls of CDR files answer 404
	Nodes  Nodes           // nil: the list of nodes answers 404
	Hints  Hints           // nil: the calls of /queues/dead answer 404
	System SystemDesk      // nil: the system calls answer 404
	Users  *user.Directory // people who sign in to the console; nil: there are none
	// Metrics answers GET /metrics, to requests that need no credentials; nil: 404.
	Metrics http.Handler
	// Root answers everything outside /api/ and /metrics (the console); nil: 404.
	Root http.Handler

	Version string
	Now     func() time.Time // nil: time.Now
	Logger  *slog.Logger     // nil: silent
}

// Validate names every fault at once.
func (o *Options) Validate() error {
	var faults []error
	need := func(ok bool, name string) {
		if !ok {
			faults = append(faults, errors.New("api: "+name+" is needed"))
		}
	}
	need(o.Accounts != nil, "Accounts")
	need(o.Intake != nil, "Intake")
	need(o.Messages != nil, "Messages")
	need(o.Answers != nil, "Answers")
	need(o.Insight != nil, "Insight")
	need(o.Billing != nil, "Billing")
	need(o.IDs != nil, "IDs")
	need(o.Inbound == nil || o.InboundRoutes != nil, "InboundRoutes")
	return errors.Join(faults...)
}
