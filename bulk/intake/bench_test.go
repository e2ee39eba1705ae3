package intake_test

import (
	"context"
	"fmt"
	"testing"

	"protei-bulk/bulk/intake"
)

func BenchmarkSubmit(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("%d", n), func(b *testing.B) {
			door, _, who := open(b, intake.Options{}, true)
			reqs := make([]intake.Request, n)
			for i := range reqs {
				reqs[i] = intake.Request{
					Account: who, From: "ACME", To: fmt.Sprintf("+4915112%06d", i), ClientRef: fmt.Sprintf("run-1-%06d", i),
					Text: "Your code is 123456. It is valid for ten minutes.", DLRURL: "http://127.0.0.1:9999/dlr", Priority: 1,
				}
			}
			out := make([]intake.Outcome, n)
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if err := door.Submit(ctx, reqs, out); err != nil || out[n-1].Err != nil {
					b.Fatal(err, out[n-1].Err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/message")
		})
	}
}

// TestAllocations holds the budget of 6 allocations a message.
func TestAllocations(t *testing.T) {
	door, _, who := open(t, intake.Options{}, true)
	reqs := make([]intake.Request, 100)
	for i := range reqs {
		reqs[i] = intake.Request{Account: who, From: "ACME", To: fmt.Sprintf("+4915112%06d", i), ClientRef: "r", Text: "hello"}
	}
	out := make([]intake.Outcome, len(reqs))
	got := testing.AllocsPerRun(20, func() {
		if err := door.Submit(context.Background(), reqs, out); err != nil {
			t.Fatal(err)
		}
	})
	if got > 6*float64(len(reqs)) {
		t.Errorf("%g allocations for %d messages", got, len(reqs))
	}
}
