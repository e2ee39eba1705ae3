package api_test

import (
	"testing"

	"protei-bulk/bulk/user"
)

// TestLiveHistory: the last hour, for those who see everything.
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
	cara.do(t, "GET", "/api/v1/live/history", "").want(t, 403, "role_forbidden")
}
