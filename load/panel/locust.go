package panel

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"protei-bulk/load/report"
	"protei-bulk/load/stats"
)

// locustRoutes are those of Locust's page, with its fields.
func (p *Page) locustRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /swarm", p.swarm)
	mux.HandleFunc("POST /stop", p.stop)
	mux.HandleFunc("GET /stop", scriptsOnly(p.stop))
	mux.HandleFunc("POST /stats/reset", p.reset)
	mux.HandleFunc("GET /stats/reset", scriptsOnly(p.reset))
	mux.HandleFunc("GET /stats/requests", p.statsRequests)
	mux.HandleFunc("GET /stats/requests/csv", p.table("requests", report.WriteStatsCSV))
	mux.HandleFunc("GET /stats/failures/csv", p.table("failures", report.WriteFailuresCSV))
	mux.HandleFunc("GET /exceptions/csv", p.table("exceptions", report.WriteExceptionsCSV))
	mux.HandleFunc("GET /stats/requests_full_history/csv", p.historyCSV)
	mux.HandleFunc("GET /stats/report", p.report)
	mux.HandleFunc("GET /exceptions", p.exceptions)
	mux.HandleFunc("GET /tasks", p.tasks)
	mux.HandleFunc("GET /logs", p.locustLogs)
	mux.HandleFunc("GET /worker-count", p.workerCount)
	mux.HandleFunc("GET /login", p.login)
	mux.HandleFunc("POST /login", p.signIn)
	mux.HandleFunc("POST /logout", p.signOut)
}

// maxBody bounds the body of a request.
const maxBody = 64 << 10

// answer is what /swarm and /stop say.
type answer struct {
	Success bool              `json:"success"`
	Message string            `json:"message"`
	Host    string            `json:"host,omitempty"`
	RunTime string            `json:"run_time,omitempty"`
	Classes []string          `json:"user_classes,omitempty"`
	Errors  map[string]string `json:"errors,omitempty"`
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	sendJSON(w, status, b)
}

func sendJSON(w http.ResponseWriter, status int, b []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// swarm starts a run, or changes the number of users of the one under way, as Locust does.
func (p *Page) swarm(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	form, given, err := readForm(r)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, answer{Message: err.Error()})
		return
	}
	if p.busy() {
		p.swarmEdit(w, form)
		return
	}
	form.fill(p.opts.Control.Defaults(), given)
	if err := p.opts.Control.Start(form); err != nil {
		writeJSON(w, http.StatusOK, refusal(err)) // 200, as scripts expect it
		return
	}
	writeJSON(w, http.StatusOK, answer{Success: true, Message: "Swarming started", Host: form.Host, RunTime: form.RunTime, Classes: form.Classes})
}

func (p *Page) swarmEdit(w http.ResponseWriter, form Form) {
	edit, err := editOf(form)
	if err == nil {
		err = p.opts.Control.Edit(edit)
	}
	if err != nil {
		writeJSON(w, http.StatusOK, refusal(err))
		return
	}
	writeJSON(w, http.StatusOK, answer{Success: true, Message: "Swarming started", Host: form.Host})
}

// editOf reads the fields of a form that a running test can change.
func editOf(form Form) (Edit, error) {
	var e Edit
	var bad FormError
	if form.Users != "" {
		n, err := strconv.Atoi(form.Users)
		if err != nil || n < 0 || n > MaxUsers {
			bad.Add("user_count", fmt.Errorf("%q is no number of users: want 0 to %d", form.Users, MaxUsers))
		}
		e.Users = &n
	}
	if form.SpawnRate != "" {
		v, err := strconv.ParseFloat(form.SpawnRate, 64)
		if err != nil || !(v > 0) || v > MaxUsers {
			bad.Add("spawn_rate", fmt.Errorf("%q is no ramp up: want users a second, above 0", form.SpawnRate))
		}
		e.SpawnRate = &v
	}
	if form.Rate != "" {
		e.Rate = &form.Rate
	}
	return e, bad.Or()
}

// MaxUsers is the highest number of users that the page asks for.
const MaxUsers = 1_000_000

func refusal(err error) answer {
	a := answer{Message: err.Error()}
	var bad *FormError
	if errors.As(err, &bad) {
		a.Errors = bad.Fields
	}
	return a
}

