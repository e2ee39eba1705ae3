package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"protei-bulk/bench/e2e/drive"
	"protei-bulk/internal/pause"
)

// campaign uploads -messages recipients with two values each, starts the campaign, and
// waits for the last receipt.
func (b *bench) campaign(ctx context.Context, d *drive.Driver, c *drive.Counters) error {
	n := int64(b.opts.messages)
	var made struct {
		ID string `json:"campaign_id"`
	}
	body, err := json.Marshal(map[string]any{
		"name": "bench", "from": "Bench", "text": "Dear {{name | trim}}, your {{points}} points are valid until Sunday.", "dlr_url": d.Webhook(),
	})
	if err != nil {
		return err
	}
	if err := b.post(ctx, "/campaigns", "application/json", bytes.NewReader(body), &made); err != nil {
		return err
	}
	began := time.Now()
	file, write := io.Pipe()
	go func() {
		out := bufio.NewWriterSize(write, 64<<10)
		fmt.Fprintln(out, "to,name,points")
		for i := range n {
			fmt.Fprintf(out, "+15%09d,Customer %d,%d\n", i, i, i%1000)
		}
		write.CloseWithError(out.Flush())
	}()
	memory := make(chan int64, 1)
	uploaded := make(chan struct{})
	go func() {
		most := int64(0)
		for {
			most = max(most, drive.RSS(b.serve.Process.Pid))
			select {
			case <-uploaded:
				memory <- most
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	before := drive.RSS(b.serve.Process.Pid)
	err = b.post(ctx, "/campaigns/"+made.ID+"/recipients?duplicates=skip", "text/csv", file, nil)
	close(uploaded)
	most := <-memory
	if err != nil {
		return err
	}
	upload := time.Since(began)
	fmt.Printf("campaign, %d recipients, durability %s\n", n, b.opts.durability)
	fmt.Printf("  upload       %10.0f rows/s, memory %d MiB above the %d MiB before\n", float64(n)/upload.Seconds(), (most-before)>>20, before>>20)

	if b.opts.profile != "" {
		go b.saveProfile()
	}
	from, at := b.look(c), time.Now()
	if err := b.post(ctx, "/campaigns/"+made.ID+"/start", "application/json", http.NoBody, nil); err != nil {
		return err
	}
	for last, since := int64(0), time.Now(); c.Receipts.Load() < n; {
		if now := c.Receipts.Load(); now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > 20*time.Second {
			return fmt.Errorf("%d receipts of %d: no more came for 20 s", c.Receipts.Load(), n)
		}
		if err := pause.For(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	to, wall := b.look(c), time.Since(at)
	fmt.Printf("  messages     %10.0f /s from the start to the last receipt (%.1f s)\n", float64(n)/wall.Seconds(), wall.Seconds())
	for _, row := range []struct {
		name string
		cpu  time.Duration
	}{{"platform", to.serve - from.serve}, {"simulator", to.smsc - from.smsc}, {"generator", to.self - from.self}} {
		fmt.Printf("  %-11s  %6.2f cores  %6.1f µs a message\n", row.name, row.cpu.Seconds()/wall.Seconds(), float64(row.cpu.Microseconds())/float64(n))
	}
	fmt.Printf("  platform memory %d MiB\n", drive.RSS(b.serve.Process.Pid)>>20)
	return nil
}

// post sends one call of the administration.
func (b *bench) post(ctx context.Context, path, kind string, body io.Reader, into any) error {
	req, err := http.NewRequestWithContext(ctx, "POST", "http://"+b.at.HTTP+"/api/v1"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("X-API-Key", "dev-api-key")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("POST %s: %d %s", path, resp.StatusCode, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}
