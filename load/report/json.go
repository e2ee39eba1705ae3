package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"

	"protei-bulk/load/stats"
)

// jsonVersion changes when a field changes its meaning.
const jsonVersion = 1

// WriteJSON writes the run as one JSON object: verdict, measured window, whole run, ledger, failures and the series of
// the charts. Latencies are milliseconds, shares 0..1, times RFC 3339; what was not measured is null. Call [Judge] first.
func WriteJSON(w io.Writer, run *Run) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(newDocument(run)); err != nil {
		return fmt.Errorf("write JSON report: %w", err)
	}
	return nil
}

type document struct {
	Version    int           `json:"format_version"`
	Title      string        `json:"title"`
	Host       string        `json:"host"`
	Scenario   string        `json:"scenario,omitempty"`
	Shape      string        `json:"shape,omitempty"`
	Rate       string        `json:"rate,omitempty"`
	Profile    string        `json:"profile,omitempty"`
	Command    string        `json:"command,omitempty"`
	Program    string        `json:"protei_bulk_version,omitempty"`
	Started    time.Time     `json:"started"`
	Ended      time.Time     `json:"ended"`
	Stopped    string        `json:"stopped_early,omitempty"`
	Verdict    jsonVerdict   `json:"verdict"`
	Measured   *jsonWindow   `json:"measured"`
	Whole      jsonWindow    `json:"whole"`
	Ledger     *stats.Counts `json:"ledger"`
	NoReceipts string        `json:"receipts_not_measured,omitempty"`
	DLR        *jsonLatency  `json:"submit_to_dlr_ms"`
	Search     *jsonSearch   `json:"find_max,omitempty"`
	Failures   []jsonFailure `json:"failures"`
	Answers    []jsonAnswer  `json:"failing_answers"`
	Machine    Machine       `json:"machine"`
	Notes      []string      `json:"notes,omitempty"`
	Series     []jsonSecond  `json:"series"`
	// TargetSeries are what was watched of the target system.
	TargetSeries []jsonTargetSeries `json:"target_series,omitempty"`
	// Intervals are the seconds of the measured window by request name, the total first.
	Intervals []jsonIntervals `json:"measured_intervals"`
}

// jsonIntervals are columns: one value for each interval.
type jsonIntervals struct {
	Method    string     `json:"method,omitempty"`
	Name      string     `json:"name"`
	Width     []jsNumber `json:"width_s"`
	Requests  []uint64   `json:"requests"`
	Failures  []uint64   `json:"failures"`
	Throttled []uint64   `json:"throttled"`
	P50       []jsNumber `json:"p50_ms"`
	P95       []jsNumber `json:"p95_ms"`
	P99       []jsNumber `json:"p99_ms"`
}

type jsonVerdict struct {
	Word      string    `json:"word"`
	Named     bool      `json:"targets_named"`
	ExitCode  int       `json:"exit_code"`
	Saturated string    `json:"saturated,omitempty"`
	Host      string    `json:"host,omitempty"`
	Scaled    string    `json:"scaled,omitempty"`
	Degraded  string    `json:"degraded,omitempty"`
	Rows      []jsonRow `json:"rows"`
}

type jsonRow struct {
	Metric     Metric   `json:"metric"`
	Direction  string   `json:"direction"`
	Target     jsNumber `json:"target"`
	Acceptable jsNumber `json:"acceptable"`
	Measured   jsNumber `json:"measured"`
	Whole      jsNumber `json:"whole_run"`
	Grade      string   `json:"grade"`
	Why        string   `json:"why,omitempty"`
	Decides    bool     `json:"decides"`
	Statistic  string   `json:"statistic,omitempty"` // of a series: mean or peak
	Unit       string   `json:"unit,omitempty"`      // likewise
}

