// Package intake is the one door into the platform: REST, SMPP and campaigns hand their
// messages to an Intake, which validates them, segments the text, picks the route,
// charges the account's rate and appends them to a Sink. A message that comes back
// without a Refusal is durable.
//
// Refusals carry their HTTP and SMPP answers from one table. The package starts no
// goroutine; it keeps bounded caches of checked senders and webhook addresses.
package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
	"protei-bulk/bulk/route"
	"protei-bulk/gsm"
)

// Request is one message as a door got it. Its strings and slices are only borrowed:
// what a Message keeps is copied, so they may alias a buffer that is used again.
type Request struct {
	Account *account.Account

	From, To string // as written by the customer; ignored when Raw is set
	Text     string // UTF-8; hex digits when Encoding is gsm.Binary
	Encoding gsm.Encoding
	Flash    bool
	Content  *Content // what few messages have; nil: nothing

	Priority       message.Priority
	ScheduleAt     string           // RFC 3339 with zone; empty: now
	ValidityPeriod string           // ISO 8601 duration, RFC 3339 moment or seconds; empty: the default
	DLRURL         string           // http or https; empty: the account's
	Callback       message.Callback // the form in which DLRURL is told; without DLRURL it means nothing
	ClientRef      string
	Tag            string // for routing; it is not kept
	TraceParent    string // W3C traceparent of the caller, for Options.Traced; empty: none
	Ordered        bool   // it leaves behind what was accepted before it for the same destination and is Ordered

	Batch, Campaign message.ID
	Ordinal         uint32 // 1-based inside the campaign

	// Unlisted is set for what the platform itself answers to a STOP: lists of numbers that are
	// not written to are not looked at.
	Unlisted bool

	Raw *Raw // set by SMPP instead of From, To, Text, Encoding, Flash, ScheduleAt, ValidityPeriod
}

// Content is what few messages have besides their text.
type Content struct {
	Data       string // base64, instead of Text: Encoding is BINARY then
	UDH        string // user data header in hex digits, length octet included
	DestPort   uint16 // application ports, when either is set
	SourcePort uint16
	Octets     []byte // instead of Text and Data: Encoding is BINARY then
	ProtocolID uint8  // SMPP 3.4 §5.2.13
	// DataCoding, when SetDataCoding, is sent instead of that of the encoding: a message class, a
	// message waiting indication, or what octets are (SMPP 3.4 §5.2.19).
	DataCoding    uint8
	SetDataCoding bool
	Transliterate bool // plain quotes, dashes and spaces where the typographic ones are not in GSM7
}

// Raw is a submit_sm's part of a Request: octets that pass through as they are.
type Raw struct {
	Source, Dest message.Address
	DataCoding   uint8  // SMPP 3.4 §5.2.19
	ESMClass     uint8  // SMPP 3.4 §5.2.12; with bit 6 Octets start with a user data header
	ProtocolID   uint8  // SMPP 3.4 §5.2.13
	Octets       []byte // short_message or message_payload; segmented when too long for one message
	ScheduleAt   int64  // Unix ms, 0: now
	ValidUntil   int64  // Unix ms, 0: the default
	// ReceiptRequested is registered_delivery bits 1-0 (0 none, 1 any final state, 2 failure
	// only, 3 success only) and 4 (intermediate notifications).
	ReceiptRequested uint8
}

// Outcome is what became of a Request: Msg or Err is set.
type Outcome struct {
	Msg *message.Message // durable; its state belongs to the store
	Err *Refusal
	// Transliterated: characters were exchanged, as Content.Transliterate allows.
	Transliterated bool
	// SenderReplaced: the account may not send as the sender that was asked for, and its
	// default stands there instead.
	SenderReplaced bool
}

// Sink makes messages durable. Errors: ErrBusy, ErrDiskFull, ErrTooLarge, ErrUnavailable,
// ErrNoMoney, *OverQuota, and with an answer ErrRepeated.
type Sink interface {
	// Accept returns when all messages are durable, or none is, and with them the answer of
	// their request, unless that is nil. It keeps the messages but not the slice. After the
	// end of ctx their fate is open.
	Accept(ctx context.Context, msgs []*message.Message, answer *message.Answer) error
	// AcceptAsync calls done exactly once, when m is durable or refused, maybe before
	// it returns. done must not block.
	AcceptAsync(m *message.Message, done func(error))
}

