package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/panel"
	"protei-bulk/load/report"
	"protei-bulk/load/stats"
)

// pageSession is the load command with its web page: any number of runs, one after the
// other. It implements panel.Control.
type pageSession struct {
	env  *environment
	base *loadOptions
	page *panel.Page
	kill context.Context // ends everything at once

	mu     sync.Mutex
	run    *pageRun       // guarded by mu: under way, or the last one
	busy   bool           // guarded by mu
	closed bool           // guarded by mu: no run starts any more
	form   panel.Form     // guarded by mu: of the last run, or the command line's
	code   int            // guarded by mu: exit code of the last run
	runs   sync.WaitGroup // the goroutine of the run under way
	over   chan struct{}  // gets a value when a run has ended
}

// errStoppedOnPage is why a run ended that somebody stopped on the page: it is judged as any other.
var errStoppedOnPage = errors.New("stopped on the page")

// pageRun is one run of the session.
type pageRun struct {
	opts    *loadOptions
	test    *loadTest
	figures *stats.Collector
	ended   bool
	stop    context.CancelCauseFunc // lets the users end and receipts drain
	abort   context.CancelFunc      // ends it at once
	stops   int                     // how often Stop was asked for
}

// runPage serves the page until ctx ends, or --autoquit does it.
func runPage(ctx context.Context, env *environment, opts *loadOptions, kill context.Context) error {
	token, err := opts.page.secret()
	if err != nil {
		return &exitError{code: 1, err: err}
	}
	s := &pageSession{env: env, base: opts, kill: kill, form: opts.form(), over: make(chan struct{}, 1)}
	if s.page, err = panel.New(panel.Options{
		Control: s, BasePath: opts.page.basePath, Token: token, Hosts: []string{strings.ToLower(opts.page.host)},
		Secure: opts.page.certFile != "", Picker: opts.page.picker, Version: version, Scenario: opts.scenarioName(),
		Logger: slog.New(slog.NewTextHandler(env.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}); err != nil {
		return usageError("--web-base-path: %w", err)
	}
	ln, err := opts.page.listen()
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	served := make(chan error, 1)
	server := s.serve(ln, served)
	s.greet(ln.Addr(), token)
	if opts.autostart {
		if err := s.Start(s.form); err != nil {
			s.shutdown(server)
			if closed := <-served; !errors.Is(closed, http.ErrServerClosed) {
				err = errors.Join(err, closed)
			}
			return &exitError{code: 2, err: err}
		}
	}
	err = s.wait(ctx, served)
	s.shutdown(server)
	return err
}

// secret is the token that the page asks for; "" asks for none.
func (p *pageFlags) secret() (string, error) {
	if p.token != "" {
		return p.token, nil
	}
	if p.loopback() && !p.login {
		return "", nil
	}
	return rand.Text(), nil
}

func (s *pageSession) serve(ln net.Listener, served chan<- error) *http.Server {
	server := &http.Server{
		Handler: s.page, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(slog.NewTextHandler(s.env.Stderr, nil), slog.LevelWarn),
	}
	go func() { served <- server.Serve(ln) }()
	return server
}

// greet says where the page is.
func (s *pageSession) greet(addr net.Addr, token string) {
	out, p := s.env.Stdout, &s.base.page
	if s.base.json {
		out = s.env.Stderr
	}
	url := p.url(addr)
	fmt.Fprintln(out, "Web page: "+url)
	if token != "" && p.token == "" {
		fmt.Fprintln(out, "Token:    "+token+"   (or open "+url+"login?token="+token+")")
	}
	if token != "" && p.certFile == "" && !p.loopback() {
		fmt.Fprintln(out, "Note: the token crosses the network in the clear; --tls-cert and --tls-key encrypt it.")
	}
	for _, note := range s.base.notes {
		fmt.Fprintln(out, note)
	}
	s.log(slog.LevelInfo, "protei-bulk load "+version+", web page on "+url)
}

// log puts a line into the Logs tab.
func (s *pageSession) log(level slog.Level, text string) {
	s.page.Log(panel.LogLine{At: time.Now(), Level: level, Text: text})
}

// wait is the life of the session.
func (s *pageSession) wait(ctx context.Context, served <-chan error) error {
	var quit <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return s.interrupted()
		case err := <-served:
			return &exitError{code: 1, err: fmt.Errorf("serve the web page: %w", err)}
		case <-s.over:
			if s.base.autoquit >= 0 {
				quit = time.After(s.base.autoquit)
			}
		case <-quit:
			if s.idle() {
				return s.exit()
			}
		}
	}
}

