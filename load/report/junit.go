package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"protei-bulk/load/stats"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr,omitempty"`
	Hostname   string          `xml:"hostname,attr,omitempty"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure"`
	Error   *junitMessage `xml:"error"`
	Skipped *junitMessage `xml:"skipped"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the run as JUnit XML for CI: a test for each target that decides, and one for each request name,
// which fails when requests failed and no target was named. A target that says nothing because the generator was
// saturated, or about requests that could not be measured, is an error, other figures that were not measured are
// skipped: the file fails when the exit code is not 0. strict is that of [Verdict.ExitCode]. Call [Judge] first.
func WriteJUnit(w io.Writer, run *Run, strict bool) error {
	all := junitSuites{Name: orElse(run.Title, "protei-bulk load"), Time: seconds(run.Ended.Sub(run.Started))}
	all.add(targetSuite(run, strict))
	all.add(requestSuite(run))
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("write JUnit report: %w", err)
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return fmt.Errorf("write JUnit report: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (all *junitSuites) add(s junitSuite) {
	for i := range s.Cases {
		c := &s.Cases[i]
		s.Tests++
		switch {
		case c.Failure != nil:
			s.Failures++
		case c.Error != nil:
			s.Errors++
		case c.Skipped != nil:
			s.Skipped++
		}
	}
	all.Tests += s.Tests
	all.Failures += s.Failures
	all.Errors += s.Errors
	all.Skipped += s.Skipped
	all.Suites = append(all.Suites, s)
}

func newSuite(run *Run, name string, d time.Duration) junitSuite {
	s := junitSuite{Name: name, Time: seconds(d), Hostname: run.Machine.Hostname}
	if !run.Started.IsZero() {
		s.Timestamp = run.Started.UTC().Format("2006-01-02T15:04:05")
	}
	add := func(name, value string) {
		if value != "" {
			s.Properties = append(s.Properties, junitProperty{name, value})
		}
	}
	add("verdict", run.Verdict.Word())
	add("target", run.Host)
	add("scenario", run.Scenario)
	add("shape", run.Shape)
	add("profile", run.Profile)
	add("command", run.Command)
	add("measured window", windowText(&run.Measured))
	add("generator saturated", run.Verdict.Saturated)
	return s
}

func targetSuite(run *Run, strict bool) junitSuite {
	s := newSuite(run, "targets", run.Measured.Covered)
	if run.Verdict.Aborted != "" {
		s.Cases = append(s.Cases, junitCase{
			Class: "protei-bulk.load.targets", Name: "not aborted", Time: seconds(run.Whole.Covered),
			Failure: &junitMessage{"aborted: " + run.Verdict.Aborted, ""},
		})
	}
	for _, r := range run.Verdict.Rows {
		if !r.Decides {
			continue
		}
		c := junitCase{
			Class: "protei-bulk.load.targets", Name: r.Label() + " " + r.Target.limitText(r.Target.Limit), Time: seconds(run.Measured.Covered),
			Out: "measured " + r.Target.Format(r.Measured) + ", whole run " + r.Target.Format(r.Whole) + ", acceptable " + r.Target.limitText(r.Target.Acceptable),
		}
		text := "measured " + r.Target.Format(r.Measured) + ", wanted " + r.Target.limitText(r.Target.Limit)
		switch {
		case r.Grade == Fail, r.Grade == Acceptable && strict:
			c.Failure = &junitMessage{r.Grade.String() + ": " + text, r.Why}
		case r.voids():
			c.Error = &junitMessage{"INVALID: " + text, r.Why}
		case r.Grade == NotMeasured:
			c.Skipped = &junitMessage{"not measured: " + r.Why, ""}
		}
		s.Cases = append(s.Cases, c)
	}
	return s
}

func requestSuite(run *Run) junitSuite {
	s := newSuite(run, "requests", run.Whole.Covered)
	for i := range run.Whole.Entries {
		e := &run.Whole.Entries[i]
		c := junitCase{Class: "protei-bulk.load.requests", Name: strings.TrimSpace(e.Method + " " + e.Name), Time: seconds(e.Response.Mean())}
		c.Out = fmt.Sprintf("%d requests, %d failed, %d throttled", e.Requests, e.Failures, e.Throttled)
		if h := e.Response; h.Count() > 0 {
			c.Out += fmt.Sprintf("; p50 %s, p95 %s, p99 %s", formatLatency(h.Quantile(0.5)), formatLatency(h.Quantile(0.95)), formatLatency(h.Quantile(0.99)))
		}
		if e.Failures > 0 && !run.Verdict.Named {
			c.Failure = &junitMessage{fmt.Sprintf("%d of %d requests failed", e.Failures, e.Requests), errorsOf(run.Failures, e)}
		}
		s.Cases = append(s.Cases, c)
	}
	return s
}

// errorsInCase bounds the kinds of error that a failed test lists.
const errorsInCase = 10

func errorsOf(failures []stats.Failure, e *stats.EntryStats) string {
	var lines []string
	for _, f := range failures {
		if f.Method != e.Method || f.Name != e.Name {
			continue
		}
		if len(lines) == errorsInCase {
			lines = append(lines, "…")
			break
		}
		lines = append(lines, fmt.Sprintf("%d × %s", f.Occurrences, f.Error))
	}
	return strings.Join(lines, "\n")
}

// seconds is a time as JUnit has it.
func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", max(d, 0).Seconds()) }
