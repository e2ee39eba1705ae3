package bulk

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/smsc"
)

// send accepts one message over REST and returns what GET shows of it.
func (s *site) send(body string) string {
	s.t.Helper()
	text := s.must(201, "POST", "/messages", body)
	_, id, _ := strings.Cut(text, `"message_id":"`)
	return s.must(200, "GET", "/messages/"+id[:16], "")
}

func TestRoutesChangeWhileMessagesFlow(t *testing.T) {
	a, b := simulate(t, smsc.Behaviour{}), simulate(t, smsc.Behaviour{})
	s := openSite(t, t.TempDir(), nil)
	s.addConnector("a", a, "binds=1&window=50")
	s.addConnector("b", b, "binds=1&window=50")
	for _, name := range []string{"a", "b"} {
		eventually(t, name+" up", func() bool { return strings.Contains(s.must(200, "GET", "/connectors/"+name, ""), `"state":"up"`) })
	}
	s.must(201, "POST", "/routes", `{"name":"all","targets":[{"connector":"a"}]}`)
	done := s.pump()
	eventually(t, "traffic over a", func() bool { return a.Counters().Submits > 200 })
	if n := b.Counters().Submits; n != 0 {
		t.Errorf("%d over b, which no rule names", n)
	}
	for i := range 20 {
		s.must(200, "PATCH", "/routes/all", fmt.Sprintf(`{"strategy":"split","targets":[{"connector":"a","weight":%d},{"connector":"b","weight":50}]}`, 1+i))
		s.must(201, "POST", "/routes", fmt.Sprintf(`{"name":"r%d","match":{"prefixes":["9%d"]},"targets":[{"connector":"b"}]}`, i, i))
	}
	s.must(409, "DELETE", "/connectors/b", "")
	s.must(409, "PATCH", "/connectors/b", `{"name":"c"}`)
	eventually(t, "traffic over b", func() bool { return b.Counters().Submits > 200 })
	for i := range 20 {
		s.must(204, "DELETE", fmt.Sprintf("/routes/r%d", i), "")
	}
	ids := done()
	s.settled(ids)
	if n := a.Counters().Unique + b.Counters().Unique; n != uint64(len(ids)) {
		t.Errorf("the simulators saw %d messages, %d were accepted", n, len(ids))
	}
}

