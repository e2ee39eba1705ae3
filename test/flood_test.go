package test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// TestFloodOfSignIns sends 200 wrong sign-ins at once, again and again, by Basic, console and bind, while a customer sends:
// each of the customer's messages is accepted, one who signs in rightly from before stays in, memory stays bounded, and
// nearly all of the flood is turned away without argon2id.
func TestFloodOfSignIns(t *testing.T) {
	p := serveDev(t)
	var acme madeAccount
	p.want(http.StatusCreated, "POST", "/api/v1/accounts", `{"name":"acme","system_id":"acme","password":"AcmePass"}`, &acme)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200}} // each keeps its connection
	defer client.CloseIdleConnections()
	ask := func(method, path, body, user, password string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), method, p.url()+path, strings.NewReader(body))
		if err != nil {
			return 0, err
		}
		if user != "" {
			req.SetBasicAuth(user, password)
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, err
	}
	basic := func(user, password string) (int, error) { return ask("GET", "/api/v1/balance", "", user, password) }
	if code, err := basic("acme", "AcmePass"); code != http.StatusOK {
		t.Fatalf("the right password: %d %v", code, err)
	}
	send := func(d time.Duration) (sent int) {
		for began := time.Now(); time.Since(began) < d; sent++ {
			if a := p.post("/api/v1/messages", `{"from":"Test","to":"+15550001111","text":"x"}`, "X-API-Key", acme.Key); a.code != http.StatusCreated {
				t.Fatalf("the customer is answered %d %s", a.code, a.body)
			}
		}
		return sent
	}
	const each = 2 * time.Second
	before, rss := send(each), p.rss()

	stop := make(chan struct{})
	var flood sync.WaitGroup
	var asked, turned atomic.Int64
	for i := range 200 {
		flood.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Millisecond): // a rate, not a wait: without it the flood is this process's own load
				}
				name := []string{"acme", "dev", fmt.Sprintf("nobody%d", n)}[i%3]
				switch i % 4 {
				case 0:
					code, err := ask("POST", "/api/v1/session", `{"user":"`+name+`","password":"wrong"}`, "", "")
					note(t, &asked, &turned, code, err)
				case 1:
					s, err := p.bind(name, "wrong", nil)
					if asked.Add(1); err == nil {
						s.Close()
						t.Errorf("%s binds with a wrong password", name)
					} else if smpp.StatusOf(err) == smpp.RBINDFAIL {
						turned.Add(1)
					}
				default:
					code, err := basic(name, "wrong")
					note(t, &asked, &turned, code, err)
				}
			}
		})
	}
	waitUntil(t, 30*time.Second, func() bool { return turned.Load() > 1000 })
	during, high := send(each), p.rss()
	if code, err := basic("acme", "AcmePass"); code != http.StatusOK {
		t.Errorf("who was right before is answered %d %v", code, err)
	}
	close(stop)
	flood.Wait()
	t.Logf("messages in %v: %d before, %d in the flood; %d sign-ins, %d turned away; %.0f MiB resident, %.0f before", each, before, during, asked.Load(), turned.Load(), high, rss)
	// From one address 100 wrong pairs are looked at, and one a second more; the console has a count of its own.
	if looked := asked.Load() - turned.Load(); looked > 400 {
		t.Errorf("%d of %d sign-ins were looked at", looked, asked.Load())
	}
	if high > rss+150 {
		t.Errorf("%.0f MiB resident in the flood, %.0f before", high, rss)
	}
	p.assertWell()
}

func note(t *testing.T, asked, turned *atomic.Int64, code int, err error) {
	asked.Add(1)
	switch {
	case err != nil:
		t.Error(err)
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		turned.Add(1)
	case code != http.StatusUnauthorized:
		t.Errorf("a wrong sign-in is answered %d", code)
	}
}