// IDs issues message ids (message.IDSource).
type IDs interface {
	Next() message.ID
	Fill(ids []message.ID)
}

// Purse is the balance of one account. Its methods are exact whatever goes on at the same time.
type Purse interface {
	// Reserve takes an amount for messages that the Sink gets next, unless less than floor
	// would be left.
	Reserve(amount, floor money.Amount) bool
	// Release gives it back when the Sink did not take them.
	Release(amount money.Amount)
	// Left is what there is.
	Left() money.Amount
}

// Router picks the connector (route.Router).
type Router interface {
	Route(q *route.Query) (route.Choice, bool)
	// NeedsText reports whether a rule looks at texts.
	NeedsText() bool
}

// Options of an Intake. Sink, IDs and Router are needed.
type Options struct {
	Sink   Sink
	IDs    IDs
	Router Router
	// Admit, when set, is asked before each message; an error (ErrBusy) refuses it: the
	// back-pressure of a lane.
	Admit func(lane message.Lane) error
	// Listed, when set, says why an account must not write to a number (digits) as a sender: a
	// code and a detail, or "". It is asked for each message: it must be quick and take no lock.
	Listed func(account uint32, sender, dest string) (Code, string)
	// AdmitOrdered, when set, is asked before each ordered message, like Admit.
	AdmitOrdered func() error
	// AllowURL, when set, refuses webhook addresses by policy with a reason.
	AllowURL func(u *url.URL) error
	// Purse returns the balance of an account, which messages are paid of; nil: nothing costs anything.
	Purse func(account uint32) Purse
	// Payer returns the account that pays for another one's messages; nil: itself.
	Payer func(*account.Account) *account.Account
	// Parent finds the parent of an account; nil: no account has one.
	Parent func(id uint32) *account.Account
	// Traced, when set, is told the TraceParent of a message before the Sink gets it.
	Traced func(id message.ID, traceparent string)
	// Price of a part that neither the route nor the account has one for.
	Price money.Amount
	// Refused, when set, is told the reason of each message that was not accepted. It must
	// be quick.
	Refused func(Code)
	// MaxParts bounds the parts of one message; 0: 10.
	MaxParts int
	// DefaultValidity is used when a message names none; 0: 24 h.
	DefaultValidity time.Duration
	// MaxValidity bounds what a message may name; 0: 30 days.
	MaxValidity time.Duration
	// MaxSchedule is how far ahead a message may be scheduled; 0: 365 days.
	MaxSchedule time.Duration
	Now         func() time.Time // nil: time.Now
	Logger      *slog.Logger     // nil: silent
}

// Validate names every fault at once.
func (o *Options) Validate() error {
	var faults []error
	if o.Sink == nil {
		faults = append(faults, errors.New("intake: Sink is needed"))
	}
	if o.IDs == nil {
		faults = append(faults, errors.New("intake: IDs is needed"))
	}
	if o.Router == nil {
		faults = append(faults, errors.New("intake: Router is needed"))
	}
	if o.MaxParts < 0 || o.MaxParts > gsm.MaxParts {
		faults = append(faults, errors.New("intake: MaxParts is between 1 and 255"))
	}
	if o.DefaultValidity < 0 || o.MaxValidity < 0 || o.MaxSchedule < 0 {
		faults = append(faults, errors.New("intake: durations are not negative"))
	}
	return errors.Join(faults...)
}

