package panel

import (
	"errors"
	"net/http"

	"protei-bulk/load"
	"protei-bulk/load/scenario"
	"protei-bulk/load/stats"
)

// apiRoutes are the page's own.
func (p *Page) apiRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/config", p.config)
	mux.HandleFunc("GET /api/events", p.events)
	mux.HandleFunc("GET /api/history", p.history)
	mux.HandleFunc("GET /api/series", p.seriesOf)
	mux.HandleFunc("GET /api/failures", p.failures)
	mux.HandleFunc("GET /api/logs", p.logLines)
	mux.HandleFunc("POST /api/check", p.check)
	mux.HandleFunc("POST /api/start", p.start)
	mux.HandleFunc("POST /api/edit", p.edit)
	mux.HandleFunc("POST /api/stop", p.act(Control.Stop))
	mux.HandleFunc("POST /api/reset", p.act(Control.Reset))
}

// config is what does not change while the process lives, and what the form is filled with.
func (p *Page) config(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"boot": p.boot, "version": p.opts.Version, "scenario": p.opts.Scenario, "form": p.opts.Control.Defaults(),
		"class_names": p.opts.Control.ClassNames(), "picker": p.opts.Picker, "distributed": p.opts.Distributed,
		"shapes": load.ShapeNames(), "settings": scenario.SettingNames(), "login": p.opts.Token != "",
		"point_columns": pointColumns(), "row_columns": rowColumns(), "quantiles": quantileNames(), "base": p.opts.BasePath,
	})
}

func quantileNames() []string {
	return []string{"50 %", "66 %", "75 %", "80 %", "90 %", "95 %", "98 %", "99 %", "99.9 %", "99.99 %", "max"}
}

// readAction reads the JSON of an action; false: it was answered.
func readAction(w http.ResponseWriter, r *http.Request) (Form, bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	form, _, err := readForm(r)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, answer{Message: err.Error()})
		return form, false
	}
	return form, true
}

// outcome answers an action.
func outcome(w http.ResponseWriter, err error) {
	var bad *FormError
	switch {
	case err == nil:
		writeJSON(w, http.StatusOK, answer{Success: true})
	case errors.As(err, &bad):
		writeJSON(w, http.StatusUnprocessableEntity, refusal(err))
	default:
		writeJSON(w, http.StatusConflict, refusal(err))
	}
}

func (p *Page) start(w http.ResponseWriter, r *http.Request) {
	if form, ok := readAction(w, r); ok {
		outcome(w, p.opts.Control.Start(form))
	}
}

func (p *Page) edit(w http.ResponseWriter, r *http.Request) {
	form, ok := readAction(w, r)
	if !ok {
		return
	}
	edit, err := editOf(form)
	if err == nil {
		err = p.opts.Control.Edit(edit)
	}
	outcome(w, err)
}

func (p *Page) act(do func(Control) error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { outcome(w, do(p.opts.Control)) }
}

// check says what is wrong with a form while it is filled in, and shows the command.
func (p *Page) check(w http.ResponseWriter, r *http.Request) {
	form, ok := readAction(w, r)
	if !ok {
		return
	}
	command, err := p.opts.Control.Check(form)
	out := map[string]any{"command": command, "errors": map[string]string{}}
	if err != nil {
		out["errors"] = map[string]string{"": err.Error()}
	}
	var bad *FormError
	if errors.As(err, &bad) {
		out["errors"] = bad.Fields
	}
	writeJSON(w, http.StatusOK, out)
}

// failures are all rows of the failure table: the recorder bounds them.
func (p *Page) failures(w http.ResponseWriter, _ *http.Request) {
	live := p.now()
	e := &encoder{b: make([]byte, 0, 64<<10)}
	e.object(func() {
		e.key("rows")
		e.list(func() {
			for i := range live.Failures {
				f := &live.Failures[i]
				e.list(func() {
					e.count(f.Occurrences)
					e.str(f.Method)
					e.str(f.Name)
					e.str(f.Error)
					e.unix(f.FirstSeen)
					e.unix(f.LastSeen)
				})
			}
		})
	})
	sendJSON(w, http.StatusOK, e.b)
}

