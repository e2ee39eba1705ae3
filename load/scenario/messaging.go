// Package scenario holds what virtual users do. For now that is the built-in messaging
// scenario: [Messaging] makes the user classes MessagingUser (HTTP) and SMPPUser, listens
// for delivery receipts, proves with one canary message per protocol that they come, and
// asks the target at the end what became of messages without one.
//
// A Messaging owns its webhook listener and its SMPP binds, which outlive their users so
// that receipts still come while the run drains; Close ends both.
package scenario

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/httpload"
	"protei-bulk/load/stats"
	"protei-bulk/smpp"
)

// Options configure the messaging scenario. Host, APIKey, Recorder, Ledger and Clock are
// required.
type Options struct {
	Host     string // base URL of the target
	APIKey   string
	SMPP     *SMPPAddress // nil: no SMPPUser can run
	Classes  []string     // user classes to run; none: all
	Settings Settings
	// PeakUsers is the highest number of users that the shape asks for.
	PeakUsers int
	// RunTime is the length of the shape Soak in the rate of a file's class; 0: its own.
	RunTime time.Duration

	// NoReceipts leaves delivery receipts out: none are asked for.
	NoReceipts bool
	// DLRListen is the address of the webhook listener: by default one of this host that
	// the target can reach, on a free port. DLRURL is what the target is told.
	DLRListen, DLRURL string

	CanaryTimeout time.Duration // how long a canary's receipt may take, 10 s by default

	Timeout  time.Duration // of one HTTP exchange or SMPP answer
	Header   []string      // added to every HTTP request
	TLS      *tls.Config   // for https and smpps
	Recorder *stats.Recorder
	Ledger   *stats.Ledger
	Clock    *load.Clock
	Logger   *slog.Logger
}

// Messaging is a run's instance of the scenario.
type Messaging struct {
	opts    Options
	target  *httpload.Target
	hook    *webhook // nil with NoReceipts
	heads   heads
	entries entries
	parts   bodyParts

	smppAddrs []string // resolved once
	tls       *tls.Config
	canary    atomic.Pointer[canary]

	mu        sync.Mutex
	smppUsers []*smppUser // guarded by mu: every one made, to close at the end
	parked    []*smppUser // guarded by mu: those that ended, whose binds the next one takes over
}

type heads struct {
	single, bulk, status, list, campaign *httpload.Head
}

type entries struct {
	single, bulk, status, list, campaign, submit stats.Entry
	binds                                        map[smpp.BindType]stats.Entry
}

// New resolves the target and starts the webhook listener.
func New(ctx context.Context, opts Options) (*Messaging, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.CanaryTimeout <= 0 {
		opts.CanaryTimeout = 10 * time.Second
	}
	if err := CheckClasses(opts.Classes); err != nil {
		return nil, err
	}
	if opts.Settings.SMPPBind == BindTransmitters && !opts.NoReceipts && opts.SMPP != nil {
		return nil, errors.New("smpp_bind=tx gets no receipts: add --no-receipts, or take tx+rx")
	}
	if opts.SMPP == nil && (opts.Settings.SMPPUsers > 0 || slices.Contains(opts.Classes, SMPPUser)) {
		return nil, errors.New("SMPPUser needs --smpp id:password@host:port: the dev account is used only against loopback")
	}
	m := &Messaging{opts: opts, tls: opts.TLS}
	var err error
	m.target, err = httpload.NewTarget(ctx, opts.Host, httpload.Options{
		Timeout: opts.Timeout, TLS: opts.TLS, Clock: opts.Clock.Now,
		Header: append([]string{"X-API-Key: " + opts.APIKey}, opts.Header...),
	})
	if err != nil {
		return nil, err
	}
	if err := m.resolveSMPP(ctx); err != nil {
		return nil, err
	}
	m.register()
	if !opts.NoReceipts {
		listen := opts.DLRListen
		if listen == "" {
			listen = reachableAddr(m.target.Addr())
		}
		if m.hook, err = listenWebhook(listen, opts.DLRURL, opts.Logger, m.receipt); err != nil {
			return nil, err
		}
	}
	m.parts = m.newBodyParts()
	return m, nil
}

