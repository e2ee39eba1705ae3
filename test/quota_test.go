package test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"protei-bulk/bulk/account/accounttest"
)

// TestQuotaIsExactAfterKills: a day's quota is used up by several senders while the platform
// is killed again and again; what was accepted in the end is the quota, part for part.
func TestQuotaIsExactAfterKills(t *testing.T) {
	t.Parallel()
	const quota, kills = 30_000, 3
	data := t.TempDir()
	_, far := simulator(t)
	start := func() *platform { return serveDev(t, "--data", data, "--upstream", upstreamOf(far)) }
	p := start()
	var a struct {
		ID  int    `json:"account_id"`
		Key string `json:"api_key"`
	}
	p.want(http.StatusCreated, "POST", "/api/v1/accounts", fmt.Sprintf(`{"name":"acme","daily_quota":%d,"time_zone":%q}`, quota, accounttest.Zone()), &a)
	items := make([]string, 50) // of one part and of three
	for i := range items {
		items[i] = fmt.Sprintf(`{"to":"+1555%07d","text":%q}`, i, strings.Repeat("x", 1+399*(i%2)))
	}
	body := `{"from":"Q","messages":[` + strings.Join(items, ",") + `]}`
	var seen atomic.Int64 // parts that were acknowledged
	send := func(p *platform, until func(code int) bool) {
		p.key = a.Key
		for {
			got, err := p.try("POST", "/api/v1/messages/bulk", strings.NewReader(body))
			if err != nil {
				return // it was killed
			}
			if got.code == http.StatusCreated && !strings.Contains(string(got.body), "quota_exceeded") {
				seen.Add(100)
			}
			if until(got.code) {
				return
			}
		}
	}
	for kill := range kills {
		var all sync.WaitGroup
		target := int64((kill + 1) * 6_000)
		reached := make(chan struct{})
		var once sync.Once
		for range 3 {
			all.Go(func() {
				client := *p
				send(&client, func(int) bool {
					if seen.Load() >= target {
						once.Do(func() { close(reached) })
					}
					return false
				})
			})
		}
		<-reached
		p.kill()
		all.Wait()
		p = start()
	}
	client := *p
	send(&client, func(code int) bool { return code == http.StatusTooManyRequests })
	one := client.post("/api/v1/messages", `{"from":"Q","to":"15551234567","text":"x"}`)
	if one.code != http.StatusTooManyRequests || one.header.Get("Retry-After") == "" || !strings.Contains(string(one.body), "quota_exceeded") {
		t.Errorf("after the quota: %d %s", one.code, one.body)
	}
	var usage struct{ Day, Month struct{ Parts int } }
	p.want(http.StatusOK, "GET", fmt.Sprintf("/api/v1/accounts/%d/usage", a.ID), "", &usage)
	if usage.Day.Parts != quota || usage.Month.Parts < quota {
		t.Errorf("%d parts are counted, the quota is %d", usage.Day.Parts, quota)
	}
	parts := 0
	for _, m := range client.walk("/api/v1/messages?limit=1000") {
		parts += m.Parts
	}
	if parts != quota {
		t.Errorf("the messages have %d parts, the quota is %d", parts, quota)
	}
	if int(seen.Load()) > quota {
		t.Errorf("%d parts were acknowledged", seen.Load())
	}
}
