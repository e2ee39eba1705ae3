package bulk

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/accesslog"
	"protei-bulk/bulk/account"
	"protei-bulk/bulk/alert"
	"protei-bulk/bulk/api"
	"protei-bulk/bulk/billing"
	"protei-bulk/bulk/callback"
	"protei-bulk/bulk/campaign"
	"protei-bulk/bulk/cdr"
	"protei-bulk/bulk/connector"
	"protei-bulk/bulk/console"
	"protei-bulk/bulk/contact"
	"protei-bulk/bulk/contact/suppression"
	"protei-bulk/bulk/dispatch"
	"protei-bulk/bulk/esme"
	"protei-bulk/bulk/inbound"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/metrics"
	"protei-bulk/bulk/money"
	"protei-bulk/bulk/queue"
	"protei-bulk/bulk/queue/redisq"
	"protei-bulk/bulk/route"
	"protei-bulk/bulk/store"
	"protei-bulk/bulk/tracing"
	"protei-bulk/bulk/user"
	"protei-bulk/smpp"
)

// Options build a Platform. Config is DefaultConfig with changes.
type Options struct {
	Config  Config
	Dev     bool   // the account dev with known credentials; the caller keeps it on loopback
	Version string // shown by health
	// Root answers what is outside /api/ and /metrics; nil: the operator console.
	Root   http.Handler
	Logger *slog.Logger // nil: silent
	// LogLevel is the Logger's, to be changed at run time; nil: it is fixed.
	LogLevel *slog.LevelVar
}

// FirstSecrets are the secrets of an account made at the first start.
type FirstSecrets struct {
	Account          *account.Account
	APIKey, Password string
}

// Platform is the whole gateway. Start and Stop it once.
type Platform struct {
	opts Options
	cfg  Config
	log  *slog.Logger
	tls  *tls.Config

	store         store.Store
	node          *node         // what this process is to others; nil: it is alone
	hints         *redisq.Queue // nil: without Redis
	vault         *vault
	accounts      *account.Directory
	users         *user.Directory
	billing       *billing.Desk
	router        *route.Router
	routes        *route.Book
	meter         *metrics.Metrics
	intake        *intake.Intake
	campaigns     *campaign.Manager
	lists         *contact.Lists
	lanes         *queue.Lanes
	connector     *connector.Directory
	fleet         *fleet
	sweeper       *dispatch.Sweeper
	webhooks      *callback.Sender
	esme          *esme.Server // nil: SMPP is off
	inbound       *inbound.Receiver
	mo            *inbound.Routes
	rest          *api.API
	suppressed    *suppression.Lists
	optOuts       *optOuts
	first         *FirstSecrets
	firstPassword string // of the console
	decisions     decisions
	alerts        *alert.Book
	watcher       *alert.Watcher
	draining      atomic.Bool                       // balancers are told to go elsewhere
	syncs         atomic.Pointer[metrics.Histogram] // of the journal; nil until the meter is there
	cdr           *cdr.Writer
	cdrFault      atomic.Pointer[error] // set while CDRs cannot be written
	backingUp     sync.Mutex            // held while a backup is made
	access        *accesslog.Log        // nil: requests are not logged
	proxies       proxies               // none: each request is from its connection's other end
	tracer        *tracing.Tracer       // nil: no message is traced

	wired  chan struct{} // closed when the hook may use the fields above
	failed chan error    // 1
	door   *door
	web    *api.Server
	httpLn net.Listener
	smppAt atomic.Pointer[string] // address of the SMPP server, once it listens; nodes that run are told before
	joined sync.WaitGroup

	// steps undoes what Start did, last first: front doors, dispatch, webhooks, store.
	steps []step
	mu    sync.Mutex // guards steps
}

// step is one part of an orderly end.
type step struct {
	name string
	stop func(context.Context) error
	// patience bounds a step that waits for programs of others; 0: as long as Stop may.
	patience time.Duration
}

// How long an orderly end waits for programs of others: a customer that drips a body or
// does not answer unbind, an SMSC that does not answer submit_sm. They are cut then, and
// there is time left for what is ours.
const (
	doorPatience   = 4 * time.Second  // of each front door, and of webhooks under way
	windowPatience = 12 * time.Second // above the SMSC's usual time to answer
)

