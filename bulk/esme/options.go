package esme

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

// Accounts knows who may bind (account.Directory).
type Accounts interface {
	// Verify checks a password that comes from an address: account.ErrUnknown, ErrBadPassword,
	// ErrDisabled, ErrBusyVerifying, LimitedError. It may take as long as argon2id does.
	Verify(systemID, password, from string) (*account.Account, error)
	// ByID returns the account as it is now, or nil.
	ByID(id uint32) *account.Account
	// Outbinds returns the accounts that are to be asked to bind.
	Outbinds() []*account.Account
}

// Intake is the door into the platform (intake.Intake).
type Intake interface {
	SubmitAsync(req *intake.Request, done func(intake.Outcome, error))
}

// IDs issues the ids of submit_multi calls (message.IDSource).
type IDs interface{ Next() message.ID }

// Outbox is the store's view of the final states and inbound messages that customers do not
// have yet.
type Outbox interface {
	// OpenReceipts returns up to limit open notices of the account's messages above after, in
	// ascending order of their ids; none ends the reading. Account 0 means every account.
	// It must not return one whose Notified was done before the call.
	OpenReceipts(ctx context.Context, account uint32, after message.ID, limit int) ([]Notice, error)
	// Notified ends the outbox entries of notices; done is called when that is durable, or
	// failed. The slice stays valid until then. It must not block for long.
	Notified(notices []Notice, done func(error))
}

// Binds counts the binds of accounts over several nodes.
type Binds interface {
	// Take asks for one more bind of an account that may have most. It may take a second.
	Take(ctx context.Context, account uint32, most int) bool
	// Give ends a bind that was taken. It must not block.
	Give(account uint32)
}

// Options of a Server. Accounts, Intake and Outbox are needed; other zero values mean
// the defaults.
type Options struct {
	SystemID string // ours in bind_resp: "protei-bulk"
	Accounts Accounts
	Intake   Intake
	Outbox   Outbox
	Messages Messages    // nil: query_sm, cancel_sm and replace_sm fail
	IDs      IDs         // nil: submit_multi fails
	TLS      *tls.Config // nil: plain TCP
	// Client, when set, says whom a connection is from: smpp.ServerOptions.
	Client func(conn net.Conn) (net.Addr, error)

	Binds Binds // nil: this server alone counts

	// Receivers, when set, is told when an account's first receiver is there, and when its last one
	// has gone. It must not block, nor call the server.
	Receivers func(account uint32)
	// Congestion, when set, says how busy the platform is, from 0 to 99, to ESMEs of SMPP 5.0. It
	// must be quick.
	Congestion func() uint8

	Window      int           // deliver_sm in flight per bind: 100
	MaxInFlight int           // submit_sm without our answer per bind, then reading stops: 2,000
	MaxBinds    int           // binds per account whose own limit is 0: 100
	MaxConns    int           // connections at once: 10,000
	MaxPending  int           // receipts in memory per account: 50,000
	SessionInit time.Duration // from accept to bind: 30 s
	EnquireLink time.Duration // silence before we test a link: 30 s
	Response    time.Duration // wait for deliver_sm_resp: 10 s
	RetryMin    time.Duration // first wait after a temporary refusal: 1 s
	RetryMax    time.Duration // longest wait: 5 min
	GiveUp      time.Duration // age of a final state at which it is given up: 72 h
	Sweep       time.Duration // reads the outbox again after an error: 30 s; in any case every ten of it
	Outbind     time.Duration // looks for customers to ask for a bind so often: 30 s
	// RefusalDelay is how long after the bind a refusal is answered; 0: 200 ms, negative: at once.
	RefusalDelay time.Duration

	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: silent
}

// Validate names every fault at once.
func (o *Options) Validate() error {
	var errs []error
	for name, missing := range map[string]bool{"Accounts": o.Accounts == nil, "Intake": o.Intake == nil, "Outbox": o.Outbox == nil} {
		if missing {
			errs = append(errs, errors.New("esme: no "+name))
		}
	}
	if len(o.SystemID) > account.MaxSystemID {
		errs = append(errs, errors.New("esme: system_id is longer than 15 characters"))
	}
	return errors.Join(errs...)
}

func (o Options) withDefaults() Options {
	if o.SystemID == "" {
		o.SystemID = "protei-bulk"
	}
	o.Window = orInt(o.Window, 100)
	o.MaxInFlight = orInt(o.MaxInFlight, 2000)
	o.MaxBinds = orInt(o.MaxBinds, 100)
	o.MaxPending = orInt(o.MaxPending, 50_000)
	o.RetryMin = orTime(o.RetryMin, time.Second)
	o.RetryMax = max(orTime(o.RetryMax, 5*time.Minute), o.RetryMin)
	o.GiveUp = orTime(o.GiveUp, 72*time.Hour)
	o.Sweep = orTime(o.Sweep, 30*time.Second)
	o.Outbind = orTime(o.Outbind, 30*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func orInt(v, otherwise int) int {
	if v > 0 {
		return v
	}
	return otherwise
}

func orTime(v, otherwise time.Duration) time.Duration {
	if v > 0 {
		return v
	}
	return otherwise
}