type jsonWindow struct {
	From        float64     `json:"from_s"`
	To          float64     `json:"to_s"`
	Requests    float64     `json:"requests_per_second"`
	TPS         float64     `json:"successful_requests_per_second"`
	Messages    float64     `json:"messages_per_second"`
	Segments    float64     `json:"segments_per_second"`
	Receipts    float64     `json:"receipts_per_second"`
	PeakUsers   int         `json:"peak_users"`
	Iterations  uint64      `json:"iterations"`
	Dropped     uint64      `json:"dropped_iterations"`
	Seconds     int         `json:"seconds_with_iterations"`
	LateSeconds int         `json:"late_seconds"`
	HostSeconds int         `json:"host_seconds"`
	LatenessP95 float64     `json:"lateness_p95_ms"`
	TargetCPU   jsNumber    `json:"target_cpu"`
	TargetRAM   jsNumber    `json:"target_memory"`
	Aggregate   jsonEntry   `json:"aggregate"`
	Entries     []jsonEntry `json:"entries"`
}

type jsonEntry struct {
	Method    string       `json:"method,omitempty"`
	Name      string       `json:"name"`
	Requests  uint64       `json:"requests"`
	Failures  uint64       `json:"failures"`
	Throttled uint64       `json:"throttled"`
	Messages  uint64       `json:"messages"`
	Bytes     uint64       `json:"bytes"`
	Response  *jsonLatency `json:"response_ms"`
	Service   *jsonLatency `json:"service_ms"`
}

type jsonLatency struct {
	Count       uint64             `json:"count"`
	Average     float64            `json:"average"`
	Min         float64            `json:"min"`
	Max         float64            `json:"max"`
	Percentiles map[string]float64 `json:"percentiles"`
}

type jsonFailure struct {
	Method      string    `json:"method"`
	Name        string    `json:"name"`
	Error       string    `json:"error"`
	Occurrences uint64    `json:"occurrences"`
	First       time.Time `json:"first_seen"`
	Last        time.Time `json:"last_seen"`
}

type jsonSecond struct {
	At        float64  `json:"at_s"`
	Width     float64  `json:"width_s"`
	Phase     string   `json:"phase"`
	Users     int      `json:"users"`
	Requests  jsNumber `json:"requests"`
	Failures  jsNumber `json:"failures"`
	Throttled jsNumber `json:"throttled"`
	Messages  jsNumber `json:"messages"`
	Segments  jsNumber `json:"segments"`
	Receipts  jsNumber `json:"receipts"`
	P50       jsNumber `json:"p50_ms"`
	P95       jsNumber `json:"p95_ms"`
	P99       jsNumber `json:"p99_ms"`
	Open      uint64   `json:"open"`
	LateP95   jsNumber `json:"lateness_p95_ms"`
	CPU       jsNumber `json:"target_cpu"`
	Memory    jsNumber `json:"target_memory"`
	Generator jsNumber `json:"generator_cpu"`
	Steal     jsNumber `json:"steal"`
}

func newDocument(run *Run) document {
	v := &run.Verdict
	d := document{
		Version: jsonVersion, Title: run.Title, Host: run.Host, Scenario: run.Scenario, Shape: run.Shape, Rate: run.Rate, Profile: run.Profile, Command: run.Command,
		Program: run.Version, Started: run.Started, Ended: run.Ended, Stopped: run.Stopped,
		Verdict: jsonVerdict{
			Word: v.Word(), Named: v.Named, ExitCode: v.ExitCode(false), Saturated: v.Saturated, Host: v.Host, Scaled: v.Scaled, Degraded: v.Degraded,
			Rows: []jsonRow{},
		},
		Whole: newJSONWindow(&run.Whole), Ledger: &run.Ledger, NoReceipts: run.Receipts.Off, DLR: newJSONLatency(run.DLRLatency),
		Search:   newJSONSearch(run.Search),
		Failures: []jsonFailure{}, Answers: newJSONAnswers(run.Answers), Machine: run.Machine, Notes: run.Notes, Series: []jsonSecond{},
		Intervals: []jsonIntervals{}, TargetSeries: newJSONTargetSeries(run),
	}
	for _, r := range v.Rows {
		d.Verdict.Rows = append(d.Verdict.Rows, jsonRow{
			r.Target.Metric, r.Target.Op.String(), jsNumber(r.Target.Limit), jsNumber(r.Target.Acceptable),
			jsNumber(r.Measured), jsNumber(r.Whole), r.Grade.String(), r.Why, r.Decides, r.Target.Series.Stat, r.Target.Series.Unit,
		})
	}
	if run.Measured.Covered > 0 {
		m := newJSONWindow(&run.Measured)
		d.Measured = &m
	}
	for _, f := range run.Failures {
		d.Failures = append(d.Failures, jsonFailure{f.Method, f.Name, f.Error, f.Occurrences, f.FirstSeen, f.LastSeen})
	}
	for i := range run.Points {
		d.Series = append(d.Series, newJSONSecond(&run.Points[i]))
	}
	for i := range run.Intervals {
		d.Intervals = append(d.Intervals, newJSONIntervals(&run.Intervals[i]))
	}
	return d
}

