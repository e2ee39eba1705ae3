package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTarget(t *testing.T) {
	tests := map[string]Target{
		"p95=100ms:200ms":   {Metric: MetricP95, Op: Below, Limit: 0.1, Acceptable: 0.2},
		"p99=1s":            {Metric: MetricP99, Op: Below, Limit: 1, Acceptable: 1},
		"avg=50":            {Metric: MetricAvg, Op: Below, Limit: 0.05, Acceptable: 0.05},
		"tps=10,000:5000":   {Metric: MetricTPS, Op: AtLeast, Limit: 10000, Acceptable: 5000},
		"errors=0.1%:1%":    {Metric: MetricErrors, Op: Below, Limit: 0.001, Acceptable: 0.01},
		"throttled=0.001":   {Metric: MetricThrottled, Op: Below, Limit: 0.001, Acceptable: 0.001},
		"cpu=70%:85%":       {Metric: MetricCPU, Op: Below, Limit: 0.7, Acceptable: 0.85},
		"delivered=99%:0.9": {Metric: MetricDelivered, Op: AtLeast, Limit: 0.99, Acceptable: 0.9},
		"lost=0":            {Metric: MetricLost, Op: AtMost, Limit: 0, Acceptable: 0},
		" lost = 0 : 5 ":    {Metric: MetricLost, Op: AtMost, Limit: 0, Acceptable: 5},
	}
	for in, want := range tests {
		got, err := ParseTarget(in)
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", in, diff)
		}
	}
}

func TestParseTargetNamesTheMistake(t *testing.T) {
	tests := map[string]string{
		"p98=1s":          `unknown metric "p98"`,
		"":                "unknown metric",
		"p95":             "no limit",
		"p95=":            "is no limit for p95",
		"p95=-5ms":        "is no limit for p95",
		"tps=many":        "is no limit for tps",
		"errors=150%":     "more than 100%",
		"cpu=70":          "more than 100%",
		"p95=200ms:100ms": "stricter than the target",
		"tps=5000:10000":  "stricter than the target",
		"p95=100ms:":      "acceptable",
		"lost=NaN":        "is no limit for lost",
		"tps=1e999":       "is no limit for tps",
		"p95=100ms:1s:2s": "acceptable",
	}
	for in, want := range tests {
		if _, err := ParseTarget(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", in, err, want)
		}
	}
}

func TestParseTargets(t *testing.T) {
	got, err := ParseTargets([]string{"guide"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(GuideTargets(), got); diff != "" {
		t.Errorf("guide (-want +got):\n%s", diff)
	}
	if got, err := ParseTargets(nil); got != nil || err != nil {
		t.Errorf("no value: %v, %v", got, err)
	}
	if _, err := ParseTargets([]string{"p95=1s", "p95=2s"}); err == nil || !strings.Contains(err.Error(), "named twice") {
		t.Errorf("named twice: %v", err)
	}
	if _, err := ParseTargets([]string{"guide", "tps=1"}); err == nil {
		t.Error("the guide's tps and another one: no error")
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, t := range GuideTargets() {
		f.Add(t.String())
	}
	for _, s := range []string{"p95=100ms:200ms", "errors=0.1%", "tps=1,2,3", "p50==1", "avg=1h", "lost=0:0", "cpu=1e-7", "p99=9223372036s", "p99=1000h", "p99=9223372037255", "p99=.227", "p99=2236"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		target, err := ParseTarget(s)
		if err != nil {
			return
		}
		again, err := ParseTarget(target.String())
		if err != nil || again != target {
			t.Fatalf("%q is %+v; its String %q is %+v, %v", s, target, target.String(), again, err)
		}
		_ = target.limitText(target.Limit)
	})
}
