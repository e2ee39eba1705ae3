package target_test

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/load/target"
)

func TestParseSpec(t *testing.T) {
	for text, want := range map[string]struct {
		source string
		series []string
	}{
		"http://h:9090":                                 {"http://h:9090", []string{"prometheus.cpu", "prometheus.memory", "prometheus.open_files"}},
		`app=https://u:pw@h/m#a;b{c="d;e"}`:             {"https://u:HIDDEN@h/m", []string{"app.a", "app.b.d_e"}},
		"http://h#x=rate(y);p99.9(z_seconds)":           {"http://h", []string{"prometheus.x", "prometheus.z_seconds.p99.9"}},
		"redis://h#stream:a;list=b":                     {"redis://h", []string{"redis.memory", "redis.clients", "redis.blocked_clients", "redis.commands", "redis.evictions", "redis.stream.a.length", "redis.stream.a.pending", "redis.list.b.length"}},
		"queue=rediss://:pw@h:1/2#depth=stream:{a}%3Bb": {"rediss://:HIDDEN@h:1/2", []string{"queue.memory", "queue.clients", "queue.blocked_clients", "queue.commands", "queue.evictions", "queue.depth", "queue.depth.pending"}},
		"pid:12":             {"pid:12", []string{"process.cpu", "process.memory", "process.threads", "process.open_files", "process.disk_read", "process.disk_written"}},
		"pidfile:/run/a.pid": {"pidfile:/run/a.pid", []string{"process.cpu", "process.memory", "process.threads", "process.open_files", "process.disk_read", "process.disk_written"}},
		"process:my app":     {"process:my app", []string{"my_app.cpu", "my_app.memory", "my_app.threads", "my_app.open_files", "my_app.disk_read", "my_app.disk_written"}},
		"pg=postgresql://a:b@h/d?sslmode=disable": {"postgresql://a:HIDDEN@h/d?sslmode=disable", []string{"pg.connections", "pg.active", "pg.idle", "pg.idle_in_transaction", "pg.waiting", "pg.longest_query", "pg.transactions", "pg.rollbacks", "pg.cache_hits", "pg.deadlocks", "pg.size"}},
	} {
		t.Run(text, func(t *testing.T) {
			s, err := target.ParseSpec(text)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, info := range s.Series() {
				names = append(names, info.Name)
				if info.Source != want.source || info.Label == "" {
					t.Errorf("%+v, want the source %s", info, want.source)
				}
			}
			if d := cmp.Diff(want.series, names); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseSpecRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "want http://",
		"mysql://h":                             "want http://",
		"pid:":                                  "no process id",
		"pid:-4":                                "no process id",
		"pid:99999999999":                       "no process id",
		"process:":                              "want http://",
		"http://":                               "no URL",
		"http://h#9lives":                       "no name of a metric",
		"http://h#a{b}":                         `label="value"`,
		`http://h#a{b="c"`:                      "} is missing",
		`http://h#a{b=~"("}`:                    "missing closing )",
		"http://h#p0(a)":                        "percentile",
		"http://h#a;a":                          "NAME=",
		"http://h#" + strings.Repeat("a", 130):  "longer than",
		"http://h/" + strings.Repeat("a", 5000): "bytes",
		"redis://h/x":                           "no number",
		"redis://h#set:a":                       "stream:KEY",
		"redis://h#list:":                       "stream:KEY",
		"redis://h#list:%zz":                    "%25",
		"postgres://h/d#x":                      "no selection",
		"postgres://h/d?sslmode=perhaps":        "sslmode",
		"postgres://u:pass-word@h:port/d":       "no URL",
		"redis://:pass#word@h":                  "%23",
		"redis://:pass/word@h":                  "%2F",
		"redis://:pass?word@h":                  "%3F",
		"postgres:u:pass-word@h":                "HIDDEN",
		"host=db password=pass-word":            "HIDDEN",
	} {
		_, err := target.ParseSpec(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", text, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "pass") && strings.Contains(err.Error(), "word")) && !strings.Contains(err.Error(), "in a password") || err != nil && strings.Contains(err.Error(), "pass-word") {
			t.Errorf("%s: a password is shown: %v", text, err)
		}
	}
}

func TestCheckSpecs(t *testing.T) {
	parse := func(texts ...string) (all []*target.Spec) {
		for _, text := range texts {
			s, err := target.ParseSpec(text)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		return all
	}
	if err := target.CheckSpecs(parse("postgres://a/b", "two=postgres://a:pw@c/b", "pid:1")); err != nil {
		t.Error(err)
	}
	err := target.CheckSpecs(parse("postgres://a/b", "postgres://a:pw-of-a@c/b"))
	if err == nil || !strings.Contains(err.Error(), "postgres2=postgres://a:HIDDEN@c/b") {
		t.Errorf("twice: %v", err)
	}
	many := parse("a=postgres://h/d", "b=postgres://h/d", "c=postgres://h/d", "d=postgres://h/d", "e=postgres://h/d", "f=postgres://h/d")
	if err := target.CheckSpecs(many); err == nil || !strings.Contains(err.Error(), "66 series, 64 at most") {
		t.Errorf("too many: %v", err)
	}
}

// FuzzSecretsStayHidden puts a password into every place that has one, raw, as people forget to escape it.
func FuzzSecretsStayHidden(f *testing.F) {
	for _, s := range []string{"simple-word", "pa#ss-word", "p@ss/w?rd#x@y", `%zz"quoted`, "a=b&c=d", "sec\nret", "//000:", "000://", "@!0%00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, password string) {
		if len(password) < 6 || strings.Contains("postgres://user:@host/db?sslmode=disable HIDDEN", password) {
			return
		}
		for _, form := range []string{"postgres://user:%s@host/db", "db=redis://:%s@host/1#list:key", "http://user:%s@host/metrics#up", "redis:%s@host"} {
			text := fmt.Sprintf(form, password)
			if strings.HasPrefix(text, "redis://") {
				continue // it became a user, who is shown
			}
			s, err := target.ParseSpec(text)
			shown := target.Mask(text)
			if err != nil {
				shown += err.Error()
			} else {
				shown += s.String() + s.Source()
			}
			if strings.Contains(shown, password) {
				t.Errorf("%q is shown: %s", password, shown)
			}
		}
		if shown := target.Mask("postgres://host/db?user=u&password=" + password); strings.Contains(shown, password) && !strings.ContainsAny(password, "&#") {
			t.Errorf("%q is shown: %s", password, shown)
		}
	})
}

// FuzzPage reads pages of metrics as a server may send them.
func FuzzPage(f *testing.F) {
	f.Add([]byte("# TYPE a counter\na{b=\"c\"} 1\na 2 123\n"), `a{b=~"c|d"}`)
	f.Add([]byte("h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} NaN\n"), "p99(h)")
	f.Fuzz(func(t *testing.T, page []byte, selection string) {
		v, err := target.ReadPages(selection, page, append(page, "\na 3\n"...))
		if err == nil && len(v) == 0 {
			t.Error("neither values nor an error")
		}
	})
}

// FuzzRESP reads answers as a Redis, or something else, may send them.
func FuzzRESP(f *testing.F) {
	for _, s := range []string{"+OK\r\n", "$3\r\nabc\r\n", "*2\r\n:1\r\n$-1\r\n", "-ERR no\r\n", "*1\r\n*1\r\n*1\r\n:1\r\n", "$99999999999\r\n", "*9999\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := target.ReadAnswer(bufio.NewReader(bytes.NewReader(data)))
		if text, ok := v.(string); ok && err == nil && len(text) > len(data) {
			t.Errorf("%d bytes out of %d", len(text), len(data))
		}
	})
}
