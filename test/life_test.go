package test

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// TestStopUnderLoad: SIGTERM in the middle of the load ends in time with code 0; nothing
// that was promised is lost, and nothing is sent twice, since the windows were drained.
func TestStopUnderLoad(t *testing.T) {
	_, far := simulator(t, "--receipt-delay", "0-500ms", "--latency", "0-20ms")
	led := newLedger()
	hook := led.webhooks(t)
	data := t.TempDir()
	p := serveDev(t, "--data", data, "--upstream", upstreamOf(far))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var load sync.WaitGroup
	for range 2 {
		load.Go(func() { led.sendHTTP(ctx, p.HTTP, hook) })
	}
	load.Go(func() { led.sendSMPP(ctx, t, p.SMPP) })
	enough := func() bool { n, viaSMPP := led.size(); return n > 2000 && viaSMPP > 100 }
	waitUntil(t, 20*time.Second, enough)
	if !enough() {
		t.Fatalf("too little load\n%s", p.out)
	}
	began := time.Now()
	code := p.stop()
	took := time.Since(began)
	cancel()
	load.Wait()
	if code != 0 || took > 20*time.Second {
		t.Errorf("exit code %d after %v\n%s", code, took, p.out)
	}
	promised, viaSMPP := led.size()
	t.Logf("stopped in %v after %d messages, %d over SMPP", took, promised, viaSMPP)

	p = serveDev(t, "--data", data, "--upstream", upstreamOf(far))
	bound, err := led.listenSMPP(t.Context(), p.SMPP)
	if err != nil {
		t.Fatal(err)
	}
	defer bound.Close()
	waitUntil(t, 40*time.Second, func() bool { return len(led.open()) == 0 })
	if open := led.open(); len(open) > 0 {
		t.Errorf("%d of %d promised messages have no receipt, such as %s, which is %s", len(open), promised, open[0], p.statusOf(open[0]))
	}
	assertSeen(t, far.Control, led)
	assertDuplicates(t, far.Control, 0)
	// What was accepted and whose answer the stop cut off has its receipt coming, too.
	var accepted int
	var by map[string]int
	waitUntil(t, 20*time.Second, func() bool { accepted, by = p.byStatus(); return accepted == by["DELIVERED"] })
	if accepted < promised || accepted != by["DELIVERED"] {
		t.Errorf("%d promised, the platform has %d: %v", promised, accepted, by)
	}
}

// firstSecrets reads what a first start prints, which may come a moment after the node is ready.
func (p *platform) firstSecrets() (key, password string) {
	p.t.Helper()
	printed := regexp.MustCompile(`(?s)API key +(\S+).*SMPP password +(\S+)\n`)
	var m []string
	waitUntil(p.t, 20*time.Second, func() bool { m = printed.FindStringSubmatch(p.out.String()); return m != nil })
	if m == nil {
		p.t.Fatalf("the first start shows no secrets\n%s", p.out)
	}
	return m[1], m[2]
}

