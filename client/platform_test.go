package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"protei-bulk/bulk"
	"protei-bulk/client"
	"protei-bulk/smsc"
)

// platform is a real one in this process, in front of a simulator.
type platform struct {
	url    string
	client *client.Client // of the account dev, an administrator
}

func startPlatform(t *testing.T) *platform {
	t.Helper()
	sim, err := smsc.New(smsc.Options{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Stop(context.Background()); err != nil {
			t.Errorf("stop the simulator: %v", err)
		}
	})
	cfg := bulk.DefaultConfig()
	cfg.Data, cfg.HTTP, cfg.SMPP, cfg.MinFreeDisk = t.TempDir(), "127.0.0.1:0", "off", 1<<20
	cfg.Upstream, cfg.Webhooks.Allow = "smpp://x:y@"+sim.Addr(), []string{"127.0.0.0/8"}
	made, err := bulk.New(bulk.Options{Config: cfg, Dev: true, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := made.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	p := &platform{url: "http://" + made.HTTPAddr()}
	if p.client, err = client.New(client.Options{URL: p.url, APIKey: "dev-api-key"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.client.Close)
	return p
}

// until asks again and again until done says yes.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !done() {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("not in 30 s: %s", what)
		}
	}
}

// must returns what a call that has to work returned.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestMessagesOfARealPlatform(t *testing.T) {
	p := startPlatform(t)
	c, ctx := p.client, t.Context()

	secret := must(c.Webhook(ctx))(t).Secret
	verifier := must(client.NewVerifier(secret))(t)
	told := make(chan client.Event, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, err := verifier.Read(r)
		if err != nil {
			t.Errorf("webhook: %v", err)
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		for _, e := range d.Events {
			told <- e
		}
	}))
	defer hook.Close()

	sent := must(c.SendMessage(ctx, client.NewMessage{From: "SHOP", To: "+15550100200", Text: "Hello", ClientRef: "order-17", DLRURL: hook.URL}))(t)
	if sent.ID == "" || sent.Status != client.Pending || sent.Parts != 1 || sent.Encoding != "GSM7" || sent.SubmittedAt.IsZero() || sent.Replayed {
		t.Errorf("accepted: %+v", sent)
	}
	select {
	case e := <-told:
		if e.MessageID != sent.ID || e.Status != client.Delivered || e.DLRStatus != "DELIVRD" || e.ClientRef != "order-17" || e.To != "15550100200" ||
			e.From != "SHOP" || e.Parts != 1 || e.SubmittedAt.IsZero() || e.DeliveredAt.IsZero() {
			t.Errorf("the webhook told %+v", e)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("no webhook in 30 s")
	}
	m := must(c.Message(ctx, sent.ID))(t)
	if !m.Status.Final() || m.Text != "Hello" || len(m.Segments) != 1 || m.DeliveredAt.IsZero() {
		t.Errorf("message: %+v", m)
	}

	b := client.Bulk{Common: client.Common{From: "SHOP", Text: "Sale"}}
	for i := range 250 {
		b.Messages = append(b.Messages, client.NewMessage{To: fmt.Sprintf("+1555010%04d", i)})
	}
	b.Messages[7].To = "12"
	many := must(c.SendBulk(ctx, b))(t)
	if many.Accepted != 249 || many.Rejected != 1 || len(many.Errors) != 1 || many.Errors[0].Index != 7 || many.Errors[0].Code != "invalid_recipient" {
		t.Fatalf("bulk: %d accepted, %+v", many.Accepted, many.Errors)
	}
	var seen []string
	until(t, "the list has the bulk", func() bool {
		seen = nil
		for m, err := range c.Messages(ctx, client.MessageQuery{BatchID: many.BatchID, Limit: 100}) {
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, m.ID)
		}
		return len(seen) == 249
	})
	slices.Reverse(seen)
	if !slices.Equal(seen, many.MessageIDs) {
		t.Errorf("the list, oldest first, is not what was accepted: %d and %d ids", len(seen), len(many.MessageIDs))
	}
	for m, err := range c.Messages(ctx, client.MessageQuery{Limit: 1}) { // a loop that ends early asks no further
		if err != nil || m.ID == "" {
			t.Errorf("%+v, %v", m, err)
		}
		break
	}

	later := must(c.SendMessage(ctx, client.NewMessage{From: "SHOP", To: "+15550100200", Text: "later", ScheduleAt: time.Now().Add(time.Hour)}))(t)
	if later.Status != client.Scheduled {
		t.Errorf("scheduled: %+v", later)
	}
	if gone := must(c.CancelMessage(ctx, later.ID))(t); gone.ID != later.ID || gone.Status != client.Cancelled {
		t.Errorf("cancelled: %+v", gone)
	}
	if _, err := c.CancelMessage(ctx, sent.ID); client.Code(err) != "not_cancellable" {
		t.Errorf("cancel of one that was delivered: %v", err)
	}
	until(t, "the ledger closes at rest", func() bool {
		s := must(c.Statistics(ctx))(t)
		return s.Closes && s.InFlight == 0 && s.Accepted == 251 && s.ByStatus["CANCELLED"] == 1 && s.ByStatus["DELIVERED"] == 250
	})
	if skipped := must(c.ReplayWebhooks(ctx, client.Replay{MessageIDs: []string{later.ID}}))(t); skipped.Replayed != 0 || len(skipped.Skipped) != 1 {
		t.Errorf("replay: %+v", skipped)
	}
}