// logLines are the lines of the Logs tab.
func (p *Page) logLines(w http.ResponseWriter, _ *http.Request) {
	type line struct {
		At    int64  `json:"at"`
		Level string `json:"level"`
		From  string `json:"from"`
		Text  string `json:"text"`
	}
	all, total := p.logs.all()
	out := make([]line, 0, len(all))
	for _, l := range all {
		out = append(out, line{l.At.UnixMilli(), l.Level.String(), l.From, l.Text})
	}
	writeJSON(w, http.StatusOK, map[string]any{"lines": out, "total": total})
}

// seriesOf is the timeline of one request name: ?method=&name=.
func (p *Page) seriesOf(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	run := p.run
	p.mu.Unlock()
	if run == nil {
		writeJSON(w, http.StatusNotFound, answer{Message: "No test has run yet."})
		return
	}
	points, ok := run.Figures.Series(r.URL.Query().Get("method"), r.URL.Query().Get("name"))
	if !ok {
		writeJSON(w, http.StatusNotFound, answer{Message: "This run has no such request."})
		return
	}
	points = thinnedSeries(points, maxPoints)
	e := &encoder{b: make([]byte, 0, 64<<10)}
	e.object(func() {
		e.key("run")
		e.num(float64(run.number))
		e.key("points")
		e.list(func() {
			for i := range points {
				appendEntryPoint(e, run, &points[i])
			}
		})
	})
	sendJSON(w, http.StatusOK, e.b)
}

func appendEntryPoint(e *encoder, r *run, p *stats.EntryPoint) {
	e.list(func() {
		e.short(float64(r.Started.Add(p.At+p.Width).UnixMilli()) / 1000)
		e.short(p.Width.Seconds())
		e.short(p.Requests)
		e.short(p.Failures)
		e.short(p.Throttled)
		e.quantiles(&p.Quantiles, p.Samples)
	})
}

func (p *Page) login(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("token") {
		p.signIn(w, r)
		return
	}
	r = r.Clone(r.Context())
	r.URL.Path = "/login.html"
	p.files.ServeHTTP(w, r)
}

// maxPast and pastPoints bound what is kept of earlier runs: their charts.
const (
	maxPast    = 10
	pastPoints = 400
)

// pastRun is what is left of a run when the next one begins.
type pastRun struct {
	run
	points []stats.Point
}

// retire keeps the charts of the current run. The caller holds mu.
func (p *Page) retire() {
	old := &pastRun{run: *p.run, points: thinned(p.run.Figures.Points(), pastPoints)}
	old.Figures = nil
	if len(p.past) >= maxPast {
		p.past = append(p.past[:0], p.past[1:]...)
	}
	p.past = append(p.past, old)
}

// history is the whole of the current run, and with ?runs=all the charts of those before it.
func (p *Page) history(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	var runs []pastRun
	if r.URL.Query().Get("runs") == "all" {
		for _, old := range p.past {
			runs = append(runs, *old)
		}
	}
	if p.run != nil {
		runs = append(runs, pastRun{run: *p.run})
	}
	p.mu.Unlock()
	for i := range runs {
		if f := runs[i].Figures; f != nil {
			runs[i].points = thinned(f.Points(), maxPoints)
		}
	}
	e := &encoder{b: make([]byte, 0, 256<<10)}
	e.object(func() {
		e.key("boot")
		e.str(p.boot)
		e.key("runs")
		e.list(func() {
			for i := range runs {
				encodePast(e, &runs[i])
			}
		})
	})
	sendJSON(w, http.StatusOK, e.b)
}

func encodePast(e *encoder, r *pastRun) {
	e.object(func() {
		e.key("number")
		e.num(float64(r.number))
		e.key("seq")
		e.num(float64(r.seq))
		e.key("started")
		e.unix(r.Started)
		e.key("ended")
		e.unix(r.ended)
		e.key("markers")
		encodeMarkers(e, r.markers)
		e.key("points")
		e.list(func() {
			for i := range r.points {
				appendPoint(e, r.Started, &r.points[i])
			}
		})
	})
}
