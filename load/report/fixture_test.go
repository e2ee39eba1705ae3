package report

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"protei-bulk/load/stats"
)

// fixtureStart is when every fixture run begins.
var fixtureStart = time.Date(2026, 3, 14, 9, 26, 53, 0, time.FixedZone("CET", 3600))

// request is one kind of request in the fixture's mix.
type request struct {
	method, name string
	share        float64 // of the requests
	median       time.Duration
	sigma        float64
	bytes        int
	messages     int
}

var fixtureMix = []request{
	{"POST", "/api/v1/messages", 0.262, 9 * time.Millisecond, 0.55, 176, 1},
	{"POST", "/api/v1/messages/bulk", 0.131, 14 * time.Millisecond, 0.60, 612, 10},
	{"GET", "/api/v1/messages/{id}", 0.079, 4 * time.Millisecond, 0.70, 402, 0},
	{"GET", "/api/v1/messages", 0.052, 6 * time.Millisecond, 0.65, 7904, 0},
	{"POST", "/api/v1/campaigns", 0.026, 8 * time.Millisecond, 0.60, 240, 0},
	{"SMPP", "submit_sm", 0.450, 6 * time.Millisecond, 0.50, 33, 1},
}

// scene is what a fixture run goes through.
type scene struct {
	users    int
	perUser  float64 // requests a second of each
	ramp     int     // seconds
	steady   int
	drain    int
	slow     float64 // factor on latencies while steady
	failing  float64 // share of requests
	latePart float64 // share of steady seconds that start late
	lost     uint64
	cpu      float64
	watched  bool // series of a database and a queue
}

// watchedSeries are those of a scene that is watched; the last one never answers.
func watchedSeries() []stats.SeriesInfo {
	const db, queue = "postgres://app:HIDDEN@db:5432/bulk", "redis://:HIDDEN@queue:6379"
	return []stats.SeriesInfo{
		{Name: "postgres.connections", Label: "connections", Source: db, Level: true},
		{Name: "postgres.cache_hits", Unit: stats.UnitShare, Label: "cache hit ratio", Source: db, More: true},
		{Name: "postgres.transactions", Unit: stats.UnitRate, Label: "transactions", Source: db, More: true},
		{Name: "postgres.longest_query", Unit: stats.UnitSeconds, Label: "longest query", Source: db, Level: true},
		{Name: "postgres.size", Unit: stats.UnitBytes, Label: "database size", Source: db, Level: true},
		{Name: "queue.depth", Label: "list lane", Source: queue, Level: true},
		{Name: "app.cpu", Unit: "cores", Label: "CPU", Source: "pid:4711"},
	}
}

// watchedValues are their values in second i.
func watchedValues(i int, load float64) []stats.SeriesValue {
	x := float64(i)
	depth := stats.SeriesValue{Value: math.Round(40*load + 60*math.Pow(math.Sin(x/9), 8))}
	if i%10 == 7 {
		depth = stats.NotMeasured("no answer in time")
	}
	return []stats.SeriesValue{
		{Value: math.Round(4 + 60*load)},
		{Value: 0.992 + 0.004*math.Sin(x/5)},
		{Value: 5400 * load},
		{Value: 0.004 + 0.02*load},
		{Value: 84e6 + 1.1e6*x},
		depth,
		stats.NotMeasured("there is no process 4711"),
	}
}

// play runs a scene through the real collector, deterministically, and returns the finished run.
func play(t testing.TB, s scene) *Run {
	t.Helper()
	f := newFixture(s)
	for i := range s.ramp + s.steady + s.drain {
		f.second(i, nil)
	}
	return f.run()
}

type fixture struct {
	scene
	rng       *rand.Rand
	recorder  *stats.Recorder
	ledger    *stats.Ledger
	collector *stats.Collector
	entries   []stats.Entry
	open      []uint64
}

func newFixture(s scene) *fixture {
	f := &fixture{scene: s, rng: rand.New(rand.NewPCG(7, 7))}
	f.recorder = stats.NewRecorder(stats.RecorderOptions{Shards: 1})
	f.ledger = stats.NewLedger(stats.LedgerOptions{Run: 42, Stripes: 1})
	o := stats.CollectorOptions{Start: fixtureStart, Recorder: f.recorder, Ledger: f.ledger}
	if s.watched {
		o.Series = watchedSeries()
	}
	f.collector = stats.NewCollector(o)
	for _, r := range fixtureMix {
		f.entries = append(f.entries, f.recorder.Entry(r.method, r.name))
	}
	return f
}

