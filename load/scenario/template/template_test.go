package template_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"protei-bulk/load/scenario/template"
)

func newEnv(t testing.TB) *template.Env {
	t.Helper()
	env := template.NewEnv(func(name string) string { return map[string]string{"HOME": "/root"}[name] })
	env.Const("from", "Load\"Test")
	env.Var("token")
	env.Var("empty")
	f, err := template.ParseCSV("people", []byte("phone,name\n111,Ann\n222,\"B, \"\"ob\"\"\"\n"), template.Sequential)
	if err != nil {
		t.Fatal(err)
	}
	env.Feed(f)
	return env
}

func newScope(env *template.Env) *template.Scope {
	s := env.NewScope(rand.New(rand.NewPCG(1, 2)))
	s.Vars[0] = []byte("a b/\"ü")
	s.User, s.Iteration, s.Seq = 7, 3, 42
	s.Wall = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC) }
	return s
}

func TestRendering(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                           "plain",
		"":                                "",
		"$5 and $${x} and $$":             "$5 and ${x} and $$",
		"[${from}]":                       "[Load\"Test]",
		"${ token }":                      "a b/\"ü",
		"${empty}":                        "",
		"${random(5, 5)}":                 "5",
		"${random(-3,-3)}":                "-3",
		"${msisdn(0044-0044)}":            "0044",
		"${choice('a, }b')}":              "a, }b",
		"${counter(n)}${counter(n)}":      "12",
		"${counter(m, 10)},${counter(m)}": "10,11",
		"${user}-${iteration}-${seq}":     "7-3-42",
		"${client_ref}":                   "42",
		"${now}":                          "2026-01-02T03:04:05Z",
		"${now(unix)}":                    "1767323045",
		"${now(unix_ms)}":                 "1767323045006",
		"${now('02.01.2006')}":            "02.01.2026",
		"${env(HOME)}${env(NONE, x)}":     "/rootx",
		"${people.phone} ${people.name}":  "111 Ann",
	} {
		env := newEnv(t)
		tpl, faults := env.Compile(text, template.Text)
		if len(faults) > 0 {
			t.Errorf("%s: %v", text, faults[0])
			continue
		}
		if got := string(tpl.Append(nil, newScope(env))); got != want {
			t.Errorf("%s = %q, want %q", text, got, want)
		}
	}
}