// reachableAddr is a free port on the address of this host that faces the target.
func reachableAddr(target string) string {
	conn, err := net.Dial("udp", target) // sends nothing: it only picks the route
	if err != nil {
		return ":0"
	}
	defer conn.Close()
	host, _, _ := net.SplitHostPort(conn.LocalAddr().String())
	return net.JoinHostPort(host, "0")
}

// resolveSMPP looks the host up once, so that a bind does not measure the resolver.
func (m *Messaging) resolveSMPP(ctx context.Context) error {
	if m.opts.SMPP == nil {
		return nil
	}
	host, port, err := net.SplitHostPort(m.opts.SMPP.Addr)
	if err != nil {
		return fmt.Errorf("SMPP address %s: %w", m.opts.SMPP.Addr, err)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return fmt.Errorf("resolve %s: %w", host, err)
	}
	for _, ip := range ips {
		m.smppAddrs = append(m.smppAddrs, net.JoinHostPort(ip.Unmap().String(), port))
	}
	if m.opts.SMPP.TLS {
		cfg := &tls.Config{MinVersion: tls.VersionTLS12}
		if m.opts.TLS != nil {
			cfg = m.opts.TLS.Clone()
		}
		if cfg.ServerName == "" {
			cfg.ServerName = host
		}
		m.tls = cfg
	} else {
		m.tls = nil
	}
	return nil
}

