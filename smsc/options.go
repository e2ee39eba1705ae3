package smsc

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Options configure a Simulator. The zero value listens on a free port of loopback,
// accepts every bind and message, and has no control port.
type Options struct {
	Addr        string // SMPP listen address; "127.0.0.1:0" by default
	ControlAddr string // HTTP listen address of control and counters; empty: none
	// SystemID and Password, when set, are what a bind must present.
	SystemID, Password string
	Behaviour          Behaviour

	// Window is the most submits of a bind that wait for their answer; beyond it the bind is
	// not read. 10,000 by default; a small one makes a slow SMSC.
	Window int
	// ReceiptWindow is the most deliver_sm of a bind without answer; 500 by default.
	ReceiptWindow int
	// ReceiptTimeout is how long a deliver_sm waits for its answer before it is sent again;
	// 10 s by default.
	ReceiptTimeout time.Duration
	// RetryDelay is the first wait before a receipt that was put off is sent again; it
	// doubles up to 30 s. 1 s by default.
	RetryDelay time.Duration
	// ReceiptTTL is how long a receipt is kept for an ESME that does not take it; 1 h by default.
	ReceiptTTL time.Duration

	MaxTracked int // messages remembered to find duplicates; 50 million by default
	MaxPending int // messages waiting for answer or receipt; 1 million by default
	MaxBinds   int // connections at once; 1,000 by default

	Logger *slog.Logger
}

const maxRetryDelay = 30 * time.Second

func (o Options) withDefaults() Options {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	setDefault(&o.Window, 10_000)
	setDefault(&o.ReceiptWindow, 500)
	setDefault(&o.ReceiptTimeout, 10*time.Second)
	setDefault(&o.RetryDelay, time.Second)
	setDefault(&o.ReceiptTTL, time.Hour)
	setDefault(&o.MaxTracked, 50_000_000)
	setDefault(&o.MaxPending, 1_000_000)
	setDefault(&o.MaxBinds, 1_000)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T int | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// Validate names every fault at once.
func (o *Options) Validate() error {
	var errs []error
	for name, n := range map[string]int{
		"Window": o.Window, "ReceiptWindow": o.ReceiptWindow, "MaxTracked": o.MaxTracked,
		"MaxPending": o.MaxPending, "MaxBinds": o.MaxBinds,
	} {
		if n < 0 || n > 1<<30 {
			errs = append(errs, fmt.Errorf("%s: %d is not a count", name, n))
		}
	}
	for name, d := range map[string]time.Duration{
		"ReceiptTimeout": o.ReceiptTimeout, "RetryDelay": o.RetryDelay, "ReceiptTTL": o.ReceiptTTL,
	} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("%s: %v is negative", name, d))
		}
	}
	if len(o.SystemID) > 15 {
		errs = append(errs, fmt.Errorf("SystemID: %q is longer than 15 octets", o.SystemID))
	}
	if len(o.Password) > 64 {
		errs = append(errs, errors.New("the Password is longer than 64 octets"))
	}
	return errors.Join(append(errs, o.Behaviour.Validate())...)
}
