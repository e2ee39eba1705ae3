package load_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/httpload"
	"protei-bulk/load/stats"
)

// visitor is a user with a connection of its own.
type visitor struct {
	client *httpload.Client
	front  *httpload.Head
	entry  stats.Entry
}

func (v *visitor) Close() { v.client.Close() }
func (v *visitor) Abort() { v.client.Abort() }

func (v *visitor) visit(u *load.User) {
	res, err := v.client.Do(v.front, v.client.Request())
	smp := stats.Sample{Bytes: len(res.Body)}
	if err != nil || res.Status != http.StatusOK {
		smp.Outcome = stats.Failed
		u.Fail(v.entry, fmt.Sprint(res.Status, " ", err))
	}
	u.Record(v.entry, res.Sent, res.Done, smp)
}

// A scenario of one's own: a user class whose users fetch a page every 20 ms.
func Example() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer srv.Close()

	clock := load.NewClock()
	recorder := stats.NewRecorder(stats.RecorderOptions{})
	target, err := httpload.NewTarget(context.Background(), srv.URL, httpload.Options{Clock: clock.Now})
	if err != nil {
		fmt.Println(err)
		return
	}
	front, entry := target.Head("GET", "/"), recorder.Entry("GET", "/")

	class := load.NewClass("Visitor", load.Constant(20*time.Millisecond),
		func(u *load.User) (*visitor, error) {
			return &visitor{target.NewClient(u.Context()), front, entry}, nil
		},
		load.Task[*visitor]{Name: "visit", Run: (*visitor).visit})

	res, err := load.Run(context.Background(), load.Options{
		Classes: []load.UserClass{class}, Shape: load.Flat{Users: 5, SpawnRate: 100, RunTime: time.Second},
		Recorder: recorder, Clock: clock, StopTimeout: time.Second,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	total := res.Collector.Summary(res.Collector.Whole()).Total
	fmt.Println("users:", res.PeakUsers)
	fmt.Println("failures:", total.Failures)
	fmt.Println("some requests:", total.Requests > 50)
	// Output:
	// users: 5
	// failures: 0
	// some requests: true
}