// readForm takes a form as browsers and scripts send it, or JSON; given says which fields it has.
func readForm(r *http.Request) (f Form, given func(field string) bool, err error) {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		given = func(string) bool { return true }
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
			return f, given, fmt.Errorf("the form is no JSON of strings and lists: %w", err)
		}
		return f.trimmed(), given, nil
	}
	if err := errors.Join(r.ParseForm(), multipart(r)); err != nil {
		return f, nil, fmt.Errorf("read the form: %w", err)
	}
	v := r.Form
	f = Form{
		Users: v.Get("user_count"), SpawnRate: v.Get("spawn_rate"), Host: v.Get("host"), RunTime: v.Get("run_time"),
		Rate: v.Get("rate"), Shape: v.Get("shape_class"), Profile: v.Get("profile"),
		Classes: v["user_classes"], Set: v["set"], Targets: v["target"],
	}
	return f.trimmed(), v.Has, nil
}

// multipart reads a form of parts, when it is one.
func multipart(r *http.Request) error {
	if err := r.ParseMultipartForm(maxBody); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return err
	}
	return nil
}

// fill takes the fields that were not given from another form, as Locust does.
func (f *Form) fill(from Form, given func(string) bool) {
	for _, s := range []struct {
		field    string
		dst, src *string
	}{
		{"user_count", &f.Users, &from.Users},
		{"spawn_rate", &f.SpawnRate, &from.SpawnRate},
		{"host", &f.Host, &from.Host},
		{"run_time", &f.RunTime, &from.RunTime},
		{"rate", &f.Rate, &from.Rate},
		{"shape_class", &f.Shape, &from.Shape},
		{"profile", &f.Profile, &from.Profile},
	} {
		if !given(s.field) {
			*s.dst = *s.src
		}
	}
	for _, l := range []struct {
		field    string
		dst, src *[]string
	}{{"user_classes", &f.Classes, &from.Classes}, {"set", &f.Set, &from.Set}, {"target", &f.Targets, &from.Targets}} {
		if !given(l.field) {
			*l.dst = *l.src
		}
	}
}

// trimmed takes blanks and empty lines away; "Default" is how Locust calls a test without a shape.
func (f Form) trimmed() Form {
	for _, s := range []*string{&f.Users, &f.SpawnRate, &f.Host, &f.RunTime, &f.Rate, &f.Shape, &f.Profile} {
		*s = strings.TrimSpace(*s)
	}
	if f.Shape == "Default" {
		f.Shape = ""
	}
	f.Classes, f.Set, f.Targets = lines(f.Classes), lines(f.Set), lines(f.Targets)
	return f
}

func lines(list []string) []string {
	var out []string
	for _, text := range list {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				out = append(out, line)
			}
		}
	}
	return out
}

func (p *Page) busy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.busy()
}

func (p *Page) stop(w http.ResponseWriter, _ *http.Request) {
	if err := p.opts.Control.Stop(); err != nil && !errors.Is(err, ErrIdle) {
		writeJSON(w, http.StatusConflict, refusal(err))
		return
	}
	writeJSON(w, http.StatusOK, answer{Success: true, Message: "Test stopped"})
}

func (p *Page) reset(w http.ResponseWriter, _ *http.Request) {
	if err := p.opts.Control.Reset(); err != nil && !errors.Is(err, ErrIdle) {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok"))
}

// table is one of Locust's CSV files as a download.
func (p *Page) table(kind string, write func(io.Writer, *stats.Live) error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		live := p.now()
		p.attach(w, "text/csv; charset=utf-8", kind+".csv")
		if err := write(w, &live); err != nil {
			p.opts.Logger.Debug("send a CSV file", "file", kind, "error", err)
		}
	}
}

// now is the state after the last tick.
func (p *Page) now() stats.Live {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.live
}

// attach names the file that a download becomes.
func (p *Page) attach(w http.ResponseWriter, kind, name string) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Disposition", `attachment; filename="load_`+p.opts.Now().Format("2006-01-02_15-04-05")+"_"+name+`"`)
}

func (p *Page) historyCSV(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	r := p.run
	p.mu.Unlock()
	if r == nil {
		http.Error(w, "No test has run yet.", http.StatusNotFound)
		return
	}
	points := r.Figures.Points()
	p.attach(w, "text/csv; charset=utf-8", "requests_full_history.csv")
	if err := report.WriteHistoryCSV(w, r.Started, points); err != nil {
		p.opts.Logger.Debug("send the history", "error", err)
	}
}

