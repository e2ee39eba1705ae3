package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"protei-bulk/bench/e2e/drive"
)

// webhooks lets messages reach their final state while the customer's endpoint is down, then
// opens it, and measures how fast it is told: from the outbox, in batches, to one endpoint.
func (b *bench) webhooks(ctx context.Context, d *drive.Driver, c *drive.Counters) error {
	d.Hold(true)
	send(ctx, d, c, b.opts.messages)
	for {
		open, err := b.open(ctx)
		if err != nil {
			return err
		}
		if open == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	d.Hold(false)
	fmt.Printf("webhooks: %d messages are final, the endpoint is up; waiting for the breaker\n", c.Accepted.Load())
	for c.Receipts.Load() == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	if b.opts.profile != "" {
		go b.saveProfile()
	}
	from, at, spent := c.Receipts.Load(), time.Now(), drive.CPU(b.serve.Process.Pid)
	if err := b.settle(ctx, c); err != nil {
		return err
	}
	n, wall := c.Receipts.Load()-from, time.Since(at)
	events, requests := d.Webhooks()
	fmt.Printf("  events       %10.0f /s to one endpoint, %.0f a request, %.1f µs of the platform's CPU each; %d sent twice\n",
		float64(n)/wall.Seconds(), float64(events)/float64(max(requests, 1)),
		float64((drive.CPU(b.serve.Process.Pid)-spent).Microseconds())/float64(n), events-c.Accepted.Load())
	return nil
}

// open returns how many messages have no final state yet.
func (b *bench) open(ctx context.Context) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.at.HTTP+"/api/v1/statistics", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("X-API-Key", "dev-api-key")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var s struct {
		InFlight int64 `json:"in_flight"`
	}
	return s.InFlight, json.NewDecoder(resp.Body).Decode(&s)
}
