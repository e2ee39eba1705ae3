package load

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"protei-bulk/load/stats"
)

// Options configure a run. Classes and Recorder are required, and one of Shape, Rate and a
// class with a Rate.
type Options struct {
	Classes []UserClass
	// Shape says how many users of the closed classes there are; nil: none.
	Shape Shape
	// Rate is the open model: iterations of all closed classes without FixedCount and
	// Every (of all closed classes when each has one) start at its times, beside those of
	// the shape's users, shared by weight. Nil: none.
	Rate *Rate
	// MaxUsers bounds the pool of users that the open model starts iterations on; an
	// iteration that finds no free user is dropped. 0: as many as the highest rate starts
	// in a second, 100 at least and 10,000 at most.
	MaxUsers int
	// ReadyUsers of that pool are there before the first iteration; the others come when
	// an iteration finds no free one. 0: as many as the highest rate starts in 20 ms.
	ReadyUsers int
	// FindMax searches the highest rate that keeps targets, instead of Rate; Shape's
	// users run beside it.
	FindMax  *FindMax
	Recorder *stats.Recorder
	// Remote runs the users instead of this process: Recorder and Ledger are not used.
	Remote Remote
	// Ledger of the messages; nil when nobody follows them.
	Ledger *stats.Ledger
	// Clock that the scenario measures by; Run restarts it. Nil: a new one.
	Clock *Clock
	// Iterations ends the run when so many have been started and have ended; 0: no bound.
	Iterations uint64
	// ResetStats forgets the figures when the users have been started and the rate has
	// reached its peak. The ledger forgets nothing.
	ResetStats bool
	// RunTimeAfterRamp counts RunTime from that moment.
	RunTimeAfterRamp bool
	// Guards end the run when they are missed.
	Guards []Guard
	// Listeners are told what happens.
	Listeners []Listener
	// RunTime ends the run whatever the shape says; 0: it does not.
	RunTime time.Duration
	// StopTimeout is how long users may finish their iteration; then it is aborted. 0:
	// at once.
	StopTimeout time.Duration
	// DrainTimeout is how long receipts are waited for after the users' end.
	DrainTimeout time.Duration
	// NoDrain says that no receipts are expected.
	NoDrain bool
	// CoarseTimers leaves users' timers to the Go runtime alone, which lets them fire up to
	// a millisecond late. The exact ones wait for a clock of the system, on which no fake
	// time of testing/synctest has a hold: tests in a bubble set this.
	CoarseTimers bool
	// FirstUser is the index of the first user.
	FirstUser int
	// Seed makes the users' choices repeat; 0 draws one.
	Seed uint64
	// Gauges fills in what is sampled beside the requests: the target's CPU and so on.
	// It is called once a second and must not block.
	Gauges func(*stats.Gauges)
	// Series are further figures beside the requests, for the timeline, stats.MaxSeries at most.
	Series []stats.SeriesInfo
	// Sample gives their values, in their order. It is called once a second, like Gauges.
	Sample func() []stats.SeriesValue
	// OnStart is called once with the figures of the run, before the first user starts.
	// They may be asked while the run goes on, and after it.
	OnStart func(*stats.Collector)
	// OnTick is called once a second, and at the end, with the state of the run, on
	// Run's goroutine.
	OnTick func(stats.Live)
	// OnPhase is called when the run goes on to another part: "stopping users",
	// "draining"… On Run's goroutine.
	OnPhase func(string)
	// Resolve is called after the drain when messages are still open: it asks the
	// target what became of them.
	Resolve func(context.Context)
	// Kill ends the run at once when it is done: users are aborted, nothing is drained
	// or resolved. Nil: never.
	Kill   context.Context
	Logger *slog.Logger
}

// Result is what a run leaves behind beside recorder and ledger.
type Result struct {
	Collector *stats.Collector
	Started   time.Time
	Ended     time.Time
	// Stopped says that ctx ended the run before its shape did.
	Stopped bool
	// Killed says that Options.Kill did.
	Killed bool
	// Drained is the time spent waiting for receipts.
	Drained time.Duration
	// Loaded is the time from the start to the end of the users, without the drain.
	Loaded time.Duration
	// PeakUsers is the highest number of users that ran, those of the open model included.
	PeakUsers int
	// Aborted names the guard that ended the run, with what it found; "" is none.
	Aborted string
	// Max is what FindMax found; nil without it.
	Max *MaxRate
}

func (o *Options) check() error {
	err := checkClasses(o.Classes)
	open := o.Rate != nil || o.FindMax != nil
	closed := 0
	for _, c := range o.Classes {
		if c.Rate != nil {
			open = true
		} else {
			closed++
		}
	}
	if o.Shape == nil && !open {
		err = errors.Join(err, errors.New("neither a shape nor a rate"))
	}
	if (o.Rate != nil || o.FindMax != nil) && closed == 0 {
		err = errors.Join(err, errors.New("a rate, but every user class has its own"))
	}
	if o.MaxUsers < 0 || o.ReadyUsers < 0 || o.MaxUsers > 0 && o.ReadyUsers > o.MaxUsers {
		err = errors.Join(err, fmt.Errorf("%d users of the open model ready, %d at most", o.ReadyUsers, o.MaxUsers))
	}
	if o.FindMax != nil {
		err = errors.Join(err, o.FindMax.check(o))
	}
	if o.Shape == nil || closed == 0 {
		o.Shape = Flat{}
	}
	if o.Recorder == nil && o.Remote == nil {
		err = errors.Join(err, errors.New("no recorder"))
	}
	if o.Clock == nil {
		o.Clock = NewClock()
	}
	if o.Kill == nil {
		o.Kill = context.Background()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	if o.OnStart == nil {
		o.OnStart = func(*stats.Collector) {}
	}
	if o.OnTick == nil {
		o.OnTick = func(stats.Live) {}
	}
	if o.OnPhase == nil {
		o.OnPhase = func(string) {}
	}
	if n := len(o.Series); n > stats.MaxSeries {
		err = errors.Join(err, fmt.Errorf("%d series, %d at most", n, stats.MaxSeries))
	}
	if o.Sample == nil {
		o.Sample = func() []stats.SeriesValue { return nil }
	}
	if o.Gauges == nil {
		o.Gauges = func(*stats.Gauges) {}
	}
	return err
}