func newJSONIntervals(e *stats.EntryIntervals) jsonIntervals {
	out := jsonIntervals{Method: e.Method, Name: e.Name}
	for _, iv := range e.Intervals {
		out.Width = append(out.Width, jsNumber(iv.Width.Seconds()))
		out.Requests = append(out.Requests, iv.Requests)
		out.Failures = append(out.Failures, iv.Failures)
		out.Throttled = append(out.Throttled, iv.Throttled)
		out.P50 = append(out.P50, jsNumber(toMillis(iv.P50, iv.Samples)))
		out.P95 = append(out.P95, jsNumber(toMillis(iv.P95, iv.Samples)))
		out.P99 = append(out.P99, jsNumber(toMillis(iv.P99, iv.Samples)))
	}
	return out
}

func newJSONWindow(s *stats.Summary) jsonWindow {
	w := jsonWindow{
		From: s.From.Seconds(), To: s.To.Seconds(), Requests: s.PerSecond(s.Total.Requests), TPS: s.TPS(),
		Messages: s.PerSecond(s.Total.Messages), Segments: s.PerSecond(s.Total.Segments), Receipts: s.PerSecond(s.Receipts),
		PeakUsers: s.PeakUsers, Iterations: s.Iterations, Dropped: s.Dropped, Seconds: s.Seconds, LateSeconds: s.LateSeconds,
		HostSeconds: s.HostSeconds, LatenessP95: inMillis(s.Lateness.Quantile(0.95)),
		TargetCPU: jsNumber(s.Mean.TargetCPU), TargetRAM: jsNumber(s.Peak.TargetMemory),
		Aggregate: newJSONEntry(&s.Total), Entries: []jsonEntry{},
	}
	for i := range s.Entries {
		w.Entries = append(w.Entries, newJSONEntry(&s.Entries[i]))
	}
	return w
}

func newJSONEntry(e *stats.EntryStats) jsonEntry {
	return jsonEntry{
		Method: e.Method, Name: e.Name, Requests: e.Requests, Failures: e.Failures, Throttled: e.Throttled,
		Messages: e.Messages, Bytes: e.Bytes, Response: newJSONLatency(e.Response), Service: newJSONLatency(e.Service),
	}
}

func newJSONLatency(h *stats.Histogram) *jsonLatency {
	if h.Count() == 0 {
		return nil
	}
	l := &jsonLatency{
		Count: h.Count(), Average: inMillis(h.Mean()), Min: inMillis(h.Min()), Max: inMillis(h.Max()),
		Percentiles: make(map[string]float64, len(percentiles)),
	}
	for _, p := range percentiles {
		l.Percentiles[p.label] = inMillis(h.Quantile(p.q))
	}
	return l
}

func inMillis(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Microsecond)) / 1000
}

func newJSONSecond(p *stats.Point) jsonSecond {
	timed := func(d time.Duration) jsNumber { return jsNumber(toMillis(d, p.Samples)) }
	return jsonSecond{
		At: p.At.Seconds(), Width: p.Width.Seconds(), Phase: p.Phase.String(), Users: p.Users,
		Requests: jsNumber(p.Requests), Failures: jsNumber(p.Failures), Throttled: jsNumber(p.Throttled),
		Messages: jsNumber(p.Messages), Segments: jsNumber(p.Segments), Receipts: jsNumber(p.Receipts),
		P50: timed(p.P50), P95: timed(p.P95), P99: timed(p.P99), Open: p.Open, LateP95: jsNumber(inMillis(p.LateP95)),
		CPU: jsNumber(p.Gauges.TargetCPU), Memory: jsNumber(p.Gauges.TargetMemory),
		Generator: jsNumber(p.Gauges.GeneratorCPU), Steal: jsNumber(p.Gauges.Steal),
	}
}
