// Package compat answers the HTTP APIs of other products, so that a client written for one
// of them changes the host and goes on: the legacy paths /api/sendBulk, /api/getDLR and
// /api/getBalance, Jasmin's /send, /rate, /balance, /ping and /secure/…, and Kannel's
// /cgi-bin/sendsms. Messages enter through intake like all others; delivery reports in
// Jasmin's and Kannel's forms are made by Request.
//
// Handler is the main type. The package starts no goroutine.
package compat

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"protei-bulk/bulk/accesslog"
	"protei-bulk/bulk/account"
	"protei-bulk/bulk/callback"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

// Bounds of a request.
const (
	maxBody  = 8 << 20 // octets
	maxItems = 10_000  // messages
	// maxMinutes bounds a period in minutes to what intake reads as seconds.
	maxMinutes = (1<<31 - 1) / 60
)

// Messages reads messages. What it returns are copies.
type Messages interface {
	// Message returns an error for an unknown id.
	Message(ctx context.Context, id message.ID) (*message.Message, error)
	// Batch returns at most limit messages of an account's batch, and none for one of another.
	Batch(ctx context.Context, account uint32, batch message.ID, limit int) ([]*message.Message, error)
}

// Money tells what messages cost. Amounts are decimal numbers such as 12.5000.
type Money interface {
	// Balance returns what an account has left to spend; limited is false when nothing is.
	Balance(a *account.Account) (amount, currency string, limited bool)
	// Price returns what one part of a message costs its account.
	Price(a *account.Account, m *message.Message) string
}

// Options of a Handler. All but Money and Logger are needed.
type Options struct {
	Accounts *account.Directory
	Intake   *intake.Intake
	IDs      intake.IDs // of batches
	Messages Messages
	Money    Money // nil: everything is free and nothing limited

	Legacy, Jasmin, Kannel bool // which APIs are answered

	// CheckURL refuses an address that callbacks must not reach.
	CheckURL func(address string) error
	// Tell sends a request of an account soon, and tries again for a while, unless there is no
	// room: it must not block.
	Tell func(account uint32, r *callback.Request)

	Next   http.Handler // answers every other path
	Logger *slog.Logger // nil: silent
}

// Validate names every fault at once.
func (o *Options) Validate() error {
	if o.Accounts == nil || o.Intake == nil || o.IDs == nil || o.Messages == nil || o.Next == nil || o.CheckURL == nil || o.Tell == nil {
		return errors.New("compat: Accounts, Intake, IDs, Messages, CheckURL, Tell and Next are needed")
	}
	return nil
}

// Handler answers the paths of other products and hands every other request on. It is safe
// for concurrent use.
type Handler struct {
	opts Options
}

// New returns a Handler.
func New(opts Options) (*Handler, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if opts.Money == nil {
		opts.Money = free{}
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{opts: opts}, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if serve := h.find(r.URL.Path); serve != nil {
		if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
			// A GET sends here, and a page of somebody else may make a browser ask for it.
			plain(w, "text/plain", http.StatusForbidden, "pages of other sites are not answered")
			return
		}
		r.Pattern = r.URL.Path // one of a few: what metrics and the access log call it
		w.Header()["Cache-Control"] = []string{"no-store"}
		serve(w, r)
		return
	}
	h.opts.Next.ServeHTTP(w, r)
}

// find returns who answers a path; nil: nobody here.
func (h *Handler) find(path string) http.HandlerFunc {
	switch path {
	case "/api/sendBulk", "/api/getDLR", "/api/getBalance":
		return pick(h.opts.Legacy, h.legacy)
	case "/cgi-bin/sendsms":
		return pick(h.opts.Kannel, h.kannel)
	case "/send", "/rate", "/balance", "/ping":
		return pick(h.opts.Jasmin, h.jasmin)
	case "/secure/send", "/secure/sendbatch", "/secure/rate", "/secure/balance":
		return pick(h.opts.Jasmin, h.jasminREST)
	}
	return nil
}

func pick(on bool, f http.HandlerFunc) http.HandlerFunc {
	if !on {
		return nil
	}
	return f
}

// free is a platform that charges nothing.
type free struct{}

func (free) Balance(*account.Account) (amount, currency string, limited bool) { return "", "", false }
func (free) Price(*account.Account, *message.Message) string                  { return "0" }

// errCredentials is the only thing that a wrong user is told.
var errCredentials = errors.New("user or password is wrong")

// account finds who a request of user and password is from. The password may be an API key
// of the account that has user as its name or system_id.
func (h *Handler) account(r *http.Request, user, password string, need account.Scopes) (*account.Account, error) {
	k, err := h.opts.Accounts.ByKey(password, r.RemoteAddr)
	if err == nil {
		who := k.Owner()
		if !k.Scopes.Hold(need) || user != "" && user != who.Name && user != who.SystemID {
			return nil, errCredentials
		}
		accesslog.Account(r, who.Name)
		return who, nil
	}
	if !errors.Is(err, account.ErrUnknownKey) || user == "" {
		return nil, errCredentials
	}
	who, err := h.opts.Accounts.Verify(user, password, r.RemoteAddr)
	var limited *account.LimitedError
	switch {
	case errors.Is(err, account.ErrBusyVerifying), errors.As(err, &limited):
		return nil, account.ErrBusyVerifying
	case err != nil:
		return nil, errCredentials
	}
	accesslog.Account(r, who.Name)
	return who, nil
}

// submit hands the messages of r in. Each out has a message or a refusal.
func (h *Handler) submit(r *http.Request, reqs []intake.Request) []intake.Outcome {
	if parent := r.Header.Get("Traceparent"); parent != "" {
		for i := range reqs {
			reqs[i].TraceParent = parent
		}
	}
	out := make([]intake.Outcome, len(reqs))
	if err := h.opts.Intake.Submit(r.Context(), reqs, out); err != nil {
		why := intake.AsRefusal(err)
		for i := range out {
			if out[i].Err == nil {
				out[i] = intake.Outcome{Err: why}
			}
		}
	}
	return out
}