// TestOperation runs a platform as an operator does, without --dev: the first start's
// secrets, an account of a customer, restarts, and the administrator's forgotten key.
func TestOperation(t *testing.T) {
	t.Parallel()
	_, far := simulator(t)
	data := t.TempDir()
	start := func(key string) *platform { return serveProduction(t, key, data, "--upstream", upstreamOf(far)) }
	stop := func(p *platform) {
		t.Helper()
		if code := p.stop(); code != 0 {
			t.Fatalf("exit code %d\n%s", code, p.out)
		}
	}
	p := start("")
	key, password := p.firstSecrets()
	if len(key) < 20 || len(password) != 8 {
		t.Fatalf("the first start prints key %q and password %q:\n%s", key, password, p.out)
	}
	if a := p.do("GET", "/api/v1/messages", nil, "X-API-Key", ""); a.code != http.StatusUnauthorized {
		t.Errorf("without a key: %d", a.code)
	}
	if a := p.do("GET", "/api/v1/messages", nil, "X-API-Key", "dev-api-key"); a.code != http.StatusUnauthorized {
		t.Errorf("with the key of the development mode: %d", a.code)
	}
	p.key = key
	p.assertWell()
	s, err := p.bind("admin", password, nil)
	if err != nil {
		t.Fatalf("bind with the password of the first start: %v", err)
	}
	s.Close()

	var acme struct {
		ID       int    `json:"account_id"`
		Key      string `json:"api_key"`
		Password string `json:"password"`
	}
	p.want(http.StatusCreated, "POST", "/api/v1/accounts", `{"name":"acme","system_id":"acme","default_sender":"Acme"}`, &acme)
	p.key = acme.Key
	delivered := p.sendOne(`{"to":"+15550002222","text":"Before the restart: ä€{}"}`)
	p.becomes(delivered, "DELIVERED")
	soon := time.Now().Add(4 * time.Second).UTC().Format(time.RFC3339Nano)
	scheduledSoon := p.sendOne(`{"to":"+15550002223","text":"soon","schedule_at":"` + soon + `"}`)
	late := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	scheduledLate := p.sendOne(`{"to":"+15550002224","text":"late","schedule_at":"` + late + `"}`)
	var draft, later struct {
		ID     string `json:"campaign_id"`
		Status string
	}
	p.want(http.StatusCreated, "POST", "/api/v1/campaigns", `{"name":"Draft","message_content":"Hello","recipients":["+15550003001","+15550003002","+15550003003"]}`, &draft)
	p.want(http.StatusCreated, "POST", "/api/v1/campaigns", `{"name":"Later","message_content":"Hello","schedule_type":"SCHEDULED","schedule_at":"`+soon+`","recipients":["+15550003004"]}`, &later)
	if draft.Status != "DRAFT" || later.Status != "DRAFT" {
		t.Errorf("new campaigns are %s and %s", draft.Status, later.Status)
	}
	p.want(http.StatusOK, "POST", "/api/v1/campaigns/"+later.ID+"/start", "", &later)
	if later.Status != "SCHEDULED" {
		t.Errorf("a started campaign with a time is %s", later.Status)
	}
	stop(p)

	p = start(acme.Key)
	if out := p.out.String(); strings.Contains(out, "API key") || strings.Contains(out, key) || strings.Contains(out, password) {
		t.Errorf("the second start prints secrets:\n%s", out)
	}
	var m struct{ Status, Text, To, From string }
	p.want(http.StatusOK, "GET", "/api/v1/messages/"+delivered, "", &m)
	if m.Status != "DELIVERED" || m.Text != "Before the restart: ä€{}" || m.To != "+15550002222" || m.From != "Acme" {
		t.Errorf("after the restart: %+v", m)
	}
	if got := p.statusOf(scheduledLate); got != "SCHEDULED" {
		t.Errorf("the message for later is %s", got)
	}
	var c campaignText
	p.want(http.StatusOK, "GET", "/api/v1/campaigns/"+draft.ID, "", &c)
	if c.Status != "DRAFT" || c.Recipients != 3 {
		t.Errorf("the draft is %+v", c)
	}
	p.want(http.StatusOK, "POST", "/api/v1/campaigns/"+draft.ID+"/start", "", nil)
	p.campaignDone(draft.ID, 3)
	p.becomes(scheduledSoon, "DELIVERED")
	p.campaignDone(later.ID, 1)
	if a := p.post("/api/v1/campaigns/"+draft.ID+"/start", ""); a.code != http.StatusConflict {
		t.Errorf("start of a completed campaign: %d %s", a.code, a.body)
	}
	if a := p.get("/api/v1/connectors"); a.code != http.StatusForbidden {
		t.Errorf("a customer asks for connectors: %d", a.code)
	}
	s, err = p.bind("acme", acme.Password, nil)
	if err != nil {
		t.Fatalf("bind of the customer after the restart: %v", err)
	}
	s.Close()
	stop(p)

	out, err := exec.CommandContext(t.Context(), binary, "account", "reset-admin", "--data", data).Output()
	if err != nil {
		t.Fatalf("reset-admin: %v", err)
	}
	fresh := regexp.MustCompile(`api key +(\S+)\s+password +(\S+)`).FindStringSubmatch(string(out))
	if fresh == nil {
		t.Fatalf("reset-admin printed %q", out)
	}
	p = start(fresh[1])
	p.assertWell()
	if a := p.do("GET", "/api/v1/messages", nil, "X-API-Key", key); a.code != http.StatusUnauthorized {
		t.Errorf("the forgotten key still opens: %d", a.code)
	}
	if s, err := p.bind("admin", password, nil); err == nil {
		s.Close()
		t.Error("the forgotten password still binds")
	}
	if s, err = p.bind("admin", fresh[2], nil); err != nil {
		t.Errorf("bind with the new password: %v", err)
	} else {
		s.Close()
	}
	p.key = acme.Key
	p.becomes(delivered, "DELIVERED")
}