func TestRefusalsOfARealPlatform(t *testing.T) {
	p := startPlatform(t)
	ctx := t.Context()
	_, err := p.client.SendMessage(ctx, client.NewMessage{From: "SHOP", To: "12"})
	var refused *client.Error
	if !errors.As(err, &refused) {
		t.Fatalf("an *Error is wanted, it is %v", err)
	}
	if at := refused.At("/to"); refused.Status != 422 || refused.Code != "validation_failed" || refused.RequestID == "" || at == nil || at.Code != "invalid_recipient" ||
		refused.At("/text") == nil || refused.At("/from") != nil {
		t.Errorf("refused: %+v", refused)
	}
	if _, err := p.client.Message(ctx, "0000000000000001"); client.Code(err) != "not_found" {
		t.Errorf("a message that is none: %v", err)
	}
	if _, err := p.client.Message(ctx, "../accounts"); client.Code(err) != "not_found" {
		t.Errorf("an id with a slash: %v", err)
	}
	for _, err := range p.client.Messages(ctx, client.MessageQuery{Status: "GONE"}) {
		if client.Code(err) != "invalid_parameter" {
			t.Errorf("a status that is none: %v", err)
		}
	}
	other, err := client.New(client.Options{URL: p.url, APIKey: "nope"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Statistics(ctx); client.Code(err) != "invalid_credentials" {
		t.Errorf("a key that is none: %v", err)
	}
	basic, err := client.New(client.Options{URL: p.url, SystemID: "dev", Password: "devpass1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := basic.Statistics(ctx); err != nil {
		t.Errorf("Basic: %v", err)
	}
}

func TestCampaignOfARealPlatform(t *testing.T) {
	c, ctx := startPlatform(t).client, t.Context()
	made := must(c.CreateCampaign(ctx, client.NewCampaign{
		Name: "spring", From: "SHOP", Text: "Hi {{name}}", MaxTPS: 1,
		Recipients: []client.Recipient{{To: "+15550100201", Values: map[string]string{"name": "Ann"}}},
		Windows:    []client.Window{{From: "00:00", To: "24:00"}},
	}))(t)
	if made.Status != "DRAFT" || made.TotalRecipients != 1 || made.MaxTPS != 1 || made.CreatedAt.IsZero() {
		t.Fatalf("created: %+v", made)
	}
	up := client.Upload{Name: "more.csv", Map: []string{"name:Vorname"}, Duplicates: "skip"}
	loaded := must(c.UploadRecipients(ctx, made.ID, up, strings.NewReader("Handy;Vorname\n+15550100202;Bob\nx;Eve\n+15550100203;Cy\n")))(t)
	if loaded.TotalRecipients != 3 || loaded.Import == nil || loaded.Import.Rows != 3 || loaded.Import.Refused != 1 {
		t.Fatalf("uploaded: %+v, %+v", loaded, loaded.Import)
	}
	if added := must(c.AddRecipients(ctx, made.ID, []client.Recipient{{To: "+15550100204", Values: map[string]string{"name": "Di"}}}))(t); added.TotalRecipients != 4 {
		t.Errorf("added: %+v", added)
	}
	if _, err := c.AddList(ctx, made.ID, "none"); client.Code(err) == "" {
		t.Errorf("a list that is none: %v", err)
	}
	rows := must(c.CampaignErrors(ctx, made.ID))(t)
	defer rows.Close()
	if _, err := c.PauseCampaign(ctx, made.ID); client.Code(err) != "illegal_transition" {
		t.Errorf("pause of a DRAFT: %v", err)
	}
	if started := must(c.StartCampaign(ctx, made.ID))(t); started.Status != "RUNNING" {
		t.Errorf("started: %+v", started)
	}
	if paused := must(c.PauseCampaign(ctx, made.ID))(t); paused.Status != "PAUSED" || paused.Done() {
		t.Errorf("paused: %+v", paused)
	}
	must(c.ResumeCampaign(ctx, made.ID))(t)
	until(t, "the campaign is done", func() bool { return must(c.Campaign(ctx, made.ID))(t).Done() })
	if done := must(c.Campaign(ctx, made.ID))(t); done.Status != "COMPLETED" || done.Progress.Accepted != 4 {
		t.Errorf("done: %+v", done)
	}
	second := must(c.CreateCampaign(ctx, client.NewCampaign{Name: "autumn", From: "SHOP", Text: "x"}))(t)
	if cancelled := must(c.CancelCampaign(ctx, second.ID))(t); cancelled.Status != "CANCELLED" {
		t.Errorf("cancelled: %+v", cancelled)
	}
	var names []string
	for found, err := range c.Campaigns(ctx, client.CampaignQuery{Limit: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found.Name)
	}
	if !slices.Equal(names, []string{"autumn", "spring"}) {
		t.Errorf("campaigns, newest first: %v", names)
	}
}

func TestAdministrationOfARealPlatform(t *testing.T) {
	c, ctx := startPlatform(t).client, t.Context()
	if h := must(c.Health(ctx))(t); h.Status != "healthy" || h.Version != "test" {
		t.Errorf("health: %+v", h)
	}
	until(t, "ready", func() bool { return c.Ready(ctx) == nil })
	all := must(c.Connectors(ctx))(t)
	if len(all) != 1 || all[0].Name != "default" || all[0].Kind != "smpp" {
		t.Fatalf("connectors: %+v", all)
	}
	if stopped := must(c.StopConnector(ctx, "default"))(t); stopped.Mode != "stopped" {
		t.Errorf("stopped: %+v", stopped)
	}
	if started := must(c.StartConnector(ctx, "default"))(t); started.Mode != "running" {
		t.Errorf("started: %+v", started)
	}
	until(t, "the connector is up", func() bool {
		one := must(c.Connector(ctx, "default"))(t)
		return one.State == "up" && len(one.Links) == one.Binds && one.Links[0].Since.After(time.Now().Add(-time.Hour))
	})

	made := must(c.CreateAccount(ctx, client.AccountSettings{Name: "shop", SystemID: "shop", TPS: new(100.0), Billing: "prepaid"}))(t)
	if made.ID == 0 || made.APIKey == "" || made.Password == "" || made.TPS != 100 || made.Disabled {
		t.Fatalf("account: %+v", made)
	}
	paid := must(c.TopUp(ctx, made.ID, client.Payment{Amount: "12.50", Reference: "invoice-7"}))(t)
	again := must(c.TopUp(ctx, made.ID, client.Payment{Amount: "12.50", Reference: "invoice-7"}))(t)
	if paid.Repeated || !again.Repeated || again.ID != paid.ID {
		t.Errorf("paid: %+v, again %+v", paid, again)
	}
	if b := must(c.Balance(ctx, made.ID))(t); b.Balance != "12.5" || b.Unlimited || b.Available != "12.5" {
		t.Errorf("balance: %+v", b)
	}
	if b := must(c.Balance(ctx, client.Me))(t); b.AccountID == made.ID {
		t.Errorf("own balance: %+v", b)
	}
	if locked := must(c.UpdateAccount(ctx, made.ID, client.AccountSettings{Disabled: new(true), TPS: new(0.0)}))(t); !locked.Disabled || locked.TPS != 0 || locked.Name != "shop" {
		t.Errorf("disabled: %+v", locked)
	}
	if accounts := must(c.Accounts(ctx))(t); len(accounts) < 2 {
		t.Errorf("accounts: %+v", accounts)
	}
	if me := must(c.Account(ctx, client.Me))(t); me.Name != "dev" {
		t.Errorf("me: %+v", me)
	}
	if w := must(c.SetWebhook(ctx, client.WebhookChange{DLRURL: new("http://127.0.0.1:9/hook")}))(t); w.DLRURL == "" || w.Secret == "" {
		t.Errorf("webhook: %+v", w)
	}
	if e := must(c.WebhookEndpoints(ctx))(t); len(e) != 0 {
		t.Errorf("endpoints: %+v", e)
	}
}

// losing loses the answers to some requests, after the platform has carried them out.
type losing struct {
	mu   sync.Mutex
	lose int // so many more
	made int
}

func (l *losing) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made++
	if err != nil || l.lose == 0 {
		return resp, err
	}
	l.lose--
	resp.Body.Close()
	return nil, errors.New("the connection broke")
}

// TestLostAnswerIsNoSecondMessage: a message whose answer was lost is sent again by the client,
// and is there once.
func TestLostAnswerIsNoSecondMessage(t *testing.T) {
	p := startPlatform(t)
	l := &losing{lose: 2}
	c := must(client.New(client.Options{URL: p.url, APIKey: "dev-api-key", HTTP: &http.Client{Transport: l}, MinPause: time.Millisecond, MaxPause: time.Second}))(t)
	sent := must(c.SendMessage(t.Context(), client.NewMessage{From: "SHOP", To: "+15550100200", Text: "once"}))(t)
	if l.made != 3 || !sent.Replayed {
		t.Errorf("%d requests, %+v", l.made, sent)
	}
	if s := must(c.Statistics(t.Context()))(t); s.Accepted != 1 {
		t.Errorf("%d messages were accepted, want 1", s.Accepted)
	}
	l.lose = 1
	if _, err := c.CreateCampaign(t.Context(), client.NewCampaign{Name: "once", From: "SHOP", Text: "x"}); err == nil {
		t.Error("a campaign whose answer was lost was created again")
	}
}
