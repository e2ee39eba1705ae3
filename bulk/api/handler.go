package api

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/api/reference"
	"protei-bulk/bulk/connector"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/user"
)

// API answers the REST calls. It is safe for concurrent use.
type API struct {
	opts    Options
	mux     *http.ServeMux
	calls   sync.Pool    // *call
	bodies  atomic.Int64 // octets of large bodies held now
	uploads atomic.Int64 // files of recipients being read now
	repeats repeats
	viewers viewers
	past    past
	started time.Time
	audited []string // method and path

	endpoints []*endpoint // in the order of their registration
	described func() (*described, error)
	cross     *http.CrossOriginProtection // of requests with a session
}

// access says who may call an endpoint.
type access uint8

const (
	anybody   access = iota // no credentials needed
	customers               // any account
	admins
	signedIn // whoever has a session
)

// endpoint is one path with its methods.
type endpoint struct {
	access  access
	methods map[string]func(*call) error
	allow   string // the methods, for Allow

	path        string
	read, write account.Scopes // that GET and the other methods need
}

// call is one request on its way through a handler, with buffers that are used again.
type call struct {
	api     *API
	w       http.ResponseWriter
	r       *http.Request
	who     *account.Account
	key     *account.Key  // by which who was found; nil: otherwise
	session *user.Session // likewise

	body      []byte
	charged   int64 // octets of body taken from the budget
	uploading bool  // counted in API.uploads
	answer    []byte
	dec       decoder
	reqs      []intake.Request
	outs      []intake.Outcome
	index     []int  // position of reqs[i] in the request
	batch     *batch // of a bulk request: space
	space     batch
	once      *message.Answer // what to store with the messages, when there is an Idempotency-Key
}

// New returns an API.
func New(opts Options) (*API, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	a := &API{opts: opts, mux: http.NewServeMux(), started: opts.Now(), cross: http.NewCrossOriginProtection(), viewers: viewers{end: make(chan struct{})}}
	a.calls.New = func() any { return &call{api: a} }
	a.described = sync.OnceValues(a.describe)
	a.routes()
	page, err := reference.Handler()
	if err != nil {
		return nil, fmt.Errorf("reference page: %w", err)
	}
	a.mux.Handle("GET "+base+"/reference/", http.StripPrefix(base+"/reference", page))
	return a, nil
}

func (a *API) routes() {
	type methods = map[string]func(*call) error
	a.on("/api/v1/messages", customers, methods{"POST": (*call).postMessage, "GET": (*call).listMessages})
	a.on("/api/v1/messages/bulk", customers, methods{"POST": (*call).postBulk})
	a.on("/api/v1/messages/{id}", customers, methods{"GET": (*call).getMessage, "DELETE": (*call).cancelMessage})
	a.on("/api/v1/messages/{id}/release", customers, methods{"POST": (*call).releaseMessage})
	a.on("/api/v1/health", anybody, methods{"GET": (*call).health})
	a.on("/api/v1/health/ready", anybody, methods{"GET": (*call).ready})
	a.on("/api/v1/openapi.json", anybody, methods{"GET": (*call).openAPI})
	a.on("/api/v1/accounts", customers, methods{"GET": (*call).listAccounts, "POST": (*call).createAccount})
	a.on("/api/v1/accounts/{id}", customers, methods{"GET": (*call).getAccount, "PATCH": (*call).updateAccount})
	a.on("/api/v1/accounts/{id}/usage", customers, methods{"GET": (*call).usage})
	a.on("/api/v1/accounts/{id}/password", customers, methods{"POST": (*call).setPassword})
	a.on("/api/v1/accounts/{id}/keys", customers, methods{"GET": (*call).listKeys, "POST": (*call).createKey})
	a.on("/api/v1/accounts/{id}/keys/{prefix}", customers, methods{"DELETE": (*call).revokeKey})
	a.on("/api/v1/webhooks", customers, methods{"GET": (*call).getWebhook, "PUT": (*call).putWebhook})
	a.billingRoutes()
	a.on("/api/v1/statistics", customers, methods{"GET": (*call).statistics})
	a.connectorRoutes()
	a.routingRoutes()
	if a.opts.Audit != nil {
		a.on("/api/v1/audit", admins, methods{"GET": (*call).listAudit})
	}
	a.on("/api/v1/queues", admins, methods{"GET": (*call).queues})
	if a.opts.Campaigns != nil {
		a.on("/api/v1/campaigns", customers, methods{"GET": (*call).listCampaigns, "POST": (*call).createCampaign})
		a.on("/api/v1/campaigns/{id}", customers, methods{"GET": (*call).getCampaign, "PATCH": (*call).updateCampaign, "DELETE": (*call).deleteCampaign})
		a.on("/api/v1/campaigns/{id}/recipients", customers, methods{
			"GET": (*call).listRecipients, "POST": (*call).addRecipients, "DELETE": (*call).clearRecipients,
		})
		a.on("/api/v1/campaigns/{id}/errors", customers, methods{"GET": (*call).campaignErrors})
		a.on("/api/v1/campaigns/{id}/preview", customers, methods{"GET": (*call).previewCampaign, "POST": (*call).previewCampaign})
		a.on("/api/v1/campaigns/{id}/test", customers, methods{"POST": (*call).testCampaign})
		for _, action := range []string{"start", "approve", "reject", "pause", "resume", "cancel"} {
			a.on("/api/v1/campaigns/{id}/"+action, customers, methods{"POST": campaignAction(action)})
		}
	}
	if a.opts.Lists != nil {
		a.listPaths()
	}
	if a.opts.Webhooks != nil {
		a.on("/api/v1/webhooks/endpoints", customers, methods{"GET": (*call).webhookEndpoints})
		a.on("/api/v1/webhooks/failed", customers, methods{"GET": (*call).failedWebhooks})
		a.on("/api/v1/webhooks/replay", customers, methods{"POST": (*call).replayWebhooks})
	}
	if a.opts.Suppressed != nil {
		a.suppressionPaths()
	}
	if a.opts.Inbound != nil {
		a.inboundPaths()
	}
	a.on("/api/v1/live", customers, methods{"GET": (*call).live})
	a.on("/api/v1/live/history", customers, methods{"GET": (*call).liveHistory})
	a.systemRoutes()
	a.profilePaths()
	if a.opts.Users != nil {
		a.sessionPaths()
	}
	if a.opts.Nodes != nil {
		a.on("/api/v1/nodes", admins, methods{"GET": (*call).nodes})
	}
	if a.opts.Hints != nil {
		a.hintPaths()
	}
	if a.opts.Alerts != nil {
		a.alertPaths()
	}
	if a.opts.Backup != nil {
		a.on("/api/v1/backup", admins, methods{"POST": (*call).backup})
	}
	if a.opts.CDR != nil {
		a.cdrPaths()
	}
	if a.opts.Metrics != nil {
		a.mux.Handle("GET /metrics", a.opts.Metrics)
	}
	missing := a.handler(&endpoint{methods: map[string]func(*call) error{"": (*call).notFound}})
	a.mux.Handle("/api/", missing)
	if a.opts.Root != nil {
		a.mux.Handle("/", a.opts.Root)
	} else {
		a.mux.Handle("/", missing)
	}
}

