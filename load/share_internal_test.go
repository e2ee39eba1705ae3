package load

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func drawRate(t *rapid.T) *Rate {
	if rapid.Bool().Draw(t, "endless") {
		return ConstantRate(rapid.Float64Range(1, 5000).Draw(t, "rate"))
	}
	at := time.Duration(0)
	var stages []RateStage
	for range rapid.IntRange(2, 5).Draw(t, "stages") {
		stages = append(stages, RateStage{at, rapid.Float64Range(0, 2000).Draw(t, "perSecond")})
		at += time.Duration(rapid.IntRange(1, 2_000_000).Draw(t, "gap")) * time.Microsecond
	}
	r, err := RampRate(stages...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// startsOf are the first starts of a schedule, those before end.
func startsOf(s schedule, end time.Duration) (list []time.Duration) {
	for len(list) < 20_000 {
		at, ok := s.next()
		if !ok || at >= end {
			return list
		}
		list = append(list, at)
	}
	return list
}

// TestSharesOfARate deals a rate out to workers, and out again in the midst of it: together they start what one process
// would, each start once.
func TestSharesOfARate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRate(t)
		var wire Rate
		if b, err := json.Marshal(r); err != nil {
			t.Fatal(err)
		} else if err := json.Unmarshal(b, &wire); err != nil {
			t.Fatal(err)
		}
		end := time.Duration(rapid.IntRange(1, 3000).Draw(t, "end")) * time.Millisecond
		change := time.Duration(rapid.IntRange(0, 3000).Draw(t, "change")) * time.Millisecond
		var got []time.Duration
		for _, part := range []struct {
			from, to time.Duration
			workers  int
		}{
			{0, min(change, end), rapid.IntRange(1, 7).Draw(t, "workers")},
			{change, end, rapid.IntRange(1, 7).Draw(t, "workers later")},
		} {
			for i := range part.workers {
				s := schedule{rate: &wire}
				s.skip(part.from, uint64(i), uint64(part.workers))
				got = append(got, startsOf(s, part.to)...)
			}
		}
		slices.Sort(got)
		want := startsOf(schedule{rate: r}, end)
		if len(want) == 20_000 {
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("starts of one process (-) and of the workers (+):\n%s", diff)
		}
	})
}

func TestDealer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var classes []UserClass
		for range rapid.IntRange(1, 4).Draw(t, "classes") {
			classes = append(classes, UserClass{
				Weight:     rapid.IntRange(1, 10).Draw(t, "weight"),
				FixedCount: rapid.IntRange(0, 3).Draw(t, "fixed"), Every: rapid.SampledFrom([]int{0, 0, 7}).Draw(t, "every"),
			})
		}
		workers := rapid.IntRange(1, 6).Draw(t, "workers")
		d := NewDealer(classes, workers)
		for range 5 {
			total := rapid.IntRange(0, 200).Draw(t, "total")
			one := newCrowd(classes)
			for range total {
				one.grow()
			}
			sum, least, most := make([]int, len(classes)), total, 0
			for w := range workers {
				share := d.Share(w, total)
				if again := NewDealer(classes, workers).Share(w, total); !slices.Equal(share, again) {
					t.Fatalf("worker %d of %d has %v or %v of %d users: it depends on the way there", w, workers, share, again, total)
				}
				n := 0
				for c, v := range share {
					sum[c] += v
					n += v
				}
				least, most = min(least, n), max(most, n)
			}
			if !slices.Equal(sum, one.counts) {
				t.Fatalf("%d users: the workers have %v, one process %v", total, sum, one.counts)
			}
			if most-least > 1 && total > 0 {
				t.Fatalf("%d users: one worker has %d, another %d", total, least, most)
			}
		}
	})
}
