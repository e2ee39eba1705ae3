package stats

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestBucketsCoverTheRangeWithoutGap(t *testing.T) {
	next := uint32(0)
	for i := range bucketCount {
		low, high := bucketRange(i)
		if low != next {
			t.Fatalf("bucket %d starts at %d, the one before ends at %d", i, low, next-1)
		}
		if bucketOf(low) != i || bucketOf(high) != i {
			t.Fatalf("bucket %d: its ends %d and %d belong to %d and %d", i, low, high, bucketOf(low), bucketOf(high))
		}
		if width := float64(high-low) / float64(max(low, 1)); width > 0.001 {
			t.Fatalf("bucket %d is %.4f %% wide", i, width*100)
		}
		next = high + 1
	}
	if next != maxValue+1 {
		t.Fatalf("buckets end at %d, want %d", next-1, uint32(maxValue))
	}
}

// durations draws values over the whole range, most of them where latencies are.
func durations(t *rapid.T, label string) []time.Duration {
	one := rapid.OneOf(
		rapid.Int64Range(0, int64(5*time.Millisecond)),
		rapid.Int64Range(0, int64(2*time.Second)),
		rapid.Int64Range(0, int64(20*time.Minute)),
	)
	values := rapid.SliceOfN(one, 1, 300).Draw(t, label)
	out := make([]time.Duration, len(values))
	for i, v := range values {
		out[i] = time.Duration(v)
	}
	return out
}

var quantiles = []float64{0, 0.5, 0.66, 0.75, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 0.9999, 1}

func TestMergedHistogramsEqualASingleOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := durations(t, "a"), durations(t, "b")
		single, left, right := NewHistogram(), NewHistogram(), NewHistogram()
		for _, d := range a {
			single.Record(d)
			left.Record(d)
		}
		for _, d := range b {
			single.Record(d)
			right.Record(d)
		}
		left.Merge(right)
		if diff := cmp.Diff(single.Buckets(), left.Buckets()); diff != "" {
			t.Fatalf("buckets (-single +merged):\n%s", diff)
		}
		if single.Mean() != left.Mean() || single.Count() != left.Count() {
			t.Fatalf("mean %v, count %d; single has %v, %d", left.Mean(), left.Count(), single.Mean(), single.Count())
		}
		for _, q := range quantiles {
			if single.Quantile(q) != left.Quantile(q) {
				t.Fatalf("quantile %v: merged %v, single %v", q, left.Quantile(q), single.Quantile(q))
			}
		}
	})
}

func TestQuantilesAreWithinAThousandthOfTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := durations(t, "values")
		h := NewHistogram()
		for _, d := range values {
			h.Record(d)
		}
		slices.Sort(values)
		for _, q := range quantiles {
			rank := max(int(math.Ceil(q*float64(len(values))-1e-9)), 1)
			truth := min(values[rank-1], maxValue*time.Microsecond)
			got := h.Quantile(q)
			if off := got - truth; off < -time.Microsecond/2 || float64(off) > 0.001*float64(truth)+float64(time.Microsecond/2) {
				t.Fatalf("quantile %v of %d values: %v, truth %v", q, len(values), got, truth)
			}
		}
	})
}

func TestQuantilesEqualHdrHistogram(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	ours, theirs := NewHistogram(), hdrhistogram.New(1, maxValue, 3)
	for range 200_000 {
		us := int64(math.Exp(rng.NormFloat64()*1.2 + 9))
		ours.Record(time.Duration(us) * time.Microsecond)
		if err := theirs.RecordValue(us); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range quantiles[1:] {
		if got, want := ours.Quantile(q).Microseconds(), theirs.ValueAtQuantile(q*100); got != want {
			t.Errorf("quantile %v: %d µs, HdrHistogram has %d", q, got, want)
		}
	}
	if ours.Max().Microseconds() != theirs.Max() || ours.Min().Microseconds() != theirs.Min() {
		t.Errorf("min, max %v, %v; HdrHistogram has %d, %d µs", ours.Min(), ours.Max(), theirs.Min(), theirs.Max())
	}
}

func TestEncodedHistogramComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := NewHistogram()
		for _, d := range durations(t, "values") {
			h.Record(d)
		}
		b, err := h.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var back Histogram
		if err := back.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(h.Buckets(), back.Buckets()); diff != "" || h.Mean() != back.Mean() {
			t.Fatalf("mean %v, was %v; buckets:\n%s", back.Mean(), h.Mean(), diff)
		}
	})
}

func TestEmptyHistogramHasNoFigures(t *testing.T) {
	for _, h := range []*Histogram{nil, NewHistogram()} {
		if h.Count() != 0 || h.Mean() != 0 || h.Quantile(0.99) != 0 || h.Max() != 0 || h.Min() != 0 {
			t.Error("an empty histogram has figures")
		}
	}
}

func FuzzHistogramDecode(f *testing.F) {
	h := NewHistogram()
	for _, d := range []time.Duration{0, 1500 * time.Microsecond, 80 * time.Millisecond, time.Hour} {
		h.Record(d)
	}
	b, _ := h.MarshalBinary()
	f.Add(b)
	f.Add([]byte{1, 0})
	f.Add([]byte{2})
	f.Add([]byte{1, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var h Histogram
		if err := h.UnmarshalBinary(b); err != nil {
			if !errors.Is(err, ErrHistogram) || h.Count() != 0 {
				t.Fatalf("error %v leaves count %d", err, h.Count())
			}
			return
		}
		again, _ := h.MarshalBinary()
		var back Histogram
		if err := back.UnmarshalBinary(again); err != nil {
			t.Fatal(err)
		}
		if back.Count() != h.Count() || back.Quantile(0.5) != h.Quantile(0.5) {
			t.Fatal("decode(encode(x)) != x")
		}
	})
}
