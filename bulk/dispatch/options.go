package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/queue"
	"protei-bulk/bulk/upstream"
	"protei-bulk/smpp"
)

// Store is what a Dispatcher needs of the store. None of its methods but LookupReceipts
// may block.
type Store interface {
	// Record commits ev; done runs when it is durable and applied, or can never be.
	Record(ev message.Event, done func(error))
	RecordMany(evs []message.Event, done func(error))
	// NoteSubmitted makes the part findable by its receipt at once.
	NoteSubmitted(key message.ReceiptKey, m *message.Message, part int)
	// FindReceipts looks in memory only. It does not keep keys nor dests: their strings
	// may be overwritten afterwards.
	FindReceipts(keys []message.ReceiptKey, dests []string, out []message.ReceiptMatch) int
	// LookupReceipts also looks on disk.
	LookupReceipts(ctx context.Context, keys []message.ReceiptKey, dests []string, out []message.ReceiptMatch) error
	// ParkReceipt keeps a receipt until its message is known.
	ParkReceipt(r message.Receipt, done func(error))
}

// Policy says what becomes of a message when nobody knows whether the SMSC has it.
type Policy uint8

// The policies.
const (
	Resend Policy = iota // again, marked as a possible duplicate
	Hold                 // HELD until somebody decides
	Fail                 // FAILED
)

// ParsePolicy reads resend, hold or fail; "" is resend.
func ParsePolicy(s string) (Policy, error) {
	switch s {
	case "", "resend":
		return Resend, nil
	case "hold":
		return Hold, nil
	case "fail":
		return Fail, nil
	}
	return 0, errors.New("unknown outcome policy " + s + ": one of resend, hold, fail")
}

// Links are a way to an SMSC.
type Links interface {
	// Options are its settings: of them the dispatcher needs Name, TPS, TraceTLV, SMSCIDs, Unknown.
	Options() upstream.Options
	// Start opens it and returns at once; handler takes what the SMSC sends on it.
	Start(handler smpp.Handler)
	// Stop closes it when what is under way has ended, or ctx has.
	Stop(ctx context.Context) error
	// Ready gets a value when there may be more room.
	Ready() <-chan struct{}
	// Free returns how much it takes now.
	Free() int
}

// Gateway is a way that takes messages as they are (aggregator.Links), and not submit_sm.
type Gateway interface {
	Links
	// Whole reports whether one Submission carries all parts of a message.
	Whole() bool
	// Submit sends, and calls done once unless it returns upstream.ErrBusy. It must not block.
	Submit(s upstream.Submission, done func(upstream.Outcome)) error
}

// Options configure a Dispatcher. Rate, id mode and policy are those of Group or Gateway.
type Options struct {
	Connector uint16
	Queue     *queue.Queue
	Group     *upstream.Group // SMPP
	Gateway   Gateway         // anything else: one of the two is needed
	Store     Store
	// Intermediate, when set, is told receipts of states that are not final, of messages in
	// memory with NotifyIntermediate. It must not block.
	Intermediate func(m *message.Message, state smpp.MessageState)
	// Alert, when set, is told of alert_notification; p is valid only during the call.
	Alert   func(p *smpp.AlertNotification)
	Inbound Inbound // nil: mobile-originated messages are refused with ESME_RX_P_APPN

	Validity    time.Duration // of a message that names none, 48 h by default
	MaxUnsynced int           // results not yet durable, 10,000 by default
	Batch       int           // messages taken at once, 256 by default
	RetryMin    time.Duration // after the first temporary failure, 1 s by default; it doubles
	RetryMax    time.Duration // 5 min by default
	MaxAttempts int           // tries before FAILED, 200 by default, at most 250

	ReceiptQueue int           // receipts that wait for the resolver, 10,000 by default
	ReceiptWait  time.Duration // for a response on another bind, 50 ms by default

	// Classes overrides the class of some command_status values.
	Classes map[smpp.Status]Class
	// Charset is how the SMSC wants text of the GSM alphabet.
	Charset Charset
	// SourceRules and DestRules say how it wants addresses.
	SourceRules, DestRules []AddressRule
	// Next returns the connector for a message that this one has no way for; nil: there is
	// none. It must not block.
	Next func(m *message.Message) (connector uint16, ok bool)

	Logger *slog.Logger
	Now    func() time.Time // nil: time.Now
}

func (o Options) withDefaults() Options {
	setDefault(&o.Validity, 48*time.Hour)
	setDefault(&o.MaxUnsynced, 10_000)
	setDefault(&o.Batch, 256)
	setDefault(&o.RetryMin, time.Second)
	setDefault(&o.RetryMax, 5*time.Minute)
	setDefault(&o.MaxAttempts, 200)
	setDefault(&o.ReceiptQueue, 10_000)
	setDefault(&o.ReceiptWait, 50*time.Millisecond)
	o.MaxAttempts = min(o.MaxAttempts, 250) // Part.Attempts is one octet
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o Options) validate() error {
	switch {
	case o.Queue == nil:
		return errors.New("dispatch: no queue")
	case (o.Group == nil) == (o.Gateway == nil):
		return errors.New("dispatch: Group or Gateway is needed")
	case o.Store == nil:
		return errors.New("dispatch: no store")
	}
	return nil
}
