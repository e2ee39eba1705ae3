package panel_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"protei-bulk/load/panel"
	"protei-bulk/load/report"
	"protei-bulk/load/stats"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// player is a Control whose runs are played from a script instead of being measured: what it answers comes from a real
// recorder and collector.
type player struct {
	mu      sync.Mutex
	page    *panel.Page
	rec     *stats.Recorder
	ledger  *stats.Ledger
	figures *stats.Collector
	start   time.Time
	seconds int
	asked   []string // what was asked for
	workers []panel.Worker
	names   int
	random  *rand.Rand
}

var began = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func newPlayer(t testing.TB, opts panel.Options, names int) *player {
	t.Helper()
	p := &player{names: names, random: rand.New(rand.NewPCG(1, 2))}
	opts.Control = p
	if opts.Now == nil {
		opts.Now = func() time.Time { return began.Add(time.Duration(p.seconds) * time.Second) }
	}
	var err error
	if p.page, err = panel.New(opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.page.Close)
	return p
}

// begin starts a run of so many request names.
func (p *player) begin() {
	p.start, p.seconds = began, 0
	p.rec = stats.NewRecorder(stats.RecorderOptions{Shards: 1})
	p.ledger = stats.NewLedger(stats.LedgerOptions{Run: 1})
	p.figures = stats.NewCollector(stats.CollectorOptions{Start: p.start, Recorder: p.rec, Ledger: p.ledger})
	p.page.Begin(panel.Run{Started: p.start, Host: "http://target", Scenario: "played", Command: "protei-bulk load -u 5", Figures: p.figures})
}

// play records n seconds: each name gets a request every second, each third of the fifth name fails.
func (p *player) play(n int) {
	for range n {
		p.second(stats.PhaseSteady)
	}
}

func (p *player) second(phase stats.Phase) {
	p.record(phase)
	p.page.Tick(p.figures.Live())
}

// record is a second that the page is not told about.
func (p *player) record(phase stats.Phase) {
	p.seconds++
	at := p.start.Add(time.Duration(p.seconds) * time.Second)
	for i := range p.names {
		e := p.rec.Entry("GET", fmt.Sprintf("/name/%03d", i))
		smp := stats.Sample{
			Service: time.Duration(1+p.random.IntN(20)) * time.Millisecond, Response: time.Duration(1+p.random.IntN(40)) * time.Millisecond,
			Bytes: 100 + i, Messages: 1, Segments: 1,
		}
		if i == 4 && p.seconds%3 == 0 {
			smp.Outcome = stats.Failed
			p.rec.Fail(e, "HTTP 500: <b>no</b>", at)
		}
		p.rec.Shard(0).Record(e, smp)
	}
	p.rec.Shard(0).Late(time.Millisecond)
	g := stats.NoGauges()
	g.TargetCPU = 0.5
	p.figures.Tick(stats.Tick{At: at, Users: 5, Phase: phase, Gauges: g})
	p.figures.Follow(0)
}

func (p *player) note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, text)
}

func (p *player) Defaults() panel.Form {
	return panel.Form{Users: "5", SpawnRate: "1", Host: "http://target"}
}

func (p *player) Check(f panel.Form) (string, error) {
	if f.Host == "nowhere" {
		var bad panel.FormError
		bad.Add("host", fmt.Errorf("want http://HOST"))
		return "", bad.Or()
	}
	return "protei-bulk load -u " + f.Users, nil
}

func (p *player) Start(f panel.Form) error {
	if _, err := p.Check(f); err != nil {
		return err
	}
	p.note(fmt.Sprintf("start %+v", f))
	return nil
}

func (p *player) Edit(e panel.Edit) error {
	text := "edit"
	if e.Users != nil {
		text += fmt.Sprint(" users ", *e.Users)
	}
	if e.SpawnRate != nil {
		text += fmt.Sprint(" at ", *e.SpawnRate)
	}
	if e.Rate != nil {
		text += " rate " + *e.Rate
	}
	p.note(text)
	return nil
}

func (p *player) Stop() error  { p.note("stop"); return nil }
func (p *player) Reset() error { p.note("reset"); return nil }

func (p *player) Report(bool) *report.Run {
	if p.figures == nil {
		return nil
	}
	r := &report.Run{Title: "Played", Host: "http://target", Started: p.start, Ended: p.start.Add(time.Minute), Ledger: p.ledger.Counts(), DLRLatency: p.figures.DLRLatency()}
	r.Whole, r.Measured = p.figures.Followed(true)
	report.Judge(r, []report.Target{{Metric: report.MetricErrors, Op: report.Below, Limit: 0.5, Acceptable: 0.5}})
	return r
}

func (p *player) Classes() []panel.Class {
	return []panel.Class{{Name: "U", Share: 1, Tasks: []panel.Task{{Name: "a", Weight: 3, Share: 0.75}, {Name: "b", Weight: 1, Share: 0.25}}}}
}

func (p *player) ClassNames() []string    { return []string{"U", "V"} }
func (p *player) Workers() []panel.Worker { return p.workers }

func (p *player) serve(t testing.TB) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(p.page)
	t.Cleanup(func() {
		p.page.Close()
		s.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}