// second plays second i; see, when set, gets the state after it.
func (f *fixture) second(i int, see func(stats.Live)) {
	users, phase := f.users, stats.PhaseSteady
	switch {
	case i < f.ramp:
		users, phase = f.users*(i+1)/f.ramp, stats.PhaseRamp
	case i >= f.ramp+f.steady:
		users, phase = 0, stats.PhaseDrain
	}
	f.receipts(i, phase == stats.PhaseDrain && i == f.ramp+f.steady+f.drain-1)
	wobble := 1 + 0.02*math.Sin(float64(i)/3)
	if i%37 == 30 {
		wobble *= 2.4 // a checkpoint
	}
	shard := f.recorder.Shard(0)
	n := int(float64(users) * f.perUser * (1 + 0.01*math.Cos(float64(i)/5)))
	for range n {
		f.request(shard, i, wobble)
	}
	late := phase == stats.PhaseSteady && f.rng.Float64() < f.latePart
	for range n / 2 {
		d := time.Duration(f.rng.ExpFloat64() * float64(700*time.Microsecond))
		if late {
			d *= 60
		}
		shard.Late(d)
	}
	f.collector.Tick(stats.Tick{
		At: fixtureStart.Add(time.Duration(i+1) * time.Second), Users: users, Phase: phase, Gauges: f.gauges(i, users),
		Series: watchedValues(i, float64(users)/float64(max(f.users, 1))),
	})
	if see != nil {
		see(f.collector.Live())
	}
}

func (f *fixture) gauges(i, users int) stats.Gauges {
	load := float64(users) / float64(max(f.users, 1))
	g := stats.Gauges{
		TargetCPU: f.cpu*load + 0.01*f.rng.Float64(), TargetMemory: 0.031 + 0.0002*float64(i), TargetRSS: 182e6 + 1.4e6*float64(i),
		GeneratorCPU: 0.21*load + 0.01*f.rng.Float64(), GeneratorRSS: 118e6 + 2e5*float64(i),
	}
	if i == 41 {
		g.Steal = 0.14
	}
	return g
}

func (f *fixture) request(shard *stats.Shard, second int, wobble float64) {
	x, k := f.rng.Float64(), 0
	for x > fixtureMix[k].share && k < len(fixtureMix)-1 {
		x -= fixtureMix[k].share
		k++
	}
	r := fixtureMix[k]
	d := time.Duration(float64(r.median) * math.Exp(f.rng.NormFloat64()*r.sigma) * wobble * max(f.slow, 1))
	smp := stats.Sample{Service: d, Response: d + time.Duration(f.rng.IntN(300))*time.Microsecond, Bytes: r.bytes, Messages: r.messages, Segments: r.messages * 11 / 10}
	at := time.Duration(second) * time.Second
	if f.rng.Float64() < f.failing {
		smp.Outcome, smp.Messages, smp.Segments = stats.Failed, 0, 0
		text := "503 Service Unavailable: the store's backlog is full"
		if f.rng.IntN(4) == 0 {
			text = "timeout after 10 s"
			smp.Response = 10 * time.Second
			if r.messages > 0 {
				f.ledger.Unanswered(f.ledger.Issue(1, at))
			}
		} else if r.messages > 0 {
			f.ledger.Reject(f.ledger.Issue(1, at))
		}
		f.recorder.Fail(f.entries[k], text, fixtureStart.Add(at))
	}
	shard.Record(f.entries[k], smp)
	for range smp.Messages {
		seq := f.ledger.Issue(1, at)
		f.ledger.Accept(seq, nil)
		f.open = append(f.open, seq)
	}
}

// receipts brings the receipts of the messages of the second before.
func (f *fixture) receipts(second int, last bool) {
	keep := f.open[:0]
	for _, seq := range f.open {
		switch {
		case seq/1000 == 2 && seq%1000 < f.lost:
			keep = append(keep, seq)
			continue
		case !last && f.rng.Float64() < 0.04:
			keep = append(keep, seq)
			continue
		}
		final := stats.FinalDelivered
		if f.rng.Float64() < 0.004 {
			final = stats.FinalFailed
		}
		late := time.Duration(math.Exp(f.rng.NormFloat64()*0.4) * float64(85*time.Millisecond))
		f.ledger.Receipt(seq, final, time.Duration(second-1)*time.Second+late)
	}
	f.open = keep
}