// campaignText is a campaign as far as tests look at it.
type campaignText struct {
	Status     string
	Recipients int    `json:"recipients_added"`
	LastError  string `json:"last_error"`
	Progress   struct {
		Processed, Accepted, Refused int
		Messages                     map[string]int
	}
}

// campaignDone waits until the campaign is completed and all n messages are delivered.
func (p *platform) campaignDone(id string, n int) {
	p.t.Helper()
	var c campaignText
	done := func() bool {
		c = campaignText{}
		p.want(http.StatusOK, "GET", "/api/v1/campaigns/"+id, "", &c)
		return c.Status == "COMPLETED" && c.Progress.Messages["DELIVERED"] == n
	}
	waitUntil(p.t, 30*time.Second, done)
	if !done() || c.Progress.Accepted != n || c.Progress.Processed != n {
		p.t.Errorf("campaign %s: %+v, want %d delivered\n%s", id, c, n, p.out)
	}
}

// TestCampaignGoesOnAfterAKill: each recipient gets one message, however often the
// platform is killed meanwhile.
func TestCampaignGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	const recipients, kills = 3000, 3
	_, far := simulator(t)
	data := t.TempDir()
	start := func() *platform { return serveDev(t, "--data", data, "--upstream", upstreamOf(far)) }
	p := start()
	numbers := make([]string, recipients)
	for i := range numbers {
		numbers[i] = fmt.Sprintf("%q", fmt.Sprintf("+1555%07d", i))
	}
	var c struct {
		ID string `json:"campaign_id"`
	}
	p.want(http.StatusCreated, "POST", "/api/v1/campaigns", `{"name":"Big","sender_id":"Big","message_content":"To all","max_tps":1000,"recipients":[`+strings.Join(numbers, ",")+`]}`, &c)
	p.want(http.StatusOK, "POST", "/api/v1/campaigns/"+c.ID+"/start", "", nil)
	for kill := 1; kill <= kills; kill++ {
		var seen campaignText
		waitUntil(t, 20*time.Second, func() bool {
			p.want(http.StatusOK, "GET", "/api/v1/campaigns/"+c.ID, "", &seen)
			accepted, _ := p.byStatus()
			return accepted >= kill*600
		})
		if seen.Status != "RUNNING" {
			t.Fatalf("the campaign is %s before kill %d", seen.Status, kill)
		}
		p.kill()
		p = start()
	}
	p.campaignDone(c.ID, recipients)
	got := p.walk("/api/v1/messages?limit=1000&campaign_id=" + c.ID)
	to := map[string]int{}
	for _, m := range got {
		to[m.To]++
	}
	if len(got) != recipients || len(to) != recipients {
		t.Errorf("%d messages to %d numbers for %d recipients", len(got), len(to), recipients)
	}
	assertOneCDREach(t, p, data, recipients)
}

