package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/fleet"
	"protei-bulk/load/report"
	"protei-bulk/load/scenario"
	"protei-bulk/load/stats"
)

// fleetEvents tells people what happens to workers: on the terminal of the test that runs,
// before it as plain lines.
type fleetEvents struct {
	mu sync.Mutex
	to func(string) // guarded by mu
}

func newFleetEvents(w io.Writer) *fleetEvents {
	return &fleetEvents{to: func(text string) { fmt.Fprintln(w, text) }}
}

func (e *fleetEvents) say(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.to(text)
}

func (e *fleetEvents) redirect(to func(string)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.to = to
}

// startFleet makes the master of --master and --processes, and forks the latter's workers;
// stop ends all of that.
func (o *loadOptions) startFleet(env *environment) (stop func(), err error) {
	x := &o.fleet
	if !x.many() {
		return func() {}, nil
	}
	out := env.Stdout
	if o.json {
		out = env.Stderr
	}
	x.events = newFleetEvents(out)
	if !x.master {
		x.token = rand.Text() // of our own children
	}
	cfg, fingerprint, err := x.serverTLS()
	if err != nil {
		return nil, err
	}
	hash := ""
	if o.scenario != nil {
		text, err := os.ReadFile(o.file)
		if err != nil {
			return nil, fmt.Errorf("scenario: %w", err)
		}
		hash = fleet.Hash(text)
	}
	level, err := parseLevel(o.logLevel)
	if err != nil {
		return nil, err
	}
	if x.boss, err = fleet.NewMaster(fleet.MasterOptions{
		Listen: x.listenAddr(), Token: x.token, TLS: cfg, Version: version, Scenario: hash, OnEvent: x.events.say,
		Logger: slog.New(slog.NewTextHandler(env.Stderr, &slog.HandlerOptions{Level: max(level, slog.LevelError)})),
	}); err != nil {
		return nil, err
	}
	x.greet(fingerprint)
	if x.processes == 0 {
		return func() { x.boss.Close("the master has ended") }, nil
	}
	x.expect = max(x.expect, x.forks())
	children, err := forkWorkers(env, x, fingerprint)
	if err != nil {
		x.boss.Close("it could not start its workers")
		return nil, err
	}
	return func() {
		x.boss.Close("the master has ended")
		children.wait()
	}, nil
}

// greet says where workers are to come, and who is let in.
func (x *fleetFlags) greet(fingerprint string) {
	if !x.master {
		return
	}
	x.events.say("Workers:  protei-bulk load --worker --master-host HOST --master-port " + portOf(x.boss.Addr()) + ", listening on " + x.boss.Addr())
	if x.token == "" {
		x.events.say("Note: there is no --master-token: workers of loopback and private networks are taken, others refused.")
	}
	switch {
	case fingerprint != "":
		x.events.say("Note: for --master-fingerprint: " + fingerprint)
	case x.token != "" && !x.tls && x.cert == "":
		x.events.say("Note: token, API key and SMPP password cross the network in the clear; --master-tls encrypts them.")
	}
}

func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// fleetSpec is what a worker needs to know about a run.
type fleetSpec struct {
	Host        string            `json:"host"`
	APIKey      string            `json:"api_key"`
	SMPP        string            `json:"smpp,omitempty"`
	Peak        int               `json:"peak"`
	RunTime     time.Duration     `json:"run_time,omitempty"`
	Classes     []string          `json:"classes,omitempty"`
	Set         []string          `json:"set,omitempty"`
	Header      []string          `json:"header,omitempty"`
	Tags        []string          `json:"tags,omitempty"`
	ExcludeTags []string          `json:"exclude_tags,omitempty"`
	ConfigUsers string            `json:"config_users,omitempty"`
	Equal       bool              `json:"equal_weights,omitempty"`
	Insecure    bool              `json:"insecure,omitempty"`
	NoReceipts  bool              `json:"no_receipts,omitempty"`
	DLRURL      string            `json:"dlr_url,omitempty"` // fixed: the master listens
	Timeout     time.Duration     `json:"timeout"`
	StopTimeout time.Duration     `json:"stop_timeout"`
	MaxUsers    int               `json:"max_users,omitempty"`
	Seed        uint64            `json:"seed"`
	File        string            `json:"file,omitempty"` // scenario file, "" is the built-in scenario
	Env         map[string]string `json:"env,omitempty"`  // what the file reads of the environment
}

