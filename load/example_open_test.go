package load_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/stats"
)

// database stands for a client of one's own, of whatever protocol.
type database struct{ slow time.Duration }

func (d *database) Query(context.Context, string) error {
	time.Sleep(d.slow)
	return nil
}

// reader is a user with a client of its own.
type reader struct {
	db     *database
	entry  stats.Entry
	rows   *load.Counter
	cancel context.CancelFunc
}

func (r *reader) Close() {}
func (r *reader) Abort() { r.cancel() } // ends the query under way

func (r *reader) query(u *load.User) {
	sent := u.Now()
	err := r.db.Query(u.Context(), "SELECT 1")
	smp := stats.Sample{}
	if err != nil && !errors.Is(err, context.Canceled) {
		smp.Outcome = stats.Failed
		u.Fail(r.entry, err.Error())
	}
	u.Record(r.entry, sent, u.Now(), smp)
	r.rows.Add(1)
}

// readers is a class of users with their own client and metric.
func readers(recorder *stats.Recorder, metrics *load.Metrics) load.UserClass {
	entry := recorder.Entry("SQL", "SELECT 1")
	rows := metrics.Counter("rows read", "rows")
	return load.NewClass("Reader", load.Constant(10*time.Millisecond), func(u *load.User) (*reader, error) {
		_, cancel := context.WithCancel(u.Context())
		return &reader{&database{slow: time.Millisecond}, entry, rows, cancel}, nil
	}, load.Task[*reader]{Name: "query", Run: (*reader).query})
}

// The open model: 200 iterations start a second at exact times, whatever the answers take.
// The second is the rate's own, which begins when its first users are ready.
func Example_openModel() {
	recorder, metrics := stats.NewRecorder(stats.RecorderOptions{}), &load.Metrics{}
	rate, err := load.ParseRate("0s:200/s,1s:200/s", 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := load.Run(context.Background(), load.Options{
		Classes: []load.UserClass{readers(recorder, metrics)}, Recorder: recorder,
		Rate: rate, StopTimeout: time.Second,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	sum := res.Collector.Summary(res.Collector.Whole())
	fmt.Println("iterations:", sum.Iterations, "dropped:", sum.Dropped)
	for _, m := range metrics.Values() {
		fmt.Println(m.Name+":", m.Value, m.Unit)
	}
	// Output:
	// iterations: 200 dropped: 0
	// rows read: 200 rows
}

// Listeners are told what happens, and may change the exit code.
func ExampleListener() {
	recorder, metrics := stats.NewRecorder(stats.RecorderOptions{}), &load.Metrics{}
	slow := metrics.Counter("slow queries", "")
	engine, err := load.New(load.Options{
		Classes: []load.UserClass{readers(recorder, metrics)}, Recorder: recorder,
		Shape: load.Flat{Users: 3, SpawnRate: 100}, Iterations: 30, StopTimeout: time.Second,
		Listeners: []load.Listener{{
			TestStart:        func(*load.Engine) { fmt.Println("test_start") },
			SpawningComplete: func(users int) { fmt.Println("spawning_complete:", users, "users") },
			Request: func(r load.Request) {
				if r.Service > time.Minute {
					slow.Add(1)
				}
			},
			TestStop: func(res *load.Result) { fmt.Println("test_stop:", res.Collector.Live().Total.Requests, "requests") },
			Quitting: func(code int) int {
				fmt.Println("quitting")
				return code
			},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := engine.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println("exit code:", engine.Quit(0))
	// Output:
	// test_start
	// spawning_complete: 3 users
	// test_stop: 30 requests
	// quitting
	// exit code: 0
}

// The number of users and the rate may change while a test runs.
func ExampleEngine_SetRate() {
	recorder, metrics := stats.NewRecorder(stats.RecorderOptions{}), &load.Metrics{}
	engine, err := load.New(load.Options{
		Classes: []load.UserClass{readers(recorder, metrics)}, Recorder: recorder,
		Rate: load.ConstantRate(100), RunTime: 1500 * time.Millisecond, StopTimeout: time.Second,
		OnTick: func(live stats.Live) {
			if live.Phase != stats.PhaseDrain {
				fmt.Println("rate:", live.Rate)
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	time.AfterFunc(500*time.Millisecond, func() { engine.SetRate(load.ConstantRate(300)) })
	if _, err := engine.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// rate: 300
}

// A ramp from 0 to 2,000 iterations a second has its 15,000th start, a quarter of all,
// after half of the time.
func ExampleRate_Due() {
	r, err := load.ParseRate("0s:0,60s:2000/s", 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	at, _ := r.Due(15_000)
	fmt.Println(at, "at", r.At(at), "a second; in all", r.Starts(r.Length()))
	// Output:
	// 30s at 1000 a second; in all 60000
}

// burst is a shape of one's own: ten users, and ten times as many every other minute.
type burst struct{}

func (burst) At(elapsed time.Duration) (users int, rate float64, done bool) {
	users = 10
	if int(elapsed.Minutes())%2 == 1 {
		users = 100
	}
	return users, 50, elapsed >= 10*time.Minute
}

// A shape is a pure function of the time since the start.
func ExampleShape() {
	var shape load.Shape = burst{}
	for _, at := range []time.Duration{0, 90 * time.Second, 10 * time.Minute} {
		fmt.Println(shape.At(at))
	}
	// Output:
	// 10 50 false
	// 100 50 false
	// 10 50 true
}

// Tags leave some of the tasks.
func ExampleSelectTags() {
	class := load.NewClass("Shopper", load.Wait{}, func(*load.User) (*reader, error) { return &reader{}, nil },
		load.Task[*reader]{Name: "browse", Weight: 5, Tags: []string{"read"}},
		load.Task[*reader]{Name: "buy", Tags: []string{"write"}})
	classes, err := load.SelectTags([]load.UserClass{class}, nil, []string{"write"})
	fmt.Println(classes[0].Tasks, err)
	// Output:
	// [{browse 5 [read]}] <nil>
}