// assertOneCDREach stops the platform and looks for exactly one record of each message.
func assertOneCDREach(t *testing.T, p *platform, data string, messages int) {
	t.Helper()
	p.kill() // a crash more: the start after it makes the files whole
	again := serveDev(t, "--data", data, "--upstream", "smpp://x:y@"+freeAddress(t))
	if code := again.stop(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, again.out)
	}
	files, err := filepath.Glob(filepath.Join(data, "cdr", "*.csv"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no CDR files: %v", err)
	}
	records := map[string]int{}
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := csv.NewReader(f)
		lines.Comment = '#' // the checksum line
		rows, err := lines.ReadAll()
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, row := range rows[1:] {
			records[row[1]]++
		}
	}
	doubled := 0
	for _, n := range records {
		if n != 1 {
			doubled++
		}
	}
	if len(records) != messages || doubled != 0 {
		t.Errorf("CDRs of %d messages, %d of them with more than one record; want one of each of %d", len(records), doubled, messages)
	}
}

// listed is one entry of a list.
type listed struct {
	ID     string `json:"message_id"`
	Status string
	To     string
	Parts  int
}

// walk follows next_cursor to the end of a list. It waits first until the list has seen
// everything that was accepted before: lists may be 2 s behind.
func (p *platform) walk(path string) (all []listed) {
	p.t.Helper()
	type page struct {
		Messages []listed
		Next     string    `json:"next_cursor"`
		AsOf     time.Time `json:"as_of"`
	}
	now := time.Now()
	var first page
	waitUntil(p.t, 10*time.Second, func() bool {
		first = page{}
		p.want(http.StatusOK, "GET", path, "", &first)
		return first.AsOf.After(now)
	})
	if !first.AsOf.After(now) {
		p.t.Errorf("%s shows the state of %v ago", path, now.Sub(first.AsOf))
	}
	all = first.Messages
	for next := first.Next; next != ""; {
		var more page
		p.want(http.StatusOK, "GET", path+"&cursor="+next, "", &more)
		all = append(all, more.Messages...)
		if more.Next == next {
			p.t.Fatalf("the cursor %s leads to itself", next)
		}
		next = more.Next
	}
	return all
}

// TestLists: a walk over 5,000 messages sees each once while new ones arrive, and each
// filter shows what it names.
func TestLists(t *testing.T) {
	t.Parallel()
	const batches, each = 5, 1000
	p := serveDev(t)
	var ids []string
	began := time.Now()
	for range batches {
		ids = append(ids, p.sendBulk(each, "")...)
	}
	p.allBecome(batches*each, "DELIVERED")
	after := time.Now()

	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var came atomic.Int64
	load.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			if code, _ := call(ctx, "POST", p.url()+"/api/v1/messages", fmt.Sprintf(`{"from":"New","to":"+1444%07d","text":"new"}`, n), nil); code == http.StatusCreated {
				came.Add(1)
			}
		}
	})
	var got []listed
	meanwhile := int64(0)
	for tries := 0; meanwhile == 0 && tries < 20; tries++ {
		from := came.Load()
		got = p.walk("/api/v1/messages?limit=100")
		meanwhile = came.Load() - from
	}
	cancel()
	load.Wait()
	seen := map[string]int{}
	for i, m := range got {
		seen[m.ID]++
		if i > 0 && m.ID >= got[i-1].ID {
			t.Fatalf("%s comes after %s: newest first is promised", m.ID, got[i-1].ID)
		}
	}
	missing := 0
	for _, id := range ids {
		if seen[id] == 0 {
			missing++
		}
	}
	if missing != 0 {
		t.Errorf("the walk misses %d of %d messages", missing, len(ids))
	}
	if meanwhile == 0 {
		t.Error("nothing new arrived during the walk")
	}

	var one struct {
		Batch string `json:"batch_id"`
	}
	p.want(http.StatusOK, "GET", "/api/v1/messages/"+ids[0], "", &one)
	zone := func(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }
	for _, c := range []struct {
		query string
		want  int
	}{
		{"batch_id=" + one.Batch, each},
		{"to=%2B15550000007", batches},
		{"to=15550000007&status=DELIVERED", batches},
		{"from=Test", batches * each},
		{"from=Nobody", 0},
		{"status=FAILED", 0},
		{"status=DELIVERED&from=Test", batches * each},
		{"from=Test&since=" + zone(began) + "&until=" + zone(after), batches * each},
		{"from=Test&until=" + zone(began), 0},
		{"from=Test&since=" + zone(after.Add(time.Millisecond)), 0},
	} {
		if got := p.walk("/api/v1/messages?limit=1000&" + c.query); len(got) != c.want {
			t.Errorf("%s: %d messages, want %d", c.query, len(got), c.want)
		}
	}
	var second, third struct{ Messages []listed }
	p.want(http.StatusOK, "GET", "/api/v1/messages?from=Test&page=2&limit=20", "", &second)
	p.want(http.StatusOK, "GET", "/api/v1/messages?from=Test&page=3&limit=20", "", &third)
	if len(second.Messages) != 20 || len(third.Messages) != 20 || second.Messages[19].ID <= third.Messages[0].ID {
		t.Errorf("pages 2 and 3: %d and %d messages", len(second.Messages), len(third.Messages))
	}
}