// dialSMPP tries the addresses, IPv4 and IPv6, in turn.
func (m *Messaging) dialSMPP(ctx context.Context, network, _ string) (conn net.Conn, err error) {
	var d net.Dialer
	for _, addr := range m.smppAddrs {
		if conn, err = d.DialContext(ctx, network, addr); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

func (m *Messaging) register() {
	const messages = "/api/v1/messages"
	body := "Content-Type: application/json"
	m.heads = heads{
		single:   m.target.Head("POST", messages, body),
		bulk:     m.target.Head("POST", messages+"/bulk", body),
		status:   m.target.Head("GET", messages+"/"),
		list:     m.target.Head("GET", messages),
		campaign: m.target.Head("POST", "/api/v1/campaigns", body),
	}
	r := m.opts.Recorder
	if m.runs(MessagingUser) {
		m.entries.single = r.Entry("POST", messages)
		m.entries.bulk = r.Entry("POST", messages+"/bulk")
		m.entries.status = r.Entry("GET", messages+"/[id]")
		m.entries.list = r.Entry("GET", messages)
		m.entries.campaign = r.Entry("POST", "/api/v1/campaigns")
	}
	if m.runs(SMPPUser) {
		m.registerSMPP()
	}
}

func (m *Messaging) registerSMPP() {
	r := m.opts.Recorder
	m.entries.binds = map[smpp.BindType]stats.Entry{}
	for _, t := range m.opts.Settings.SMPPBind.types() {
		m.entries.binds[t] = r.Entry("SMPP", t.Command().String())
	}
	m.entries.submit = r.Entry("SMPP", "submit_sm")
}

// runs says whether users of the class take part.
func (m *Messaging) runs(class string) bool {
	if len(m.opts.Classes) > 0 && !slices.Contains(m.opts.Classes, class) {
		return false
	}
	return class != SMPPUser || m.opts.SMPP != nil && m.opts.wantsSMPP()
}

// usersPerBind is the number of users for each SMPPUser among them.
const usersPerBind = 100

// wantsSMPP says that there will be SMPPUsers if there is an address for them.
func (o *Options) wantsSMPP() bool {
	switch {
	case o.Settings.SMPPUsers >= 0:
		return o.Settings.SMPPUsers > 0
	case slices.Contains(o.Classes, SMPPUser):
		return true
	}
	return len(o.Classes) == 0 && o.PeakUsers >= usersPerBind
}

// Classes are the user classes of the run.
func (m *Messaging) Classes() ([]load.UserClass, error) {
	var list []load.UserClass
	if m.runs(MessagingUser) {
		list = append(list, m.messagingClass())
	}
	if m.runs(SMPPUser) {
		list = append(list, m.smppClass())
	}
	if len(list) == 0 {
		return nil, errors.New("no user class is left to run")
	}
	return list, nil
}

func (m *Messaging) messagingClass() load.UserClass {
	s := m.opts.Settings
	all := [...]load.Task[*messagingUser]{
		{Name: "send single", Tags: []string{"send", "single"}, Run: (*messagingUser).sendSingle},
		{Name: "send bulk", Tags: []string{"send", "bulk"}, Run: (*messagingUser).sendBulk},
		{Name: "query status", Tags: []string{"read", "status"}, Run: (*messagingUser).queryStatus},
		{Name: "list messages", Tags: []string{"read", "list"}, Run: (*messagingUser).listMessages},
		{Name: "create campaign", Tags: []string{"campaign"}, Run: (*messagingUser).createCampaign},
	}
	var tasks []load.Task[*messagingUser]
	total := 0
	for i, task := range all {
		if task.Weight = s.Mix[i]; task.Weight > 0 {
			tasks = append(tasks, task)
			total += task.Weight
		}
	}
	c := load.NewClass(MessagingUser, load.Between(s.WaitMin, s.WaitMax), m.newMessagingUser, tasks...)
	perBulk := float64(s.BulkMin+s.BulkMax) / 2
	c.Messages = (float64(s.Mix[0]) + float64(s.Mix[1])*perBulk) / float64(total)
	return c
}

func (m *Messaging) smppClass() load.UserClass {
	s := m.opts.Settings
	wait := load.ConstantThroughput(s.SMPPRate)
	task := load.Task[*smppUser]{Name: "submit_sm", Weight: 1, Run: (*smppUser).submit}
	messages := 1.0
	if s.SMPPBind == BindReceivers {
		wait, messages = load.Constant(receiverLooks), 0
		task = load.Task[*smppUser]{Name: "receive", Weight: 1, Run: (*smppUser).watch}
	}
	c := load.NewClass(SMPPUser, wait, m.newSMPPUser, task)
	c.Tags = []string{"smpp", "send"}
	c.Messages, c.Binds = messages, len(s.SMPPBind.types())
	switch {
	case s.SMPPUsers > 0:
		c.FixedCount = s.SMPPUsers
	case !slices.Contains(m.opts.Classes, SMPPUser):
		c.Every = usersPerBind
	}
	return c
}

// receipt takes one event of the webhook, on the listener's goroutines.
func (m *Messaging) receipt(r receipt) {
	f, final := r.final()
	if !final {
		return
	}
	if c := m.canary.Load(); c != nil && c.takes(r.ref) {
		c.arrived(f)
		return
	}
	seq, ok := m.opts.Ledger.ParseRef(r.ref)
	if !ok {
		m.opts.Ledger.UnknownReceipt()
		return
	}
	m.opts.Ledger.Receipt(seq, f.WithState(r.state()), m.opts.Clock.Now())
}

// ReceiptURL is the URL that the target is told, "" without receipts.
func (m *Messaging) ReceiptURL() string {
	if m.hook == nil {
		return ""
	}
	return m.hook.url
}

// closeTimeout bounds the orderly end of the binds.
const closeTimeout = 5 * time.Second

// Close unbinds and stops listening.
func (m *Messaging) Close() {
	m.closeSMPP()
	if m.hook != nil {
		m.hook.Close()
	}
}

// MetricsURL is the target's Prometheus page.
func MetricsURL(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	u.Path, u.RawQuery, u.User = "/metrics", "", nil
	return u.String()
}