func TestMessageNamesItsRouteAndConnector(t *testing.T) {
	sim := simulate(t, smsc.Behaviour{})
	dir := t.TempDir()
	s := openSite(t, dir, nil)
	s.addConnector("a", sim, "")
	s.addConnector("b", sim, "")
	s.must(201, "POST", "/routes", `{"name":"otp","priority":5,"match":{"tags":["otp"]},"targets":[{"connector":"b"}]}`)
	if text := s.must(201, "POST", "/routes", `{"name":"hello","match":{"text":"(?i)^hello"},"targets":[{"connector":"a"}]}`); !strings.Contains(text, "refused") {
		t.Errorf("no warning that some messages have no rule: %s", text)
	}
	if text := s.send(`{"from":"ACME","to":"+99361234567","text":"Hello","tag":"otp"}`); !strings.Contains(text, `"smsc":"b","route":"otp"`) {
		t.Errorf("by tag: %s", text)
	}
	shown := s.send(`{"from":"ACME","to":"+99361234567","text":"Hello"}`)
	if !strings.Contains(shown, `"smsc":"a","route":"hello"`) {
		t.Errorf("by text: %s", shown)
	}
	if code, text := s.call("POST", "/messages", `{"from":"ACME","to":"+99361234567","text":"Bye"}`); code != 422 || !strings.Contains(text, `"no_route"`) {
		t.Errorf("no rule: %d %s", code, text)
	}
	raw := intake.Request{Account: s.accounts.ByName("dev"), Raw: &intake.Raw{
		Source: message.Address{TON: 5, Addr: "ACME"}, Dest: message.Address{TON: 1, NPI: 1, Addr: "99361234567"}, Octets: []byte("hello over SMPP"),
	}}
	out := make([]intake.Outcome, 1)
	if err := s.intake.Submit(t.Context(), []intake.Request{raw}, out); err != nil || out[0].Err != nil || out[0].Msg.Route != 2 {
		t.Errorf("submit_sm: %+v, %v", out[0], err)
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	again := openSite(t, dir, nil)
	_, id, _ := strings.Cut(shown, `"message_id":"`)
	if text := again.must(200, "GET", "/messages/"+id[:16], ""); !strings.Contains(text, `"smsc":"a","route":"hello"`) {
		t.Errorf("after a restart: %s", text)
	}
}

func TestDryRun(t *testing.T) {
	s := openSite(t, t.TempDir(), func(c *Config) { c.Connectors = []string{"a=smpp://x:y@127.0.0.1:1", "b=smpp://x:y@127.0.0.1:1"} })
	if text := s.must(200, "POST", "/routes/test", `{"to":"+99361234567"}`); !strings.Contains(text, `"connector":"a"`) || !strings.Contains(text, `"why":"no connector of the rule is up`) {
		t.Errorf("without rules: %s", text)
	}
	s.must(201, "POST", "/routes", `{"name":"tm","match":{"prefixes":["+993"],"senders":["ACME"]},"targets":[{"connector":"b"},{"connector":"a"}]}`)
	s.must(201, "POST", "/routes", `{"name":"dev","priority":3,"match":{"accounts":[77]},"targets":[{"connector":"a"}]}`)
	text := s.must(200, "POST", "/routes/test", `{"account":"dev","from":"ACME","to":"+99361234567","text":"x"}`)
	for _, want := range []string{`"matched":true,"route":"tm"`, `"connector":"b"`, `"verdict":"matches"`, `"verdict":"no","reasons":["account 1 is not 77"]`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s lacks %s", text, want)
		}
	}
	text = s.must(200, "POST", "/routes/test", `{"from":"OTHER","to":"+15550100"}`)
	for _, want := range []string{`"matched":false`, `the sender \"OTHER\" is not ACME`, `15550100 does not begin with +993`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s lacks %s", text, want)
		}
	}
	for body, want := range map[string]string{
		`{}`: `"/to"`, `{"to":"1","account":"nobody"}`: `"/account"`, `{"to":"1","encoding":"EBCDIC"}`: `"/encoding"`,
		`{"to":"1","priority":"URGENT"}`: `"/priority"`, `{"to":"1","limit":0}`: `"/limit"`, `{"to":"1","at":"soon"}`: `"/at"`, `{"to":5}`: `"/to"`,
	} {
		if code, text := s.call("POST", "/routes/test", body); code != 422 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s, want %s", body, code, text, want)
		}
	}
}

