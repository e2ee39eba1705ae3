package fleet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/fleet"
	"protei-bulk/load/stats"
)

// BenchmarkMaster has a master and 50 workers with 20 request names each for 5 s. It reports the CPU that the whole
// process takes a second, and what of it the workers take without a master: master-cores is the difference, at most a
// quarter is the aim. Workers record 20 requests a second and name: the machine must have a core to spare, or workers are lost.
//
//	go test -run - -bench Master -benchtime 1x ./load/fleet
func BenchmarkMaster(b *testing.B) {
	const workers, names, perSecond, length = 50, 20, 20, 5 * time.Second
	for b.Loop() {
		alone := cpuOf(func() { recordFor(b, workers, names, perSecond, length) })
		with := cpuOf(func() { masterFor(b, workers, names, perSecond, length) })
		b.ReportMetric(with/length.Seconds(), "all-cores") // what the master can take at most
		b.ReportMetric((with-alone)/length.Seconds(), "master-cores")
		b.ReportMetric(alone/length.Seconds(), "workers-cores")
	}
}

// cpuOf is the CPU that f takes, in seconds.
func cpuOf(f func()) float64 {
	before := used()
	f()
	return used() - before
}

func used() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it can not fail
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// recorderOf is a worker's measuring side; record adds a second of requests.
func recorderOf(names, perSecond int) (rec *stats.Recorder, record func()) {
	rec = stats.NewRecorder(stats.RecorderOptions{Shards: 1})
	var entries []stats.Entry
	for i := range names {
		entries = append(entries, rec.Entry("POST", fmt.Sprint("/name/", i)))
	}
	return rec, func() {
		for _, e := range entries {
			for range perSecond {
				d := time.Duration(rand.ExpFloat64() * 20e6)
				rec.Shard(0).Record(e, stats.Sample{Service: d, Response: d, Messages: 1, Segments: 1})
			}
		}
	}
}

// recordFor lets workers record and report to nobody.
func recordFor(b *testing.B, workers, names, perSecond int, length time.Duration) {
	b.Helper()
	var records []func()
	var reporters []*stats.Reporter
	for range workers {
		rec, record := recorderOf(names, perSecond)
		records, reporters = append(records, record), append(reporters, stats.NewReporter(stats.NewSource(rec, nil)))
	}
	for range int(length / time.Second) {
		for i, record := range records {
			record()
			reporters[i].Append(nil, 0, false)
		}
	}
}

// masterFor is a run of the whole fleet.
func masterFor(b *testing.B, workers, names, perSecond int, length time.Duration) {
	b.Helper()
	master, err := fleet.NewMaster(fleet.MasterOptions{Listen: "127.0.0.1:0", Version: version})
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, workers)
	for i := range workers {
		w := fleet.NewWorker(fleet.WorkerOptions{
			Master: master.Addr(), Version: version, Name: fmt.Sprint("bench-", i),
			Open: func(context.Context, fleet.Spec) (*fleet.Session, error) { return recordingSession(names, perSecond) },
		})
		go func() { ended <- w.Run(context.Background()) }()
	}
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	if err := master.WaitFor(ctx, workers, 0, func(int) {}); err != nil {
		b.Fatal(err)
	}
	run, err := master.Prepare(ctx, 1, fleet.Job{Spec: json.RawMessage(`{}`)})
	if err != nil {
		b.Fatal(err)
	}
	res, err := load.Run(ctx, load.Options{
		Classes: idle(), Remote: run, Shape: load.Flat{Users: workers, RunTime: length}, StopTimeout: time.Second, NoDrain: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	if n := len(res.Collector.Live().Entries); n != names {
		b.Errorf("%d request names, want %d", n, names)
	}
	master.Close("the benchmark is over")
	for range workers {
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}
}

// idle is a class whose users do nothing: the benchmark records for them.
func idle() []load.UserClass {
	return []load.UserClass{load.NewClass("Idle", load.Constant(time.Hour), func(*load.User) (actor, error) { return actor{}, nil },
		load.Task[actor]{Name: "wait", Run: func(actor, *load.User) {}})}
}

// recordingSession records a second's requests in one go, each second.
func recordingSession(names, perSecond int) (*fleet.Session, error) {
	rec, record := recorderOf(names, perSecond)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			record()
			select {
			case <-quit:
				return
			case <-tick.C:
			}
		}
	}()
	s := &fleet.Session{
		Classes: idle(), Source: stats.NewSource(rec, nil), Last: func() any { return nil },
		Close: func() { close(quit); <-done },
	}
	var err error
	s.Part, err = load.NewPart(load.Options{Classes: s.Classes, Recorder: rec, StopTimeout: time.Second})
	return s, err
}
