package panel_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"protei-bulk/load/panel"
)

// BenchmarkTick is what the page costs a run each second: 10 viewers, 200 request names, after 2 hours. 30 ms would be
// 3 % of a core. The tick of the collector, which every run has, is not in it.
func BenchmarkTick(b *testing.B) {
	p := newPlayer(b, panel.Options{}, 200)
	s := p.serve(b)
	p.begin()
	p.play(7200)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var viewers sync.WaitGroup
	first := make(chan struct{}, 10)
	for range 10 {
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/events", nil)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		viewers.Go(func() {
			defer resp.Body.Close()
			in := bufio.NewReaderSize(resp.Body, 1<<20)
			for once := true; ; once = false {
				if _, err := in.ReadSlice('\n'); err != nil && err != bufio.ErrBufferFull {
					return
				}
				if once {
					first <- struct{}{}
				}
			}
		})
	}
	for range 10 {
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

// BenchmarkStatsRequests is /stats/requests just after a tick, 200 names. Wanted: below 5 ms.
func BenchmarkStatsRequests(b *testing.B) {
	p := newPlayer(b, panel.Options{}, 200)
	p.begin()
	p.play(600)
	live := p.figures.Live()
	for b.Loop() {
		p.page.Tick(live)
		if w := get(p, "/stats/requests"); w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}

// BenchmarkOpen is all that a browser asks for when it opens the page after 2 hours of 200 names. Wanted: below 1 s, of
// which this is the server's part.
func BenchmarkOpen(b *testing.B) {
	p := newPlayer(b, panel.Options{}, 200)
	s := p.serve(b)
	p.begin()
	p.play(7200)
	for b.Loop() {
		for _, path := range []string{"/", "/tokens.css", "/panel.css", "/app.js", "/ui.js", "/store.js", "/charts.js", "/chart.js", "/table.js", "/views.js", "/form.js", "/vendor/uplot.js", "/vendor/preact.mjs", "/api/config", "/api/history"} {
			resp, err := http.Get(s.URL + path)
			if err != nil {
				b.Fatal(err)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			if resp.Body.Close(); err != nil || n == 0 {
				b.Fatal(path, n, err)
			}
		}
	}
}

// TestOldRunStaysCheap: the page of a long run of 200 names answers at once, as nothing is recombined that is
// old. The bound is generous: it is about the order.
func TestOldRunStaysCheap(t *testing.T) {
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
