package report

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestHTMLSamples writes the fixture runs for a look at them: go test -run HTMLSamples ./load/report with
// PROTEI_BULK_REPORTS naming a directory.
func TestHTMLSamples(t *testing.T) {
	dir := os.Getenv("PROTEI_BULK_REPORTS")
	if dir == "" {
		t.Skip("PROTEI_BULK_REPORTS names no directory")
	}
	for name, s := range map[string]scene{"pass": passing(), "fail": failing(), "saturated": saturated()} {
		run := play(t, s)
		targets := GuideTargets()
		if name == "fail" {
			targets = []Target{{MetricP95, Below, 0.1, 0.2}, {MetricErrors, Below, 0.001, 0.01}, {MetricLost, AtMost, 0, 0}}
		}
		Judge(run, targets)
		var b bytes.Buffer
		if err := WriteHTML(&b, run); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".html"), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
