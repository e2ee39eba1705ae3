package panel_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"protei-bulk/load/panel"
	"protei-bulk/load/stats"
)

// BenchmarkTwoHours measures the page of a run of 2 hours and 200 request names. Playing it takes a minute or two.
//
//	tick      what the page costs each second with 10 viewers, beside the collector's own tick: 30 ms are 3 % of a core
//	requests  /stats/requests just after a tick: wanted below 5 ms
//	open      all that a browser asks for when it opens the page: wanted below 1 s, of which this is the server's part
func BenchmarkTwoHours(b *testing.B) {
	p := newPlayer(b, panel.Options{}, 200)
	s := p.serve(b)
	p.begin()
	for range 7199 {
		p.record(stats.PhaseSteady)
	}
	p.play(1)
	b.Run("tick", func(b *testing.B) { benchmarkTick(b, p, s.URL) })
	b.Run("requests", func(b *testing.B) {
		live := p.figures.Live()
		for b.Loop() {
			p.page.Tick(live)
			if w := get(p, "/stats/requests"); w.Code != 200 {
				b.Fatal(w.Code)
			}
		}
	})
	b.Run("open", func(b *testing.B) { benchmarkOpen(b, s.URL) })
}

func benchmarkTick(b *testing.B, p *player, url string) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var viewers sync.WaitGroup
	first := make(chan struct{}, 10)
	for range cap(first) {
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/events", nil)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		viewers.Go(func() {
			defer resp.Body.Close()
			in := bufio.NewReaderSize(resp.Body, 1<<20)
			for once := true; ; once = false {
				if _, err := in.ReadSlice('\n'); err != nil && !errors.Is(err, bufio.ErrBufferFull) {
					return
				}
				if once {
					first <- struct{}{}
				}
			}
		})
	}
	for range cap(first) {
		<-first
	}
	live := p.figures.Live()
	for b.Loop() {
		p.figures.Follow(0)
		p.page.Tick(live)
	}
	cancel()
	viewers.Wait()
}

func benchmarkOpen(b *testing.B, url string) {
	paths := []string{
		"/", "/tokens.css", "/panel.css", "/app.js", "/ui.js", "/store.js", "/charts.js", "/chart.js", "/table.js", "/views.js", "/form.js",
		"/vendor/uplot.js", "/vendor/uplot.css", "/vendor/preact.mjs", "/vendor/hooks.mjs", "/vendor/htm.mjs", "/icon.svg", "/api/config", "/api/history",
	}
	for b.Loop() {
		for _, path := range paths {
			resp, err := http.Get(url + path)
			if err != nil {
				b.Fatal(err)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			if resp.Body.Close(); err != nil || n == 0 || resp.StatusCode != 200 {
				b.Fatal(path, resp.StatusCode, n, err)
			}
		}
	}
}

// TestOldRunStaysCheap: the page of a long run of 200 names answers at once, as nothing is recombined that is
// old. The bound is generous: it is about the order.
func TestOldRunStaysCheap(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine and many numbers: nothing to race")
	}
	p := newPlayer(t, panel.Options{}, 200)
	p.begin()
	p.play(700)
	best := time.Hour
	for range 5 {
		start := time.Now()
		get(p, "/api/history")
		get(p, "/stats/requests")
		best = min(best, time.Since(start))
	}
	if best > time.Second {
		t.Errorf("history and figures took %v", best)
	}
}
