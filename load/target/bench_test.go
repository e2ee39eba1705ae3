package target_test

import (
	"bytes"
	"fmt"
	"testing"

	"protei-bulk/load/target"
)

// BenchmarkPage reads a page of 5,000 samples of which five are asked for, once a second in a run.
func BenchmarkPage(b *testing.B) {
	var page bytes.Buffer
	for i := range 5000 {
		fmt.Fprintf(&page, "http_request_duration_seconds_bucket{method=\"POST\",route=\"/api/v1/messages/%d\",le=\"%d\"} %d\n", i%50, i%20, i)
	}
	page.WriteString("go_goroutines 42\nprocess_cpu_seconds_total 1.5\n")
	b.ReportAllocs()
	b.SetBytes(int64(page.Len()))
	for b.Loop() {
		if _, err := target.ReadPages("go_goroutines;process_cpu_seconds_total", page.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}