// TestCancel: what waits can be withdrawn and never reaches the SMSC, also after a kill;
// what was sent cannot.
func TestCancel(t *testing.T) {
	t.Parallel()
	addr, data := freeAddress(t), t.TempDir()
	start := func() *platform {
		return serveDev(t, "--data", data, "--upstream", upstreamOf(smscAt{SMPP: addr}))
	}
	p := start()
	pending := p.sendBulk(10, "")
	soon := time.Now().Add(3 * time.Second).UTC().Format(time.RFC3339Nano)
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339Nano) // the last 5 s before the time are too late
	scheduled := p.sendOne(`{"from":"Test","to":"+15550004001","text":"x","schedule_at":"` + later + `"}`)
	kept := p.sendOne(`{"from":"Test","to":"+15550004002","text":"x","schedule_at":"` + soon + `"}`)
	cancelled := append([]string{scheduled}, pending[:5]...)
	for _, id := range cancelled {
		for range 2 { // again: the customer has what he wants
			var answer struct{ Status string }
			p.want(http.StatusOK, "DELETE", "/api/v1/messages/"+id, "", &answer)
			if answer.Status != "CANCELLED" {
				t.Errorf("DELETE %s answered %s", id, answer.Status)
			}
		}
	}
	if a := p.do("DELETE", "/api/v1/messages/0123456789abcdef", nil); a.code != http.StatusNotFound {
		t.Errorf("DELETE of an unknown message: %d", a.code)
	}
	p.kill()
	p = start()
	_, far := simulator(t, "--listen", addr)
	for _, id := range append(pending[5:], kept) {
		p.becomes(id, "DELIVERED")
		if a := p.do("DELETE", "/api/v1/messages/"+id, nil); a.code != http.StatusConflict || a.problem(t).Code != "not_cancellable" {
			t.Errorf("DELETE of a delivered message: %d %s", a.code, a.body)
		}
	}
	for _, id := range cancelled {
		if got := p.statusOf(id); got != "CANCELLED" {
			t.Errorf("%s was cancelled and is %s", id, got)
		}
	}
	var counters struct{ Unique int }
	if _, err := call(t.Context(), "GET", "http://"+far.Control+"/counters", "", &counters); err != nil || counters.Unique != 6 {
		t.Errorf("the SMSC has %d messages, want 6: %v", counters.Unique, err)
	}
}