func (o *Options) setDefaults() {
	if o.MaxParts == 0 {
		o.MaxParts = 10
	}
	if o.DefaultValidity == 0 {
		o.DefaultValidity = 24 * time.Hour
	}
	if o.MaxValidity == 0 {
		o.MaxValidity = 30 * 24 * time.Hour
	}
	if o.MaxSchedule == 0 {
		o.MaxSchedule = 365 * 24 * time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Intake is the door. It is safe for concurrent use.
type Intake struct {
	opts    Options
	refs    *gsm.Refs
	senders cache[message.Address] // by what the customer wrote
	urls    cache[string]          // webhook addresses that are allowed
	builds  sync.Pool              // *build
}

// New returns an Intake.
func New(opts Options) (*Intake, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts.setDefaults()
	in := &Intake{opts: opts, refs: gsm.NewRefs()}
	in.builds.New = func() any { return new(build) }
	return in, nil
}

// Submit takes the messages of one account; out has the length of reqs and gets one
// Outcome each. It returns when the accepted ones are durable. An error means that none
// was accepted, for a reason outside the messages (ErrBusy, ErrDiskFull, ErrUnavailable,
// the context's): AsRefusal gives its answers.
func (in *Intake) Submit(ctx context.Context, reqs []Request, out []Outcome) error {
	return in.SubmitOnce(ctx, reqs, out, nil)
}

// SubmitOnce is Submit for a request that may be repeated: seal, unless it is nil, is called
// when at least one message goes in and out is what it will be if the commit succeeds. The
// answer that it returns becomes durable with the messages. It is called again when some of them
// turn out not to fit in the quota.
func (in *Intake) SubmitOnce(ctx context.Context, reqs []Request, out []Outcome, seal func() *message.Answer) error {
	err := in.submit(ctx, reqs, out, seal)
	if in.opts.Refused == nil || errors.Is(err, ErrRepeated) { // the customer gets the first answer
		return err
	}
	for i := range reqs {
		switch {
		case out[i].Err != nil:
			in.opts.Refused(out[i].Err.Code)
		case err != nil:
			in.opts.Refused(AsRefusal(err).Code)
		}
	}
	return err
}

func (in *Intake) submit(ctx context.Context, reqs []Request, out []Outcome, seal func() *message.Answer) error {
	b := in.builds.Get().(*build)
	defer in.put(b)
	b.begin(in, len(reqs))
	if len(reqs) == 0 {
		return nil
	}
	a := reqs[0].Account
	if r := in.closed(a, b.now); r != nil {
		refuseAll(out, r)
		return nil
	}
	var charge account.Charge
	cost := 0
	for i := range reqs {
		m, r := b.message(&reqs[i])
		if r == nil {
			var taken account.Charge
			if taken, r = quota(a, b.now, m); r == nil {
				if r = b.pay(m); r == nil {
					charge.Add(taken)
					cost += a.Cost(len(m.Parts))
				} else {
					taken.Undo()
				}
			}
		}
		if r != nil {
			out[i] = Outcome{Err: r}
			continue
		}
		out[i] = Outcome{Msg: m, Transliterated: b.exchanged, SenderReplaced: b.replaced}
		b.msgs = append(b.msgs, m)
		if reqs[i].TraceParent != "" && in.opts.Traced != nil {
			in.opts.Traced(m.ID, reqs[i].TraceParent)
		}
	}
	if len(b.msgs) == 0 {
		return nil
	}
	if wait := a.Take(b.now, cost); wait > 0 {
		charge.Undo()
		b.payBack(b.msgs...)
		refuseAll(out, rateLimited(a, wait))
		return nil
	}
	for {
		var answer *message.Answer
		if seal != nil {
			answer = seal()
		}
		err := in.opts.Sink.Accept(ctx, b.msgs, answer)
		if err == nil || !notTaken(err) {
			return err
		}
		charge.Undo()
		var over *OverQuota
		if !errors.As(err, &over) {
			b.payBack(b.msgs...)
			return err
		}
		if charge = b.fitAgain(a, out, over); len(b.msgs) == 0 {
			return nil
		}
	}
}

// fitAgain takes the quota for those of the messages that fit in what the Sink says is left, which
// are fewer, and refuses the others.
func (b *build) fitAgain(a *account.Account, out []Outcome, over *OverQuota) (charge account.Charge) {
	b.msgs = b.msgs[:0]
	for i := range out {
		m := out[i].Msg
		if m == nil {
			continue
		}
		var taken account.Charge
		r := quotaRefusal(over.take(a, len(m.Parts)), b.now, m)
		if r == nil {
			taken, r = quota(a, b.now, m)
		}
		if r != nil {
			b.payBack(m)
			out[i] = Outcome{Err: r}
			continue
		}
		charge.Add(taken)
		b.msgs = append(b.msgs, m)
	}
	return charge
}

// notTaken reports whether the error of a Sink means that the messages are not accepted and
// will not be. After the end of a context their parts stay counted.
func notTaken(err error) bool {
	for _, sure := range []error{ErrBusy, ErrDiskFull, ErrTooLarge, ErrUnavailable, ErrNoMoney, ErrRepeated} {
		if errors.Is(err, sure) {
			return true
		}
	}
	var over *OverQuota
	return errors.As(err, &over)
}

// quota takes the parts of m from the account's quotas.
func quota(a *account.Account, now time.Time, m *message.Message) (account.Charge, *Refusal) {
	charge, err := a.TakeParts(now, len(m.Parts))
	return charge, quotaRefusal(err, now, m)
}

// quotaRefusal refuses a message for want of quota; nil: there is enough.
func quotaRefusal(err *account.QuotaError, now time.Time, m *message.Message) *Refusal {
	if err == nil {
		return nil
	}
	return &Refusal{
		Code: QuotaExceeded, Retry: err.Until.Sub(now),
		Detail: fmt.Sprintf("%s; the message needs %d", err.Error(), len(m.Parts)),
	}
}

// SubmitAsync takes one message and calls done exactly once: with a Refusal before it
// returns, or when the message is durable, from the sink's goroutine: done must not
// block. req and what it points to may be used again when SubmitAsync returns.
func (in *Intake) SubmitAsync(req *Request, done func(Outcome, error)) {
	b := in.builds.Get().(*build)
	b.begin(in, 1)
	r := in.closed(req.Account, b.now)
	var m *message.Message
	if r == nil {
		m, r = b.message(req)
	}
	var charge account.Charge
	if r == nil {
		charge, r = quota(req.Account, b.now, m)
	}
	if r == nil {
		if r = b.pay(m); r != nil {
			charge.Undo()
		}
	}
	if r == nil {
		if wait := req.Account.Take(b.now, req.Account.Cost(len(m.Parts))); wait > 0 {
			charge.Undo()
			b.payBack(m)
			r = rateLimited(req.Account, wait)
		}
	}
	now, a := b.now, req.Account
	in.put(b)
	if r != nil {
		in.refused(r.Code)
		done(Outcome{Err: r}, nil)
		return
	}
	in.opts.Sink.AcceptAsync(m, func(err error) {
		if err != nil {
			if notTaken(err) {
				charge.Undo()
				in.payBack(m)
			}
			var over *OverQuota
			if errors.As(err, &over) {
				if r := quotaRefusal(over.take(a, len(m.Parts)), now, m); r != nil {
					err = r
				}
			}
			in.refused(AsRefusal(err).Code)
			done(Outcome{}, err)
			return
		}
		done(Outcome{Msg: m}, nil)
	})
}

func (in *Intake) refused(c Code) {
	if in.opts.Refused != nil {
		in.opts.Refused(c)
	}
}

// closed refuses what an account may not send at all now.
func (in *Intake) closed(a *account.Account, now time.Time) *Refusal {
	if a.Disabled {
		return &Refusal{Code: AccountDisabled, Detail: "the account is disabled"}
	}
	if a.Parent != 0 && in.opts.Parent != nil {
		if p := in.opts.Parent(a.Parent); p != nil && p.Disabled {
			return &Refusal{Code: AccountDisabled, Detail: "the account's parent is disabled"}
		}
	}
	if wait := a.Wait(now); wait > 0 {
		return rateLimited(a, wait)
	}
	return nil
}

func rateLimited(a *account.Account, wait time.Duration) *Refusal {
	return &Refusal{
		Code: RateLimited, Retry: wait,
		Detail: "the account's limit of " + formatTPS(a.TPS) + " " + a.RateUnit() + " a second is used up",
	}
}

// refuseAll refuses the messages that have no other refusal.
func refuseAll(out []Outcome, r *Refusal) {
	for i := range out {
		if out[i].Err == nil {
			out[i] = Outcome{Err: r}
		}
	}
}

func (in *Intake) put(b *build) {
	clear(b.msgs)
	b.msgs = b.msgs[:0]
	if cap(b.payload) > maxPooledPayload {
		b.payload = nil
	}
	in.builds.Put(b)
}