// interrupted ends the run under way as Ctrl-C does.
func (s *pageSession) interrupted() error {
	s.mu.Lock()
	busy := s.busy
	s.closed = true
	if busy {
		s.run.stop(nil)
	}
	s.mu.Unlock()
	s.runs.Wait()
	if busy {
		return &exitError{code: 130}
	}
	return s.exit()
}

func (s *pageSession) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.busy
}

func (s *pageSession) exit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.code == 0 {
		return nil
	}
	return &exitError{code: s.code}
}

// shutdown ends the run under way and the page.
func (s *pageSession) shutdown(server *http.Server) {
	s.mu.Lock()
	s.closed = true
	if s.busy {
		s.run.abort()
		s.run.stop(nil)
	}
	s.mu.Unlock()
	s.runs.Wait()
	s.page.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		_ = server.Close()
	}
}

// Defaults implements panel.Control.
func (s *pageSession) Defaults() panel.Form {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.form
}

// Check implements panel.Control.
func (s *pageSession) Check(form panel.Form) (string, error) {
	opts, err := s.base.withForm(s.env, form)
	if err != nil {
		return "", err
	}
	return opts.command, nil
}

// Start implements panel.Control.
func (s *pageSession) Start(form panel.Form) error {
	opts, err := s.base.withForm(s.env, form)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.busy:
		return panel.ErrBusy
	case s.closed:
		return errors.New("the load tester is ending")
	}
	r := &pageRun{opts: opts}
	ctx, stop := context.WithCancelCause(context.WithoutCancel(s.kill))
	kill, abort := context.WithCancel(s.kill)
	r.stop, r.abort = stop, abort
	s.run, s.busy, s.form = r, true, form
	s.page.Say(panel.Starting, "Checking the target.")
	s.runs.Go(func() {
		defer stop(nil)
		defer abort()
		s.perform(ctx, r, kill)
	})
	return nil
}

// perform is the goroutine of a run.
func (s *pageSession) perform(ctx context.Context, r *pageRun, kill context.Context) {
	err := s.attempt(ctx, r, kill)
	code := 0
	if exit := (*exitError)(nil); errors.As(err, &exit) {
		code = exit.code
	}
	s.mu.Lock()
	s.busy, s.code, r.ended = false, code, true
	begun := r.figures != nil
	s.mu.Unlock()
	if begun {
		s.log(slog.LevelInfo, "run ended: "+r.test.run.Verdict.Word())
	}
	switch {
	case begun && (err == nil || errors.Unwrap(err) == nil): // the exit code is the verdict's
		s.page.End(&r.test.run.Verdict, r.test.run.Stopped)
	case begun:
		s.page.End(&r.test.run.Verdict, err.Error())
	default:
		fmt.Fprintln(s.env.Stderr, "protei-bulk:", err)
		s.log(slog.LevelError, err.Error())
		s.page.Say(panel.Failed, err.Error())
	}
	select {
	case s.over <- struct{}{}:
	default:
	}
}

func (s *pageSession) attempt(ctx context.Context, r *pageRun, kill context.Context) error {
	t, err := newWatchedTest(ctx, s.env, r.opts, runWatch{
		started: func(c *stats.Collector) { s.begun(r, c) },
		ticked: func(live stats.Live) {
			r.figures.Follow(r.opts.warmup)
			s.page.Tick(live)
		},
		phase: s.phase,
		log:   s.page.LogHandler,
	})
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	defer t.close()
	s.mu.Lock()
	r.test = t
	s.mu.Unlock()
	if err := t.prepare(ctx); err != nil {
		if ctx.Err() != nil {
			err = errors.New("stopped before it began")
		}
		return &exitError{code: 2, err: err}
	}
	return t.perform(ctx, kill)
}

// begun tells the page that a run has its first moment.
func (s *pageSession) begun(r *pageRun, c *stats.Collector) {
	s.mu.Lock()
	r.figures = c
	s.mu.Unlock()
	o, t := r.opts, r.test
	s.log(slog.LevelInfo, "run begins: "+o.command)
	s.page.Begin(panel.Run{
		Started: t.clock.Start(), Host: o.host, Scenario: o.scenarioName(), Shape: o.shape, Rate: t.rateText(), Profile: o.profile,
		Command: o.command, Users: t.peak, Targets: t.deciding(), Figures: c,
	})
}

// phase puts the parts of a run into the page's words.
func (s *pageSession) phase(text string) {
	s.log(slog.LevelInfo, text)
	s.page.Mark(text)
	switch {
	case text == "stopping users":
		s.page.Say(panel.Stopping, "Users finish what they do.")
	case strings.HasPrefix(text, "draining"):
		s.page.Say(panel.Draining, "Waiting for delivery receipts.")
	case strings.HasPrefix(text, "asking"):
		s.page.Say(panel.Draining, "Asking the target about open messages.")
	}
}