// reportPolicy lets the report run its own script and reach nothing.
const reportPolicy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; sandbox allow-scripts"

func (p *Page) report(w http.ResponseWriter, r *http.Request) {
	run := p.opts.Control.Report(true)
	if run == nil {
		http.Error(w, "No test has run yet.", http.StatusNotFound)
		return
	}
	b := &strings.Builder{}
	if err := report.WriteHTML(b, run); err != nil {
		p.opts.Logger.Error("write the report", "error", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", reportPolicy)
	if r.URL.Query().Has("download") {
		p.attach(w, "text/html; charset=utf-8", "report.html")
	}
	page := b.String()
	if theme := r.URL.Query().Get("theme"); theme == "dark" || theme == "light" {
		page = strings.Replace(page, "<html", `<html data-theme="`+theme+`"`, 1)
	}
	_, _ = w.Write([]byte(page))
}

func (p *Page) exceptions(w http.ResponseWriter, _ *http.Request) {
	type exception struct {
		Count     uint64 `json:"count"`
		Message   string `json:"msg"`
		Traceback string `json:"traceback"`
		Nodes     string `json:"nodes"`
	}
	live := p.now()
	out := make([]exception, 0, len(live.Exceptions))
	for _, e := range live.Exceptions {
		out = append(out, exception{e.Count, e.Message, e.Traceback, "local"})
	}
	writeJSON(w, http.StatusOK, map[string]any{"exceptions": out})
}

// tasks is how often each class and task runs, as `--show-task-ratio-json` says it.
func (p *Page) tasks(w http.ResponseWriter, _ *http.Request) {
	type task struct {
		Ratio float64 `json:"ratio"`
	}
	type class struct {
		Ratio float64         `json:"ratio"`
		Tasks map[string]task `json:"tasks"`
	}
	per, total := map[string]class{}, map[string]class{}
	for _, c := range p.opts.Control.Classes() {
		a, b := class{c.Share, map[string]task{}}, class{c.Share, map[string]task{}}
		for _, t := range c.Tasks {
			a.Tasks[t.Name], b.Tasks[t.Name] = task{t.Share}, task{t.Share * c.Share}
		}
		per[c.Name], total[c.Name] = a, b
	}
	writeJSON(w, http.StatusOK, map[string]any{"per_class": per, "total": total})
}

func (p *Page) locustLogs(w http.ResponseWriter, _ *http.Request) {
	lines, _ := p.logs.all()
	master, workers := []string{}, map[string][]string{}
	for _, l := range lines {
		text := l.At.UTC().Format(time.RFC3339Nano) + " " + l.Level.String() + " " + l.Text
		if l.From == "" {
			master = append(master, text)
		} else {
			workers[l.From] = append(workers[l.From], text)
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"master": master, "workers": workers})
}

func (p *Page) workerCount(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]int{"worker_count": len(p.opts.Control.Workers())})
}

// Locust's own bounds of /stats/requests.
const (
	maxStatsRows   = 500
	maxStatsErrors = 500
)

// cached is an answer that holds until the next tick.
type cached struct {
	mu   sync.Mutex
	key  string
	body []byte
}

func (p *Page) statsRequests(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	key := string(p.state)
	live, state := p.live, p.state
	if p.run != nil {
		key += strconv.Itoa(p.run.number) + "." + strconv.Itoa(p.run.seq)
	}
	p.mu.Unlock()
	workers := p.opts.Control.Workers()
	c := &p.requests
	c.mu.Lock()
	if c.key != key || len(workers) > 0 {
		c.key, c.body = key, statsJSON(&live, state, workers, p.opts.Distributed)
	}
	body := c.body
	c.mu.Unlock()
	sendJSON(w, http.StatusOK, body)
}

// locustState is the state in Locust's words.
func locustState(s State) string {
	switch s {
	case Starting:
		return "spawning"
	case Draining:
		return "stopping"
	case Failed:
		return "stopped"
	}
	return string(s)
}

