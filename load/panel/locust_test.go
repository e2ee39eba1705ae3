package panel_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/load/panel"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", name, diff)
	}
}

func get(p *player, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "127.0.0.1:8089"
	p.page.ServeHTTP(w, r)
	return w
}

func post(p *player, path string, form url.Values) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Host = "127.0.0.1:8089"
	p.page.ServeHTTP(w, r)
	return w
}

// TestStatsRequests: the fields are Locust's.
func TestStatsRequests(t *testing.T) {
	p := newPlayer(t, panel.Options{}, 6)
	if w := get(p, "/stats/requests"); w.Code != 200 || !strings.Contains(w.Body.String(), `"state":"ready"`) {
		t.Fatalf("before the first run: %d %s", w.Code, w.Body)
	}
	p.begin()
	p.play(30)
	w := get(p, "/stats/requests")
	var indented bytes.Buffer
	if err := json.Indent(&indented, w.Body.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	golden(t, "stats-requests.json", append(indented.Bytes(), '\n'))
	if again := get(p, "/stats/requests"); again.Body.String() != w.Body.String() {
		t.Error("the second answer of a second differs from the first")
	}
	p.play(1)
	if next := get(p, "/stats/requests"); next.Body.String() == w.Body.String() {
		t.Error("a second later the answer is the same")
	}
}

// TestStatsRequestsOfWorkers adds what a master's page has.
func TestStatsRequestsOfWorkers(t *testing.T) {
	p := newPlayer(t, panel.Options{Distributed: true}, 2)
	p.workers = []panel.Worker{{ID: "b", State: "running", Users: 2, CPU: 0.25, Memory: 1e6}, {ID: "a", State: "missing"}}
	p.begin()
	p.play(2)
	var doc struct {
		Count   int `json:"worker_count"`
		Workers []struct {
			ID    string  `json:"id"`
			State string  `json:"state"`
			Users int     `json:"user_count"`
			CPU   float64 `json:"cpu_usage"`
		} `json:"workers"`
	}
	if err := json.Unmarshal(get(p, "/stats/requests").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Count != 2 || doc.Workers[0].ID != "a" || doc.Workers[1].CPU != 25 || doc.Workers[1].Users != 2 {
		t.Errorf("%+v", doc)
	}
	if w := get(p, "/worker-count"); strings.TrimSpace(w.Body.String()) != `{"worker_count":2}` {
		t.Errorf("/worker-count: %s", w.Body)
	}
}

func TestStatsRequestsIsBounded(t *testing.T) {
	p := newPlayer(t, panel.Options{}, 700)
	p.begin()
	p.play(1)
	var doc struct {
		Stats []struct {
			Name string `json:"name"`
		} `json:"stats"`
	}
	if err := json.Unmarshal(get(p, "/stats/requests").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if n := len(doc.Stats); n != 501 || doc.Stats[n-1].Name != "Aggregated" {
		t.Errorf("%d rows, the last is %q", n, doc.Stats[n-1].Name)
	}
}

func TestLocustRoutes(t *testing.T) {
	p := newPlayer(t, panel.Options{}, 6)
	for _, path := range []string{"/stats/report", "/stats/requests_full_history/csv"} {
		if w := get(p, path); w.Code != http.StatusNotFound {
			t.Errorf("%s before the first run: %d", path, w.Code)
		}
	}
	p.begin()
	p.play(20)
	for path, want := range map[string]struct{ kind, text string }{
		"/tasks":                           {"application/json", `"per_class":{"U":{"ratio":1,"tasks":{"a":{"ratio":0.75}`},
		"/exceptions":                      {"application/json", `{"exceptions":[]}`},
		"/logs":                            {"application/json", `{"master":[`},
		"/worker-count":                    {"application/json", `{"worker_count":0}`},
		"/stats/requests/csv":              {"text/csv; charset=utf-8", "Type,Name,Request Count,"},
		"/stats/failures/csv":              {"text/csv; charset=utf-8", "GET,/name/004,HTTP 500: <b>no</b>,6,"},
		"/exceptions/csv":                  {"text/csv; charset=utf-8", "Count,Message,Traceback,Nodes"},
		"/stats/requests_full_history/csv": {"text/csv; charset=utf-8", "Timestamp,User Count,Type,Name"},
		"/stats/report":                    {"text/html; charset=utf-8", "Played"},
		"/stats/report?theme=dark":         {"text/html; charset=utf-8", `<html data-theme="dark"`},
		"/":                                {"text/html; charset=utf-8", `<div id="app">`},
		"/app.js":                          {"text/javascript; charset=utf-8", "render"},
	} {
		w := get(p, path)
		if w.Code != 200 || w.Header().Get("Content-Type") != want.kind || !strings.Contains(w.Body.String(), want.text) {
			t.Errorf("%s: %d %s %.200s", path, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
	}
	if w := get(p, "/stats/report?download=1"); !strings.Contains(w.Header().Get("Content-Disposition"), "report.html") {
		t.Errorf("download: %v", w.Header())
	}
	w := get(p, "/stats/requests_full_history/csv")
	rows, err := csv.NewReader(w.Body).ReadAll()
	if err != nil || len(rows) != 21 || rows[20][18] == "" || len(rows[0]) != len(rows[20]) {
		t.Errorf("history: %d rows, %v", len(rows), err)
	}
	if rows[20][17] != "120" || rows[20][18] != "6" {
		t.Errorf("history: the last row counts %s requests and %s failures, want 120 and 6", rows[20][17], rows[20][18])
	}
}

// TestSwarm: Locust's form, ours, JSON, several parts; started, then changed.
func TestSwarm(t *testing.T) {
	p := newPlayer(t, panel.Options{}, 1)
	w := post(p, "/swarm", url.Values{"user_count": {" 7 "}, "spawn_rate": {"2"}, "host": {"http://x"}, "shape_class": {"Default"}, "user_classes": {"U", "V"}, "set": {"a=1\nb=2"}})
	if w.Code != 200 || w.Body.String() != `{"success":true,"message":"Swarming started","host":"http://x","user_classes":["U","V"]}` {
		t.Errorf("start: %d %s", w.Code, w.Body)
	}
	w = post(p, "/swarm", url.Values{"host": {"nowhere"}})
	if w.Code != 200 || w.Body.String() != `{"success":false,"message":"host: want http://HOST","errors":{"host":"want http://HOST"}}` {
		t.Errorf("a wrong host: %d %s", w.Code, w.Body)
	}
	p.begin()
	p.play(1)
	post(p, "/swarm", url.Values{"user_count": {"9"}, "spawn_rate": {"3"}})
	if w := post(p, "/swarm", url.Values{"user_count": {"-1"}, "spawn_rate": {"x"}}); !strings.Contains(w.Body.String(), `"spawn_rate":"\"x\" is no ramp up`) || !strings.Contains(w.Body.String(), `"user_count":`) {
		t.Errorf("a wrong change: %s", w.Body)
	}
	post(p, "/stop", nil)
	post(p, "/stats/reset", nil)
	want := []string{
		"start {Users:7 SpawnRate:2 Host:http://x RunTime: Rate: Shape: Profile: Classes:[U V] Set:[a=1 b=2] Targets:[]}",
		"edit users 9 at 3", "stop", "reset",
	}
	if !slices.Equal(p.asked, want) {
		t.Errorf("asked for %q, want %q", p.asked, want)
	}
}

// TestBodiesAreBounded: a form of megabytes is refused.
func TestBodiesAreBounded(t *testing.T) {
	p := newPlayer(t, panel.Options{}, 1)
	for _, path := range []string{"/swarm", "/api/start", "/api/edit", "/api/check"} {
		if w := post(p, path, url.Values{"set": {strings.Repeat("x", 1<<20)}}); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/api/start", strings.NewReader(`{"user_count":5`))
	r.Header.Set("Content-Type", "application/json")
	r.Host = "localhost"
	p.page.ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest {
		t.Errorf("half a JSON: %d", w.Code)
	}
	if len(p.asked) > 0 {
		t.Errorf("it did %q", p.asked)
	}
}
