package panel_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"protei-bulk/load/panel"
	"protei-bulk/load/report"
)

// viewer reads the events of a page.
type viewer struct {
	t      *testing.T
	events chan map[string]any
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func view(t *testing.T, base string) *viewer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/events", nil)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	v := &viewer{t: t, events: make(chan map[string]any, 1000), cancel: cancel}
	v.done.Go(func() {
		defer resp.Body.Close()
		defer close(v.events)
		s := bufio.NewScanner(resp.Body)
		s.Buffer(nil, 4<<20)
		for s.Scan() {
			text, ok := strings.CutPrefix(s.Text(), "data: ")
			var m map[string]any
			if ok && json.Unmarshal([]byte(text), &m) == nil && m["state"] != nil {
				v.events <- m
			}
		}
	})
	t.Cleanup(v.close)
	return v
}

func (v *viewer) close() {
	v.cancel()
	v.done.Wait()
}

// until reads events until one is as wanted.
func (v *viewer) until(what string, ok func(map[string]any) bool) map[string]any {
	v.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case m, open := <-v.events:
			if !open {
				v.t.Fatalf("%s: the stream has ended", what)
			}
			if ok(m) {
				return m
			}
		case <-timeout:
			v.t.Fatalf("%s: not within 30 s", what)
		}
	}
}

func seq(m map[string]any) float64 {
	run, _ := m["run"].(map[string]any)
	n, _ := run["seq"].(float64)
	return n
}

// TestEvents: who comes late gets the state, and then every second.
func TestEvents(t *testing.T) {
	p := newPlayer(t, panel.Options{}, 6)
	s := p.serve(t)
	early := view(t, s.URL)
	early.until("ready", func(m map[string]any) bool { return m["state"] == "ready" })
	p.page.Say(panel.Starting, "wait")
	early.until("starting", func(m map[string]any) bool { return m["state"] == "starting" && m["say"] == "wait" })
	p.begin()
	p.play(5)
	late := view(t, s.URL)
	m := late.until("the fifth second", func(m map[string]any) bool { return seq(m) == 5 })
	if rows := m["rows"].([]any); len(rows) != 6 || m["users"] != 5.0 || m["state"] != "running" || m["verdict"] == nil {
		t.Errorf("%d rows, %v", len(rows), m)
	}
	p.play(1)
	for _, v := range []*viewer{early, late} {
		v.until("the sixth second", func(m map[string]any) bool { return seq(m) == 6 })
	}
	p.page.Say(panel.Draining, "")
	p.play(1)
	late.until("a tick does not end the drain", func(m map[string]any) bool { return m["state"] == "draining" && seq(m) == 7 })
	p.page.End(&report.Verdict{}, "Ctrl-C")
	late.until("the end", func(m map[string]any) bool { return m["state"] == "stopped" && m["say"] == "Ctrl-C" })
	p.begin()
	late.until("the second run", func(m map[string]any) bool {
		run, _ := m["run"].(map[string]any)
		return run["number"] == 2.0
	})
}

// TestSlowViewerCostsNothing: one that reads nothing holds up neither the run nor the others, and finds the newest.
func TestSlowViewerCostsNothing(t *testing.T) {
	names := 200
	if testing.Short() {
		names = 20
	}
	p := newPlayer(t, panel.Options{}, names)
	s := p.serve(t)
	p.begin()
	u, _ := url.Parse(s.URL)
	slow, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprintf(slow, "GET /api/events HTTP/1.1\r\nHost: %s\r\n\r\n", u.Host)
	good := view(t, s.URL)
	good.until("the begin", func(map[string]any) bool { return true })
	start := time.Now()
	p.play(120)
	if took := time.Since(start); took > 60*time.Second {
		t.Errorf("120 seconds of the run took %v", took)
	}
	good.until("the last second", func(m map[string]any) bool { return seq(m) == 120 })
}

