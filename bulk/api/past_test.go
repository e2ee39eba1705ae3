package api_test

import (
	"testing"

	"protei-bulk/bulk/user"
)

// TestLiveHistory: the last hour, of everything for those who see it, and of the own account for
// a customer.
func TestLiveHistory(t *testing.T) {
	p := start(t, options{})
	aude, cara := p.person(t, "aude", user.Auditor), p.person(t, "cara", user.Customer)
	a := aude.do(t, "GET", "/api/v1/live/history", "")
	a.want(t, 200, "")
	if a.JSON["every_seconds"] != 10.0 || len(a.JSON["figures"].([]any)) != 0 {
		t.Errorf("before there is any: %s", a.Body)
	}
	p.api.Remember()
	a = aude.do(t, "GET", "/api/v1/live/history", "")
	if figures := a.JSON["figures"].([]any); len(figures) != 1 || at(figures[0], "delivered") != 10.0 || at(figures[0], "queued") != 3.0 {
		t.Errorf("the first: %s", a.Body)
	}
	for range 400 {
		p.api.Remember()
	}
	a = aude.do(t, "GET", "/api/v1/live/history", "")
	if n := len(a.JSON["figures"].([]any)); n != 360 {
		t.Errorf("%d figures, want those of an hour, 360", n)
	}
	p.insight.only.Store(p.acme.ID + 1) // somebody else's
	p.api.Remember()
	a = cara.do(t, "GET", "/api/v1/live/history", "")
	a.want(t, 200, "")
	if figures := a.JSON["figures"].([]any); len(figures) != 0 {
		t.Errorf("a customer without messages sees %s", a.Body)
	}
	p.insight.only.Store(p.acme.ID)
	p.api.Remember()
	p.api.Remember()
	a = cara.do(t, "GET", "/api/v1/live/history", "")
	if figures := a.JSON["figures"].([]any); len(figures) != 2 || at(figures[1], "delivered") != float64(p.acme.ID)+10 || at(figures[1], "queued") != 0.0 {
		t.Errorf("a customer sees %s", a.Body)
	}
}
