package stats_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"protei-bulk/load/stats"
)

// seriesRun is a collector of two series that is ticked by hand.
type seriesRun struct {
	*stats.Collector
	start time.Time
	at    int
}

func newSeriesRun(infos ...stats.SeriesInfo) *seriesRun {
	start := time.Unix(1000, 0)
	return &seriesRun{start: start, Collector: stats.NewCollector(stats.CollectorOptions{
		Start: start, Recorder: stats.NewRecorder(stats.RecorderOptions{Shards: 1}), Series: infos,
	})}
}

func (r *seriesRun) second(values ...stats.SeriesValue) {
	r.at++
	r.Tick(stats.Tick{
		At: r.start.Add(time.Duration(r.at) * time.Second), Users: 1, Phase: stats.PhaseSteady, Gauges: stats.NoGauges(), Series: values,
	})
}

func measured(v float64) stats.SeriesValue { return stats.SeriesValue{Value: v} }

func TestSeriesKeepMeansAndPeaksWhenRowsAreJoined(t *testing.T) {
	r := newSeriesRun(stats.SeriesInfo{Name: "depth", Level: true}, stats.SeriesInfo{Name: "hits"})
	const seconds = 1500 // older rows have become rows of ten
	for i := range seconds {
		hits := measured(0.5)
		if i%2 == 0 {
			hits = stats.NotMeasured("the database hangs")
		}
		depth := measured(10)
		if i == 3 {
			depth = measured(1010)
		}
		r.second(depth, hits)
	}
	points := r.Points()
	if len(points) >= seconds {
		t.Fatalf("%d points: nothing was joined", len(points))
	}
	if got := points[0].Series; points[0].Width != 10*time.Second || got[0] != 110 || got[1] != 0.5 {
		t.Errorf("first row, %v wide: %v", points[0].Width, got)
	}
	s := r.Summary(r.Whole())
	want := stats.Summary{SeriesMean: []float64{10 + 1000.0/seconds, 0.5}, SeriesPeak: []float64{1010, 0.5}}
	close := cmpopts.EquateApprox(1e-9, 0)
	if d := cmp.Diff(want.SeriesMean, s.SeriesMean, close) + cmp.Diff(want.SeriesPeak, s.SeriesPeak, close); d != "" {
		t.Error(d)
	}
	if s := r.Summary(stats.Window{From: 20 * time.Second, To: seconds * time.Second}); s.SeriesPeak[0] != 10 {
		t.Errorf("a window without the peak has it: %v", s.SeriesPeak)
	}
}

func TestLiveSaysWhatIsNotMeasured(t *testing.T) {
	r := newSeriesRun(stats.SeriesInfo{Name: "a", Unit: "/s", Source: "s"}, stats.SeriesInfo{Name: "b"}, stats.SeriesInfo{Name: "c"})
	if off := r.Live().SeriesInfo[0].Off; off == "" {
		t.Error("measured before the first second")
	}
	r.second(measured(7), stats.NotMeasured("refused"))
	live := r.Live()
	want := []stats.SeriesInfo{
		{Name: "a", Unit: "/s", Source: "s"}, {Name: "b", Off: "refused"}, {Name: "c", Off: "not sampled yet"},
	}
	if d := cmp.Diff(want, live.SeriesInfo); d != "" {
		t.Error(d)
	}
	if got := live.Last.Series; got[0] != 7 || !math.IsNaN(got[1]) || !math.IsNaN(got[2]) {
		t.Errorf("last %v", got)
	}
	r.second(measured(math.Inf(1)))
	if got := r.Live().Last.Series[0]; !math.IsNaN(got) {
		t.Errorf("infinity is kept: %v", got)
	}
	if s := r.Summary(r.Whole()); s.SeriesMean[0] != 7 || !math.IsNaN(s.SeriesMean[1]) || !math.IsNaN(s.SeriesPeak[2]) {
		t.Errorf("means %v, peaks %v", s.SeriesMean, s.SeriesPeak)
	}
}

func TestSeriesAreBounded(t *testing.T) {
	r := newSeriesRun(make([]stats.SeriesInfo, stats.MaxSeries+5)...)
	r.second(make([]stats.SeriesValue, stats.MaxSeries+5)...)
	if n := len(r.Live().Last.Series); n != stats.MaxSeries {
		t.Errorf("%d series, want %d", n, stats.MaxSeries)
	}
	without := newSeriesRun()
	without.second(measured(1))
	if l := without.Live(); l.Last.Series != nil || l.SeriesInfo != nil || without.Summary(without.Whole()).SeriesMean != nil {
		t.Errorf("series of a run without any: %v", l.Last.Series)
	}
}
