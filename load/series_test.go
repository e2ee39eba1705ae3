package load_test

import (
	"testing"
	"testing/synctest"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/stats"
)

func TestSeriesAreSampledEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		o := l.options(load.Flat{Users: 1, SpawnRate: 1, RunTime: 5 * time.Second}, l.class("A", load.Constant(time.Second), 0))
		n := 0.0
		o.Series = []stats.SeriesInfo{{Name: "queue.depth", Level: true}}
		o.Sample = func() []stats.SeriesValue { n++; return []stats.SeriesValue{{Value: n}} }
		res := run(t, o)
		points := res.Collector.Points()
		if len(points) < 4 || points[0].Series[0] != 1 || points[3].Series[0] != 4 {
			t.Errorf("points %+v", points)
		}
		if s := res.Collector.Summary(res.Collector.Whole()); n < 5 || s.SeriesPeak[0] != n {
			t.Errorf("peak %v, want %v", s.SeriesPeak, n)
		}
	})
}

func TestTooManySeriesAreRefused(t *testing.T) {
	l := newLab()
	o := l.options(load.Flat{Users: 1, RunTime: time.Second}, l.class("A", load.Constant(time.Second), 0))
	o.Series = make([]stats.SeriesInfo, stats.MaxSeries+1)
	if _, err := load.New(o); err == nil {
		t.Error("taken")
	}
}
