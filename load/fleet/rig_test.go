package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/fleet"
	"protei-bulk/load/stats"
)

const version = "1.2.3"

// rig is a master and workers in one process, on real connections. Their users pretend to
// send.
type rig struct {
	t       *testing.T
	master  *fleet.Master
	events  events
	workers sync.WaitGroup

	mu    sync.Mutex
	did   map[uint16]*atomic.Int64 // iterations by worker
	specs []fleet.Spec             // guarded by mu
}

// events are what people are told.
type events struct {
	mu   sync.Mutex
	list []string
	wake chan struct{}
}

func (e *events) add(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, text)
	if e.wake != nil {
		close(e.wake)
		e.wake = nil
	}
}

func newRig(t *testing.T, change func(*fleet.MasterOptions)) *rig {
	t.Helper()
	r := &rig{t: t, did: map[uint16]*atomic.Int64{}}
	o := fleet.MasterOptions{Listen: "127.0.0.1:0", Version: version, OnEvent: r.events.add}
	if change != nil {
		change(&o)
	}
	var err error
	if r.master, err = fleet.NewMaster(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.master.Close("the test is over")
		r.workers.Wait()
	})
	return r
}

// actor is a user that pretends.
type actor struct{}

func (actor) Close() {}
func (actor) Abort() {}

func (r *rig) classes(id uint16, rec *stats.Recorder) []load.UserClass {
	var n *atomic.Int64
	r.mu.Lock()
	if n = r.did[id]; n == nil {
		n = &atomic.Int64{}
		r.did[id] = n
	}
	r.mu.Unlock()
	entry := rec.Entry("POST", "/messages")
	return []load.UserClass{load.NewClass("Pretender", load.Constant(20*time.Millisecond),
		func(*load.User) (actor, error) { return actor{}, nil },
		load.Task[actor]{Name: "send", Run: func(_ actor, u *load.User) {
			n.Add(1)
			now := u.Now()
			u.Record(entry, now, now+time.Millisecond, stats.Sample{Messages: 1, Segments: 1})
		}})}
}

// open makes the session of a worker.
func (r *rig) open(_ context.Context, spec fleet.Spec) (*fleet.Session, error) {
	r.mu.Lock()
	r.specs = append(r.specs, spec)
	r.mu.Unlock()
	if string(spec.Job) == `"refuse"` {
		return nil, errors.New("there is no route to the target")
	}
	rec := stats.NewRecorder(stats.RecorderOptions{Shards: 1})
	ledger := stats.NewLedger(stats.LedgerOptions{Run: spec.Run, Worker: spec.Worker})
	s := &fleet.Session{Source: stats.NewSource(rec, ledger), Ledger: ledger}
	s.Classes = r.classes(spec.Worker, rec)
	part, err := load.NewPart(load.Options{Classes: s.Classes, Recorder: rec, Ledger: ledger, StopTimeout: time.Second})
	s.Part = part
	s.Canary = func(context.Context) ([][]byte, error) {
		r.events.add(fmt.Sprintf("canary by %d", spec.Worker))
		return [][]byte{[]byte("saved")}, nil
	}
	s.Adopt = func(v [][]byte) { r.events.add(fmt.Sprintf("worker %d adopts %s", spec.Worker, v)) }
	s.Receipt = func(id, ref, status string) { r.events.add("receipt " + id + " " + ref + " " + status) }
	s.Resolve = func(context.Context) any { return map[string]int{"asked": int(spec.Worker)} }
	s.Last = func() any { return map[string]int{"last": int(spec.Worker)} }
	s.Close = func() {}
	return s, err
}

// worker starts one; end stops it and gives its error.
func (r *rig) worker(change func(*fleet.WorkerOptions)) (end func() error) {
	o := fleet.WorkerOptions{Master: r.master.Addr(), Version: version, Name: "test-1", Cores: 2, Open: r.open, OnEvent: r.events.add}
	if change != nil {
		change(&o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	r.workers.Go(func() { done <- fleet.NewWorker(o).Run(ctx) })
	var once sync.Once
	var err error
	return func() error {
		once.Do(func() {
			cancel()
			err = <-done
		})
		return err
	}
}

// want waits for n workers.
func (r *rig) want(n int) {
	r.t.Helper()
	if err := r.master.WaitFor(r.t.Context(), n, time.Minute, func(int) {}); err != nil {
		r.t.Fatal(err)
	}
}

// prepare gives the workers a job.
func (r *rig) prepare(job fleet.Job) *fleet.Run {
	r.t.Helper()
	if job.Spec == nil {
		job.Spec = json.RawMessage(`{}`)
	}
	run, err := r.master.Prepare(r.t.Context(), 99, job)
	if err != nil {
		r.t.Fatal(err)
	}
	return run
}

// start runs an engine on the workers; wait gives its result.
func (r *rig) start(run *fleet.Run, o load.Options) (e *load.Engine, wait func() *load.Result) {
	r.t.Helper()
	o.Classes, o.Remote, o.StopTimeout, o.DrainTimeout = r.classes(0, stats.NewRecorder(stats.RecorderOptions{})), run, time.Second, 5*time.Second
	e, err := load.New(o)
	if err != nil {
		r.t.Fatal(err)
	}
	done := make(chan *load.Result, 1)
	go func() {
		res, err := e.Run(r.t.Context())
		if err != nil {
			r.t.Error(err)
		}
		done <- res
	}()
	return e, func() *load.Result { return <-done }
}

// eventually waits for something to hold.
func (r *rig) eventually(what string, holds func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !holds() {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s: it does not come; what was said: %q", what, r.events.all())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (e *events) all() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.list...)
}

// iterations are those that the users of workers did.
func (r *rig) iterations() map[uint16]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[uint16]int64{}
	for id, n := range maps.All(r.did) {
		if id > 0 {
			out[id] = n.Load()
		}
	}
	return out
}
