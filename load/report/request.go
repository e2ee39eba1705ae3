package report

import (
	"fmt"
	"strings"

	"protei-bulk/load/stats"
)

// RequestTargets are targets for the requests of one name instead of all.
type RequestTargets struct {
	Request string // "METHOD name", or the name
	Targets []Target
}

// JudgeRequests adds targets for single requests to the verdict; they decide. Call [Judge] first.
func JudgeRequests(run *Run, list []RequestTargets) {
	v := &run.Verdict
	var rows []Row
	for _, l := range list {
		sub := *run
		sub.Whole, _ = RequestSummary(&run.Whole, l.Request)
		sub.Measured, _ = RequestSummary(&run.Measured, l.Request)
		for _, t := range l.Targets {
			r := judge(&sub, t, v.Saturated, true)
			r.Request = l.Request
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return
	}
	decisive := 0
	for decisive < len(v.Rows) && v.Rows[decisive].Decides {
		decisive++
	}
	v.Rows = append(v.Rows[:decisive:decisive], append(rows, v.Rows[decisive:]...)...)
	v.Named = true
	v.Overall = v.worst()
}

// RequestSummary is a summary of the requests of one name; false: there were none.
func RequestSummary(s *stats.Summary, request string) (stats.Summary, bool) {
	sub := *s
	sub.Total = stats.EntryStats{Name: request, Service: stats.NewHistogram(), Response: stats.NewHistogram()}
	sub.Entries = nil
	for _, e := range s.Entries {
		if e.Name == request || e.Method+" "+e.Name == request {
			sub.Entries = append(sub.Entries, e)
			sub.Total.Add(&e)
		}
	}
	return sub, len(sub.Entries) > 0
}

// Broken names the targets whose acceptable limit the last 10 s miss, of the requests of one name ("" = all); "" when none
// does, or nothing was measured. Guards of a run ask it.
func Broken(targets []Target, request string, live *stats.Live) string {
	s := live.Recent
	if request != "" {
		s, _ = RequestSummary(&s, request)
	}
	run := &Run{Whole: s, Measured: s, Ledger: live.Ledger, Series: live.SeriesInfo}
	var out []string
	for _, t := range targets {
		if r := judge(run, t, "", true); r.Grade == Fail {
			out = append(out, fmt.Sprintf("%s %s, wanted %s", r.Label(), t.Format(r.Measured), t.limitText(t.Acceptable)))
		}
	}
	return strings.Join(out, "; ")
}