// TestViewersAreBounded: the 65th is sent away, and may come when another has gone.
func TestViewersAreBounded(t *testing.T) {
	p := newPlayer(t, panel.Options{}, 1)
	s := p.serve(t)
	var first *viewer
	for i := range 64 {
		v := view(t, s.URL)
		v.until("the state", func(map[string]any) bool { return true })
		if i == 0 {
			first = v
		}
	}
	ask := func() int {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/events", nil)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if code := ask(); code != http.StatusServiceUnavailable {
		t.Errorf("the 65th viewer: %d", code)
	}
	first.close()
	for end := time.Now().Add(30 * time.Second); ask() != 200; {
		if time.Now().After(end) {
			t.Fatal("a place that became free is not given")
		}
	}
}

// TestCloseEndsTheStreams so that a server can shut down.
func TestCloseEndsTheStreams(t *testing.T) {
	p := newPlayer(t, panel.Options{}, 1)
	s := p.serve(t)
	v := view(t, s.URL)
	v.until("the state", func(map[string]any) bool { return true })
	p.page.Close()
	select {
	case _, open := <-v.events:
		for open {
			_, open = <-v.events
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the stream goes on")
	}
}

// TestHistory is the whole run, bounded, and earlier runs when they are asked for.
func TestHistory(t *testing.T) {
	p := newPlayer(t, panel.Options{}, 3)
	type doc struct {
		Runs []struct {
			Number  int
			Seq     int
			Points  [][]any
			Markers [][]any
		}
	}
	read := func(path string) (d doc) {
		t.Helper()
		if err := json.Unmarshal(get(p, path).Body.Bytes(), &d); err != nil {
			t.Fatal(err)
		}
		return d
	}
	if d := read("/api/history"); len(d.Runs) != 0 {
		t.Errorf("before the first run: %+v", d)
	}
	for range 12 {
		p.begin()
		p.play(3)
	}
	d := read("/api/history")
	if len(d.Runs) != 1 || d.Runs[0].Number != 12 || len(d.Runs[0].Points) != 3 || d.Runs[0].Seq != 3 || d.Runs[0].Markers[0][1] != "Run #12" {
		t.Errorf("%+v", d)
	}
	if x := d.Runs[0].Points[2][0]; x != float64(began.Unix()+3) {
		t.Errorf("the last point is at %v", x)
	}
	if d := read("/api/history?runs=all"); len(d.Runs) != 11 || d.Runs[0].Number != 2 || len(d.Runs[0].Points) != 3 {
		t.Errorf("all: %d runs, the first is %+v", len(d.Runs), d.Runs[0].Number)
	}
	w := get(p, "/api/series?method=GET&name=/name/001")
	if w.Code != 200 || strings.Count(w.Body.String(), "[") != 4 {
		t.Errorf("series: %d, %d bytes", w.Code, w.Body.Len())
	}
	if w := get(p, "/api/series?method=GET&name=/none"); w.Code != http.StatusNotFound {
		t.Errorf("a series of nothing: %d", w.Code)
	}
}

// TestLogsAreBounded keeps the last 1,000 lines, of the program's log, too.
func TestLogsAreBounded(t *testing.T) {
	p := newPlayer(t, panel.Options{}, 1)
	log := slog.New(p.page.LogHandler(slog.DiscardHandler)).With("from", "here").WithGroup("g")
	for i := range 2500 {
		log.Info("line", "n", i)
	}
	log.Debug("too fine")
	log.Warn(strings.Repeat("x", 10_000))
	var doc struct {
		Lines []struct{ Level, Text string }
		Total int
	}
	if err := json.Unmarshal(get(p, "/api/logs").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	last := doc.Lines[len(doc.Lines)-1]
	if len(doc.Lines) != 1000 || doc.Total != 2501 || doc.Lines[998].Text != "line  from=here  g.n=2499" || last.Level != "WARN" || len(last.Text) > 2100 {
		t.Errorf("%d lines of %d, the last %q", len(doc.Lines), doc.Total, doc.Lines[998].Text)
	}
}
