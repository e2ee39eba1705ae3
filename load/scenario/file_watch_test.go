package scenario_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/load/scenario"
	"protei-bulk/load/target"
)

const watchedUser = "users: {U: {tasks: [get: /]}}\n"

func TestFileWatch(t *testing.T) {
	env := func(string) string { return "pass-word" }
	_, err := scenario.Parse("w.yaml", []byte(watchedUser+`vars: {db: bulk}
watch:
  - postgres://app:${env(PASSWORD)}@db/${db}
  - {name: queue, source: "redis://:${env(PASSWORD)}@q", select: ["depth=list:lane", "stream:a;b"]}
  - {source: "http://h/metrics", select: 'up{a="b"}'}
targets:
  - queue.depth<1000
  - postgres.cache_hits>=0.99:0.95
`), scenario.ParseOptions{Getenv: env})
	if err == nil {
		t.Fatal("stream:a;b is two parts, the second of which is no key")
	}
	if strings.Contains(err.Error(), "pass-word") || !strings.Contains(err.Error(), "w.yaml:5:5: ") {
		t.Errorf("mistake: %v", err)
	}
	f, err := scenario.Parse("w.yaml", []byte(watchedUser+`watch:
  - postgres://app:${env(PASSWORD)}@db/bulk
  - {name: queue, source: "redis://:${env(PASSWORD)}@q", select: ["depth=list:lane"]}
  - {source: "http://h/metrics", select: 'up{a="b"}'}
targets:
  - queue.depth<1000
  - postgres.cache_hits>=0.99:0.95
`), scenario.ParseOptions{Getenv: env})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range f.Watch {
		got = append(got, s.String())
	}
	want := []string{"postgres://app:HIDDEN@db/bulk", "queue=redis://:HIDDEN@q#depth=list:lane", `http://h/metrics#up{a="b"}`}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, unwatched := range []bool{true, false} {
		asked := ""
		f, err := scenario.Parse("w.yaml", []byte(watchedUser+"watch: ['redis://:${env(PASSWORD)}@q']\ntargets: [redis.memory<1GB]"), scenario.ParseOptions{
			Unwatched: unwatched, Getenv: func(name string) string { asked += name; return "pass-word" },
		})
		if err != nil || (len(f.Watch) == 0) != unwatched || (asked == "") != unwatched {
			t.Errorf("unwatched %v: %v, watches %v, asked for %q", unwatched, err, f.Watch, asked)
		}
	}
	if n := len(target.SeriesOf(f.Watch)); n != 11+6+1 {
		t.Errorf("%d series", n)
	}
}

func TestFileWatchMistakes(t *testing.T) {
	for text, want := range map[string][]string{
		"watch: [mysql://h]":                               {"w.yaml:2:9: ", "postgres://"},
		"watch:\n  - pid:1\n  - pid:2":                     {"w.yaml:4:5: ", "process2=pid:2"},
		"watch:\n  - {name: q, sauce: pid:1}":              {"w.yaml:3:", `unknown key "sauce"`, "did you mean source?", "source is missing"},
		"watch:\n  - redis://:se#cret@h":                   {"w.yaml:3:5: ", "%23"},
		"watch:\n  - {source: 'http://h', select: [9up]}":  {"w.yaml:3:5: ", "no name of a metric"},
		"watch: [pid:1]\ntargets:\n  - process.ram<1GB":    {"w.yaml:4:5: ", "process.memory"},
		"watch: [pid:1]\ntargets:\n  - process.memory<99%": {"w.yaml:4:5: ", "measured in bytes"},
		"targets:\n  - {target: q.d<5, request: GET /}":    {"w.yaml:3:5: ", "a target of one request"},
	} {
		_, err := scenario.Parse("w.yaml", []byte(watchedUser+text), scenario.ParseOptions{})
		var m *scenario.Mistakes
		if !errors.As(err, &m) {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: no %q in %v", text, w, err)
			}
		}
		if strings.Contains(err.Error(), "cret") {
			t.Errorf("a password is shown: %v", err)
		}
	}
	if f, err := scenario.Parse("w.yaml", []byte(watchedUser+"targets: [queue.depth<5]"), scenario.ParseOptions{}); err != nil || len(f.Targets) != 1 {
		t.Errorf("--watch may bring the series of a target: %v", err)
	}
}