// TestRepeatedRequests: an Idempotency-Key makes one message of many tries.
func TestRepeatedRequests(t *testing.T) {
	t.Parallel()
	p := serveDev(t)
	const body = `{"from":"Test","to":"+15550005001","text":"once"}`
	var ids []string
	for range 3 {
		a := p.post("/api/v1/messages", body, "Idempotency-Key", "order 7")
		if a.code != http.StatusCreated {
			t.Fatalf("%d %s", a.code, a.body)
		}
		var sent struct {
			ID string `json:"message_id"`
		}
		a.into(t, &sent)
		ids = append(ids, sent.ID)
	}
	if ids[0] != ids[1] || ids[1] != ids[2] {
		t.Errorf("three tries made %v", ids)
	}
	if a := p.post("/api/v1/messages", strings.Replace(body, "once", "twice", 1), "Idempotency-Key", "order 7"); a.code != 422 || a.problem(t).Code != "idempotency_key_reused" {
		t.Errorf("the key with another body: %d %s", a.code, a.body)
	}
	p.allBecome(1, "DELIVERED")
}

// TestMobileOriginated: an MO that nobody wants is taken, kept and listed.
func TestMobileOriginated(t *testing.T) {
	t.Parallel()
	_, far := simulator(t)
	p := serveDev(t, "--upstream", upstreamOf(far))
	p.assertWell()
	var result struct{ Status string }
	code, err := call(t.Context(), "POST", "http://"+far.Control+"/mo", `{"from":"15550006001","to":"1000","text":"STOP"}`, &result)
	if err != nil || code != http.StatusOK || result.Status != "ESME_ROK" {
		t.Errorf("an MO was answered with %d %q %v", code, result.Status, err)
	}
	var listed struct {
		Messages []struct{ From, Text, Status string }
	}
	p.want(http.StatusOK, "GET", "/api/v1/inbound/messages?to=1000", "", &listed)
	if len(listed.Messages) != 1 || listed.Messages[0].Status != "NO_ROUTE" || listed.Messages[0].Text != "STOP" || listed.Messages[0].From != "+15550006001" {
		t.Errorf("listed: %+v", listed)
	}
	p.assertWell()
}

// TestReceiptsWaitForTheirESME: receipts of a customer who is not bound are kept, over a
// restart too, and come once at the next bind.
func TestReceiptsWaitForTheirESME(t *testing.T) {
	t.Parallel()
	_, far := simulator(t, "--receipt-delay", "300ms")
	data := t.TempDir()
	start := func() *platform { return serveDev(t, "--data", data, "--upstream", upstreamOf(far)) }
	p := start()
	s, err := p.bind("dev", "devpass1", nil)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for n := range 20 {
		ids = append(ids, p.submit(s, fmt.Sprintf("1555000%04d", n), "who waits?"))
	}
	unbind(t, s)
	p.allBecome(len(ids), "DELIVERED")
	if code := p.stop(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, p.out)
	}
	p = start()
	led := newLedger()
	led.promise(true, ids...)
	if s, err = led.listenSMPP(t.Context(), p.SMPP); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, 20*time.Second, func() bool { return len(led.open()) == 0 })
	if open := led.open(); len(open) != 0 {
		t.Errorf("%d of %d receipts did not come after the restart\n%s", len(open), len(ids), p.out)
	}
	unbind(t, s)
	// Once more: a message of now brings its own receipt and none of the old ones.
	if s, err = led.listenSMPP(t.Context(), p.SMPP); err != nil {
		t.Fatal(err)
	}
	id := p.submit(s, "15550009999", "and now")
	led.promise(true, id)
	waitUntil(t, 20*time.Second, func() bool { return len(led.open()) == 0 })
	unbind(t, s)
	led.mu.Lock()
	defer led.mu.Unlock()
	for id, n := range led.receipts {
		if n != 1 {
			t.Errorf("%d receipts of %s", n, id)
		}
	}
	if len(led.receipts) != len(ids)+1 {
		t.Errorf("%d receipts, want %d", len(led.receipts), len(ids)+1)
	}
}

func unbind(t *testing.T, s *smpp.Session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Unbind(ctx); err != nil {
		t.Errorf("unbind: %v", err)
	}
}
