package aggregator_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"
	"unicode/utf8"

	"protei-bulk/bulk/aggregator"
	"protei-bulk/bulk/upstream"
	"protei-bulk/gsm"
)

// FuzzSettings: settings as an administrator sends them are refused with the field that is
// wrong, or they can render a request, understand any answer and take any callback; what they
// render as JSON is JSON.
func FuzzSettings(f *testing.F) {
	for _, seed := range []string{
		`{"url":"https://h/?to={{to}}&t={{text}}","method":"GET","id":"json:$.messages[0].id","error":"json:error.code",
		  "rules":[{"status":"2xx, 400-404","value":"regexp:code=(\\d+)","is":"12|13","class":"throttled"}]}`,
		`{"url":"https://h/","body":"{\"to\":\"{{to}}\",\"text\":\"{{text}}\",\"n\":{{parts}}}","headers":{"X-Ref":"{{ref}}"},"split":"part"}`,
		`{"url":"https://h/","format":"form","body":"t={{hex}}&to={{to}}","callback":{"items":"a.b","id":"json:id","status":"param:st","error":"header:X","to":"text","states":{"ok":"delivered"},"base":"16"}}`,
		`{"url":"https://h/{{to}}","format":"xml","body":"<a b='{{from}}'>{{text}}</a>","auth":"basic"}`,
	} {
		f.Add([]byte(seed), 200, []byte(`{"messages":[{"id":17}],"error":{"code":12}}`), "id=1&st=ok", "hello ü")
	}
	f.Add([]byte(`{"url":"{{"}`), 0, []byte(nil), "%zz", "")
	f.Fuzz(func(t *testing.T, settings []byte, status int, body []byte, query, text string) {
		var s aggregator.Settings
		if json.Unmarshal(settings, &s) != nil {
			return
		}
		g, err := aggregator.Compile(s, aggregator.Auth{Username: "me", Password: "p&w", DLRURL: "https://us/dlr"})
		if err != nil {
			var field *aggregator.FieldError
			if !errors.As(err, &field) || field.Field == "" {
				t.Fatalf("%v does not name its field", err)
			}
			return
		}
		kind := http.Header{"Content-Type": {"application/json"}, "Retry-After": {query}}
		out := g.Read(&aggregator.Answer{Status: status, Header: kind, Body: body}, noon)
		if aggregator.ClassName(out.Class) == "" || out.Class == upstream.Accepted && len(out.ID) > 200 || out.Wait < 0 || out.Wait > time.Hour {
			t.Fatalf("%+v", out)
		}
		all, _, err := g.Receipts(&http.Request{URL: &url.URL{RawQuery: query}, Header: kind}, body)
		for _, r := range all {
			if err != nil || r.ID == "" || r.State == 0 {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		m, err := aggregator.Sample("SHOP", "99361234567", text, gsm.Auto)
		if err != nil || !utf8.ValidString(text) {
			return
		}
		r, err := g.Render(&upstream.Submission{Msg: m, Source: m.Source, Dest: m.Dest}, noon)
		if err != nil {
			return
		}
		if _, err := url.Parse(r.URL); err != nil {
			t.Fatalf("%q is no URL: %v", r.URL, err)
		}
		if (s.Format == "" || s.Format == "json") && len(r.Body) > 0 && !json.Valid(r.Body) {
			t.Fatalf("%q is no JSON", r.Body)
		}
	})
}
