package report

import (
	"strings"
	"testing"

	"protei-bulk/load/stats"
)

func TestTargetsOfOneRequest(t *testing.T) {
	run := play(t, small(passing()))
	Judge(run, nil)
	before := len(run.Verdict.Rows)
	name := run.Measured.Entries[0].Method + " " + run.Measured.Entries[0].Name
	p95, err := ParseTarget("p95=10us")
	if err != nil {
		t.Fatal(err)
	}
	JudgeRequests(run, []RequestTargets{{name, []Target{p95}}, {"NO such request", []Target{p95}}})
	v := run.Verdict
	if len(v.Rows) != before+2 || !v.Named || v.Rows[0].Grade != Fail || v.Rows[0].Label() != "P95 of "+name {
		t.Fatalf("first row %+v of %d", v.Rows[0], len(v.Rows))
	}
	if v.Rows[1].Grade != NotMeasured || v.Overall != Fail || v.ExitCode(false) != ExitFail {
		t.Errorf("request that never ran: %+v, overall %v", v.Rows[1], v.Overall)
	}
	if got, want := v.Rows[0].Measured, run.Measured.Entries[0].Response.Quantile(0.95).Seconds(); got != want {
		t.Errorf("measured %v, that request has %v", got, want)
	}
}

func TestBrokenAsksForTheAcceptableLimit(t *testing.T) {
	run := play(t, small(passing()))
	live := &stats.Live{Recent: run.Measured}
	at := run.Measured.Total.Response.Quantile(0.95).Seconds()
	target := Target{Metric: MetricP95, Op: Below, Limit: at / 2, Acceptable: at * 2}
	if why := Broken([]Target{target}, "", live); why != "" {
		t.Errorf("acceptable, but: %s", why)
	}
	target.Acceptable = at / 1.5
	if why := Broken([]Target{target}, "", live); !strings.HasPrefix(why, "P95 ") {
		t.Errorf("missed: %q", why)
	}
	if why := Broken([]Target{target}, "NO such request", live); why != "" {
		t.Errorf("nothing was measured, but: %s", why)
	}
}
