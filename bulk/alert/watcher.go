package alert

import (
	"context"
	"crypto/x509"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/callback"
)

const (
	lookEvery    = 5 * time.Second
	storeTimeout = 10 * time.Second
	// recalled is how much of the history is read at the start: what fires longer than that many
	// changes ago is told again.
	recalled = 1000
	// maxUntold bounds the alerts that wait for slow channels; what comes beyond is in the
	// history only, and counted.
	maxUntold = 256
)

// Options build a Watcher.
type Options struct {
	Book    *Book
	Store   Store
	Guard   *callback.Guard
	Measure func(now time.Time) []Sample
	Logger  *slog.Logger
	Roots   *x509.CertPool // whom mail servers must be certified by; nil: the system's
}

// Counters are what became of alerts on their way to people.
type Counters struct{ Sent, Failed uint64 }

// Watcher measures, judges and tells. It may be started again after Stop.
type Watcher struct {
	opts   Options
	mailer mailer
	sender sender
	sent   atomic.Uint64
	failed atomic.Uint64

	life   sync.Mutex // guards cancel: one Start or Stop at a time
	cancel context.CancelFunc
	joined sync.WaitGroup

	mu     sync.Mutex // guards firing
	firing []Alert
}

// NewWatcher returns one that is not started.
func NewWatcher(o Options) *Watcher {
	return &Watcher{opts: o, mailer: mailer{o.Guard, o.Roots}, sender: newSender(o.Guard)}
}

// Start begins to measure. It returns at once.
func (w *Watcher) Start() {
	w.life.Lock()
	defer w.life.Unlock()
	if w.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	untold := make(chan Alert, maxUntold)
	w.joined.Go(func() { w.watch(ctx, untold) })
	w.joined.Go(func() { w.tellAll(ctx, untold) })
}

// Stop ends it: what is not told by now is in the history.
func (w *Watcher) Stop() {
	w.life.Lock()
	defer w.life.Unlock()
	if w.cancel == nil {
		return
	}
	w.cancel()
	w.joined.Wait()
	w.cancel = nil
	w.show(nil)
}

// Firing returns what fires now, by rule and subject.
func (w *Watcher) Firing() []Alert {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.firing
}

// Counters returns how many alerts channels took, and did not.
func (w *Watcher) Counters() Counters { return Counters{w.sent.Load(), w.failed.Load()} }

func (w *Watcher) watch(ctx context.Context, untold chan<- Alert) {
	defer close(untold)
	state := w.recall(ctx)
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		now := time.Now()
		rules := w.opts.Book.Rules()
		told := state.judge(rules, w.opts.Measure(now), now)
		w.show(state.list(rules))
		w.keep(ctx, told)
		for _, a := range told {
			w.opts.Logger.Warn("alert", "rule", a.Rule, "subject", a.Subject, "state", string(a.State), "value", a.Value)
			select {
			case untold <- a:
			default:
				w.failed.Add(1)
			}
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

func (w *Watcher) recall(ctx context.Context) board {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	state := make(board)
	history, err := w.opts.Store.History(ctx, recalled)
	if err != nil {
		w.opts.Logger.Error("read which alerts fired: they may be told again", "error", err)
	}
	state.recall(history)
	return state
}

func (w *Watcher) keep(ctx context.Context, told []Alert) {
	if len(told) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := w.opts.Store.AppendHistory(ctx, told); err != nil {
		w.opts.Logger.Error("keep the history of alerts", "error", err)
	}
}

func (w *Watcher) show(firing []Alert) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.firing = firing
}

// list returns what fires, by rule and subject.
func (b board) list(rules []Rule) []Alert {
	all := []Alert{}
	for i := range rules {
		from := len(all)
		for at, c := range b {
			if c.firing && at.rule == rules[i].Name {
				all = append(all, c.alert(&rules[i], at, Firing, c.told))
			}
		}
		slices.SortFunc(all[from:], func(a, c Alert) int { return strings.Compare(a.Subject, c.Subject) })
	}
	return all
}

// tellAll tells each alert over its channels at once, one alert after another.
func (w *Watcher) tellAll(ctx context.Context, untold <-chan Alert) {
	for a := range untold {
		var all sync.WaitGroup
		for _, c := range w.opts.Book.Channels() {
			if c.wants(a.Rule) {
				all.Go(func() { w.tell(ctx, c, a) })
			}
		}
		all.Wait()
	}
}

// pauses are the waits between the tries of one alert on one channel.
func pauses() []time.Duration { return []time.Duration{2 * time.Second, 10 * time.Second, 0} }

func (w *Watcher) tell(ctx context.Context, c Channel, a Alert) {
	var err error
	for _, pause := range pauses() {
		if err = w.send(ctx, c, a); err == nil {
			w.sent.Add(1)
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
	w.failed.Add(1)
	w.opts.Logger.Error("an alert was not told", "channel", c.Name, "rule", a.Rule, "subject", a.Subject, "error", err)
}

// Try sends a test over a channel and returns why it does not work.
func (w *Watcher) Try(ctx context.Context, name string) error {
	c, err := w.opts.Book.Channel(name)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	return w.send(ctx, c, Alert{State: Test, Summary: "test of the alert channel " + name, Since: now, At: now})
}

func (w *Watcher) send(ctx context.Context, c Channel, a Alert) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if c.Kind == Email {
		return w.mailer.send(ctx, &c, a)
	}
	return w.sender.send(ctx, &c, a)
}
