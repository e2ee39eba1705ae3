// Package report turns a load test into something to read: the live terminal table, the verdict, the HTML report, the
// CSV files with Locust's headers and a JSON summary.
//
// [Run] is the finished run as data; [Judge] decides its [Verdict] against [Target]s; [Terminal] prints while the run
// goes on and at its end; [WriteHTML], [WriteJSON] and [CSV] write files. The package starts no goroutine and reads no
// clock: whoever owns the run calls it once a second and at the end.
package report