func statsJSON(l *stats.Live, state State, workers []Worker, distributed bool) []byte {
	e := &encoder{b: make([]byte, 0, 8<<10)}
	total := &l.Total
	if total.Response == nil {
		total = &stats.EntryStats{Response: stats.NewHistogram()}
	}
	idle := l.Phase == stats.PhaseDrain
	e.object(func() {
		e.key("stats")
		e.list(func() {
			recent := recentRows(l)
			for i := range l.Entries[:min(len(l.Entries), maxStatsRows)] {
				s := &l.Entries[i]
				locustRow(e, s, recent[entryName{s.Method, s.Name}], l)
			}
			all := *total
			all.Method, all.Name = "", stats.Aggregated
			locustRow(e, &all, &l.Recent.Total, l)
		})
		e.key("errors")
		e.list(func() {
			for i := range l.Failures[:min(len(l.Failures), maxStatsErrors)] {
				locustError(e, &l.Failures[i])
			}
		})
		rps, fps := l.Recent.PerSecond(l.Recent.Total.Requests), l.Recent.PerSecond(l.Recent.Total.Failures)
		if idle {
			rps, fps = 0, 0
		}
		for _, f := range []struct {
			name string
			v    float64
		}{
			{"total_rps", perSecond(total.Requests, l.Loaded)},
			{"total_fail_per_sec", perSecond(total.Failures, l.Loaded)},
			{"current_rps", rps},
			{"current_fail_per_sec", fps},
			{"fail_ratio", total.ErrorRate()},
		} {
			e.key(f.name)
			e.num(f.v)
		}
		e.key("current_response_time_percentiles")
		e.object(func() {
			h := l.Recent.Total.Response
			e.key("response_time_percentile_0.5")
			e.msOf(h.Quantile(0.5), h.Count())
			e.key("response_time_percentile_0.95")
			e.msOf(h.Quantile(0.95), h.Count())
		})
		e.key("state")
		e.str(locustState(state))
		e.key("user_count")
		e.num(float64(l.Users))
		if distributed {
			locustWorkers(e, workers)
		}
	})
	return e.b
}

func perSecond(n uint64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

func locustRow(e *encoder, s, recent *stats.EntryStats, l *stats.Live) {
	rps, fps := 0.0, 0.0
	if recent != nil && l.Phase != stats.PhaseDrain {
		rps, fps = l.Recent.PerSecond(recent.Requests), l.Recent.PerSecond(recent.Failures)
	}
	h := s.Response
	q := h.Quantiles()
	e.object(func() {
		e.key("method")
		e.str(s.Method)
		e.key("name")
		e.str(s.Name)
		e.key("num_requests")
		e.count(s.Requests)
		e.key("num_failures")
		e.count(s.Failures)
		for _, f := range []struct {
			name string
			d    time.Duration
		}{
			{"min_response_time", h.Min()},
			{"max_response_time", q[10]},
			{"avg_response_time", h.Mean()},
			{"median_response_time", q[0]},
			{"response_time_percentile_0.95", q[5]},
			{"response_time_percentile_0.99", q[7]},
		} {
			e.key(f.name)
			e.ms(f.d)
		}
		for _, f := range []struct {
			name string
			v    float64
		}{
			{"current_rps", rps},
			{"current_fail_per_sec", fps},
			{"total_rps", perSecond(s.Requests, l.Loaded)},
			{"total_fail_per_sec", perSecond(s.Failures, l.Loaded)},
			{"avg_content_length", s.MeanBytes()},
		} {
			e.key(f.name)
			e.num(f.v)
		}
	})
}

func locustError(e *encoder, f *stats.Failure) {
	e.object(func() {
		for _, s := range [][2]string{
			{"name", f.Name},
			{"method", f.Method},
			{"error", f.Error},
			{"first_seen", isoTime(f.FirstSeen)},
			{"last_seen", isoTime(f.LastSeen)},
		} {
			e.key(s[0])
			e.str(s[1])
		}
		e.key("occurrences")
		e.count(f.Occurrences)
	})
}

func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func locustWorkers(e *encoder, workers []Worker) {
	e.key("worker_count")
	e.num(float64(len(workers)))
	e.key("workers")
	sorted := slices.Clone(workers)
	slices.SortFunc(sorted, func(a, b Worker) int { return strings.Compare(a.ID, b.ID) })
	e.list(func() {
		for i := range sorted {
			w := &sorted[i]
			e.object(func() {
				e.key("id")
				e.str(w.ID)
				e.key("state")
				e.str(w.State)
				e.key("user_count")
				e.num(float64(w.Users))
				e.key("cpu_usage")
				e.num(100 * w.CPU)
				e.key("memory_usage")
				e.num(w.Memory)
			})
		}
	})
}
