package inbound_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"protei-bulk/bulk/inbound"
	"protei-bulk/bulk/message"
)

func TestMatch(t *testing.T) {
	routes := []inbound.Route{
		{ID: 1, Name: "disabled", Order: 1, To: "1000", Account: 1, Disabled: true},
		{ID: 2, Name: "keyword", Order: 10, To: "1000", Keyword: "JOIN", Account: 1},
		{ID: 3, Name: "pattern", Order: 10, To: "1000", Pattern: `(?i)^vote \d+$`, Account: 1},
		{ID: 4, Name: "keyword anywhere", Order: 20, Keyword: "stop", Account: 1},
		{ID: 5, Name: "number", Order: 30, To: "1000", Account: 1},
		{ID: 6, Name: "range", Order: 30, To: "+4917*", Account: 1},
		{ID: 7, Name: "mobile", Order: 5, From: "7916*", To: "2000", Account: 1},
		{ID: 8, Name: "unicode", Order: 6, Keyword: "Старт", Account: 1},
	}
	table, err := inbound.NewTable(routes)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, to, text, want string }{
		{"491", "1000", "join now", "keyword"},
		{"491", "1000", " Join", "keyword"},
		{"491", "1000", "joining", "number"},
		{"491", "1000", "Vote 12", "pattern"},
		{"491", "1000", "vote twice", "number"},
		{"491", "1000", "STOP", "keyword anywhere"},
		{"491", "1000", "", "number"},
		{"491", "+491723", "hello", "range"},
		{"491", "491723", "stop it", "keyword anywhere"},
		{"+79161", "2000", "join", "mobile"},
		{"491", "2000", "join", ""},
		{"491", "10000", "hi", ""},
		{"491", "3000", "СТАРТ пожалуйста", "unicode"},
	} {
		got, ok := table.Match(c.from, c.to, c.text)
		if got.Name != c.want || ok != (c.want != "") {
			t.Errorf("from %s to %s %q: route %q, want %q", c.from, c.to, c.text, got.Name, c.want)
		}
		tried, found := table.Explain(c.from, c.to, c.text, 50)
		if found != ok || found && (tried[len(tried)-1].Route.Name != c.want || tried[len(tried)-1].Reason != "") {
			t.Errorf("from %s to %s %q: explained as %v %v", c.from, c.to, c.text, tried, found)
		}
		for _, v := range tried {
			if v.Route.Name != c.want && v.Reason == "" {
				t.Errorf("%s was passed over without a reason", v.Route.Name)
			}
		}
	}
}

func TestValidateNamesEveryFault(t *testing.T) {
	r := inbound.Route{
		Name: strings.Repeat("n", 65), Order: -1, To: "10*00", From: strings.Repeat("1", 21), Keyword: "two words", Pattern: "(", URL: "ftp://x",
	}
	err := r.Validate()
	for _, field := range []string{"name", "order", "to", "from", "keyword", "pattern", "account_id", "url"} {
		if err == nil || !strings.Contains("\n"+err.Error(), "\n"+field+": ") {
			t.Errorf("%s is not named: %v", field, err)
		}
	}
	if good := (&inbound.Route{To: "1000", From: "*", Keyword: "JOIN", Pattern: `\d`, URL: "https://example.com/mo", Account: 1}); good.Validate() != nil {
		t.Error(good.Validate())
	}
}

func TestRoutesAreKept(t *testing.T) {
	k := newKeeper()
	ids := message.NewIDSource(1, 0, nil)
	routes, err := inbound.OpenRoutes(t.Context(), k, ids)
	if err != nil {
		t.Fatal(err)
	}
	routes.Check = func(r *inbound.Route) error {
		if r.Account == 9 {
			return &inbound.FieldError{Field: "account_id", Detail: "names no account"}
		}
		return nil
	}
	a, err := routes.Create(t.Context(), inbound.Route{To: "1000", Account: 1})
	if err != nil {
		t.Fatal(err)
	}
	var field *inbound.FieldError
	if _, err := routes.Create(t.Context(), inbound.Route{Account: 9}); !errors.As(err, &field) || field.Field != "account_id" {
		t.Errorf("an account that does not exist: %v", err)
	}
	if _, err := routes.Update(t.Context(), a.ID, func(r *inbound.Route) { r.Keyword = "A" }); err != nil {
		t.Error(err)
	}
	if _, err := routes.Update(t.Context(), a.ID, func(r *inbound.Route) { r.Pattern = "(" }); err == nil {
		t.Error("a wrong pattern was taken")
	}
	again, err := inbound.OpenRoutes(t.Context(), k, ids)
	if got := again.Table().Routes(); err != nil || len(got) != 1 || got[0].Keyword != "A" || got[0].Pattern != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := routes.Delete(t.Context(), a.ID); err != nil || len(k.routes) != 0 || len(routes.Table().Routes()) != 0 {
		t.Errorf("%v, %d routes left", err, len(k.routes))
	}
	if err := routes.Delete(t.Context(), a.ID); !errors.Is(err, inbound.ErrUnknownRoute) {
		t.Errorf("deleted twice: %v", err)
	}
}

// FuzzReceive throws parts of any form at a Receiver: no panic, and every whole message or
// joined one is delivered once.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x05\x00\x03\x01\x02\x01hello"), uint8(0x40), uint8(2), uint8(1), "JOIN", `(?i)x`)
	f.Add([]byte{}, uint8(0), uint8(0), uint8(0), "", "")
	f.Fuzz(func(t *testing.T, octets []byte, esm, total, seq uint8, keyword, pattern string) {
		if seq > total {
			return
		}
		k := newKeeper()
		r := newRig(t, k)
		route := inbound.Route{Keyword: keyword, Pattern: pattern, Account: 1}
		if route.Validate() == nil {
			r.create(t, route)
		}
		for i := range 3 {
			m := mo("491", string(octets))
			m.ESMClass, m.Total, m.Seq, m.DataCoding = esm, total, seq, uint8(i*4)
			if err := r.take(m); err != nil {
				t.Fatal(err)
			}
		}
		if len(r.delivered) > 3 {
			t.Errorf("%d delivered of 3", len(r.delivered))
		}
		for _, m := range k.msgs {
			_ = inbound.WebhookEvent(m, "x")
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	routes := make([]inbound.Route, 10_000)
	for i := range routes {
		routes[i] = inbound.Route{ID: message.ID(i + 1), To: fmt.Sprint(100_000 + i), Keyword: "JOIN", Account: 1}
	}
	table, err := inbound.NewTable(routes)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := table.Match("4915112345678", "105000", "join now"); !ok {
			b.Fatal("no match")
		}
	}
}
