package stats

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestEverySampleIsCountedOnceWhileBuffersSwap(t *testing.T) {
	const users, each = 8, 20_000
	r := NewRecorder(RecorderOptions{Shards: 2})
	c := NewCollector(CollectorOptions{Start: time.Unix(0, 0), Recorder: r})
	a, b := r.Entry("POST", "/a"), r.Entry("GET", "/b")
	var wg sync.WaitGroup
	for u := range users {
		wg.Go(func() {
			s := r.Shard(u)
			for i := range each {
				smp := Sample{Service: time.Duration(i) * time.Microsecond, Response: time.Duration(2*i) * time.Microsecond, Bytes: 3}
				switch {
				case i%10 == 0:
					smp.Outcome = Throttled
				case i%4 == 1:
					smp.Outcome = Failed
				default:
					smp.Messages, smp.Segments = 2, 3
				}
				s.Record([]Entry{a, b}[i&1], smp)
				s.Late(time.Millisecond)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	at := time.Unix(0, 0)
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		at = at.Add(time.Second)
		c.Tick(Tick{At: at, Users: users, Gauges: NoGauges()})
	}
	c.Finish(Tick{At: at.Add(time.Second), Gauges: NoGauges()})

	whole := c.Summary(c.Whole())
	live := c.Live()
	for _, got := range []EntryStats{whole.Total, live.Total} {
		if got.Requests != users*each || got.Throttled != users*each/10 || got.Bytes != 3*users*each {
			t.Errorf("requests %d, throttled %d, bytes %d", got.Requests, got.Throttled, got.Bytes)
		}
		if got.Failures != users*each/4 {
			t.Errorf("failures %d, want %d", got.Failures, users*each/4)
		}
		if want := got.Requests - got.Throttled; got.Response.Count() != want || got.Service.Count() != want {
			t.Errorf("samples %d and %d, want %d: throttled answers stay out", got.Service.Count(), got.Response.Count(), want)
		}
		if got.Messages != 2*got.Successful() || got.Segments != 3*got.Successful() {
			t.Errorf("messages %d, segments %d of %d requests", got.Messages, got.Segments, got.Successful())
		}
	}
	if whole.Iterations != users*each {
		t.Errorf("iterations %d, want %d", whole.Iterations, users*each)
	}
	if len(whole.Entries) != 2 || whole.Entries[0].Name != "/a" || whole.Entries[1].Name != "/b" {
		t.Errorf("entries %+v", whole.Entries)
	}
}

func TestNamesBeyondTheBoundAreOther(t *testing.T) {
	r := NewRecorder(RecorderOptions{MaxEntries: 3})
	c := NewCollector(CollectorOptions{Start: time.Unix(0, 0), Recorder: r})
	for i := range 10 {
		r.Shard(0).Record(r.Entry("GET", fmt.Sprintf("/%d", i)), Sample{Response: time.Millisecond})
	}
	c.Finish(Tick{At: time.Unix(1, 0), Gauges: NoGauges()})
	s := c.Summary(c.Whole())
	if len(s.Entries) != 4 {
		t.Fatalf("%d entries, want 3 and (other)", len(s.Entries))
	}
	if o := s.Entries[0]; o.Name != Other || o.Requests != 7 {
		t.Errorf("%q has %d requests, want 7 under (other)", o.Name, o.Requests)
	}
}

func TestFailureTableIsBoundedAndSorted(t *testing.T) {
	r := NewRecorder(RecorderOptions{MaxErrors: 5, MaxExceptions: 2})
	e := r.Entry("POST", "/a")
	first := time.Unix(100, 0)
	for i := range 20 {
		r.Fail(e, errors.New(fmt.Sprint("reason ", i)).Error(), first)
	}
	for i := range 30 {
		r.Fail(e, "reason 3", first.Add(time.Duration(i)*time.Second))
	}
	got := r.Failures()
	if len(got) != 6 {
		t.Fatalf("%d rows, want 5 and (other)", len(got))
	}
	if f := got[0]; f.Error != "reason 3" || f.Occurrences != 31 || f.Method != "POST" ||
		!f.FirstSeen.Equal(first) || !f.LastSeen.Equal(first.Add(29*time.Second)) {
		t.Errorf("first row %+v", f)
	}
	if f := got[1]; f.Error != Other || f.Occurrences != 15 {
		t.Errorf("second row %+v, want 15 under (other)", f)
	}
	r.Fail(e, strings.Repeat("ü", 1<<20), first)
	for i := range 9 {
		r.Exception(fmt.Sprint("panic ", i%3), "trace")
	}
	if ex := r.Exceptions(); len(ex) != 3 || ex[0].Count != 3 {
		t.Errorf("exceptions %+v", ex)
	}
}

func TestClipKeepsRunesWhole(t *testing.T) {
	if got := clip(strings.Repeat("ü", 10), 5); got != "üü…" {
		t.Errorf("%q", got)
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	r := NewRecorder(RecorderOptions{})
	s, e := r.Shard(3), r.Entry("POST", "/api/v1/messages")
	smp := Sample{Service: 3 * time.Millisecond, Response: 4 * time.Millisecond, Bytes: 180, Messages: 1, Segments: 1}
	s.Record(e, smp)
	s.Late(0)
	if n := testing.AllocsPerRun(1000, func() { s.Record(e, smp); s.Late(0) }); n != 0 {
		t.Errorf("%v allocations a sample", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	smp := Sample{Bytes: 180, Messages: 1, Segments: 1}
	b.Run("alone", func(b *testing.B) {
		r := NewRecorder(RecorderOptions{})
		s, e := r.Shard(0), r.Entry("POST", "/api/v1/messages")
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			i++
			smp.Service = time.Duration(i&0x7FFF) * time.Microsecond
			smp.Response = smp.Service + 100*time.Microsecond
			s.Record(e, smp)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		r := NewRecorder(RecorderOptions{})
		e := r.Entry("POST", "/api/v1/messages")
		var mu sync.Mutex
		users := 0
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			mu.Lock()
			s := r.Shard(users)
			users++
			mu.Unlock()
			smp := smp
			for i := 0; pb.Next(); i++ {
				smp.Service = time.Duration(i&0x7FFF) * time.Microsecond
				smp.Response = smp.Service + 100*time.Microsecond
				s.Record(e, smp)
			}
		})
	})
}

// BenchmarkTick is the collector's second: 8 names, 10,000 samples each, on 4 shards.
func BenchmarkTick(b *testing.B) {
	r := NewRecorder(RecorderOptions{Shards: 4})
	c := NewCollector(CollectorOptions{Start: time.Unix(0, 0), Recorder: r})
	at := time.Unix(0, 0)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for i := range 10_000 {
			d := time.Duration(1000+i*7%40_000) * time.Microsecond
			r.Shard(i).Record(r.Entry("GET", fmt.Sprintf("/%d", i%8)), Sample{Service: d, Response: d})
		}
		at = at.Add(time.Second)
		b.StartTimer()
		c.Tick(Tick{At: at, Users: 10, Gauges: NoGauges()})
		_ = c.Live()
	}
}
