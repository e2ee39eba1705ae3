package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/account/accounttest"
	"protei-bulk/bulk/api"
	"protei-bulk/bulk/billing"
	"protei-bulk/bulk/billing/billingtest"
	"protei-bulk/bulk/campaign"
	"protei-bulk/bulk/campaign/campaigntest"
	"protei-bulk/bulk/contact/suppression"
	"protei-bulk/bulk/contact/suppression/suppressiontest"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/intake/intaketest"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/route"
	"protei-bulk/bulk/user"
	"protei-bulk/bulk/user/usertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// platform is an API on a real socket over stores in memory.
type platform struct {
	*httptest.Server
	api       *api.API
	accounts  *account.Directory
	users     *user.Directory
	trail     *trail
	sink      *intaketest.Sink
	store     *campaigntest.Store
	campaigns *campaign.Manager
	insight   *insight
	money     *billingtest.Store
	key       string // of the customer "acme"
	admin     string // of the account "admin"
	acme      *account.Account

	described   sync.Once // then description is what the API says of itself
	description document
}

type options struct {
	dev  bool
	drop bool // the sink forgets
	spec account.Spec
}

// started is when the tests happen, so that answers are the same each time.
var started = time.Date(2030, 1, 31, 9, 0, 0, 0, time.UTC)