func (a *API) connectorRoutes() {
	type methods = map[string]func(*call) error
	if a.opts.Connectors == nil {
		a.on("/api/v1/connectors", admins, methods{"GET": (*call).listConnectors})
		return
	}
	a.on("/api/v1/connectors", admins, methods{"GET": (*call).listConnectors, "POST": (*call).createConnector})
	a.on("/api/v1/connectors/{name}", admins, methods{
		"GET": (*call).getConnector, "PATCH": (*call).updateConnector, "DELETE": (*call).deleteConnector,
	})
	a.on("/api/v1/connectors/{name}/move", admins, methods{"POST": (*call).moveConnector})
	if a.opts.Gateways != nil {
		callback := methods{"POST": (*call).gatewayCallback, "GET": (*call).gatewayCallback}
		a.on("/api/v1/connectors/{name}/dlr", anybody, callback)
		a.on("/api/v1/connectors/{name}/dlr/{secret}", anybody, maps.Clone(callback))
		a.on("/api/v1/connectors/{name}/test", admins, methods{"POST": (*call).testConnector})
	}
	for action, mode := range map[string]connector.Mode{"start": connector.Running, "pause": connector.Paused, "stop": connector.Stopped} {
		a.on("/api/v1/connectors/{name}/"+action, admins, methods{"POST": connectorMode(mode)})
	}
}

func (a *API) routingRoutes() {
	type methods = map[string]func(*call) error
	if a.opts.Routes == nil {
		return
	}
	a.on("/api/v1/routes", admins, methods{"GET": (*call).listRoutes, "POST": (*call).createRoute, "PUT": (*call).replaceRoutes})
	a.on("/api/v1/routes/test", admins, methods{"POST": (*call).testRoute})
	a.on("/api/v1/routes/{name}", admins, methods{"GET": (*call).getRoute, "PATCH": (*call).updateRoute, "DELETE": (*call).deleteRoute})
}

func (a *API) on(path string, who access, methods map[string]func(*call) error) {
	e := &endpoint{access: who, methods: methods}
	var names []string
	for name := range methods {
		if names = append(names, name); name == "GET" {
			names = append(names, "HEAD")
		}
	}
	if get := methods["GET"]; get != nil {
		methods["HEAD"] = get
	}
	e.path = path
	e.read, e.write = scopesOf(path, who)
	slices.Sort(names)
	e.allow = strings.Join(names, ", ")
	for method := range methods {
		if e.audited(method) {
			a.audited = append(a.audited, method+" "+path)
		}
	}
	a.endpoints = append(a.endpoints, e)
	a.mux.Handle(path, a.handler(e))
}