// New checks the options. Nothing is opened before Start.
func New(opts Options) (*Platform, error) {
	if err := opts.Config.Validate(); err != nil {
		return nil, err
	}
	p := &Platform{
		opts: opts, cfg: opts.Config, log: opts.Logger,
		wired: make(chan struct{}), failed: make(chan error, 1),
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if p.proxies, err = parseProxies(p.cfg.TrustedProxies); err != nil {
		return nil, fmt.Errorf("trusted_proxies: %w", err)
	}
	if p.cfg.TLS.Cert != "" {
		files, err := openCertificate(p.cfg.TLS.Cert, p.cfg.TLS.Key, p.log)
		if err != nil {
			return nil, err
		}
		p.tls = files.config()
	}
	return p, nil
}

// Start opens the store, replays its journal, connects and opens the front doors. After
// an error everything that was started has been stopped.
func (p *Platform) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			err = errors.Join(err, p.Stop(stopCtx))
		}
	}()
	for _, start := range []func(context.Context) error{
		p.openAccessLog, p.openDoor, p.openCDR, p.openTracing, p.openStore, p.lockFirstStart, p.openAccounts, p.openUsers, p.openSuppressed, p.wireRoutes, p.openConnectors, p.seedRoutes, p.wireIntake, p.wireOutbox, p.wireSMPP, p.wireInbound, p.unlockFirstStart, p.wireConnectors,
		p.goLive, p.startKeyUse, p.startCampaigns, p.openAlerts, p.startNode, p.startSMPP, p.startHTTP, p.startCompat,
	} {
		if err := start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// onStop adds a step to the orderly end; the last added runs first.
func (p *Platform) onStop(name string, stop func(context.Context) error) {
	p.onStopWithin(0, name, stop)
}

func (p *Platform) onStopWithin(patience time.Duration, name string, stop func(context.Context) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps = append(p.steps, step{name, stop, patience})
}

// Stop closes the front doors, drains the windows, flushes and closes, each step within
// what is left of ctx. What is not sent by then is in the store. It is idempotent.
func (p *Platform) Stop(ctx context.Context) error {
	p.drain(ctx)
	p.mu.Lock()
	steps := p.steps
	p.steps = nil
	p.mu.Unlock()
	var errs []error
	for i := len(steps) - 1; i >= 0; i-- {
		if err := p.end(ctx, &steps[i]); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", steps[i].name, err))
		}
	}
	p.joined.Wait()
	return errors.Join(errs...)
}

// end runs one step. That others did not end in time is no failure of ours: they are cut.
func (p *Platform) end(ctx context.Context, s *step) error {
	if s.patience == 0 {
		return s.stop(ctx)
	}
	bounded, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	err := s.stop(bounded)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		p.log.Warn("stop: cut what did not end by itself", "step", s.name, "after", s.patience)
		return nil
	}
	return err
}

// Failed delivers the reason when the store stopped working: nothing more is accepted.
func (p *Platform) Failed() <-chan error { return p.failed }

func (p *Platform) fail(err error) {
	select {
	case p.failed <- err:
	default: // one reason is enough
	}
}

// FirstSecrets returns the secrets made by this start, or nil.
func (p *Platform) FirstSecrets() *FirstSecrets { return p.first }

// HTTPAddr returns the address of REST, valid after Start.
func (p *Platform) HTTPAddr() string { return p.httpLn.Addr().String() }

func (p *Platform) openStore(ctx context.Context) error {
	c := p.cfg
	if c.Shared() {
		return p.openShared(ctx)
	}
	s, err := store.OpenEmbedded(store.Options{
		Dir: c.Data, Durability: c.Durability, Node: uint16(max(c.Node, 0)),
		Retention: time.Duration(c.Retention), AuditRetention: time.Duration(c.Audit.Keep), MinFreeDisk: int64(c.MinFreeDisk), MaxBacklog: c.Limits.MaxBacklog,
		ReceiptCache: c.Limits.ReceiptCache, LaneCache: c.Limits.LaneMemory + c.Limits.LaneMemory/2,
		Applied: p.applied, Synced: p.synced, Follower: &cdrFollower{files: p.cdr}, Failed: p.fail, Logger: p.log,
	})
	if err != nil {
		return err
	}
	p.store = s
	if err := os.RemoveAll(filepath.Join(c.Data, copyFolder)); err != nil { // a kill in the middle of a backup left it
		p.log.Warn("remove what a backup left", "error", err)
	}
	p.onStop("store", s.Stop)
	// Whatever happens next, the store's goroutines must not wait for the wiring forever.
	p.onStop("wiring", func(context.Context) error { p.goLiveOnce(); return nil })
	return nil
}