// job is what the workers of this run get.
func (t *loadTest) job() (fleet.Job, error) {
	o := t.opts
	s := fleetSpec{
		Host: o.host, APIKey: o.apiKey, SMPP: o.smpp, Peak: t.peak, RunTime: o.runTime, Classes: o.classes, Set: o.set, Header: o.header,
		Tags: o.tags, ExcludeTags: o.excludeTags, ConfigUsers: o.configUsers, Equal: o.equalWeights, Insecure: o.insecure,
		NoReceipts: o.noReceipts, DLRURL: o.dlrURL, Timeout: o.timeout, StopTimeout: o.stopTimeout, MaxUsers: o.maxUsers, Seed: o.seed,
	}
	if s.Seed == 0 {
		s.Seed = mathrand.Uint64()
	}
	job := fleet.Job{Iterations: o.iterations, Files: map[string][]byte{}}
	if text := strings.TrimSpace(o.configUsers); text != "" && text[0] != '{' && text[0] != '[' {
		b, err := os.ReadFile(text)
		if err != nil {
			return job, fmt.Errorf("--config-users: %w", err)
		}
		s.ConfigUsers = string(b)
	}
	if o.scenario != nil {
		s.File, s.Env = filepath.Base(o.file), map[string]string{}
		if err := t.collect(&job, &s); err != nil {
			return job, err
		}
	}
	var err error
	job.Spec, err = json.Marshal(s)
	return job, err
}

// dataFile is the name of a data file among those that travel, apart from the scenario's.
func dataFile(name string) string { return "data: " + name }

// collect reads the scenario file once more and keeps what it reads: workers need that, and
// no more.
func (t *loadTest) collect(job *fleet.Job, s *fleetSpec) error {
	o := t.opts
	text, err := os.ReadFile(o.file)
	if err != nil {
		return fmt.Errorf("scenario: %w", err)
	}
	job.Files[s.File] = text
	_, err = scenario.Parse(o.file, text, scenario.ParseOptions{
		Vars: o.set, Unwatched: true, // the master watches; the secrets for it stay here
		Getenv: func(name string) string {
			v := t.env.Getenv(name)
			s.Env[name] = v
			return v
		},
		ReadFile: func(name string) ([]byte, error) {
			path := name
			if !filepath.IsAbs(path) {
				path = filepath.Join(filepath.Dir(o.file), path)
			}
			b, err := os.ReadFile(path)
			if err == nil {
				job.Files[dataFile(name)] = b
			}
			return b, err
		},
	})
	return err
}

// gather waits for the workers, gives them the test, and has one of them send the canary.
func (t *loadTest) gather(ctx context.Context) error {
	x := &t.opts.fleet
	x.events.redirect(func(text string) { t.term.Note("%s", text) })
	want := x.expect
	if !t.opts.headless && !t.opts.autostart && x.processes == 0 {
		want = 1
		if len(x.boss.Workers()) == 0 {
			return errors.New("there is no worker yet: start some with --worker --master-host, then try again")
		}
	}
	if err := x.boss.WaitFor(ctx, want, x.maxWait, func(have int) {
		if have < want {
			t.term.Note("%d of %d workers are there; waiting for the others.", have, want)
		}
	}); err != nil {
		return &exitError{code: 1, err: err}
	}
	job, err := t.job()
	if err != nil {
		return err
	}
	run := mathrand.Uint32()
	if t.remote, err = x.boss.Prepare(ctx, max(run, 1), job); err != nil {
		return err
	}
	t.figures = t.remote
	if err := t.forward(); err != nil {
		return err
	}
	for _, w := range x.boss.Workers() {
		t.term.Note("%s", workerLine(w))
	}
	return t.remote.Canary(ctx)
}

