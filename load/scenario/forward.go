package scenario

import (
	"errors"
	"log/slog"
)

// Receipt is a delivery receipt as it came: the platform's id, our client_ref, and the
// platform's word for the state.
type Receipt struct{ ID, Ref, Status string }

// ForwarderOptions configure a [Forwarder]. Forward is required.
type ForwarderOptions struct {
	// Listen is the address to listen on; "" is a free port that faces Target.
	Listen, Target string
	// File says how receipts are written; nil: as this project's platform does.
	File *File
	// Forward hands the receipts of one request on. An error makes the platform try again.
	Forward func([]Receipt) error
	Logger  *slog.Logger
}

// Forwarder listens for the receipts of several processes. Make it with [ListenReceipts];
// it owns its server until Close.
type Forwarder struct {
	opts ForwarderOptions
	hook *webhook
}

// ListenReceipts starts a forwarder.
func ListenReceipts(opts ForwarderOptions) (*Forwarder, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	addr := opts.Listen
	if addr == "" {
		addr = reachableAddr(opts.Target)
	}
	f := &Forwarder{opts: opts}
	if f.opts.File == nil {
		var err error
		if f.opts.File, err = builtIn(&Options{Settings: DefaultSettings()}); err != nil {
			return nil, err
		}
	}
	hook := &webhook{each: f.take, api: &f.opts.File.api}
	if err := hook.open(addr, opts.Logger); err != nil {
		return nil, err
	}
	f.hook = hook
	return f, nil
}

// Addr is where the forwarder listens.
func (f *Forwarder) Addr() string { return f.hook.addr }

// Close stops listening; requests under way may finish within a second.
func (f *Forwarder) Close() { f.hook.Close() }

var errNotForwarded = errors.New("the receipts could not be handed on; send them again")

// take hands on what a request carries.
func (f *Forwarder) take(body []byte, query string) error {
	var list []Receipt
	collect := func(r receipt) {
		list = append(list, Receipt{string(r.id), string(r.ref), string(r.status)})
	}
	if err := f.opts.File.api.eachReceipt(body, query, collect); err != nil || len(list) == 0 {
		return err
	}
	if err := f.opts.Forward(list); err != nil {
		f.opts.Logger.Warn("forward delivery receipts", "error", err)
		return errNotForwarded
	}
	return nil
}
