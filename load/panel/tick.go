package panel

import (
	"math"
	"strconv"
	"time"

	"protei-bulk/load/report"
	"protei-bulk/load/stats"
)

// rowColumns name what a row of the Statistics table is, in the order of appendRow.
func rowColumns() []string {
	return []string{
		"method", "name", "requests", "failures", "throttled", "rps", "fps", "avg", "min",
		"p50", "p66", "p75", "p80", "p90", "p95", "p98", "p99", "p999", "p9999", "max", "size", "messages",
	}
}

// publish encodes the state and gives it to the viewers. The caller holds mu.
func (p *Page) publish() {
	if p.stream.idle() {
		p.stream.drop()
		return
	}
	p.stream.send(p.encodeTick())
}

// encodeTick is one event: all that the page shows each second, encoded once for all viewers. The caller holds mu.
func (p *Page) encodeTick() []byte {
	e := &encoder{b: make([]byte, 0, 16<<10)}
	e.object(func() {
		e.key("boot")
		e.str(p.boot)
		e.key("state")
		e.str(string(p.state))
		e.key("busy")
		e.bool(p.state.busy())
		e.key("say")
		e.str(p.saying)
		e.key("at")
		e.unix(p.opts.Now())
		lines, alerts := p.logs.totals()
		e.key("logs")
		e.num(float64(lines))
		e.key("alerts")
		e.num(float64(alerts))
		if p.run != nil {
			p.encodeRun(e)
		}
		if len(p.workers) > 0 {
			e.key("workers")
			encodeWorkers(e, p.workers)
		}
	})
	return e.b
}

func (p *Page) encodeRun(e *encoder) {
	r, l := p.run, &p.live
	e.key("run")
	e.object(func() {
		e.key("number")
		e.num(float64(r.number))
		e.key("seq")
		e.num(float64(r.seq))
		e.key("started")
		e.unix(r.Started)
		e.key("ended")
		e.unix(r.ended)
		for _, f := range [][2]string{
			{"host", r.Host}, {"scenario", r.Scenario}, {"shape", r.Shape}, {"rate", r.Rate}, {"profile", r.Profile}, {"command", r.Command},
		} {
			e.key(f[0])
			e.str(f[1])
		}
		e.key("markers")
		encodeMarkers(e, r.markers)
		e.key("series")
		encodeSeriesInfo(e, l.SeriesInfo)
	})
	e.key("elapsed")
	e.short(l.Elapsed.Seconds())
	e.key("users")
	e.num(float64(l.Users))
	e.key("rate")
	e.short(l.Rate)
	if l.Total.Response == nil {
		return // no tick yet
	}
	e.key("rows")
	e.list(func() {
		recent := recentRows(l)
		for i := range l.Entries {
			row := &l.Entries[i]
			appendRow(e, row, recent[entryName{row.Method, row.Name}], l)
		}
	})
	e.key("total")
	appendRow(e, &l.Total, &l.Recent.Total, l)
	e.key("loaded")
	e.short(l.Loaded.Seconds())
	e.key("point")
	appendPoint(e, r.Started, &l.Last)
	e.key("ledger")
	e.value(l.Ledger)
	e.key("dlr")
	encodeLatency(e, l.DLRLatency)
	e.key("failures")
	e.num(float64(len(l.Failures)))
	e.key("exceptions")
	e.num(float64(len(l.Exceptions)))
	e.key("overload")
	e.str(overload(&l.Recent))
	if j := p.judged.verdict(p.verdict); j != nil {
		e.key("verdict")
		encodeVerdict(e, j, p.judged.window)
	}
}

type entryName struct{ method, name string }

func recentRows(l *stats.Live) map[entryName]*stats.EntryStats {
	m := make(map[entryName]*stats.EntryStats, len(l.Recent.Entries))
	for i := range l.Recent.Entries {
		r := &l.Recent.Entries[i]
		m[entryName{r.Method, r.Name}] = r
	}
	return m
}

// appendRow writes the figures of one name; recent are its last 10 seconds, nil when it had none.
func appendRow(e *encoder, s, recent *stats.EntryStats, l *stats.Live) {
	rps, fps := 0.0, 0.0
	if recent != nil && l.Phase != stats.PhaseDrain {
		rps, fps = l.Recent.PerSecond(recent.Requests), l.Recent.PerSecond(recent.Failures)
	}
	q, n := s.Response.Quantiles(), s.Response.Count()
	e.list(func() {
		e.str(s.Method)
		e.str(s.Name)
		e.count(s.Requests)
		e.count(s.Failures)
		e.count(s.Throttled)
		e.short(rps)
		e.short(fps)
		e.msOf(s.Response.Mean(), n)
		e.msOf(s.Response.Min(), n)
		e.quantiles(&q, n)
		if s.Requests == 0 {
			e.num(math.NaN())
		} else {
			e.short(s.MeanBytes())
		}
		e.count(s.Messages)
	})
}

