package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/user"
)

// events opens the stream with a visitor's cookie and returns a reader of its figures; "" at its end.
func (v *visitor) events(ctx context.Context, t *testing.T) func() string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.p.URL+"/api/v1/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", "protei_bulk_session="+v.cookie)
	resp, err := v.p.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || kind != "text/event-stream" {
		t.Fatalf("status %d, type %s", resp.StatusCode, kind)
	}
	lines := bufio.NewScanner(resp.Body)
	return func() string {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return data
			}
		}
		return ""
	}
}

func TestLiveFigures(t *testing.T) {
	p := start(t, options{})
	boss, cara := p.person(t, "boss", user.Admin), p.person(t, "cara", user.Customer)
	next := boss.events(t.Context(), t)
	var figures struct {
		Accepted, Delivered, Queued int64
		Closes                      bool
		Connectors, Queues          []map[string]any
	}
	if text := next(); json.Unmarshal([]byte(text), &figures) != nil || figures.Delivered != 10 || figures.Queued != 3 || !figures.Closes || len(figures.Connectors) != 1 || len(figures.Queues) != 1 {
		t.Errorf("an admin sees %s", text)
	}
	if text := next(); text == "" {
		t.Error("there is no second figure")
	}
	a := cara.do(t, "GET", "/api/v1/live?once=true", "")
	a.want(t, 200, "")
	if a.JSON["delivered"] != float64(p.acme.ID)+10 || a.JSON["connectors"] != nil || a.JSON["queues"] != nil {
		t.Errorf("a customer sees %s", a.Body)
	}
}

func TestLiveStreamEnds(t *testing.T) {
	for name, end := range map[string]func(*platform, *visitor){
		"with the session": func(_ *platform, v *visitor) { v.do(t, "DELETE", "/api/v1/session", "").want(t, 204, "") },
		"with the server":  func(p *platform, _ *visitor) { p.api.EndStreams() },
		"with the role": func(p *platform, _ *visitor) {
			if _, err := p.users.Update(t.Context(), "ann", func(u *user.User) { u.Role = user.Auditor }); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, options{})
			p.person(t, "boss", user.Admin)
			v := p.person(t, "ann", user.Operator)
			next := v.events(t.Context(), t)
			if next() == "" {
				t.Fatal("no figures")
			}
			end(p, v)
			for n := 0; next() != ""; n++ {
				if n > 5 {
					t.Fatal("it goes on")
				}
			}
		})
	}
}

// TestViewersShareFigures: many viewers cost what a few do.
func TestViewersShareFigures(t *testing.T) {
	p := start(t, options{})
	boss := p.person(t, "boss", user.Admin)
	began := time.Now()
	var all []func() string
	for range 50 {
		all = append(all, boss.events(t.Context(), t))
	}
	for range 3 {
		for _, next := range all {
			if next() == "" {
				t.Fatal("a stream ended")
			}
		}
	}
	n := p.insight.measured.Load()
	if windows := int64(time.Since(began)/(500*time.Millisecond)) + 1; n > windows {
		t.Errorf("150 figures of 50 viewers were measured %d times in %d windows", n, windows)
	}
}

// TestLedgerIsLookedAtAgain: counters that move while they are read are no fault; those that stay apart are one.
func TestLedgerIsLookedAtAgain(t *testing.T) {
	for strays, closes := range map[int64]bool{0: true, 1: true, 6: false} {
		p := start(t, options{})
		p.insight.strays.Store(strays)
		if a := p.do(t, "GET", "/api/v1/live?once=true", ""); a.JSON["closes"] != closes {
			t.Errorf("after %d strays: %s", strays, a.Body)
		}
	}
}
