package load_test

import (
	"context"
	"fmt"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/stats"
)

// Find the highest rate at which 95 % of the answers come within 50 ms. Steps of 5 s and
// 20 s are the default; short ones keep the example short.
func ExampleFindMax() {
	recorder, metrics := stats.NewRecorder(stats.RecorderOptions{}), &load.Metrics{}
	res, err := load.Run(context.Background(), load.Options{
		Classes: []load.UserClass{readers(recorder, metrics)}, Recorder: recorder, StopTimeout: time.Second,
		FindMax: &load.FindMax{
			Start: 50, Limit: 100, Settle: 100 * time.Millisecond, Measure: 1100 * time.Millisecond,
			Missed: func(s *load.Step) string {
				if p95 := s.Summary.Total.Response.Quantile(0.95); p95 >= 500*time.Millisecond {
					return fmt.Sprint("p95 is ", p95)
				}
				return ""
			},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range res.Max.Steps {
		fmt.Println(&res.Max.Steps[i])
	}
	fmt.Printf("%v/s, stopped by %s\n", res.Max.Rate, res.Max.Limited)
	// Output:
	// 50/s, try 1: kept
	// 100/s, try 1: kept
	// 100/s, stopped by the limit of the search
}
