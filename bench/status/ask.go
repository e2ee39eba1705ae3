package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"protei-bulk/internal/pause"
)

// readWait is how long a caller waits after an answer, as a page does that people look at.
const readWait = 20 * time.Millisecond

const admin = "dev-api-key"

// kinds are the calls; path makes one of them for a message that is stored.
var kinds = []struct {
	name string
	path func(m *stored) string
	key  string // empty: the customer's
}{
	{"GET /messages/{id}", func(m *stored) string { return "/messages/" + m.id.String() }, ""},
	{"  an id that is not there", func(m *stored) string { return "/messages/" + (m.id + 1).String() }, ""},
	{"GET /messages", func(*stored) string { return "/messages" }, ""},
	{"  of all accounts", func(*stored) string { return "/messages" }, admin},
	{"GET /messages?to=", func(m *stored) string { return "/messages?to=" + url.QueryEscape(m.to) }, ""},
	{"  a number that is not there", func(*stored) string { return "/messages?to=%2B15550000001" }, ""},
	{"  of all accounts", func(m *stored) string { return "/messages?to=" + url.QueryEscape(m.to) }, admin},
	{"GET /messages?status=DELIVERED", func(*stored) string { return "/messages?status=DELIVERED" }, ""},
	{"GET /messages?status=SENT", func(*stored) string { return "/messages?status=SENT" }, ""},
	{"  and from=", func(*stored) string { return "/messages?status=SENT&from=Shop7" }, ""},
	{"  of all accounts", func(*stored) string { return "/messages?status=SENT" }, admin},
	{"GET /messages?status=FAILED", func(*stored) string { return "/messages?status=FAILED" }, ""},
	{"GET /messages?status=PENDING", func(*stored) string { return "/messages?status=PENDING" }, ""},
	{"GET /messages?status=CANCELLED", func(*stored) string { return "/messages?status=CANCELLED" }, ""},
	{"GET /messages?from=", func(m *stored) string { return fmt.Sprintf("/messages?from=Shop%d", m.id>>21%20) }, ""},
	{"  a sender that is not there", func(*stored) string { return "/messages?from=Nobody" }, ""},
	{"GET /messages?until=&limit=100", func(m *stored) string {
		return "/messages?limit=100&until=" + m.id.Time().UTC().Format("2006-01-02T15:04:05.000Z")
	}, ""},
	{"GET /messages?cursor=", func(m *stored) string { return "/messages?limit=100&cursor=" + m.id.String() }, ""},
	{"GET /statistics", func(*stored) string { return "/statistics" }, ""},
}

// measure asks for a while, prints how long each kind of call took, and returns the names of those
// that took too long.
func (b *bench) measure(ctx context.Context, when string, known map[*customer][]stored) (slow []string) {
	ctx, cancel := context.WithTimeout(ctx, b.opts.duration)
	defer cancel()
	times := make([][]time.Duration, len(kinds))
	worst := make([]struct {
		took time.Duration
		of   *customer
	}, len(kinds))
	var mu sync.Mutex
	var all sync.WaitGroup
	for r := range b.opts.readers {
		all.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for n := r; pause.For(ctx, readWait) == nil; n++ {
				of := b.accounts[rand.IntN(len(b.accounts))]
				m := &known[of][rand.IntN(len(known[of]))]
				k := n % len(kinds)
				key := kinds[k].key
				if key == "" {
					key = of.Key
				}
				from := time.Now()
				err := get(ctx, client, b.http+kinds[k].path(m), key)
				took := time.Since(from)
				if ctx.Err() != nil {
					return
				}
				mu.Lock()
				if err != nil {
					fmt.Println("  ", err)
				}
				times[k] = append(times[k], took)
				if took > worst[k].took {
					worst[k].took, worst[k].of = took, of
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	fmt.Printf("%s, %d callers, %v\n", when, b.opts.readers, b.opts.duration)
	for k, kind := range kinds {
		list := times[k]
		slices.Sort(list)
		n := len(list)
		if n == 0 {
			slow = append(slow, kind.name+": no answer")
			continue
		}
		fmt.Printf("  %-32s %5d calls  p50 %8v  p95 %8v  p99 %8v  max %8v (customer %d)\n", kind.name, n, round(list[n/2]), round(list[n*95/100]), round(list[n*99/100]), round(list[n-1]), worst[k].of.ID)
		if list[n*99/100] > b.opts.limit {
			slow = append(slow, kind.name+", "+when)
		}
	}
	return slow
}

func get(ctx context.Context, client *http.Client, url, key string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("X-API-Key", key)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNotFound {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return nil
}

// bulkOf is how many messages a request of the load has.
const bulkOf = 20

// load sends messages of the first account until ctx ends; the channel has what went wrong then.
func (b *bench) load(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	go func() {
		tick := time.NewTicker(time.Second * bulkOf / time.Duration(b.opts.rate))
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				done <- nil
				return
			}
			items := make([]map[string]any, bulkOf)
			for i := range items {
				items[i] = map[string]any{"to": fmt.Sprintf("+9677%08d", rand.IntN(recipients)), "text": "Your parcel is at the door."}
			}
			err := b.call(ctx, "POST", "/messages/bulk", b.accounts[0].Key, map[string]any{"from": "Shop1", "messages": items}, nil)
			if err != nil && ctx.Err() == nil {
				done <- err
				return
			}
		}
	}()
	return done
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
