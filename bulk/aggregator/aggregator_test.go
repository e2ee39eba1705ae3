package aggregator_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/aggregator"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/upstream"
	"protei-bulk/gsm"
	"protei-bulk/smpp"
)

var noon = time.Unix(1_800_000_000, 0)

func compile(t testing.TB, s aggregator.Settings) *aggregator.Gateway {
	t.Helper()
	g, err := aggregator.Compile(s, aggregator.Auth{Username: "me", Password: "p&w", DLRURL: "https://us/dlr?x=1"})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func submission(t testing.TB, text string, enc gsm.Encoding) *upstream.Submission {
	t.Helper()
	m, err := aggregator.Sample("SHOP", "99361234567", text, enc)
	if err != nil {
		t.Fatal(err)
	}
	return &upstream.Submission{Msg: m, Source: m.Source, Dest: m.Dest}
}

func render(t testing.TB, g *aggregator.Gateway, s *upstream.Submission) *aggregator.Rendered {
	t.Helper()
	r, err := g.Render(s, noon)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const nasty = "a\"b'c\\d <e> & f=g+h% i?#/\r\n\t{{to}} ü€ 😀"

func TestValuesAreValuesInEveryFormat(t *testing.T) {
	s := submission(t, nasty, gsm.UCS2)
	t.Run("json", func(t *testing.T) {
		g := compile(t, aggregator.Settings{URL: "https://h/", Body: `{"text":"{{text}}","to":["{{to}}"],"n":{{parts}},"u":{{unicode}}}`})
		var got struct {
			Text string
			To   []string
			N    int
			U    bool
		}
		r := render(t, g, s)
		if err := json.Unmarshal(r.Body, &got); err != nil || got.Text != nasty || got.To[0] != "99361234567" || got.N != 1 || !got.U {
			t.Errorf("%s: %+v, %v", r.Body, got, err)
		}
	})
	t.Run("form", func(t *testing.T) {
		g := compile(t, aggregator.Settings{URL: "https://h/", Format: "form", Body: `text={{text}}&to={{to}}&user={{username}}&pass={{password}}`})
		got, err := url.ParseQuery(string(render(t, g, s).Body))
		if err != nil || got.Get("text") != nasty || got.Get("pass") != "p&w" || len(got) != 4 {
			t.Errorf("%v, %v", got, err)
		}
	})
	t.Run("url", func(t *testing.T) {
		g := compile(t, aggregator.Settings{URL: "https://h/{{text}}/send?text={{text}}&to={{to}}&dlr={{dlr_url}}", Method: "GET"})
		u, err := url.Parse(render(t, g, s).URL)
		if err != nil || u.Host != "h" || u.Path != "/"+nasty+"/send" || u.Query().Get("text") != nasty || u.Query().Get("dlr") != "https://us/dlr?x=1" || len(u.Query()) != 3 {
			t.Errorf("%+v, %v", u, err)
		}
	})
	t.Run("xml", func(t *testing.T) {
		g := compile(t, aggregator.Settings{URL: "https://h/", Format: "xml", Body: `<sms to="{{to}}">{{text}}</sms>`})
		body := string(render(t, g, s).Body)
		if strings.Count(body, "<") != 2 || !strings.Contains(body, "&lt;e&gt; &amp; f") || !strings.Contains(body, "&#34;b") {
			t.Errorf("%s", body)
		}
	})
	t.Run("header", func(t *testing.T) {
		g := compile(t, aggregator.Settings{
			URL: "https://h/?to={{to}}", Method: "GET", Headers: map[string]string{"x-text": "{{text}}", "X-Ref": "{{ref}}"},
		})
		if _, err := g.Render(s, noon); err == nil || !strings.Contains(err.Error(), "control character") {
			t.Errorf("line breaks in a header: %v", err)
		}
		r := render(t, g, submission(t, "plain ü", gsm.UCS2))
		if r.Header.Get("X-Text") != "plain ü" || r.Header.Get("X-Ref") != "0123456789abcdef/1" {
			t.Errorf("%v", r.Header)
		}
	})
}

func TestFields(t *testing.T) {
	template := `{`
	for i, f := range aggregator.Fields() {
		if i > 0 {
			template += ","
		}
		template += `"` + f.Name + `":"{{` + f.Name + `}}"`
	}
	show := func(split string, s *upstream.Submission) map[string]string {
		got := map[string]string{}
		g := compile(t, aggregator.Settings{URL: "https://h/", Split: split, Body: template + "}"})
		if err := json.Unmarshal(render(t, g, s).Body, &got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	check := func(got map[string]string, want map[string]string) {
		t.Helper()
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s is %q, want %q", name, got[name], value)
			}
		}
	}
	s := submission(t, strings.Repeat("x", 200), gsm.GSM7)
	s.Msg.ValidUntil, s.Dup = noon.Add(90*time.Second).UnixMilli(), true
	check(show("", s), map[string]string{
		"text": strings.Repeat("x", 200), "udh": "", "parts": "2", "part": "1", "encoding": "GSM7", "data_coding": "0", "to": "99361234567",
		"to_ton": "1", "from_ton": "5", "validity": "90", "valid_until": "2027-01-15T08:01:30Z", "duplicate": "true", "receipt": "true",
		"client_ref": "order-17", "priority": "NORMAL", "flash": "false", "username": "me", "password": "p&w",
	})
	s.Part = 1
	check(show("part", s), map[string]string{
		"text": strings.Repeat("x", 47), "udh": "0500032a0202", "part": "2", "hex": strings.Repeat("78", 47), "ref": "0123456789abcdef/2",
	})
	check(show("", submission(t, "é€", gsm.GSM7)), map[string]string{"ucs2_hex": "00e920ac"})
	check(show("", submission(t, "Привет", gsm.UCS2)), map[string]string{"unicode": "true", "ucs2_hex": "041f04400438043204350442"})
	push := submission(t, "x", gsm.GSM7)
	push.Msg.Encoding, push.Msg.DataCoding, push.Msg.ESMClass = uint8(gsm.Binary), 4, 0x40
	push.Msg.Payload = []byte{0x0B, 5, 4, 0x0B, 0x84, 0x23, 0xF0, 0, 3, 9, 1, 1, 0xDE, 0xAD}
	push.Msg.Parts[0].End = 14
	check(show("", push), map[string]string{"udh": "0605040b8423f0", "hex": "dead", "base64": "3q0=", "binary": "true", "text": ""})
	check(show("part", push), map[string]string{"udh": "0b05040b8423f00003090101", "hex": "dead"})
}

func TestNothingIsCut(t *testing.T) {
	g := compile(t, aggregator.Settings{URL: "https://h/?to={{to}}&t={{text}}", Method: "GET"})
	s := submission(t, "x", gsm.GSM7)
	s.Msg.ESMClass, s.Msg.Payload, s.Msg.Parts[0].End = 0x40, []byte{6, 5, 4, 0x0B, 0x84, 0x23, 0xF0, 'x'}, 8
	if _, err := g.Render(s, noon); err == nil || !strings.Contains(err.Error(), "udh") {
		t.Errorf("ports without {{udh}}: %v", err)
	}
	s.Msg.Encoding = uint8(gsm.Binary)
	if _, err := g.Render(s, noon); err == nil || !strings.Contains(err.Error(), "binary") {
		t.Errorf("octets without {{hex}}: %v", err)
	}
}

func TestAnswers(t *testing.T) {
	g := compile(t, aggregator.Settings{
		URL: "https://h/?to={{to}}&t={{text}}", ID: "json:$.messages[0].id", Error: "json:error.code",
		Rules: []aggregator.Rule{
			{Status: "2xx", Value: "json:error.code", Is: "12|13", Class: "throttled"},
			{Status: "400,404", Value: "regexp:code=(\\d+)", Like: "^9", Class: "no_route"},
			{Status: "418-420", Class: "permanent"},
			{Value: "header:X-Busy", Class: "temporary"},
		},
	})
	for _, c := range []struct {
		name   string
		answer aggregator.Answer
		want   upstream.Outcome
	}{
		{"accepted", aggregator.Answer{Status: 202, Body: []byte(`{"messages":[{"id":17}]}`)}, upstream.Outcome{Class: upstream.Accepted, ID: "17"}},
		{"no id", aggregator.Answer{Status: 200, Body: []byte(`{}`)}, upstream.Outcome{Class: upstream.Unknown, Code: 200}},
		{"garbage", aggregator.Answer{Status: 200, Body: []byte("<html>")}, upstream.Outcome{Class: upstream.Unknown, Code: 200}},
		{"cut", aggregator.Answer{Status: 200, Body: []byte(`{"messages":[{"id":"17"}]}`), Cut: true}, upstream.Outcome{Class: upstream.Unknown, Code: 200}},
		{"rule by value", aggregator.Answer{Status: 200, Body: []byte(`{"error":{"code":13}}`)}, upstream.Outcome{Class: upstream.Slow, Code: 13}},
		{"rule by pattern", aggregator.Answer{Status: 404, Body: []byte(`code=901`)}, upstream.Outcome{Class: upstream.NoRoute, Code: 404}},
		{"rule by range", aggregator.Answer{Status: 419}, upstream.Outcome{Class: upstream.Failed, Code: 419}},
		{"rule by header", aggregator.Answer{Status: 200, Header: http.Header{"X-Busy": {"1"}}}, upstream.Outcome{Class: upstream.Temporary, Code: 200}},
		{"429", aggregator.Answer{Status: 429, Header: http.Header{"Retry-After": {"3"}}}, upstream.Outcome{Class: upstream.Slow, Code: 429, Wait: 3 * time.Second}},
		{"503 with a time", aggregator.Answer{Status: 503, Header: http.Header{"Retry-After": {noon.Add(time.Minute).UTC().Format(http.TimeFormat)}}}, upstream.Outcome{Class: upstream.Slow, Code: 503, Wait: time.Minute}},
		{"an age", aggregator.Answer{Status: 429, Header: http.Header{"Retry-After": {"9999999"}}}, upstream.Outcome{Class: upstream.Slow, Code: 429, Wait: 5 * time.Minute}},
		{"503", aggregator.Answer{Status: 503}, upstream.Outcome{Class: upstream.Temporary, Code: 503}},
		{"500", aggregator.Answer{Status: 500}, upstream.Outcome{Class: upstream.Temporary, Code: 500}},
		{"502", aggregator.Answer{Status: 502}, upstream.Outcome{Class: upstream.Unknown, Code: 502}},
		{"401", aggregator.Answer{Status: 401}, upstream.Outcome{Class: upstream.Unavailable, Code: 401}},
		{"302", aggregator.Answer{Status: 302}, upstream.Outcome{Class: upstream.Unavailable, Code: 302}},
		{"400", aggregator.Answer{Status: 400}, upstream.Outcome{Class: upstream.Rejected, Code: 400}},
		{"422 with a code", aggregator.Answer{Status: 422, Body: []byte(`{"error":{"code":"21211"}}`)}, upstream.Outcome{Class: upstream.Rejected, Code: 21211}},
	} {
		got := g.Read(&c.answer, noon)
		c.want.Done, c.want.Detail = noon, got.Detail
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestCallbacks(t *testing.T) {
	base := aggregator.Settings{URL: "https://h/?to={{to}}&t={{text}}"}
	for _, c := range []struct {
		name             string
		set              aggregator.Callback
		query, kind, doc string
		want             []aggregator.Report
		wrong            string
	}{
		{
			"query",
			aggregator.Callback{ID: "param:id", Status: "param:st", Error: "param:err", To: "param:to"},
			"id=a1&st=DELIVRD&err=7&to=%2B99361234567", "", "",
			[]aggregator.Report{{"a1", "99361234567", smpp.StateDelivered, 7}},
			"",
		},
		{
			"form",
			aggregator.Callback{ID: "param:MessageSid", Status: "param:MessageStatus"},
			"", "application/x-www-form-urlencoded; charset=utf-8", "MessageSid=SM1&MessageStatus=undelivered",
			[]aggregator.Report{{"SM1", "", smpp.StateUndeliverable, 0}},
			"",
		},
		{
			"a list",
			aggregator.Callback{ID: "json:id", Status: "json:s.name", States: map[string]string{"Done": "delivered", "3": "expired"}},
			"", "application/json", `[{"id":1,"s":{"name":"DONE"}},{"id":2,"s":{"name":3}}]`,
			[]aggregator.Report{{"1", "", smpp.StateDelivered, 0}, {"2", "", smpp.StateExpired, 0}},
			"",
		},
		{
			"a nested list",
			aggregator.Callback{Items: "a.b", ID: "json:id", Status: "json:st"},
			"", "application/json", `{"a":{"b":[{"id":"x","st":"sent"}]}}`,
			[]aggregator.Report{{"x", "", smpp.StateEnroute, 0}},
			"",
		},
		{
			"one object",
			aggregator.Callback{Items: "a", ID: "json:id", Status: "json:st"},
			"", "application/json", `{"a":{"id":"x","st":"Rejected"}}`,
			[]aggregator.Report{{"x", "", smpp.StateRejected, 0}},
			"",
		},
		{
			"a pattern",
			aggregator.Callback{ID: "regexp:id:(\\S+)", Status: "regexp:stat:(\\S+)"},
			"", "text/plain", `id:77 stat:UNDELIV`,
			[]aggregator.Report{{"77", "", smpp.StateUndeliverable, 0}},
			"",
		},
		{"no id", aggregator.Callback{ID: "param:id", Status: "param:st"}, "st=DELIVRD", "", "", nil, "no id at param:id"},
		{"no list", aggregator.Callback{Items: "a", ID: "json:id", Status: "json:st"}, "", "", "{}", nil, "nothing at a"},
		{"unknown word", aggregator.Callback{ID: "json:id", Status: "json:st"}, "", "", `[{"id":"1","st":"ok"},{"id":"2","st":"meh"}]`, nil, `number 2: status "meh"`},
	} {
		set := base
		set.Callback = &c.set
		g := compile(t, set)
		r := &http.Request{URL: &url.URL{RawQuery: c.query}, Header: http.Header{"Content-Type": {c.kind}}}
		got, answer, err := g.Receipts(r, []byte(c.doc))
		if c.wrong != "" {
			if !errors.Is(err, aggregator.ErrCallback) || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%s: %v, want %q", c.name, err, c.wrong)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, c.want) || answer != "OK" {
			t.Errorf("%s: %+v, %q, %v, want %+v", c.name, got, answer, err, c.want)
		}
	}
	if _, _, err := compile(t, base).Receipts(&http.Request{URL: &url.URL{}}, nil); !errors.Is(err, aggregator.ErrNoCallback) {
		t.Errorf("without the setting: %v", err)
	}
}

func TestEveryFaultIsNamed(t *testing.T) {
	good := aggregator.Settings{URL: "https://h/x", Body: `{"to":"{{to}}","t":"{{text}}"}`}
	for want, change := range map[string]func(*aggregator.Settings){
		"url":             func(s *aggregator.Settings) { s.URL = "h/x" },
		"url ":            func(s *aggregator.Settings) { s.URL = "https://{{to}}/" },
		"url  ":           func(s *aggregator.Settings) { s.URL = "https://me:pw@h/" },
		"url   ":          func(s *aggregator.Settings) { s.URL = "https://h/{{nobody}}" },
		"method":          func(s *aggregator.Settings) { s.Method = "DELETE" },
		"body":            func(s *aggregator.Settings) { s.Method = "GET" },
		"body ":           func(s *aggregator.Settings) { s.Body = `{"to":"{{to}}"}` },
		"body  ":          func(s *aggregator.Settings) { s.Body = `{"to":{{to}},"t":{{text}}}` },
		"body   ":         func(s *aggregator.Settings) { s.Body = `{"to":"{{to}}","t":"{{text"}` },
		"body    ":        func(s *aggregator.Settings) { s.Split = "part" },
		"format":          func(s *aggregator.Settings) { s.Format = "yaml" },
		"split":           func(s *aggregator.Settings) { s.Split = "word" },
		"auth":            func(s *aggregator.Settings) { s.Auth = "digest" },
		"headers/Host":    func(s *aggregator.Settings) { s.Headers = map[string]string{"Host": "x"} },
		"headers/a b":     func(s *aggregator.Settings) { s.Headers = map[string]string{"a b": "x"} },
		"id":              func(s *aggregator.Settings) { s.ID = "xpath://id" },
		"rules/0/status":  func(s *aggregator.Settings) { s.Rules = []aggregator.Rule{{Status: "9xx", Class: "accepted"}} },
		"rules/0/status ": func(s *aggregator.Settings) { s.Rules = []aggregator.Rule{{Status: "500-400", Class: "accepted"}} },
		"rules/0/like": func(s *aggregator.Settings) {
			s.Rules = []aggregator.Rule{{Value: "text", Like: "(", Class: "accepted"}}
		},
		"rules/0/value": func(s *aggregator.Settings) { s.Rules = []aggregator.Rule{{Is: "x", Class: "accepted"}} },
		"rules/0/class": func(s *aggregator.Settings) { s.Rules = []aggregator.Rule{{}} },
		"callback/id":   func(s *aggregator.Settings) { s.Callback = &aggregator.Callback{Status: "text"} },
		"callback/states/a": func(s *aggregator.Settings) {
			s.Callback = &aggregator.Callback{ID: "text", Status: "text", States: map[string]string{"a": "b"}}
		},
		"callback/base": func(s *aggregator.Settings) {
			s.Callback = &aggregator.Callback{ID: "text", Status: "text", Base: "here"}
		},
	} {
		s := good
		change(&s)
		_, err := aggregator.Compile(s, aggregator.Auth{Username: "x"})
		var field *aggregator.FieldError
		if !errors.As(err, &field) || field.Field != strings.TrimSpace(want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := aggregator.Compile(good, aggregator.Auth{}); err != nil {
		t.Error(err)
	}
}

// FuzzRender: whatever a message's text is, the JSON stays JSON with that text.
func FuzzRender(f *testing.F) {
	f.Add(nasty, "SHOP")
	f.Add("\x00\x1f\u2028", "a\"b")
	g := compile(f, aggregator.Settings{URL: "https://h/{{from}}?t={{text}}", Body: `{"to":"{{to}}","from":"{{from}}","text":"{{text}}"}`})
	f.Fuzz(func(t *testing.T, text, from string) {
		m, err := aggregator.Sample(from, "99361234567", text, gsm.UCS2)
		if err != nil {
			return
		}
		r, err := g.Render(&upstream.Submission{Msg: m, Source: message.Address{Addr: strings.ToValidUTF8(from, "?")}, Dest: m.Dest}, noon)
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ To, From, Text string }
		if err := json.Unmarshal(r.Body, &got); err != nil || got.Text != text || got.To != "99361234567" || got.From != strings.ToValidUTF8(from, "?") {
			t.Errorf("%q: %s, %+v, %v", text, r.Body, got, err)
		}
		u, err := url.Parse(r.URL)
		if err != nil || u.Host != "h" || u.Query().Get("t") != text {
			t.Errorf("%q: %s, %v", text, r.URL, err)
		}
	})
}

// FuzzReceipts: no callback can do harm.
func FuzzReceipts(f *testing.F) {
	f.Add("id=1&st=ok", "application/json", `[{"id":1,"st":"ok"}]`)
	g := compile(f, aggregator.Settings{
		URL: "https://h/?to={{to}}&t={{text}}", Callback: &aggregator.Callback{Items: "a.0", ID: "json:id", Status: "regexp:st.(\\w*)", To: "param:to"},
	})
	f.Fuzz(func(t *testing.T, query, kind, body string) {
		all, _, err := g.Receipts(&http.Request{URL: &url.URL{RawQuery: query}, Header: http.Header{"Content-Type": {kind}}}, []byte(body))
		for _, r := range all {
			if err != nil || r.ID == "" || r.State == 0 {
				t.Errorf("%+v, %v", r, err)
			}
		}
	})
}