// workerLine is a worker with its clock.
func workerLine(w fleet.WorkerInfo) string {
	return fmt.Sprintf("worker %d: %s, its clock is %s behind ours, %s there and back", w.ID, w.Name,
		w.Offset.Round(10*time.Microsecond), w.RTT.Round(10*time.Microsecond))
}

// forward listens for the workers' receipts when all are told the same URL.
func (t *loadTest) forward() error {
	o := t.opts
	if o.dlrURL == "" || o.noReceipts {
		return nil
	}
	var err error
	t.forwarder, err = scenario.ListenReceipts(scenario.ForwarderOptions{
		Listen: o.dlrListen, Target: hostPort(o.host), File: o.scenario, Logger: t.logger,
		Forward: func(list []scenario.Receipt) error {
			out := make([]fleet.Receipt, len(list))
			for i, r := range list {
				out[i] = fleet.Receipt{r.ID, r.Ref, r.Status}
			}
			return t.remote.Forward(out)
		},
	})
	if err == nil {
		t.term.Note("receipts: posted to %s, taken on %s, handed to the worker that sent the message", o.dlrURL, t.forwarder.Addr())
	}
	return err
}

// hostPort is the address of a base URL.
func hostPort(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "80")
	}
	return u.Host
}

// lastWords is what a worker says at the end of a run.
type lastWords struct {
	Worker     int                    `json:"worker"`
	Notes      []string               `json:"notes,omitempty"`
	WindowFull time.Duration          `json:"window_full,omitempty"`
	Answers    []report.FailingAnswer `json:"answers,omitempty"`
}

// fillFleet adds to the report what the workers said.
func (t *loadTest) fillFleet(r *report.Run) {
	r.Degraded = t.remote.Degraded()
	r.Generator.Workers = t.remote.Members()
	for _, raw := range t.remote.Last() {
		var w lastWords
		if json.Unmarshal(raw, &w) != nil {
			continue
		}
		r.Generator.WindowFull += w.WindowFull
		r.Answers = append(r.Answers, w.Answers...)
		for _, note := range w.Notes {
			r.Notes = append(r.Notes, fmt.Sprintf("worker %d: %s", w.Worker, note))
		}
	}
	r.Answers = r.Answers[:min(len(r.Answers), mostAnswers)]
	r.Notes = append(r.Notes, t.remote.Notes()...)
	for _, w := range t.opts.fleet.boss.Workers() {
		r.Generator.Facts = append(r.Generator.Facts, report.Fact{Label: fmt.Sprintf("Worker %d", w.ID), Value: w.Name})
	}
}

// mostAnswers bounds the failing answers of all workers together.
const mostAnswers = 40

// resolveRemotely has the workers ask the target, and adds their answers up.
func (t *loadTest) resolveRemotely(ctx context.Context) (sum scenario.Resolution) {
	for _, raw := range t.remote.Resolve(ctx) {
		var r scenario.Resolution
		if json.Unmarshal(raw, &r) == nil {
			sum.Asked += r.Asked
			sum.Pending += r.Pending
			sum.Lost += r.Lost
			sum.NotAsked += r.NotAsked
			sum.Unreachable += r.Unreachable
		}
	}
	return sum
}

// fleetGauges puts the workers' figures in the place of the master's own: the CPU of the
// busiest, the memory of all.
func (t *loadTest) fleetGauges(g *stats.Gauges) {
	g.GeneratorCPU, g.GeneratorRSS = 0, 0
	for _, w := range t.opts.fleet.boss.Workers() {
		g.GeneratorCPU = max(g.GeneratorCPU, w.CPU)
		g.GeneratorRSS += w.Memory
	}
}

var _ load.Remote = (*fleet.Run)(nil)
