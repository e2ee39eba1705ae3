package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/fleet"
	"protei-bulk/load/stats"
)

func sum(m map[uint16]int64) (n uint64) {
	for _, v := range m {
		n += uint64(v)
	}
	return n
}

// TestTwoWorkers is a whole run: nothing that users did is missing or doubled.
func TestTwoWorkers(t *testing.T) {
	r := newRig(t, nil)
	r.worker(nil)
	r.worker(nil)
	r.want(2)
	files := map[string][]byte{"scenario.yaml": []byte("users: {}"), "numbers.csv": []byte(strings.Repeat("to,text\n1,2\n", 100_000))}
	run := r.prepare(fleet.Job{Files: files})
	if err := run.Canary(t.Context()); err != nil {
		t.Fatal(err)
	}
	e, wait := r.start(run, load.Options{Shape: load.Flat{Users: 11, SpawnRate: 100, RunTime: 4 * time.Second}})
	r.eventually("11 users", func() bool { n, _, _ := e.Users(); return n == 11 })
	var users []int
	for _, w := range r.master.Workers() {
		users = append(users, w.Users)
	}
	slices.Sort(users)
	if !slices.Equal(users, []int{5, 6}) {
		t.Errorf("users of the workers: %v, want 5 and 6", users)
	}
	res := wait()
	total := res.Collector.Summary(res.Collector.Whole()).Total
	if did := sum(r.iterations()); total.Requests != did || did == 0 {
		t.Errorf("%d requests reported, %d done", total.Requests, did)
	}
	if res.PeakUsers != 11 {
		t.Errorf("peak of %d users", res.PeakUsers)
	}
	for _, s := range r.specs {
		if s.Run != 99 || len(s.Files) != 2 || string(s.Files["numbers.csv"]) != string(files["numbers.csv"]) {
			t.Errorf("worker %d: run %d, %d files", s.Worker, s.Run, len(s.Files))
		}
	}
	said := strings.Join(r.events.all(), "\n")
	if strings.Count(said, "canary by") != 1 || strings.Count(said, "adopts [saved]") != 2 {
		t.Errorf("one canary, and both workers with what setup saved: %s", said)
	}
	if run.Degraded() != "" || run.Members() != 2 || len(run.Last()) != 2 {
		t.Errorf("degraded %q, %d members, last words %s", run.Degraded(), run.Members(), run.Last())
	}
}

// TestSeveralRuns has the same workers run one test after another.
func TestSeveralRuns(t *testing.T) {
	r := newRig(t, nil)
	r.worker(nil)
	r.want(1)
	for i := range 2 {
		before := sum(r.iterations())
		run := r.prepare(fleet.Job{})
		_, wait := r.start(run, load.Options{Shape: load.Flat{Users: 2, RunTime: time.Second}})
		res := wait()
		if got := res.Collector.Live().Total.Requests; got != sum(r.iterations())-before {
			t.Errorf("run %d: %d requests reported, %d done", i, got, sum(r.iterations())-before)
		}
	}
}

func TestIterationsAreExact(t *testing.T) {
	r := newRig(t, nil)
	for range 3 {
		r.worker(nil)
	}
	r.want(3)
	run := r.prepare(fleet.Job{Iterations: 100})
	_, wait := r.start(run, load.Options{Shape: load.Flat{Users: 7}, Iterations: 100})
	wait()
	if did := r.iterations(); sum(did) != 100 {
		t.Errorf("iterations %v, want 100 together", did)
	}
}

// TestOpenModel starts the rate's iterations, all and once, with a worker that comes in between.
func TestOpenModel(t *testing.T) {
	r := newRig(t, nil)
	r.worker(nil)
	r.want(1)
	run := r.prepare(fleet.Job{})
	rate, err := load.RampRate(load.RateStage{At: 0, PerSecond: 200}, load.RateStage{At: 4 * time.Second, PerSecond: 200})
	if err != nil {
		t.Fatal(err)
	}
	_, wait := r.start(run, load.Options{Rate: rate})
	r.worker(nil)
	res := wait()
	s := res.Collector.Summary(res.Collector.Whole())
	if did := r.iterations(); sum(did)+s.Dropped != 800 || did[2] == 0 {
		t.Errorf("iterations %v and %d dropped, want 800 together and some of the late worker", did, s.Dropped)
	}
	if !strings.Contains(strings.Join(run.Notes(), "\n"), "took its share") {
		t.Errorf("the report does not know the late worker: %q", run.Notes())
	}
}

