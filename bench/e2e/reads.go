package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"protei-bulk/bench/e2e/drive"
	"protei-bulk/internal/pause"
)

// The readers of mode reads: each asks again 20 ms after an answer, as a page does that
// people look at.
const (
	readers  = 8
	readWait = 20 * time.Millisecond
	samples  = 2000 // ids and recipients that the readers ask for
)

// reads measures the calls that read, with -prefill messages stored, while -rate messages a
// second arrive.
func (b *bench) reads(ctx context.Context, d *drive.Driver, c *drive.Counters) error {
	known, err := b.sample(ctx)
	if err != nil {
		return err
	}
	loadCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	var load sync.WaitGroup
	load.Go(func() { d.Pace(loadCtx, b.opts.rate, 1) })
	if err := pause.For(ctx, b.opts.warmup); err != nil {
		return err
	}
	begin, at := b.look(c), time.Now()
	times := b.ask(ctx, known)
	end, wall := b.look(c), time.Since(at)
	cancel()
	load.Wait()
	b.print(begin, end, wall, nil)
	for _, kind := range kinds {
		all := slices.Sorted(slices.Values(times[kind.name]))
		if n := len(all); n > 0 {
			fmt.Printf("  %-28s %6d calls  p50 %v  p95 %v  p99 %v  max %v\n", kind.name, n,
				round(all[n/2]), round(all[n*95/100]), round(all[n*99/100]), round(all[n-1]))
		}
	}
	return b.settle(ctx, c)
}

// kinds are the calls; path makes one of them for a message that is stored.
var kinds = []struct {
	name string
	path func(m *stored) string
}{
	{"GET /messages/{id}", func(m *stored) string { return "/" + m.ID }},
	{"GET /messages", func(*stored) string { return "" }},
	{"GET /messages?status=", func(*stored) string { return "?status=DELIVERED" }},
	{"GET /messages?to=", func(m *stored) string { return "?to=%2B" + m.To[1:] }},
	{"GET /messages?until=", func(m *stored) string { return "?limit=100&until=" + m.Submitted.Format("2006-01-02T15:04:05.000Z") }},
}

// stored is one message that the readers ask for.
type stored struct {
	ID        string    `json:"message_id"`
	To        string    `json:"to"`
	Submitted time.Time `json:"submitted_at"`
}

// sample lists messages of random moments since the start of the run.
func (b *bench) sample(ctx context.Context) ([]stored, error) {
	var known []stored
	span := time.Since(b.began)
	for tries := 0; len(known) < samples; tries++ {
		var page struct{ Messages []stored }
		until := b.began.Add(time.Duration(rand.Int64N(int64(span)))).UTC().Format("2006-01-02T15:04:05.000Z")
		if err := b.get(ctx, http.DefaultClient, "?limit=20&until="+until, &page); err != nil {
			return nil, err
		}
		known = append(known, page.Messages...)
		if tries > 20*samples {
			return nil, fmt.Errorf("%d messages found: reads needs -prefill", len(known))
		}
	}
	return known, nil
}

// ask runs the readers for the measured time and returns the latencies of each kind.
func (b *bench) ask(ctx context.Context, known []stored) map[string][]time.Duration {
	ctx, cancel := context.WithTimeout(ctx, b.opts.duration)
	defer cancel()
	var (
		mu    sync.Mutex
		times = make(map[string][]time.Duration)
		all   sync.WaitGroup
	)
	for r := range readers {
		all.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for n := r; pause.For(ctx, readWait) == nil; n++ {
				kind := kinds[n%len(kinds)]
				from := time.Now()
				err := b.get(ctx, client, kind.path(&known[rand.IntN(len(known))]), nil)
				took := time.Since(from)
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					fmt.Println(" ", err)
					continue
				}
				mu.Lock()
				times[kind.name] = append(times[kind.name], took)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return times
}

// get reads the messages' path; into may be nil.
func (b *bench) get(ctx context.Context, client *http.Client, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.at.HTTP+"/api/v1/messages"+path, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("X-API-Key", "dev-api-key")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET /messages%s: %s", path, resp.Status)
	}
	var text json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&text); err != nil {
		return err
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}