func TestRouteBadInput(t *testing.T) {
	s := openSite(t, t.TempDir(), func(c *Config) { c.Connectors = []string{"a=smpp://x:y@127.0.0.1:1"} })
	s.must(201, "POST", "/routes", `{"name":"ok","targets":[{"connector":"a"}]}`)
	const targets = `"targets":[{"connector":"a"}]`
	for _, c := range [][2]string{
		{`{}`, `"/name"`},
		{`{"name":"ok",` + targets + `}`, `named`},
		{`{"name":"7",` + targets + `}`, `"/name"`},
		{`{"name":"x"}`, `"/targets"`},
		{`{"name":"x","targets":"a"}`, `"/targets"`},
		{`{"name":"x","targets":[{"to":"a"}]}`, `unknown field`},
		{`{"name":"x","targets":[{"connector":"nobody"}]}`, `"/targets/0/connector"`},
		{`{"name":"x","targets":[{"connector":"a"},{"connector":"a"}]}`, `"/targets/1/connector"`},
		{`{"name":"x","strategy":"split",` + targets + `}`, `"/targets/0/weight"`},
		{`{"name":"x","strategy":"dice",` + targets + `}`, `"/strategy"`},
		{`{"name":"x","priority":-1,` + targets + `}`, `"/priority"`},
		{`{"name":"x","priority":"high",` + targets + `}`, `"/priority"`},
		{`{"name":"x",` + targets + `,"match":{"prefixes":["12a"]}}`, `"/match/prefixes/0"`},
		{`{"name":"x",` + targets + `,"match":{"prefix":"12"}}`, `unknown field`},
		{`{"name":"x",` + targets + `,"match":{"accounts":["acme"]}}`, `"/match/accounts"`},
		{`{"name":"x",` + targets + `,"match":{"text":"("}}`, `"/match/text"`},
		{`{"name":"x",` + targets + `,"match":{"senders":["*A*"]}}`, `"/match/senders/0"`},
		{`{"name":"x",` + targets + `,"match":{"min_parts":3,"max_parts":2}}`, `"/match/max_parts"`},
		{`{"name":"x",` + targets + `,"match":{"windows":[{"days":"someday"}]}}`, `"/match/windows/0"`},
		{`{"name":"x",` + targets + `,"match":{"windows":[{"zone":"Mars/Base"}]}}`, `"/match/windows/0"`},
	} {
		if code, text := s.call("POST", "/routes", c[0]); code != 422 && code != 409 || !strings.Contains(text, c[1]) {
			t.Errorf("%s: %d %s, want %s", c[0], code, text, c[1])
		}
	}
	s.must(404, "PATCH", "/routes/nobody", `{"priority":1}`)
	s.must(404, "DELETE", "/routes/nobody", "")
	if code, text := s.call("POST", "/messages", `{"from":"A","to":"+99361234567","text":"x","tag":"`+strings.Repeat("t", 33)+`"}`); code != 422 || !strings.Contains(text, `"invalid_tag"`) {
		t.Errorf("long tag: %d %s", code, text)
	}
}

func TestWholeTableOverREST(t *testing.T) {
	s := openSite(t, t.TempDir(), func(c *Config) { c.Connectors = []string{"a=smpp://x:y@127.0.0.1:1", "b=smpp://x:y@127.0.0.1:1"} })
	table := `{"routes":[{"name":"one","match":{"prefixes":["49"]},"targets":[{"connector":"a"}]},{"name":"rest","targets":[{"connector":"b"}]}]}`
	if text := s.must(200, "PUT", "/routes?dry_run=true", table); !strings.Contains(text, `"created":2`) {
		t.Errorf("dry: %s", text)
	}
	if text := s.must(200, "GET", "/routes", ""); !strings.Contains(text, `"routes":[]`) {
		t.Errorf("a dry run changed %s", text)
	}
	s.must(200, "PUT", "/routes", table)
	// What GET shows can be put again.
	if text := s.must(200, "PUT", "/routes", s.must(200, "GET", "/routes", "")); !strings.Contains(text, `"unchanged":2`) {
		t.Errorf("put again: %s", text)
	}
	for body, want := range map[string]string{
		`{}`: `"/routes"`,
		`{"routes":[{"name":"x","targets":[{"connector":"a"}]},{"name":"x","strategy":"lottery","targets":[{"connector":"ghost"}]}]}`: `"/routes/1/targets/0/connector"`,
		`{"routes":[{"name":"x","colour":"red","targets":[{"connector":"a"}]}]}`:                                                      `colour`,
		`{"routes":{"name":"x"}}`: `"/routes"`,
	} {
		if code, text := s.call("PUT", "/routes", body); code != 422 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s, want %s", body, code, text, want)
		}
	}
	if text := s.must(200, "GET", "/routes", ""); !strings.Contains(text, `"one"`) || !strings.Contains(text, `"rest"`) {
		t.Errorf("a table with faults changed %s", text)
	}
	s.must(200, "PUT", "/routes", `{"routes":[]}`)
}