func (p *Platform) openAccounts(ctx context.Context) error {
	accounts, err := p.openAccountStore(ctx)
	if err != nil {
		return err
	}
	o := account.Options{Store: accounts, Meter: p.store, Logger: p.log}
	if p.node != nil {
		o.Alone, o.Pool = p.node.alone, p.node.ratePool()
	}
	d, err := account.Open(ctx, o)
	if err != nil {
		return err
	}
	p.accounts, p.vault = d, accounts.vault
	p.billing = billing.New(billing.Options{Store: notedBank{p.store}, Accounts: d, Currency: p.cfg.Money.Currency})
	if p.opts.Dev {
		_, err := d.EnsureDev(ctx)
		return err
	}
	first, created, err := d.EnsureAdmin(ctx)
	if created {
		p.first = &FirstSecrets{Account: d.ByName(account.AdminName), APIKey: first.APIKey, Password: first.Password}
	}
	return err
}

func (p *Platform) wireIntake(context.Context) error {
	var err error
	if p.meter, err = p.metering(); err != nil {
		return err
	}
	refused, err := p.meter.Counter("refused", "Messages refused at the door, by reason.", "code")
	if err != nil {
		return err
	}
	for _, c := range []intake.Code{intake.RateLimited, intake.QueueFull, intake.DiskFull} {
		refused.With(string(c)) // shown from the start, for alarms
	}
	guard := &callback.Guard{Allow: p.allowed()}
	p.intake, err = intake.New(intake.Options{
		Refused: func(c intake.Code) { refused.With(string(c)).Inc() },
		Traced:  p.adopter(),
		Sink:    sink{p.store}, IDs: p.store.IDs(), Router: p.router, Listed: p.listed,
		AllowURL: func(u *url.URL) error { return guard.CheckURL(u.String()) },
		Purse:    func(id uint32) intake.Purse { return p.store.PurseOf(id) }, Payer: p.accounts.Payer, Parent: p.accounts.ByID, Price: money.Amount(p.cfg.Money.Price),
		Admit: p.admit, AdmitOrdered: p.admitOrdered, MaxParts: p.cfg.Limits.MaxParts, DefaultValidity: time.Duration(p.cfg.Validity.Default),
		MaxValidity: time.Duration(p.cfg.Validity.Max), Logger: p.log,
	})
	return err
}

// allowed returns the private networks that webhooks may reach; New has checked them.
func (p *Platform) allowed() []netip.Prefix {
	all := make([]netip.Prefix, 0, len(p.cfg.Webhooks.Allow))
	for _, text := range p.cfg.Webhooks.Allow {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			all = append(all, account.PlainNetwork(prefix))
		}
	}
	return all
}

func (p *Platform) wireConnectors(context.Context) error {
	lanes, err := queue.New(queue.Options{Store: p.store, Memory: p.cfg.Limits.LaneMemory, Logger: p.log})
	if err != nil {
		return err
	}
	p.lanes = lanes
	for _, c := range p.connector.All() {
		if p.node == nil {
			lanes.Connector(c.ID) // also of those that do not run: what waits for them is kept in memory
		}
	}
	states := p.store.Recovery()
	restore := make([]queue.LaneState, len(states))
	for i, s := range states {
		restore[i] = queue.LaneState(s)
	}
	lanes.Restore(restore)
	p.sweeper, err = dispatch.NewSweeper(dispatch.SweepOptions{
		Store: p.store, Lanes: lanes, Validity: time.Duration(p.cfg.Validity.Default), Logger: p.log,
	})
	return err
}

// goLive lets the store's hook reach the lanes and starts what sends.
func (p *Platform) goLive(ctx context.Context) error {
	p.goLiveOnce()
	p.webhooks.Start()
	p.onStopWithin(doorPatience, "webhooks", p.webhooks.Stop)
	p.lanes.Start()
	p.onStop("lanes", func(context.Context) error { p.lanes.Stop(); return nil })
	if err := p.startOptOuts(ctx); err != nil {
		return err
	}
	if err := p.inbound.Start(ctx); err != nil {
		return err
	}
	p.onStop("inbound", p.inbound.Stop)
	p.onStopWithin(windowPatience, "connectors", p.fleet.Stop)
	if err := p.connector.Run(ctx, p.fleet); err != nil {
		return err
	}
	p.fleet.Start()
	p.sweeper.Start()
	p.onStop("sweeper", func(context.Context) error { p.sweeper.Stop(); return nil })
	return nil
}