func (f *fixture) run() *Run {
	end := fixtureStart.Add(time.Duration(f.ramp+f.steady+f.drain) * time.Second)
	f.ledger.OpenMessages(func(m stats.OpenMessage) bool { f.ledger.Resolve(m.Seq, stats.ResolvedLost); return true })
	r := &Run{
		Title: "Protei_Bulk Load Test", Host: "http://127.0.0.1:8080", Scenario: "messaging (built in)",
		Command: "protei-bulk load -H http://127.0.0.1:8080 -u 1925 -r 193 -t 85s --headless --target guide --html report.html",
		Version: "0.2.0", Started: fixtureStart, Ended: end,
		Machine: Machine{Hostname: "bench-1", OS: "Debian GNU/Linux 13 (trixie), linux 6.12", CPU: "AMD EPYC 9354P", Cores: 2, Memory: 8 << 30, Go: "go1.26"},
		Whole:   f.collector.Summary(f.collector.Whole()), Points: f.collector.Points(), DLRLatency: f.collector.DLRLatency(),
		Markers: []Marker{
			{0, "ramp begins"},
			{time.Duration(f.ramp) * time.Second, formatCount(uint64(f.users)) + " users"},
			{time.Duration(f.ramp+f.steady) * time.Second, "users stopped, drain"},
		},
		Ledger: f.ledger.Counts(), Failures: f.recorder.Failures(), Exceptions: f.recorder.Exceptions(),
		Target:    TargetSystem{Name: "protei-bulk", Version: "0.2.0", Cores: 2, MemoryLimit: 8 << 30, Durability: "fsync", Facts: []Fact{{"store", "embedded"}}},
		Generator: Generator{Workers: 1, OpenFiles: 65536, Facts: []Fact{{"HTTP connections", "1,900"}, {"SMPP binds", "25"}}},
		Notes:     []string{"Canary: HTTP receipt after 31 ms, SMPP receipt after 27 ms."},
	}
	if f.failing > 0 {
		r.Answers = failingAnswers()
	}
	if f.watched {
		r.Series = watchedSeries()
		r.Series[5].Off, r.Series[6].Off = "no answer in time", "there is no process 4711"
	}
	if w, ok := f.collector.Measured(5 * time.Second); ok {
		r.Measured = f.collector.Summary(w)
	}
	return r
}

// The fixture runs, 1:20 of a demo's rate so that tests stay quick.
func passing() scene {
	return scene{users: 1925, perUser: 5.8, ramp: 10, steady: 66, drain: 4, cpu: 0.47}
}

func failing() scene {
	s := passing()
	s.slow, s.failing, s.lost, s.cpu = 11, 0.013, 17, 0.94
	return s
}

func saturated() scene {
	s := passing()
	s.slow, s.latePart = 14, 0.4
	return s
}

// small makes a scene of a few thousand requests for golden files.
func small(s scene) scene {
	s.users, s.ramp, s.steady, s.drain = 19, 3, 20, 2
	return s
}

func failingAnswers() []FailingAnswer {
	request := "POST /api/v1/messages HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nX-API-Key: HIDDEN\r\nContent-Length: 92\r\n\r\n" +
		`{"from":"LoadTest","to":"966512345678","text":"Protei_Bulk load test, message 17","client_ref":"a-0-h"}`
	return []FailingAnswer{
		{
			Method: "POST", Name: "/api/v1/messages", Error: "503 Service Unavailable: the store's backlog is full", At: 4 * time.Second, Sent: request,
			Answer: "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: application/problem+json\r\n\r\n" +
				`{"type":"about:blank","title":"Service Unavailable","status":503,"code":"store_full","detail":"the store's backlog is full"}`,
		},
		{Method: "POST", Name: "/api/v1/messages", Error: "timeout after 10 s", At: 15 * time.Second, Sent: request},
		{Method: "GET", Name: "/api/v1/messages", Error: "HTTP 500", At: 16 * time.Second, Sent: "GET /api/v1/messages HTTP/1.1\r\n\r\n", Answer: "HTTP/1.0 500 Oops\r\n\r\n\x00\x1b[31m<b>\xff```"},
		{Method: "GET", Name: "/api/v1/messages/[id]", Error: "answer is text/html, not JSON", At: 17 * time.Second, Answer: strings.Repeat("<p>", 600)},
	}
}