func start(t testing.TB, opts options) *platform {
	t.Helper()
	ctx := context.Background()
	now := func() time.Time { return started }
	accounts, err := account.Open(ctx, account.Options{Store: new(accounttest.Store), Meter: unmetered{}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{accounts: accounts, sink: &intaketest.Sink{Drop: opts.drop}, insight: new(insight), money: new(billingtest.Store)}
	table, err := route.NewTable([]route.Connector{{ID: 1, Name: "default"}})
	if err != nil {
		t.Fatal(err)
	}
	router, err := route.NewRouter(table)
	if err != nil {
		t.Fatal(err)
	}
	ids := message.NewIDSource(1, 0, now)
	contacts, err := suppression.Open(ctx, new(suppressiontest.Store))
	if err != nil {
		t.Fatal(err)
	}
	listed := func(account uint32, sender, dest string) (intake.Code, string) {
		switch contacts.Check(account, sender, dest) {
		case 0:
			return "", ""
		case suppression.Blacklisted:
			return intake.DestinationBlacklisted, "is on a blacklist"
		}
		return intake.OptedOut, "opted out"
	}
	door, err := intake.New(intake.Options{
		Sink: p.sink, IDs: ids, Router: router, Listed: listed, Now: now,
		Purse: func(id uint32) intake.Purse { return p.money.Purse(id) }, Payer: accounts.Payer, Parent: accounts.ByID,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.store = &campaigntest.Store{Accepted: p.sink.Messages}
	p.campaigns, err = campaign.New(campaign.Options{Store: p.store, Intake: door, Accounts: accounts, IDs: ids, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.campaigns.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	routes, err := route.OpenBook(ctx, route.BookOptions{Store: noRoutes{}})
	if err != nil {
		t.Fatal(err)
	}
	if p.users, err = user.Open(ctx, user.Options{Store: new(usertest.Store), Accounts: accounts, Now: now}); err != nil {
		t.Fatal(err)
	}
	p.trail = new(trail)
	p.api, err = api.New(api.Options{
		Users: p.users, Audit: p.trail, Nodes: noNodes{}, System: new(desk), CDR: cdrFiles{},
		Accounts: accounts, Intake: door, Messages: &archive{sink: p.sink}, Answers: p.sink, Billing: billing.New(billing.Options{Store: p.money, Accounts: accounts, Currency: "EUR", Now: now}), Insight: p.insight, Campaigns: p.campaigns, IDs: ids,
		Routes: routes, Router: router, Suppressed: contacts,
		SMSC: table.Name, Version: "1.2.3", Now: now,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "# metrics\n") }),
	})
	if err != nil {
		t.Fatal(err)
	}
	p.people(t, opts)
	p.Server = httptest.NewServer(p.api)
	t.Cleanup(p.Close)
	return p
}

func (p *platform) people(t testing.TB, opts options) {
	t.Helper()
	ctx := context.Background()
	admin, _, err := p.accounts.EnsureAdmin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	p.admin = admin.APIKey
	if opts.spec.Name == "" {
		opts.spec.Name = "acme"
	}
	acme, secrets, err := p.accounts.Create(ctx, opts.spec, "")
	if err != nil {
		t.Fatal(err)
	}
	p.acme, p.key = acme, secrets.APIKey
	if opts.dev {
		if _, err := p.accounts.EnsureDev(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// noRoutes is a store without rules.
type noRoutes struct{}

func (noRoutes) ReplaceRoutes(context.Context, []route.Row) error { return nil }
func (noRoutes) LoadRoutes(context.Context) ([]route.Row, error)  { return nil, nil }
func (noRoutes) SaveRoute(context.Context, route.Row) error       { return nil }
func (noRoutes) DeleteRoute(context.Context, uint32) error        { return nil }

// archive shows the sink's messages.
type archive struct {
	sink *intaketest.Sink
	mu   sync.Mutex
}

func (a *archive) Message(_ context.Context, id message.ID) (*message.Message, error) {
	for _, m := range a.sink.Messages() {
		if m.ID == id {
			return m, nil
		}
	}
	return nil, api.ErrNotFound
}

func (a *archive) List(_ context.Context, q api.Query) (found []*message.Message, next message.ID, asOf time.Time, err error) {
	all := a.sink.Messages()
	slices.Reverse(all)
	skip := 0
	if q.Cursor == 0 {
		skip = (q.Page - 1) * q.Limit
	}
	for _, m := range all {
		switch {
		case q.Account != 0 && m.Account != q.Account, q.Status != 0 && m.Status != q.Status,
			q.To != "" && m.Dest.Addr != q.To, q.Batch != 0 && m.Batch != q.Batch,
			q.Campaign != 0 && m.Campaign != q.Campaign, q.From != "" && m.Source.Addr != q.From, q.Cursor != 0 && m.ID >= q.Cursor:
			continue
		}
		if skip--; skip >= 0 {
			continue
		}
		if len(found) == q.Limit {
			return found, found[len(found)-1].ID, started, nil
		}
		found = append(found, m)
	}
	return found, 0, started, nil
}

func (a *archive) Cancel(ctx context.Context, id message.ID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	m, err := a.Message(ctx, id)
	if err != nil {
		return err
	}
	if !m.Status.Waiting() {
		return api.ErrTooLate
	}
	m.Status = message.Cancelled
	return nil
}

func (a *archive) Release(ctx context.Context, id message.ID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	m, err := a.Message(ctx, id)
	if err != nil {
		return err
	}
	if m.Status != message.Held {
		return api.ErrNotHeld
	}
	m.Status = message.Pending
	return nil
}

type insight struct {
	notReady error
	measured atomic.Int64  // how often Queues was asked
	strays   atomic.Int64  // so often the ledger does not close
	only     atomic.Uint32 // the account that has had messages; 0: none
}

func (i *insight) Ready() error { return i.notReady }
func (i *insight) Accepted(account uint32) (sum int64) {
	for _, n := range i.Counts(account) {
		sum += n
	}
	if i.strays.Add(-1) >= 0 {
		return sum + 1
	}
	return sum
}

func (i *insight) Counts(account uint32) api.Counts {
	return api.Counts{message.Delivered: int64(account) + 10, message.Pending: 1}
}

// EachAccount has one account, as if there were no others.
func (i *insight) EachAccount(f func(uint32, api.Counts)) {
	if id := i.only.Load(); id != 0 {
		f(id, i.Counts(id))
	}
}

func (i *insight) Connectors() []api.Connector {
	return []api.Connector{{ID: 1, Name: "default", State: "up", Binds: 2, Bound: 2}}
}

func (i *insight) Queues() []api.Queue {
	i.measured.Add(1)
	return []api.Queue{{Connector: "default", Priority: message.High, Waiting: 3}}
}

var errBroken = errors.New("secret detail of our own")

// answer is a response read to its end.
type answer struct {
	Status int
	Header http.Header
	Body   string
	JSON   map[string]any
}

// do sends a request with the customer's key.
func (p *platform) do(t testing.TB, method, path, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, p.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", p.key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	return p.send(t, req)
}

func (p *platform) send(t testing.TB, req *http.Request) answer {
	t.Helper()
	resp, err := p.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{Status: resp.StatusCode, Header: resp.Header, Body: string(text)}
	if len(text) > 0 && strings.Contains(resp.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(text, &a.JSON); err != nil {
			t.Fatalf("%s %s: the answer is not JSON: %v\n%s", req.Method, req.URL.Path, err, text)
		}
	}
	p.checkAnswer(t, req, a)
	return a
}

// want checks status and, for a problem, code.
func (a answer) want(t testing.TB, status int, code string) {
	t.Helper()
	if a.Status != status {
		t.Fatalf("status %d, want %d\n%s", a.Status, status, a.Body)
	}
	if code != "" && a.JSON["code"] != code {
		t.Fatalf("code %v, want %s\n%s", a.JSON["code"], code, a.Body)
	}
}

// unmetered is a meter that counted nothing before this process.
type unmetered struct{}

func (unmetered) Parts(uint32, int64, int64) int64 { return 0 }
