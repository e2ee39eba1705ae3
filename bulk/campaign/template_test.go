package campaign

import (
	"slices"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/contact"
)

func TestTemplates(t *testing.T) {
	columns := []string{"name", "first_name", "city", "empty"}
	m := contact.Member{To: "+4915112345678", Values: []string{"Müller", " ann ", "Frankfurt am Main"}}
	for text, want := range map[string]string{
		"plain":                                   "plain",
		"a } b {c} }} {":                          "a } b {c} }} {",
		"Hi {{name}}!":                            "Hi Müller!",
		"{{ NAME }}{{First Name}}{{first-name}}":  "Müller ann  ann ",
		"{{first_name | trim}}.":                  "ann.",
		"{{first_name|trim|upper}}":               "ANN",
		"{{name | lower | truncate:3}}":           "mül",
		"{{city|truncate:9}}{{city|truncate:99}}": "FrankfurtFrankfurt am Main",
		`{{empty | default:"cust|om}}er \"x\""}}`: `cust|om}}er "x"`,
		"{{empty|default:friend}}":                "friend",
		"{{nowhere|default:}}x":                   "x",
		"{{empty|default:\"ab\"|upper}}":          "AB",
		"to {{to}}":                               "to +4915112345678",
		`\{{name}} {{name}}`:                      "{{name}} Müller",
		"{{name}}{{city | upper | truncate:5}}":   "MüllerFRANK",
	} {
		tmpl, err := parseTemplate(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, missing := tmpl.bind(columns).render(nil, &m)
		if string(got) != want || missing != "" {
			t.Errorf("%s is %q (missing %q), want %q", text, got, missing, want)
		}
	}
	for text, missing := range map[string]string{"{{empty}}": "empty", "{{nowhere}}": "nowhere", "a{{name}}{{empty|trim}}": "empty", "{{gone|upper}}": "gone"} {
		tmpl, err := parseTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, got := tmpl.bind(columns).render(nil, &m); got != missing {
			t.Errorf("%s misses %q, want %q", text, got, missing)
		}
	}
	blank := contact.Member{Values: []string{"   "}}
	tmpl, _ := parseTemplate("{{name | trim}}")
	if _, missing := tmpl.bind(columns).render(nil, &blank); missing != "name" {
		t.Error("spaces are taken for a value")
	}
	tmpl, _ = parseTemplate("{{name}}{{x}}{{x}}{{y|default:1}}{{to}}")
	if got := tmpl.unknown(columns); !slices.Equal(got, []string{"x"}) {
		t.Errorf("unknown are %v", got)
	}
}

func TestTemplatesThatAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		"ab {{name":                     "character 4",
		"{{}}":                          "names no column",
		"{{name|shout}}":                `"shout" is no filter`,
		"{{name|truncate}}":             "truncate needs",
		"{{name|truncate:0}}":           "truncate needs",
		"{{name|truncate:x}}":           "truncate needs",
		"{{name|default}}":              "default needs",
		"{{name|upper:1}}":              "takes no argument",
		`{{name|default:"\q"}}`:         "in quotes",
		"{{a{b}}":                       "cannot have",
		`{{name|default:"x}}`:           "not closed",
		strings.Repeat("{{name}}", 101): "more than 100",
	} {
		if _, err := parseTemplate(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %q", text, err, want)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add(`Hi {{name | default:"x" | truncate:3}} \{{ {{to}}`)
	f.Fuzz(func(t *testing.T, text string) {
		tmpl, err := parseTemplate(text)
		if err != nil {
			return
		}
		m := contact.Member{To: "1", Values: []string{"v"}}
		_, _ = tmpl.bind([]string{"name"}).render(nil, &m)
		if tmpl.plain() && !strings.Contains(text, "{{") && tmpl.pieces[0].literal != text {
			t.Errorf("%q became %q", text, tmpl.pieces[0].literal)
		}
	})
}

func TestWindows(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	office := []Window{{Days: []string{"monday", "TUE", "Wed", "THU", "FRI"}, From: "09:00", To: "20:00"}, {Days: []string{"SAT"}, From: "10:00", To: "16:00"}}
	night := []Window{{Days: []string{"FRI"}, From: "22:00", To: "02:00"}}
	day := []Window{{From: "00:00", To: "24:00"}}
	early := []Window{{Days: []string{"SUN"}, From: "02:15", To: "03:30"}}
	for _, all := range [][]Window{office, night, day, early} {
		for i := range all {
			if err := all[i].check(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		windows []Window
		now     string // in Berlin
		opens   string // "": it is open
	}{
		{nil, "2030-03-27 03:00", ""},
		{office, "2030-03-27 09:00", ""}, // a Wednesday
		{office, "2030-03-27 08:59", "2030-03-27 09:00"},
		{office, "2030-03-27 19:59", ""},
		{office, "2030-03-27 20:00", "2030-03-28 09:00"},
		{office, "2030-03-29 20:00", "2030-03-30 10:00"},
		{office, "2030-03-30 16:00", "2030-04-01 09:00"}, // over Sunday, and a change of the clock
		{night, "2030-03-29 21:00", "2030-03-29 22:00"},
		{night, "2030-03-30 01:59", ""},
		{night, "2030-03-30 02:00", "2030-04-05 22:00"},
		{day, "2030-03-31 02:30", ""},
		// On the day when 02:00 is followed by 03:00 the window has its later half.
		{early, "2030-03-30 12:00", "2030-03-31 03:15"},
		{early, "2030-10-26 12:00", "2030-10-27 02:15"},
	} {
		now, err := time.ParseInLocation("2006-01-02 15:04", c.now, berlin)
		if err != nil {
			t.Fatal(err)
		}
		wait, at := untilOpen(c.windows, berlin, now)
		got := ""
		if wait > 0 {
			got = at.In(berlin).Format("2006-01-02 15:04")
		}
		if got != c.opens {
			t.Errorf("at %s it opens at %q, want %q", c.now, got, c.opens)
		}
		if wait > 0 && wait != at.Sub(now) {
			t.Errorf("at %s it waits %s until %s", c.now, wait, at)
		}
	}
	for _, w := range []Window{{From: "9", To: "10:00"}, {From: "09:00", To: "09:00"}, {Days: []string{"someday"}, From: "09:00", To: "10:00"}, {From: "09:00", To: "25:00"}, {}} {
		if err := w.check(); err == nil {
			t.Errorf("%+v is taken", w)
		}
	}
}

func TestHowFarAheadMessagesAreMade(t *testing.T) {
	var a ahead
	now := time.Unix(0, 0)
	if a.wait(now, 0, 19_999) != 0 || a.wait(now, 0, 20_000) == 0 {
		t.Error("at first 20,000 may wait")
	}
	now = now.Add(time.Second) // 300 a second are sent
	if a.wait(now, 300, 19_700) == 0 || a.limit != aheadLeast {
		t.Errorf("a slow line has %d", a.limit)
	}
	if a.stuck(now) {
		t.Error("it moves")
	}
	if now = now.Add(3 * time.Second); a.wait(now, 300, 19_700) == 0 || !a.stuck(now) {
		t.Error("a line that is down is not noticed")
	}
	if now = now.Add(time.Second); a.wait(now, 40_300, 1500) != 0 || a.limit != 80_000 {
		t.Errorf("a quick line has %d", a.limit)
	}
}
