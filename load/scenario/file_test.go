package scenario_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/report"
	"protei-bulk/load/scenario"
	"protei-bulk/load/scenario/scenariotest"
	"protei-bulk/load/stats"
)

// fileBench is a scenario file in front of a platform.
type fileBench struct {
	*scenario.Run
	opts   scenario.Options
	result *load.Result
}

func parse(t testing.TB, text string, vars ...string) *scenario.File {
	t.Helper()
	f, err := scenario.Parse("test.yaml", []byte(text), scenario.ParseOptions{
		Vars: vars, Getenv: func(string) string { return "" },
		ReadFile: func(name string) ([]byte, error) {
			if name == "people.csv" {
				return []byte("phone,name\n966500000001,Ann\n966500000002,Bob\n"), nil
			}
			return nil, os.ErrNotExist
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func openFile(t testing.TB, f *scenario.File, url, smppAddr string, change func(*scenario.Options)) *fileBench {
	t.Helper()
	b := &fileBench{opts: scenario.Options{
		Host: url, APIKey: "dev-api-key", PeakUsers: 10, Timeout: 5 * time.Second,
		SMPP:     &scenario.SMPPAddress{Addr: smppAddr, SystemID: "dev", Password: "devpass1"},
		Recorder: stats.NewRecorder(stats.RecorderOptions{}),
		Ledger:   stats.NewLedger(stats.LedgerOptions{Run: 0xabcdef01, Worker: 3}),
		Clock:    load.NewClock(),
	}}
	if change != nil {
		change(&b.opts)
	}
	var err error
	if b.Run, err = scenario.Open(t.Context(), f, b.opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Run.Close)
	return b
}

// run lets users loose for a time.
func (b *fileBench) run(t testing.TB, users int, d time.Duration) stats.Counts {
	t.Helper()
	classes, err := b.Classes()
	if err != nil {
		t.Fatal(err)
	}
	b.result, err = load.Run(t.Context(), load.Options{
		Classes: classes, Shape: load.Flat{Users: users, SpawnRate: 1000, RunTime: d},
		Recorder: b.opts.Recorder, Ledger: b.opts.Ledger, Clock: b.opts.Clock, Seed: 7,
		StopTimeout: 5 * time.Second, DrainTimeout: 10 * time.Second, NoDrain: b.opts.NoReceipts,
		Resolve: func(ctx context.Context) { b.Resolve(ctx) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.opts.Ledger.Counts()
}

func (b *fileBench) entries() map[string]stats.EntryStats {
	out := map[string]stats.EntryStats{}
	for _, e := range b.result.Collector.Summary(b.result.Collector.Whole()).Entries {
		out[e.Method+" "+e.Name] = e
	}
	return out
}

// echo is a server that remembers what it was asked.
type echo struct {
	mu    sync.Mutex
	asked []string
	conns map[string]bool
	srv   *httptest.Server
}

func newEcho(t testing.TB, answer func(w http.ResponseWriter, r *http.Request, body string)) *echo {
	e := &echo{conns: map[string]bool{}}
	e.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		e.asked = append(e.asked, fmt.Sprintf("%s %s %s", r.Method, r.URL.RequestURI(), body))
		e.conns[r.RemoteAddr] = true
		e.mu.Unlock()
		if answer != nil {
			answer(w, r, string(body))
		}
	}))
	t.Cleanup(func() {
		e.srv.CloseClientConnections()
		e.srv.Close()
	})
	return e
}

func (e *echo) all() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.asked...)
}

// TestRequestsAreWhatTheFileSays covers paths, queries, bodies, saved values, setup and
// teardown, sequential order, feeds and fall-backs.
func TestRequestsAreWhatTheFileSays(t *testing.T) {
	e := newEcho(t, func(w http.ResponseWriter, r *http.Request, body string) {
		w.Header().Set("X-Session", "s 1")
		fmt.Fprint(w, `{"token":"t\"1","list":[{"id":7},{"id":8}]}`)
	})
	f := parse(t, `
feeds:
  people: {file: people.csv}
setup:
  - post: /login
    form: {user: a b, pass: "x&y"}
    save: {token: $.token}
teardown:
  - delete: /login
users:
  U:
    sequential: true
    on_start:
      - get: /start/${user}
        save: {session: {header: x-session}}
    on_stop:
      - get: /stop
    tasks:
      - get: /a/${session}?x=${token}&y=1
        query: {z: "1 & 2"}
        save:
          second: $.list[1].id
          odd: {regexp: '"id":(\d)', default: none}
      - put: /b
        json: {n: "${raw(second)}", s: "${second}", o: "${odd}", name: "${people.name}", list: [1, 2.5, true, null], "key\"": {}}
      - patch: /c
        body: "raw ${people.phone} $${x}"
        headers: {X-Token: "${token}", Content-Type: text/x}
`)
	b := openFile(t, f, e.srv.URL, "", nil)
	if err := b.Canary(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.run(t, 1, 100*time.Millisecond)
	b.Run.Close()
	got := e.all()
	want := []string{
		"POST /login user=a+b&pass=x%26y",
		"GET /start/0 ",
		"GET /a/s%201?x=t%221&y=1&z=1+%26+2 ",
		`PUT /b {"n":8,"s":"8","o":"7","name":"Ann","list":[1,2.5,true,null],"key\"":{}}`,
		"PATCH /c raw 966500000002 ${x}",
		"GET /a/s%201?x=t%221&y=1&z=1+%26+2 ",
	}
	for i, w := range want {
		if i >= len(got) || got[i] != w {
			t.Fatalf("request %d is not %q:\n%s", i, w, strings.Join(got, "\n"))
		}
	}
	if n := len(got); got[n-1] != "DELETE /login " || got[n-2] != "GET /stop " {
		t.Errorf("it ends with %q", got[n-2:])
	}
	if fails := b.opts.Recorder.Failures(); len(fails) > 0 {
		t.Errorf("%+v", fails)
	}
	if e := b.entries(); e["GET /a/[session]"].Requests == 0 || e["GET /start/[user]"].Requests != 1 {
		t.Errorf("entries: %v", e)
	}
}

// TestChecks: each kind of check finds its mistake, under a name of its own.
func TestChecks(t *testing.T) {
	answer := func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.Header().Set("X-A", "one")
		w.WriteHeader(202)
		fmt.Fprint(w, `{"status":"PEND\u0049NG","n":5,"list":[],"nil":null}`)
	}
	e := newEcho(t, answer)
	for check, want := range map[string]string{
		"status: 202":                           "",
		"status: [200, 2xx]":                    "",
		"status: 200-201":                       "HTTP 202",
		`json: {$.status: PENDING, $.n: 5}`:     "",
		`json: {$.status: DONE}`:                "$.status is not DONE",
		`json: {$.none: x}`:                     "no $.none",
		`json: {$.none: {exists: false}}`:       "",
		`json: {$.none: {exists: true}}`:        "no $.none",
		`json: {$.n: {min: 5, max: 5}}`:         "",
		`json: {$.n: {min: 6}}`:                 "$.n is not min 6",
		`json: {$.status: {matches: "^P"}}`:     "",
		`json: {$.status: {not_contains: END}}`: "$.status is not: not_contains END",
		`json: {$.nil: null}`:                   "",
		`headers: {x-a: one}`:                   "",
		`headers: {x-a: two}`:                   "header x-a is not: two",
		`body: PEND`:                            "",
		`body: {contains: DONE}`:                "body: not contains DONE",
		`body: {matches: '"n":\d'}`:             "",
		`max_time: 5s`:                          "",
		`max_time: 0.000001`:                    "slower than 1µs",
	} {
		t.Run(check, func(t *testing.T) {
			f := parse(t, "users:\n  U:\n    wait: 0.01\n    tasks:\n      - get: /\n        check:\n          "+check+"\n")
			b := openFile(t, f, e.srv.URL, "", nil)
			b.run(t, 1, 50*time.Millisecond)
			fails := b.opts.Recorder.Failures()
			switch {
			case want == "" && len(fails) > 0, want != "" && len(fails) != 1:
				t.Errorf("failures %+v", fails)
			case want != "" && fails[0].Error != want:
				t.Errorf("%q, want %q", fails[0].Error, want)
			}
		})
	}
}

func TestConnections(t *testing.T) {
	for mode, ok := range map[string]func(conns, requests int) bool{
		"per_user": func(conns, _ int) bool { return conns == 4 },
		"shared":   func(conns, requests int) bool { return conns <= 4 && requests > 4 },
		"none":     func(conns, requests int) bool { return conns == requests },
	} {
		e := newEcho(t, nil)
		f := parse(t, "users:\n  U:\n    connection: "+mode+"\n    wait: 0.005\n    tasks:\n      - get: /\n")
		b := openFile(t, f, e.srv.URL, "", nil)
		b.run(t, 4, 200*time.Millisecond)
		if n := len(e.all()); !ok(len(e.conns), n) {
			t.Errorf("%s: %d connections for %d requests", mode, len(e.conns), n)
		}
	}
}

// TestAnotherPlatform: everything is called something else, receipts come as a GET with a
// query and name the platform's id only.
func TestAnotherPlatform(t *testing.T) {
	var wg sync.WaitGroup
	n := 0
	var mu sync.Mutex
	e := newEcho(t, func(w http.ResponseWriter, r *http.Request, body string) {
		if r.Header.Get("Authorization") != "Bearer dev-api-key" {
			w.WriteHeader(401)
			return
		}
		mu.Lock()
		n++
		id := fmt.Sprintf("msg_%d", n)
		mu.Unlock()
		_ = r.ParseForm()
		url := r.URL.Query().Get("cb")
		fmt.Fprintf(w, `{"result":{"messages":[{"ref":%q}]}}`, id)
		wg.Go(func() {
			resp, err := http.Get(url + "?mid=" + id + "&st=8")
			if err == nil {
				resp.Body.Close()
			}
		})
	})
	defer wg.Wait()
	f := parse(t, `
messaging:
  auth: "Authorization: Bearer ${api_key}"
  id: $.result.messages[0].ref
  receipts: {format: form, ref: none, id: mid, state: st, delivered: ["8"], failed: ["16"]}
  status: none
users:
  U:
    wait: 0.01
    tasks:
      - get: /send
        query: {to: "${msisdn(9665XXXXXXXX)}", cb: "${dlr_url}"}
        messages: 1
`)
	b := openFile(t, f, e.srv.URL, "", nil)
	if err := b.Canary(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := b.run(t, 3, 300*time.Millisecond); c.Delivered != c.Issued || c.Issued < 3 || c.UnknownReceipts > 0 {
		t.Errorf("%+v %+v", c, b.opts.Recorder.Failures())
	}
}

// TestSubmits: long texts are split, sent as payload or refused; unfollowed ones stay out
// of the ledger.
func TestSubmits(t *testing.T) {
	long := strings.Repeat("0123456789", 20)
	for name, tc := range map[string]struct {
		step string
		ok   func(c stats.Counts, requests uint64, failures string) bool
	}{
		"short":   {`text: hello ${seq}`, func(c stats.Counts, n uint64, _ string) bool { return c.Issued == n && c.Delivered == n }},
		"split":   {`text: "` + long + `"`, func(c stats.Counts, n uint64, _ string) bool { return c.Issued == n && n%2 == 0 }},
		"payload": {`text: "` + long + `"` + "\n            long: payload", func(c stats.Counts, n uint64, _ string) bool { return c.Issued == n }},
		"refused": {`text: "` + long + `"` + "\n            long: refuse", func(c stats.Counts, _ uint64, f string) bool {
			return c.Rejected == c.Issued && strings.Contains(f, "takes 2 parts")
		}},
		"arabic":     {`text: مرحبا`, func(c stats.Counts, n uint64, _ string) bool { return c.Issued == n }},
		"unfollowed": {"text: hi\n            receipt: false", func(c stats.Counts, n uint64, _ string) bool { return c.Issued == 0 && n > 1 }},
		"octets":     {"text: hi\n            data_coding: 0xf5", func(c stats.Counts, n uint64, _ string) bool { return c.Issued == n }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := scenariotest.Start(t, scenariotest.Faults{})
			f := parse(t, `
users:
  S:
    wait: {throughput: 100}
    smpp: {window: 10}
    tasks:
      - submit_sm:
            to: "966500000001"
            `+tc.step+"\n")
			b := openFile(t, f, p.URL, p.SMPPAddr, nil)
			c := b.run(t, 2, 300*time.Millisecond)
			var fails []string
			for _, f := range b.opts.Recorder.Failures() {
				fails = append(fails, f.Error)
			}
			if n := b.entries()["SMPP submit_sm"].Requests; n < 1 || !tc.ok(c, n, strings.Join(fails, ";")) {
				t.Errorf("%d requests, %+v, %v", n, c, fails)
			}
		})
	}
}

func TestDebugShowsEverything(t *testing.T) {
	p := scenariotest.Start(t, scenariotest.Faults{APIKey: "dev-api-key"})
	text, _ := scenario.Example("messaging")
	b := openFile(t, parse(t, string(text)), p.URL, p.SMPPAddr, nil)
	var out bytes.Buffer
	if err := b.Debug(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{
		"=== MessagingUser: send single", "> POST /api/v1/messages HTTP/1.1", "> X-API-Key: HIDDEN", `"client_ref":"debug-`,
		"< HTTP/1.1 201", "= ok", "=== MessagingUser: query status", "> bind_transceiver as dev", "< submit_sm_resp ESME_ROK",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "dev-api-key") {
		t.Error("the key is shown")
	}
	if c := b.opts.Ledger.Counts(); c.Issued != 0 {
		t.Errorf("debug is in the ledger: %+v", c)
	}
}

// TestFirstFailingAnswers: one of each kind, request and answer, cut, secrets masked
// wherever they stand.
func TestFirstFailingAnswers(t *testing.T) {
	e := newEcho(t, func(w http.ResponseWriter, r *http.Request, body string) {
		switch {
		case r.URL.Path == "/in":
			fmt.Fprint(w, `{"session":"s3cret-session"}`)
		case strings.HasPrefix(r.URL.Path, "/closed"):
			panic(http.ErrAbortHandler)
		default:
			w.Header().Set("Set-Cookie", "sid=topsecret")
			w.WriteHeader(500)
			// The last secret is cut in two by the bound.
			fmt.Fprintf(w, `{"code":"broken","password":"topsecret","echo":"dev-api-key","all":%q,"x":"%s","token":"%s"}`,
				r.URL.String()+body+r.Header.Get("X-Own"), strings.Repeat("x", 900), strings.Repeat("topsecret", 500))
		}
	})
	f := parse(t, `
vars: {my_key: very-s3cret, city: Jeddah}
setup: [{get: /in, save: {access_token: $.session}}]
users:
  U:
    wait: 0.01
    tasks:
      - {post: "/out/${access_token}", name: /out, form: {client_secret: s3cret-form, city: "${city}", k: "${my_key}"}}
      - get: /closed
`)
	b := openFile(t, f, e.srv.URL, "", func(o *scenario.Options) { o.Header = []string{"X-Own: s3cret-header"} })
	if err := b.Canary(t.Context()); err != nil {
		t.Fatal(err)
	}
	for b.run(t, 4, 200*time.Millisecond); len(b.FailingAnswers()) < 2; {
		b.run(t, 4, 200*time.Millisecond)
	}
	answers := b.FailingAnswers()
	slices.SortFunc(answers, func(a, b report.FailingAnswer) int { return strings.Compare(a.Name, b.Name) })
	if len(answers) != 2 || answers[0].Answer != "" || answers[1].Error != "HTTP 500 broken" || answers[1].Method != "POST" {
		t.Fatalf("%+v", answers)
	}
	if got := answers[1].Sent; !strings.HasPrefix(got, "POST /out/HIDDEN HTTP/1.1\r\n") || !strings.Contains(got, "city=Jeddah") {
		t.Errorf("request %q", got)
	}
	if !strings.HasPrefix(answers[0].Sent, "GET /closed HTTP/1.1") || !strings.Contains(answers[0].Error, "without an answer") {
		t.Errorf("%+v", answers[0])
	}
	for _, a := range answers {
		for _, text := range []string{a.Sent, a.Answer} {
			if strings.Contains(text, "s3cret") || strings.Contains(text, "topsecret") || strings.Contains(text, "dev-api-key") || len(text) > 2100 {
				t.Errorf("%d bytes: %s", len(text), text)
			}
		}
	}
}

func TestSetupThatFailsRefusesTheRun(t *testing.T) {
	e := newEcho(t, func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(403) })
	b := openFile(t, parse(t, "setup: [{get: /in}]\nusers:\n  U:\n    tasks: [{get: /}]\n"), e.srv.URL, "", nil)
	if err := b.Canary(t.Context()); err == nil || !strings.Contains(err.Error(), "setup: step 1: GET /in: HTTP 403") {
		t.Errorf("%v", err)
	}
}

func TestMistakesHaveTheirPlaces(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"", "1:1: the file is empty"},
		{"users: [", "1:8: YAML:"},
		{"user:\n  U: {}\n", `1:1: scenario: unknown key "user", did you mean users?`},
		{"users:\n  U:\n    wieght: 1\n    tasks: [{get: /}]\n", `3:5: U: unknown key "wieght", did you mean weight?`},
		{"users:\n  U:\n    weight: many\n    tasks: [{get: /}]\n", "3:13: U: weight: want a whole number"},
		{"users:\n  U:\n    wait: soon\n    tasks: [{get: /}]\n", "3:11: U: wait: want none"},
		{"users:\n  U:\n    tasks: []\n", "3:12: U: there is no task"},
		{"users:\n  U:\n    tasks:\n      - weight: 2\n", "4:9: U: task 1: want a step"},
		{"users:\n  U:\n    tasks:\n      - get: /\n        post: /\n", "5:9: U: task 1: post beside get"},
		{"users:\n  U:\n    tasks:\n      - get: x\n", "4:14: U: task 1: get: want a path"},
		{"users:\n  U:\n    tasks:\n      - get: /${tokn}\n        save: {token: $.a}\n", `4:17: U: task 1: get: no variable or function "tokn", did you mean token?`},
		{"users:\n  U:\n    tasks:\n      - get: /\n        body: |\n          one\n          ${two}\n", `7:15: U: task 1: body: no variable or function "two"`},
		{"users:\n  U:\n    tasks:\n      - get: /\n        body: \"${two}\"\n", `5:18: U: task 1: body: no variable`},
		{"users:\n  U:\n    tasks:\n      - get: /\n        check: {status: 700}\n", "5:25: U: task 1: check: status: want 200, 2xx"},
		{"users:\n  U:\n    tasks:\n      - get: /\n        check: {json: {$.a..b: 1}}\n", "5:24: U: task 1: check: json: $.a..b: \"$.a..b\" is no JSON path"},
		{"users:\n  U:\n    tasks:\n      - get: /\n        check: {body: {matches: '('}}\n", "5:33: U: task 1: check: body: matches: error parsing regexp"},
		{"users:\n  U:\n    tasks:\n      - submit_sm: {to: '1', text: x}\n", "U: task 1: submit_sm: its class has no smpp:"},
		{"users:\n  U:\n    tasks:\n      - get: /\n        json: {m: {$each: {a: 1}}}\n", "$each needs messages"},
		{"users:\n  U:\n    tasks:\n      - post: /\n        messages: 2-5\n        json: {a: 1}\n", "needs one list as $each"},
		{"users:\n  U:\n    tasks:\n      - {task: a, get: /, needs: id, save: {id: $.x}, otherwise: b}\n", "otherwise: no task \"b\""},
		{"users: {U: {tasks: [{get: /, weight: 0}]}}\n", "all weights are 0"},
		{"targets: [p96=5]\nusers: {U: {tasks: [{get: /}]}}\n", "1:11: targets: target \"p96=5\": unknown metric"},
		{"load: {shape: 'x'}\nusers: {U: {tasks: [{get: /}]}}\n", "1:15: load: shape"},
		{"targets:\n  - {target: lost=0, abort: true}\nusers: {U: {tasks: [{get: /}]}}\n", "2:5: targets: abort: lost is known after the drain only"},
		{"load: {rate: soon}\nusers: {U: {tasks: [{get: /}]}}\n", "1:14: load: rate \"soon\""},
		{"load: {rate: 0/s}\nusers: {U: {tasks: [{get: /}]}}\n", "1:14: load: rate: nothing ever starts"},
		{"load:\n  rate:\n    - {at: 0s, rate: 1/s}\n    - {at: 5s}\nusers: {U: {tasks: [{get: /}]}}\n", "4:7: load: rate: rate is missing"},
		{"load: {max_users: 5}\nusers: {U: {tasks: [{get: /}]}}\n", "1:8: load: max_users is for a rate"},
		{"users:\n  U:\n    rate: 5/fortnight\n    tasks: [{get: /}]\n", "3:11: U: rate \"5/fortnight\""},
		{"users:\n  U:\n    rate: 5/s\n    wait: 1\n    tasks: [{get: /}]\n", "4:5: U: wait has no effect beside rate"},
		{"users:\n  U:\n    max_users: 5\n    tasks: [{get: /}]\n", "3:5: U: max_users is for a class with a rate"},
		{"users:\n  U:\n    rate: 5/s\n    max_users: 0\n    tasks: [{get: /}]\n", "4:16: U: max_users: want a whole number from 1"},
		{"vars: {uuid: 1}\nusers: {U: {tasks: [{get: /}]}}\n", "1:8: vars: \"uuid\" has a meaning of its own"},
		{"feeds: {f: {file: none.csv}}\nusers: {U: {tasks: [{get: /}]}}\n", "1:19: feeds: f: file does not exist"},
		{"a: &a [*a]\nusers: *b\n", "2:8: no anchor &b"},
		{"name: a\nname: b\nusers: {U: {tasks: [{get: /}]}}\n", "2:1: scenario: name is given twice"},
	} {
		_, err := scenario.Parse("t.yaml", []byte(tc.text), scenario.ParseOptions{ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist }})
		var m *scenario.Mistakes
		if !errors.As(err, &m) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s\ngot  %v\nwant %s", tc.text, err, tc.want)
		}
	}
}

