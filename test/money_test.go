package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"protei-bulk/bulk/money"
	"protei-bulk/smpp"
)

// spender is a prepaid account and what the test asked for in its name.
type spender struct {
	t    *testing.T
	addr string
	id   int
	key  string

	mu     sync.Mutex
	topUps map[string]bool // by reference: answered; guarded by mu
	bought int             // messages answered with 201 or ESME_ROK; guarded by mu
	short  int             // refused for want of money; guarded by mu
}

// ask sends a request as an account and decodes the answer, whatever its status.
func (s *spender) ask(ctx context.Context, key, method, path, body string, v any) (int, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.addr+"/api/v1"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, err
	}
	req.Header.Set("X-API-Key", key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if v == nil {
		v = new(json.RawMessage)
	}
	return resp.StatusCode, json.NewDecoder(resp.Body).Decode(v)
}

const adminKey = "dev-api-key"

func (s *spender) topUp(ctx context.Context, reference string) error {
	s.mu.Lock()
	if !s.topUps[reference] {
		s.topUps[reference] = false
	}
	s.mu.Unlock()
	status, err := s.ask(ctx, adminKey, "POST", fmt.Sprintf("/accounts/%d/topup", s.id), `{"amount":"0.05","reference":"`+reference+`"}`, nil)
	if err != nil {
		return err
	}
	if status != 200 && status != 201 {
		s.t.Errorf("top-up %s is answered %d", reference, status)
	}
	s.mu.Lock()
	s.topUps[reference] = true
	s.mu.Unlock()
	return nil
}

func (s *spender) count(bought, short int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bought += bought
	s.short += short
}

// spend buys what it can over REST until the platform is gone: long messages in bulk, and
// single ones that it withdraws.
func (s *spender) spend(ctx context.Context) {
	long := strings.Repeat("long ", 40) // two parts
	for n := 0; ctx.Err() == nil; n++ {
		if n%4 == 0 {
			var one struct {
				ID string `json:"message_id"`
			}
			body := fmt.Sprintf(`{"from":"Shop","to":"+1555%07d","text":"later","schedule_at":%q}`, n, time.Now().Add(time.Hour).Format(time.RFC3339))
			status, err := s.ask(ctx, s.key, "POST", "/messages", body, &one)
			switch {
			case err != nil:
				return
			case status == 402:
				s.count(0, 1)
				continue
			}
			s.count(1, 0)
			if _, err := s.ask(ctx, s.key, "DELETE", "/messages/"+one.ID, "", nil); err != nil {
				return
			}
			continue
		}
		items := make([]string, 20)
		for i := range items {
			items[i] = fmt.Sprintf(`{"from":"Shop","to":"+1555%07d","text":%q}`, i, long)
		}
		var many struct{ Accepted, Rejected int }
		status, err := s.ask(ctx, s.key, "POST", "/messages/bulk", `{"messages":[`+strings.Join(items, ",")+`]}`, &many)
		switch {
		case err != nil:
			return
		case status == 402:
			s.count(0, len(items))
		default:
			s.count(many.Accepted, many.Rejected)
		}
	}
}

// balance is GET /balance with exact amounts.
type balance struct {
	Balance, Reserved, Credits, Charged, Refunded money.Amount
}

func (s *spender) balance(ctx context.Context) (b balance, err error) {
	_, err = s.ask(ctx, s.key, "GET", "/balance", "", &b)
	return b, err
}