// TestLateWorker takes its share of users that run.
func TestLateWorker(t *testing.T) {
	r := newRig(t, nil)
	r.worker(nil)
	r.want(1)
	run := r.prepare(fleet.Job{})
	ctx, stop := context.WithCancel(t.Context())
	e, err := load.New(load.Options{Classes: r.classes(0, stats.NewRecorder(stats.RecorderOptions{})), Shape: load.Flat{Users: 10}, Remote: run, StopTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := e.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	r.eventually("10 users", func() bool { n, _, _ := e.Users(); return n == 10 })
	end := r.worker(nil)
	share := func(want ...int) func() bool {
		return func() bool {
			var got []int
			for _, w := range r.master.Workers() {
				if w.State != "missing" {
					got = append(got, w.Users)
				}
			}
			return slices.Equal(got, want)
		}
	}
	r.eventually("5 users each", share(5, 5))
	e.SetUsers(21, 0)
	r.eventually("21 users", share(11, 10))
	if err := end(); !errors.Is(err, context.Canceled) { // it leaves by itself: at once
		t.Errorf("the worker that was stopped ends with %v", err)
	}
	r.eventually("21 users of one worker", share(21))
	if run.Degraded() == "" {
		t.Error("the run does not know that a worker is lost")
	}
	stop()
	<-done
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		master func(*fleet.MasterOptions)
		worker func(*fleet.WorkerOptions)
		want   string // on both sides
	}{
		{"version", nil, func(o *fleet.WorkerOptions) { o.Version = "0.9" }, "version 0.9"},
		{
			"scenario", func(o *fleet.MasterOptions) { o.Scenario = fleet.Hash([]byte("a")) },
			func(o *fleet.WorkerOptions) { o.Scenario = fleet.Hash([]byte("b")) }, "its scenario file is another one",
		},
		{"built-in scenario", nil, func(o *fleet.WorkerOptions) { o.Scenario = fleet.Hash([]byte("b")) }, "the master with the built-in scenario"},
		{"wrong token", func(o *fleet.MasterOptions) { o.Token = "right" }, func(o *fleet.WorkerOptions) { o.Token = "wrong" }, "--master-token"},
		{"no token", func(o *fleet.MasterOptions) { o.Token = "right" }, nil, "--master-token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, c.master)
			o := fleet.WorkerOptions{Master: r.master.Addr(), Version: version, Name: "test-2"}
			if c.worker != nil {
				c.worker(&o)
			}
			err := fleet.NewWorker(o).Run(t.Context())
			r.eventually("the master says why", func() bool {
				return slices.ContainsFunc(r.events.all(), func(s string) bool {
					return strings.Contains(s, "refused a worker") && strings.Contains(s, c.want)
				})
			})
			if !errors.Is(err, fleet.ErrRefused) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the worker says %v, want %q", err, c.want)
			}
		})
	}
}

// TestWorkerFails has a worker that can not prepare: the run does not start, and says why.
func TestWorkerFails(t *testing.T) {
	r := newRig(t, nil)
	r.worker(nil)
	r.want(1)
	_, err := r.master.Prepare(t.Context(), 1, fleet.Job{Spec: []byte(`"refuse"`)})
	if err == nil || !strings.Contains(err.Error(), "no route to the target") {
		t.Errorf("the master says %v", err)
	}
}

func TestTooFewWorkers(t *testing.T) {
	r := newRig(t, nil)
	r.worker(nil)
	var told []int
	err := r.master.WaitFor(t.Context(), 3, 2*time.Second, func(have int) { told = append(told, have) })
	if err == nil || !strings.Contains(err.Error(), "1 of 3 workers") {
		t.Errorf("error %v", err)
	}
	if fmt.Sprint(told) != "[0 1]" {
		t.Errorf("progress %v", told)
	}
}

// TestTokenAndTLS joins over TLS with a pinned certificate, and refuses another one.
func TestTokenAndTLS(t *testing.T) {
	cfg, fingerprint, err := fleet.SelfMade()
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *fleet.MasterOptions) { o.Token, o.TLS = "secret", cfg })
	pinned, err := fleet.Pinned(fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	r.worker(func(o *fleet.WorkerOptions) { o.Token, o.TLS = "secret", pinned })
	r.want(1)
	other, err := fleet.Pinned(fleet.Hash(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := fleet.NewWorker(fleet.WorkerOptions{Master: r.master.Addr(), Token: "secret", TLS: other}).Run(t.Context()); !errors.Is(err, fleet.ErrFingerprint) {
		t.Errorf("with another fingerprint: %v", err)
	}
	if err := fleet.NewWorker(fleet.WorkerOptions{Master: r.master.Addr(), Token: "secret"}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "--master-fingerprint") {
		t.Errorf("without TLS: %v", err)
	}
}