func TestRandomValues(t *testing.T) {
	for text, want := range map[string]string{
		"${digits(8)}":     `^\d{8}$`,
		"${digits(40)}":    `^\d{40}$`,
		"${hex(6)}":        `^[0-9a-f]{6}$`,
		"${letters(6)}":    `^[a-z]{6}$`,
		"${random(-2, 2)}": `^(-[12]|[012])$`,
		"${random(-9223372036854775808, 9223372036854775807)}": `^-?\d+$`,
		"${uuid}":                             `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
		"${msisdn(9665XXXXXXXX)}":             `^9665\d{8}$`,
		"${msisdn(+49XX)}":                    `^\+49\d\d$`,
		"${msisdn(966500-966501, 0700-0700)}": `^(96650[01]|0700)$`,
		"${choice(a, b)}":                     `^[ab]$`,
	} {
		env := newEnv(t)
		tpl, faults := env.Compile(text, template.Text)
		if len(faults) > 0 {
			t.Errorf("%s: %v", text, faults[0])
			continue
		}
		s, seen := newScope(env), map[string]bool{}
		for range 100 {
			got := string(tpl.Append(nil, s))
			if seen[got] = true; !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("%s = %q", text, got)
				break
			}
		}
		if len(seen) < 2 {
			t.Errorf("%s is always the same: %v", text, seen)
		}
	}
}

func TestMistakes(t *testing.T) {
	for text, want := range map[string]struct {
		at   int
		text string
	}{
		"ab ${tokne}":     {5, "did you mean token?"},
		"${toke()}":       {2, "did you mean token?"},
		"${":              {0, "no name"},
		"${token":         {0, "not closed"},
		"${digits(x)}":    {2, "LENGTH"},
		"${digits(0)}":    {2, "LENGTH"},
		"${random(5)}":    {2, "LEAST, MOST"},
		"${random(5, 1)}": {2, "lower number first"},
		"${random(1, x)}": {12, "no whole number"},
		"${msisdn()}":     {2, "want ${msisdn"},
		"${msisdn(12-3)}": {9, "no range"},
		"${people.fone}":  {2, "it has phone, name"},
		"${peple.phone}":  {2, "did you mean people?"},
		"${people}":       {2, "has no column"},
		"${now(x)}":       {6, "no layout"},
		"${env(NONE)}":    {2, "no NONE"},
		"${choice('a)}":   {9, "not closed"},
		"${choice(a b":/* */ {9, "not closed by )"},
		"${raw(nope)}": {6, "no variable"},
		"${uuid(1)}":   {2, "want ${uuid}"},
	} {
		_, faults := newEnv(t).Compile(text, template.Text)
		if len(faults) != 1 || faults[0].Offset != want.at || !strings.Contains(faults[0].Text, want.text) {
			t.Errorf("%s: %+v, want %+v", text, faults, want)
		}
	}
	if _, faults := newEnv(t).Compile("${a1} and ${b2} and ${uuid}", template.Text); len(faults) != 2 {
		t.Errorf("want both mistakes: %v", faults)
	}
}

// TestEscaping: what a value holds never leaves its place.
func TestEscaping(t *testing.T) {
	env := newEnv(t)
	s := newScope(env)
	for _, v := range []string{"a b/\"ü", "\\\r\n\t\x01\x7f", "&=?#%+", "x\"}, {"} {
		s.Vars[0] = []byte(v)
		b := env.NewBuilder()
		b.Literal(`{"a":`)
		if faults := b.Value("${token}", true, template.JSON); len(faults) > 0 {
			t.Fatal(faults)
		}
		b.Literal(`}`)
		body := b.Template()
		var got map[string]string
		if err := json.Unmarshal(body.Append(nil, s), &got); err != nil || got["a"] != v {
			t.Errorf("JSON %q: %v %q", v, err, got["a"])
		}
		query, _ := env.Compile("a=${token}&b=1", template.Query)
		if q, err := url.ParseQuery(string(query.Append(nil, s))); err != nil || q.Get("a") != v || q.Get("b") != "1" {
			t.Errorf("query %q: %v %v", v, err, q)
		}
		path, _ := env.Compile("/x/${token}/y", template.Path)
		if p, err := url.PathUnescape(string(path.Append(nil, s))); err != nil || p != "/x/"+v+"/y" {
			t.Errorf("path %q: %v %q", v, err, p)
		}
		header, _ := env.Compile("${token}", template.Header)
		if h := header.Append(nil, s); strings.ContainsAny(string(h), "\r\n") {
			t.Errorf("header %q", h)
		}
	}
}

func TestJSONValues(t *testing.T) {
	env := newEnv(t)
	s := newScope(env)
	for _, tc := range []struct {
		text, want string
		plain      bool
	}{
		{"${random(4,4)}", `4`, true},
		{"${random(4,4)}", `"4"`, false},
		{"n${random(4,4)}", `"n4"`, true},
		{"${raw(empty)}", `null`, false},
		{"${from}", `"Load\"Test"`, true},
		{"a\"b", `"a\"b"`, true},
	} {
		b := env.NewBuilder()
		b.Value(tc.text, tc.plain, template.JSON)
		if got := string(b.Template().Append(nil, s)); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.text, got, tc.want)
		}
	}
}

func TestEach(t *testing.T) {
	env := newEnv(t)
	item, _ := env.Compile("<${seq}>", template.Text)
	b := env.NewBuilder()
	b.Each(item, ",")
	s := newScope(env)
	s.First, s.Count, s.Seq = 10, 3, 99
	if got := string(b.Template().Append(nil, s)); got != "<10>,<11>,<12>" || s.Seq != 99 {
		t.Errorf("%s, seq %d", got, s.Seq)
	}
}

func TestFeedRows(t *testing.T) {
	env := newEnv(t)
	tpl, _ := env.Compile("${people.phone}${people.phone}", template.Text)
	s, other := newScope(env), newScope(env)
	got := ""
	for range 2 {
		got += string(tpl.Append(nil, s)) + " " + string(tpl.Append(nil, other)) + " "
		s.NextIteration()
		other.NextIteration()
	}
	if got != "111111 222222 111111 222222 " {
		t.Errorf("%s: one row an iteration, all users together", got)
	}
	for _, bad := range []string{"", "a,b\n", "a,b\n1\n", "a\n\"x"} {
		if _, err := template.ParseCSV("x", []byte(bad), template.Random); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

const single = `{"from":"${from}","to":"${msisdn(9665XXXXXXXX)}","text":"Protei_Bulk load test, message ${seq}","ref":"${client_ref}","t":"${token}","p":"${people.phone}","n":"${random(1,100)}","u":"${uuid}","at":"${now}"}`

func TestRenderingAllocatesNothing(t *testing.T) {
	env := newEnv(t)
	tpl, faults := env.Compile(single, template.JSON)
	if len(faults) > 0 {
		t.Fatal(faults[0])
	}
	s, buf := newScope(env), make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(200, func() { s.NextIteration(); buf = tpl.Append(buf[:0], s) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	env := newEnv(b)
	tpl, _ := env.Compile(single, template.JSON)
	s, buf := newScope(env), make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		s.NextIteration()
		buf = tpl.Append(buf[:0], s)
	}
}

// FuzzCompile: no panic, faults lie inside the text, what compiles renders valid JSON.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{single, "${", "$${}", "${choice('a, }b', c)}", "${msisdn(1-9,5-6)}", "${people.phone}", "${now('2006')}", "${random(-9223372036854775808,9223372036854775807)}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1000 || strings.Contains(text, "raw") { // raw values are the author's to escape
			return
		}
		env := newEnv(t)
		tpl, faults := env.Compile(text, template.JSON)
		for _, fault := range faults {
			if fault.Offset < 0 || fault.Offset > len(text) || fault.Text == "" {
				t.Fatalf("%q: %+v", text, fault)
			}
		}
		if len(faults) > 0 {
			return
		}
		out := tpl.Append([]byte(`"`), newScope(env))
		out = append(out, '"')
		if !json.Valid(out) {
			t.Fatalf("%q renders %s", text, out)
		}
	})
}