// Edit implements panel.Control.
func (s *pageSession) Edit(e panel.Edit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.busy || s.run.figures == nil {
		return panel.ErrIdle
	}
	t := s.run.test
	var words []string
	if e.Rate != nil {
		text, err := t.changeRate(*e.Rate)
		if err != nil {
			return editError("rate", err)
		}
		words = append(words, text)
	}
	if e.Users != nil {
		rate := t.opts.spawnRate
		if e.SpawnRate != nil {
			rate = *e.SpawnRate
		}
		err := load.CheckOpenFiles(load.OfferOf(t.classes, *e.Users+t.opts.maxUsers), t.limit)
		if err != nil && t.remote == nil {
			return editError("user_count", err)
		}
		t.engine.SetUsers(*e.Users, rate)
		words = append(words, fmt.Sprintf("%d users", *e.Users))
	}
	if len(words) == 0 {
		return editError("", errors.New("nothing to change"))
	}
	text := strings.Join(words, ", ") + " wanted"
	t.mark(text)
	s.page.Mark(text)
	s.log(slog.LevelInfo, "changed on the page: "+text)
	return nil
}

// changeRate changes the open model's rate.
func (t *loadTest) changeRate(text string) (string, error) {
	if t.opts.rate == "" {
		return "", errors.New("this test has no rate: give it one when you start it")
	}
	r, err := load.ParseRate(text, t.opts.runTime)
	if err != nil {
		return "", err
	}
	t.engine.SetRate(r)
	return "rate " + r.String(), nil
}

// Stop implements panel.Control.
func (s *pageSession) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.busy {
		return panel.ErrIdle
	}
	s.run.stops++
	if s.run.stops > 1 {
		s.run.abort()
	}
	s.run.stop(errStoppedOnPage)
	return nil
}

// Reset implements panel.Control.
func (s *pageSession) Reset() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r := s.run; {
	case r == nil || r.figures == nil:
		return panel.ErrIdle
	case !r.ended:
		r.test.engine.ResetStats()
		r.test.mark("figures reset")
		s.page.Mark("figures reset")
	default:
		r.figures.Reset()
		s.page.Tick(r.figures.Live())
	}
	return nil
}

// Workers implements panel.Control.
func (s *pageSession) Workers() []panel.Worker {
	if s.base.fleet.boss == nil {
		return nil // this process does it alone
	}
	var out []panel.Worker
	for _, w := range s.base.fleet.boss.Workers() {
		out = append(out, panel.Worker{
			ID: strconv.Itoa(w.ID), Host: w.Name, State: w.State, Users: w.Users, CPU: w.CPU, Memory: w.Memory, RPS: w.RPS, ClockOffset: -w.Offset,
		})
	}
	return out
}

// Report implements panel.Control.
func (s *pageSession) Report(whole bool) *report.Run {
	s.mu.Lock()
	r := s.run
	if r == nil || r.figures == nil {
		s.mu.Unlock()
		return nil
	}
	ended := r.ended
	s.mu.Unlock()
	if ended {
		return &r.test.run
	}
	return r.test.soFar(r.figures, whole)
}

// ClassNames implements panel.Control.
func (s *pageSession) ClassNames() []string { return s.base.classNames() }

// Classes implements panel.Control.
func (s *pageSession) Classes() []panel.Class {
	s.mu.Lock()
	opts := s.base
	if s.run != nil {
		opts = s.run.opts
	}
	s.mu.Unlock()
	classes, err := opts.classesOnly(context.Background())
	if err != nil {
		return nil
	}
	return panelClasses(classes, max(opts.users, 1))
}

func panelClasses(classes []load.UserClass, users int) []panel.Class {
	counts := load.OfferOf(classes, users).Users
	out := make([]panel.Class, 0, len(classes))
	for i, c := range classes {
		pc := panel.Class{
			Name: c.Name, Weight: max(c.Weight, 1), FixedCount: c.FixedCount, Every: c.Every, Wait: fmt.Sprint(c.Wait),
			Share: float64(counts[i]) / float64(users),
		}
		if c.Rate != nil {
			pc.Rate, pc.Wait = c.Rate.String(), ""
		}
		sum := 0
		for _, t := range c.Tasks {
			sum += t.Weight
		}
		for _, t := range c.Tasks {
			pc.Tasks = append(pc.Tasks, panel.Task{Name: t.Name, Weight: t.Weight, Tags: t.Tags, Share: float64(t.Weight) / float64(sum)})
		}
		out = append(out, pc)
	}
	return out
}