func encodeMarkers(e *encoder, markers []marker) {
	e.list(func() {
		for _, m := range markers {
			e.list(func() {
				e.unix(m.at)
				e.str(m.text)
			})
		}
	})
}

// encodeSeriesInfo names the series whose values end each point.
func encodeSeriesInfo(e *encoder, infos []stats.SeriesInfo) {
	e.list(func() {
		for i := range infos {
			s := &infos[i]
			e.object(func() {
				for _, f := range [][2]string{{"name", s.Name}, {"unit", s.Unit}, {"label", s.Label}, {"source", s.Source}, {"off", s.Off}} {
					e.key(f[0])
					e.str(f[1])
				}
			})
		}
	})
}

// encodeLatency writes a distribution: how many, the mean, the eleven percentiles.
func encodeLatency(e *encoder, h *stats.Histogram) {
	q, n := h.Quantiles(), h.Count()
	e.list(func() {
		e.count(n)
		e.msOf(h.Mean(), n)
		e.quantiles(&q, n)
	})
}

func encodeWorkers(e *encoder, workers []Worker) {
	e.list(func() {
		for i := range workers {
			w := &workers[i]
			e.list(func() {
				e.str(w.ID)
				e.str(w.Host)
				e.str(w.State)
				e.num(float64(w.Users))
				e.short(w.CPU)
				e.num(w.Memory)
				e.short(w.RPS)
				e.ms(w.ClockOffset)
				e.str(w.Note)
			})
		}
	})
}

// overload says why the last ten seconds are more the load tester's doing than the target's, "" when they are not.
func overload(recent *stats.Summary) string {
	switch all := recent.Iterations + recent.Dropped; {
	case recent.Dropped*100 > all:
		return strconv.FormatFloat(100*float64(recent.Dropped)/float64(all), 'f', 1, 64) +
			" % of the iterations of the last 10 s were dropped: no user was free. More --max-users, or a lower rate."
	case recent.Seconds > 2 && recent.LateSeconds*2 > recent.Seconds:
		text := strconv.Itoa(recent.LateSeconds) + " of the last " + strconv.Itoa(recent.Seconds) +
			" seconds started late (p95 of lateness above 25 ms): the load tester can not keep up."
		if recent.HostSeconds > 0 {
			text += " In " + strconv.Itoa(recent.HostSeconds) + " of them the host took more than 10 % of the CPU."
		}
		return text + " Latencies say little now."
	}
	return ""
}

// judgement is the verdict on the run so far.
type judgement struct {
	now    *report.Verdict
	window [2]time.Duration // measured, from and to; equal: there is none
}

func (j *judgement) forget() { *j = judgement{} }

// verdict is the final one when there is one.
func (j *judgement) verdict(final *report.Verdict) *report.Verdict {
	if final != nil {
		return final
	}
	return j.now
}

// judge asks for the verdict so far. It is called without mu: the Control has locks of its own.
func (p *Page) judge() {
	if p.stream.idle() {
		return
	}
	r, workers := p.opts.Control.Report(false), p.opts.Control.Workers()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.workers = workers
	if r == nil {
		p.judged.forget()
		return
	}
	p.judged.now = &r.Verdict
	p.judged.window = [2]time.Duration{r.Measured.From, r.Measured.To}
}

func encodeVerdict(e *encoder, v *report.Verdict, window [2]time.Duration) {
	e.object(func() {
		e.key("word")
		e.str(v.Word())
		e.key("class")
		e.str(gradeClass(v.Overall))
		e.key("named")
		e.bool(v.Named)
		e.key("saturated")
		e.str(v.Saturated)
		e.key("from")
		e.short(window[0].Seconds())
		e.key("to")
		e.short(window[1].Seconds())
		e.key("reasons")
		e.value(v.Reasons())
		e.key("rows")
		e.list(func() {
			for i := range v.Rows {
				encodeTarget(e, &v.Rows[i])
			}
		})
	})
}

func encodeTarget(e *encoder, r *report.Row) {
	t := r.Target
	e.object(func() {
		for _, f := range [][2]string{
			{"metric", string(t.Metric)},
			{"label", r.Label()},
			{"limit", t.LimitText()},
			{"acceptable", t.AcceptableText()},
			{"measured", t.Metric.Format(r.Measured)},
			{"whole", t.Metric.Format(r.Whole)},
			{"grade", r.Grade.String()},
			{"class", gradeClass(r.Grade)},
			{"why", r.Why},
		} {
			e.key(f[0])
			e.str(f[1])
		}
		e.key("value")
		e.num(t.Limit)
		e.key("soft")
		e.num(t.Acceptable)
		e.key("decides")
		e.bool(r.Decides)
	})
}

// gradeClass is a grade's name in the style sheet.
func gradeClass(g report.Grade) string {
	return map[report.Grade]string{
		report.Pass: "pass", report.Acceptable: "acceptable", report.Invalid: "invalid", report.Fail: "fail",
	}[g]
}