// TestAllMistakesAtOnce: one reading names them all, in the order of their lines.
func TestAllMistakesAtOnce(t *testing.T) {
	_, err := scenario.Parse("t.yaml", []byte("namme: x\nusers:\n  U:\n    weigth: 1\n    wait: {pacing: x}\n    tasks:\n      - gte: /\n      - get: /${a} ${b}\n"), scenario.ParseOptions{})
	var m *scenario.Mistakes
	if !errors.As(err, &m) || len(m.List) != 7 {
		t.Fatalf("%v", err)
	}
	for i := 1; i < len(m.List); i++ {
		if m.List[i].Line < m.List[i-1].Line {
			t.Errorf("out of order: %v", err)
		}
	}
}

func TestSetChangesVars(t *testing.T) {
	e := newEcho(t, nil)
	text := "vars: {a: one, b: two}\nusers:\n  U:\n    wait: 1\n    tasks: [{get: '/${a}/${b}'}]\n"
	b := openFile(t, parse(t, text, "a=x y"), e.srv.URL, "", nil)
	b.run(t, 1, 50*time.Millisecond)
	if got := e.all(); len(got) == 0 || got[0] != "GET /x%20y/two " {
		t.Errorf("%q", got)
	}
	if _, err := scenario.Parse("t.yaml", []byte(text), scenario.ParseOptions{Vars: []string{"c=1"}}); err == nil || !strings.Contains(err.Error(), "its vars are a, b") {
		t.Errorf("%v", err)
	}
}