// TestMoneySurvivesSIGKILL kills the platform while an account is topped up and spends all
// it has. In the end every millionth is where it belongs. The SMSC lives on: one that was
// killed with the platform would take receipts with it, and what they free stays reserved.
func TestMoneySurvivesSIGKILL(t *testing.T) {
	_, far := simulator(t)
	data := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	s := &spender{t: t, topUps: map[string]bool{}}
	for round := range 6 {
		p := serveDev(t, "--data", data, "--upstream", upstreamOf(far))
		s.addr = p.HTTP
		if round == 0 {
			var a struct {
				ID  int    `json:"account_id"`
				Key string `json:"api_key"`
			}
			status, err := s.ask(t.Context(), adminKey, "POST", "/accounts",
				`{"name":"spender","system_id":"spender","password":"spender1","billing":"prepaid","price":0.000707}`, &a)
			if err != nil || status != 201 {
				t.Fatalf("account: %d %v", status, err)
			}
			s.id, s.key = a.ID, a.Key
		}
		ctx, cancel := context.WithCancel(t.Context())
		var load sync.WaitGroup
		for range 3 {
			load.Go(func() { s.spend(ctx) })
		}
		load.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if s.topUp(ctx, fmt.Sprintf("r%d-%d", round, n)) != nil {
					return
				}
			}
		})
		load.Go(func() {
			for ctx.Err() == nil {
				if b, err := s.balance(ctx); err == nil && b.Balance < 0 {
					t.Errorf("the balance is %s", b.Balance)
				}
			}
		})
		// A random moment is the point of this test: it is not waiting for anything.
		<-time.After(time.Duration(100+random.IntN(400)) * time.Millisecond)
		p.kill()
		cancel()
		load.Wait()
	}
	p := serveDev(t, "--data", data, "--upstream", upstreamOf(far))
	s.addr = p.HTTP
	open := 0
	for reference, answered := range s.topUps {
		if !answered {
			open++
		}
		for range 2 {
			if err := s.topUp(t.Context(), reference); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.spendTheRest(p.SMPP)
	want := money.Amount(len(s.topUps)) * money.Unit / 20
	var b balance
	var scheduled money.Amount // by requests that a kill cut off before they withdrew it
	waitUntil(t, 30*time.Second, func() bool {
		b, _ = s.balance(t.Context())
		scheduled = 707 * s.statuses()["SCHEDULED"]
		return b.Reserved == scheduled
	})
	if b.Credits != want || b.Reserved != scheduled || b.Balance != b.Credits-b.Charged+b.Refunded || b.Balance < 0 || b.Balance >= 707 {
		t.Errorf("balance %+v, want credits of %s, %s reserved for what is scheduled, and less than a message's price left; messages %v\n%s",
			b, want, scheduled, s.statuses(), p.out)
	}
	accepted := money.Amount(0)
	for _, n := range s.statuses() {
		accepted += n
	}
	waitUntil(t, 20*time.Second, func() bool { return len(s.messages()) == int(accepted) }) // a list is up to 2 s behind
	s.assertMessages(b)
	s.assertMovements(want)
	if text := metricsOf(t, p.HTTP); !strings.Contains(text, "\nprotei_bulk_money_unbalanced 0\n") {
		t.Errorf("the books do not close:\n%s", text)
	}
	t.Logf("%d top-ups (%d not answered before a kill), %d messages bought, %d refused: %+v", len(s.topUps), open, s.bought, s.short, b)
	if s.bought < 100 || s.short == 0 {
		t.Error("too little happened for this to mean anything")
	}
}

// statuses counts the account's messages by status, all of one part.
func (s *spender) statuses() map[string]money.Amount {
	counts := make(map[string]money.Amount)
	var stats struct {
		ByStatus map[string]money.Amount `json:"by_status"`
	}
	if _, err := s.ask(s.t.Context(), s.key, "GET", "/statistics", "", &stats); err == nil {
		for status, n := range stats.ByStatus {
			counts[status] = n / money.Unit
		}
	}
	return counts
}

// spendTheRest submits over SMPP until the money is gone, which has a status of its own.
func (s *spender) spendTheRest(addr string) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 60*time.Second)
	defer cancel()
	session, err := smpp.Dial(ctx, smpp.DialOptions{Addr: addr, BindType: smpp.Transmitter, SystemID: "spender", Password: "spender1"})
	if err != nil {
		s.t.Fatal(err)
	}
	defer session.Close()
	const insufficientBalance = 0x402
	for {
		status, _, err := session.Do(ctx, &smpp.SubmitSM{
			Source: smpp.Address{TON: 5, Addr: []byte("Shop")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("15550100200")},
			RegisteredDelivery: 1, ShortMessage: []byte("the rest"),
		})
		if err != nil || status != smpp.ROK && status != insufficientBalance {
			s.t.Fatalf("submit_sm: %v %v", status, err)
		}
		if status == insufficientBalance {
			return
		}
		s.count(1, 0)
	}
}

// assertMessages adds up what the account's messages cost.
func (s *spender) assertMessages(b balance) {
	s.t.Helper()
	var charged, refunded money.Amount
	all := s.messages()
	for _, m := range all {
		cost := m.Price * money.Amount(m.Parts)
		charged += cost
		refunded += cost - m.Charged
		if back := m.Status == "CANCELLED"; m.Price != 707 || back != (m.Charged == 0) || !back && m.Charged != cost {
			s.t.Errorf("a message %+v", m)
		}
	}
	if charged != b.Charged || refunded != b.Refunded || len(all) < s.bought {
		s.t.Errorf("%d messages cost %s, %s of it came back; the balance says %+v", len(all), charged, refunded, b)
	}
}

// boughtMessage is a message with what it cost.
type boughtMessage struct {
	Status         string
	Parts          int
	Price, Charged money.Amount
}

func (s *spender) messages() (all []boughtMessage) {
	for path := "/messages?limit=1000"; ; {
		var p struct {
			Messages []boughtMessage
			Next     string `json:"next_cursor"`
		}
		if status, err := s.ask(s.t.Context(), s.key, "GET", path, "", &p); err != nil || status != 200 {
			s.t.Fatalf("list: %d %v", status, err)
		}
		all = append(all, p.Messages...)
		if path = "/messages?limit=1000&cursor=" + p.Next; p.Next == "" {
			return all
		}
	}
}

func (s *spender) assertMovements(want money.Amount) {
	s.t.Helper()
	type page struct {
		Movements []struct{ Amount money.Amount }
		Next      string `json:"next_cursor"`
	}
	var sum money.Amount
	for path := fmt.Sprintf("/accounts/%d/movements?limit=100", s.id); ; {
		var p page
		if status, err := s.ask(s.t.Context(), s.key, "GET", path, "", &p); err != nil || status != 200 {
			s.t.Fatalf("movements: %d %v", status, err)
		}
		for _, m := range p.Movements {
			sum += m.Amount
		}
		if path = fmt.Sprintf("/accounts/%d/movements?limit=100&cursor=%s", s.id, p.Next); p.Next == "" {
			break
		}
	}
	if sum != want {
		s.t.Errorf("the movements add up to %s, want %s", sum, want)
	}
}

func metricsOf(t *testing.T, addr string) string {
	t.Helper()
	resp, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
