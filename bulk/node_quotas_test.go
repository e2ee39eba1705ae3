package bulk

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/bulk/account/accounttest"
	"protei-bulk/smpp"
	"protei-bulk/smsc"
)

// shop is a customer of its own over REST and SMPP.
type shop struct {
	ID       int    `json:"account_id"`
	Key      string `json:"api_key"`
	Password string `json:"password"`
}

func (s *site) newShop(settings string) (a shop) {
	s.t.Helper()
	body := s.must(201, "POST", "/accounts", `{"name":"shop","system_id":"shop",`+settings+`}`)
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		s.t.Fatal(err)
	}
	return a
}

// as sends a customer's request and returns the answer.
func (s *site) as(a shop, idempotency, method, path, body string) (code int, header http.Header, text string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.HTTPAddr()+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("X-API-Key", a.Key)
	if idempotency != "" {
		req.Header.Set("Idempotency-Key", idempotency)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(all)
}

// bulkOf is a bulk request of messages with one part, or three.
func bulkOf(parts ...int) string {
	items := make([]string, len(parts))
	for i, n := range parts {
		items[i] = fmt.Sprintf(`{"to":"+99361%06d","text":%q}`, i, strings.Repeat("x", 1+399*(n/3)))
	}
	return `{"from":"Shop","messages":[` + strings.Join(items, ",") + `]}`
}

func (s *site) bindShop(a shop) (*smpp.Session, error) {
	return smpp.Dial(s.t.Context(), smpp.DialOptions{Addr: s.SMPPAddr(), BindType: smpp.Transmitter, SystemID: "shop", Password: a.Password})
}

func (s *site) usedParts(a shop) (day, month int64) {
	s.t.Helper()
	_, _, text := s.as(a, "", "GET", fmt.Sprintf("/accounts/%d/usage", a.ID), "")
	var u struct{ Day, Month struct{ Parts int64 } }
	if err := json.Unmarshal([]byte(text), &u); err != nil {
		s.t.Fatal(err)
	}
	return u.Day.Parts, u.Month.Parts
}

// changing is what differs from one run to the next.
var changing = regexp.MustCompile(`"(id|message_id|batch_id|request_id|submitted_at)":"[^"]*"|"[0-9a-f]{16}"|20\d\d-[0-9T:.Z-]+`)

// TestQuotaIsTheSameOnEveryStore: the same requests get the same answers from a node with the
// embedded store and from one with PostgreSQL, from the first part to the last.
func TestQuotaIsTheSameOnEveryStore(t *testing.T) {
	walk := func(s *site) (story []string) {
		a := s.newShop(`"daily_quota":10,"monthly_quota":20,"time_zone":"` + accounttest.Zone() + `"`)
		var id string
		do := func(idempotency, method, path, body string) {
			code, header, text := s.as(a, idempotency, method, path, body)
			if found := regexp.MustCompile(`"message_ids?":\[?"([0-9a-f]{16})`).FindStringSubmatch(text); found != nil {
				id = found[1]
			}
			story = append(story, fmt.Sprintf("%s %s %.40s: %d retry %t location %t replayed %q %s", method, strings.ReplaceAll(path, id, "ID"), body, code,
				header.Get("Retry-After") != "", header.Get("Location") != "", header.Get("Idempotency-Replayed"), changing.ReplaceAllString(text, "…")))
		}
		set := func(settings string) { s.must(200, "PATCH", fmt.Sprintf("/accounts/%d", a.ID), settings) }
		used := func() {
			day, month := s.usedParts(a)
			story = append(story, fmt.Sprintf("used %d, %d", day, month))
		}
		one, three := `{"from":"Shop","to":"+99361000001","text":"x"}`, fmt.Sprintf(`{"from":"Shop","to":"+99361000001","text":%q}`, strings.Repeat("x", 400))
		do("", "POST", "/messages", one)
		do("", "POST", "/messages", strings.Replace(one, `"text"`, `"schedule_at":"2999-01-01T00:00:00Z","text"`, 1)) // too late
		do("", "POST", "/messages", strings.Replace(one, `"text"`, `"schedule_at":"`+time.Now().Add(time.Hour).Format(time.RFC3339)+`","text"`, 1))
		do("", "DELETE", "/messages/"+id, "") // gives no parts back
		used()
		do("bulk", "POST", "/messages/bulk", bulkOf(3, 3, 3, 1, 1, 1))
		do("bulk", "POST", "/messages/bulk", bulkOf(3, 3, 3, 1, 1, 1)) // again
		do("", "POST", "/messages", one)
		do("none", "POST", "/messages", one)
		do("", "POST", "/messages/bulk", bulkOf(1, 3))
		used()
		set(`{"daily_quota":12}`)
		do("none", "POST", "/messages", three)
		do("none", "POST", "/messages", one)
		set(`{"daily_quota":5}`) // below what is used
		do("", "POST", "/messages", one)
		set(`{"daily_quota":0}`)
		do("", "POST", "/messages/bulk", bulkOf(3, 3, 3, 3))
		used()
		set(`{"daily_quota":20,"monthly_quota":0}`)
		do("", "POST", "/messages", three)
		do("", "POST", "/messages", one)
		set(`{"daily_quota":0,"monthly_quota":0}`)
		do("", "POST", "/messages", three)
		set(`{"daily_quota":26,"monthly_quota":25}`)
		used()
		do("", "POST", "/messages", three)
		do("", "POST", "/messages", one)
		bound, err := s.bindShop(a)
		if err != nil {
			s.t.Fatal(err)
		}
		defer bound.Close()
		for range 2 {
			st, _, err := bound.Do(s.t.Context(), &smpp.SubmitSM{Source: smpp.Address{TON: 5, Addr: []byte("Shop")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("99361000001")}, ShortMessage: []byte("x")})
			story = append(story, fmt.Sprintf("submit_sm: %v %v", st, err))
		}
		used()
		return story
	}
	sim := simulate(t, smsc.Behaviour{})
	routed := func(c *Config) { c.Upstream = "smpp://x:y@" + sim.Addr() }
	embedded := walk(openSite(t, t.TempDir(), func(c *Config) { c.SMPP = "127.0.0.1:0"; routed(c) }))
	shared := walk(openNode(t, sharedStore(t), "a", routed))
	if diff := cmp.Diff(embedded, shared); diff != "" {
		t.Errorf("(-embedded +PostgreSQL):\n%s", diff)
	}
}

// TestOneQuotaOverNodes: two nodes are sent more than a day's quota at the same time, in single
// messages, bulks and over SMPP. Exactly the quota is accepted, part for part.
func TestOneQuotaOverNodes(t *testing.T) {
	url := sharedStore(t)
	const quota, senders, rounds = 2001, 8, 120
	sim := simulate(t, smsc.Behaviour{})
	routed := func(c *Config) { c.Upstream = "smpp://x:y@" + sim.Addr() }
	nodes := []*site{openNode(t, url, "a", routed), openNode(t, url, "b", routed)}
	a := nodes[0].newShop(fmt.Sprintf(`"daily_quota":%d,"time_zone":%q`, quota, accounttest.Zone()))
	eventually(t, "the other node has the account", func() bool { return nodes[1].accounts.ByName("shop") != nil })
	var took, refused, partly atomic.Int64
	var all sync.WaitGroup
	for i, s := range nodes {
		bound, err := s.bindShop(a)
		if err != nil {
			t.Fatal(err)
		}
		defer bound.Close()
		all.Go(func() {
			for range rounds {
				st, _, err := bound.Do(t.Context(), &smpp.SubmitSM{Source: smpp.Address{TON: 5, Addr: []byte("Shop")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("99361000001")}, ShortMessage: []byte("x")})
				switch {
				case err == nil && st == smpp.ROK:
					took.Add(1)
				case err == nil && st == smpp.RMSGQFUL:
					refused.Add(1)
				default:
					t.Errorf("submit_sm: %v %v", st, err)
				}
			}
		})
		for k := range senders {
			all.Go(func() {
				for j := range rounds {
					key := ""
					if j%3 == 0 {
						key = fmt.Sprintf("%d-%d-%d", i, k, j)
					}
					code, header, text := s.as(a, key, "POST", "/messages/bulk", bulkOf(1, 3, 1))
					var reply struct {
						Accepted, Rejected int
						Errors             []struct {
							Index int
							Code  string
						}
					}
					if err := json.Unmarshal([]byte(text), &reply); err != nil {
						t.Error(err)
					}
					parts := int64(5)
					for _, e := range reply.Errors {
						if parts -= int64([]int{1, 3, 1}[e.Index%3]); e.Code != "quota_exceeded" {
							t.Errorf("%s", text)
						}
					}
					switch {
					case code == 201 && reply.Accepted+reply.Rejected == 3:
						took.Add(parts)
						if reply.Rejected > 0 {
							partly.Add(1)
						}
					case code == 429 && strings.Contains(text, "quota_exceeded") && header.Get("Retry-After") != "":
						refused.Add(1)
					default:
						t.Errorf("%d %s", code, text)
					}
				}
			})
		}
	}
	all.Wait()
	for _, s := range nodes {
		code, _, text := s.as(a, "", "POST", "/messages", `{"from":"Shop","to":"+99361000001","text":"x"}`)
		for ; code == 201; code, _, text = s.as(a, "", "POST", "/messages", `{"from":"Shop","to":"+99361000001","text":"x"}`) {
			took.Add(1)
		}
		if code != 429 || !strings.Contains(text, "0 are left") {
			t.Errorf("after the quota: %d %s", code, text)
		}
	}
	t.Logf("%d parts accepted, %d requests refused, %d in part", took.Load(), refused.Load(), partly.Load())
	if took.Load() != quota {
		t.Errorf("%d parts were accepted, the quota is %d", took.Load(), quota)
	}
	for _, s := range nodes {
		eventually(t, "each node shows the quota as used up", func() bool { day, month := s.usedParts(a); return day == quota && month == quota })
	}
}