func (p *Platform) goLiveOnce() {
	select {
	case <-p.wired:
	default:
		close(p.wired)
	}
}

func (p *Platform) startCampaigns(ctx context.Context) error {
	o := campaign.Options{Store: campaignStore{p}, Intake: p.intake, Accounts: p.accounts, IDs: p.store.IDs(), Logger: p.log}
	if p.node != nil {
		o.Nodes = campaignNodes{p.node}
	}
	m, err := campaign.New(o)
	if err != nil {
		return err
	}
	p.campaigns = m
	p.onStop("campaigns", m.Stop)
	lists := contact.ListOptions{Store: listStore{campaignStore{p}}, IDs: p.store.IDs(), Check: intake.CheckRecipient}
	if p.node != nil {
		lists.Alone = p.node.alone
	}
	p.lists, err = contact.OpenLists(ctx, lists)
	if err != nil {
		return err
	}
	return m.Start(ctx)
}

func (p *Platform) startHTTP(context.Context) error {
	root, err := p.root()
	if err != nil {
		return err
	}
	handler, err := api.New(api.Options{
		Accounts: p.accounts, Intake: p.intake, Messages: reader{p}, Answers: answers{p.store}, Billing: p.billing, Insight: insight{p}, Campaigns: p.campaigns, Lists: p.lists, TempDir: p.cfg.Data, Metrics: p.meter,
		Inbound: inboundReader{p}, InboundRoutes: p.mo, Webhooks: webhookDesk{p},
		IDs: p.store.IDs(), SMSC: p.connector.Name, Route: p.routes.Name, Connectors: p.connector, Suppressed: p.suppressed, Audit: auditLog{p.store}, Alerts: alertDesk{p.alerts, p.watcher, alertStore{p.store, p.vault}}, Gateways: gateways{p}, Routes: p.routes, Router: p.router,
		Backup: p.Backup, System: systemDesk{p}, CDR: cdrFolder{filepath.Join(p.cfg.Data, "cdr")}, Nodes: nodeList{p}, Hints: p.hintDesk(), Users: p.users, Root: root, Version: p.opts.Version, Logger: p.log,
	})
	if err != nil {
		return err
	}
	door, err := p.compatible(handler)
	if err != nil {
		return err
	}
	p.rest = handler
	door = p.accessed(p.meter.HTTP(door))
	if !p.cfg.has(roleAPI) {
		door = only(door)
	}
	p.door.open(door)
	p.onStopWithin(doorPatience, "REST", p.web.Shutdown)
	p.remember(handler)
	p.onStop("live figures", func(context.Context) error { handler.EndStreams(); return nil })
	return nil
}

// root is the operator console, unless the caller has something else.
func (p *Platform) root() (http.Handler, error) {
	if p.opts.Root != nil {
		return p.opts.Root, nil
	}
	return console.New()
}

// applied is the store's hook: it runs on the applier goroutine after each durable
// group, and hands on what the events mean.
func (p *Platform) applied(evs []message.Event) {
	<-p.wired
	if p.lanes == nil {
		return // the start failed half-way; everything is in the store
	}
	p.lanes.Applied(evs)
	for i := range evs {
		if ev := &evs[i]; ev.Kind == message.Requeue && ev.Changed && ev.Error != 0 { // a try failed
			p.intermediate(ev.Msg, smpp.StateEnroute)
		}
		if ev := &evs[i]; ev.Kind == message.Submitted && ev.Changed && ev.Msg.Callback.Tells&message.TellSent != 0 && ev.Now == message.Sent {
			p.tellNow(ev.Msg, message.TellSent)
		}
		if ev := &evs[i]; ev.Changed && (ev.Now.Final() || ev.Now == message.Sent && ev.Msg.Callback.Tells&message.TellSent != 0) &&
			(ev.Kind != message.Notified || ev.Part == message.Reopen) {
			p.notify(ev.Msg)
		}
	}
	if p.tracer != nil {
		p.tracer.Applied(evs)
	}
}