// AuditedCalls returns method and path of the calls that go into the log of changes.
func (a *API) AuditedCalls() []string { return slices.Clone(a.audited) }

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

func (a *API) handler(e *endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := a.calls.Get().(*call)
		c.w, c.r = w, r
		defer c.finish()
		if err := c.serve(e); err != nil {
			c.problem(err)
		}
	}
}

func (c *call) serve(e *endpoint) (err error) {
	handle := e.methods[c.r.Method]
	if handle == nil {
		if handle = e.methods[""]; handle == nil {
			return &problem{code: "method_not_allowed", detail: c.r.Method + " is not allowed here; possible are " + e.allow, allow: e.allow}
		}
	}
	if e.access != anybody {
		if err = c.identify(e); err != nil {
			return err
		}
		if e.access == admins {
			if err := c.admin(); err != nil {
				return err
			}
		}
	}
	if e.audited(c.r.Method) && !c.triesRoutes() && c.api.opts.Audit != nil {
		return c.auditedCall(handle)
	}
	return handle(c)
}

func (c *call) admin() error {
	if c.who.Role != account.Admin {
		return wrong("forbidden", "this needs an admin account")
	}
	return nil
}

// finish answers a handler that panicked and gives the call's buffers back.
func (c *call) finish() {
	if v := recover(); v != nil {
		if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(v)
		}
		c.api.opts.Logger.Error("panic in a request", "method", c.r.Method, "path", c.r.URL.Path, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		c.problem(wrong("internal_error", "internal error"))
		c.api.bodies.Add(-c.charged)
		return // its buffers may still be in use
	}
	if c.charged > 0 {
		c.api.bodies.Add(-c.charged)
		c.charged = 0
	}
	if cap(c.body) > maxPooledBody || cap(c.answer) > maxPooledBody || cap(c.reqs) > maxPooledItems {
		return
	}
	c.w, c.r, c.who, c.key, c.session, c.once = nil, nil, nil, nil, nil, nil
	if c.batch != nil {
		c.batch, c.space = nil, batch{}
	}
	clear(c.reqs)
	clear(c.outs)
	c.reqs, c.outs, c.index = c.reqs[:0], c.outs[:0], c.index[:0]
	if cap(c.dec.scratch) > freeBody {
		c.dec.scratch = nil
	}
	c.dec.reset("")
	c.api.calls.Put(c)
}

const maxPooledItems = 1000

// Header values that are the same in every answer: shared, never changed.
var (
	typeJSON    = []string{"application/json"}
	typeProblem = []string{"application/problem+json"}
	noStore     = []string{"no-store"}
)

// reply sends the answer.
func (c *call) reply(status int, body []byte) {
	c.send(status, typeJSON, body)
}

func (c *call) send(status int, kind []string, body []byte) {
	h := c.w.Header()
	h["Content-Type"] = kind
	h["Cache-Control"] = noStore
	if len(body) > 2000 { // net/http counts smaller ones itself
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	if id := c.r.Header.Get("X-Request-Id"); id != "" && isRequestID(id) {
		h["X-Request-Id"] = []string{id}
	}
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(body) // the client may be gone; there is nobody else to tell
	}
}

// problem answers with the document of an error.
func (c *call) problem(err error) {
	p := asProblem(err)
	id := c.r.Header.Get("X-Request-Id")
	if !isRequestID(id) {
		var b [8]byte
		_, _ = rand.Read(b[:])
		id = hex.EncodeToString(b[:])
	}
	status := p.httpStatus()
	h := c.w.Header()
	h["X-Request-Id"] = []string{id}
	switch {
	case status == http.StatusUnauthorized:
		h["Www-Authenticate"] = []string{`Bearer realm="protei-bulk"`}
		if !fromScript(c.r) { // a browser would ask for the password itself
			h["Www-Authenticate"] = append(h["Www-Authenticate"], `Basic realm="protei-bulk", charset="UTF-8"`)
		}
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		h["Retry-After"] = []string{strconv.Itoa(retrySeconds(p.retry))}
	case status == http.StatusMethodNotAllowed:
		h["Allow"] = []string{p.allow}
	case status == http.StatusRequestEntityTooLarge, status == http.StatusRequestTimeout:
		h["Connection"] = []string{"close"}
	case status >= 500:
		c.api.opts.Logger.Error("request went wrong", "request_id", id, "method", c.r.Method, "path", c.r.URL.Path, "err", err)
	}
	c.answer = p.append(c.answer[:0], id)
	c.send(status, typeProblem, c.answer)
}

func retrySeconds(d time.Duration) int { return max(1, int((d+time.Second-1)/time.Second)) }

func isRequestID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := 0; i < len(id); i++ {
		if id[i] <= ' ' || id[i] > '~' || id[i] == '"' || id[i] == '\\' {
			return false
		}
	}
	return true
}

func (c *call) notFound() error {
	return wrong("not_found", "there is nothing at "+strconv.QuoteToASCII(c.r.URL.Path[:min(100, len(c.r.URL.Path))]))
}
