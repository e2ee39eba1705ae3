package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// rules is how many routing rules -features makes.
const rules = 1000

// configure switches on what an aggregator's account has: 1,000 routing rules with prices, of
// which a message can match several, a rate, quotas and a prepaid balance. Webhooks and CDR files
// are on anyway.
func (b *bench) configure(ctx context.Context) error {
	for i := range rules {
		if err := b.call(ctx, "POST", "/routes", rule(i)); err != nil {
			return err
		}
	}
	err := b.call(ctx, "PATCH", "/accounts/me", map[string]any{
		"billing": "prepaid", "price": "0.045", "currency": "EUR",
		"tps": 1_000_000, "burst": 1_000_000, "tps_counts": "parts", "daily_quota": 1_000_000_000, "monthly_quota": 10_000_000_000, "time_zone": "Asia/Dubai",
	})
	if err != nil {
		return err
	}
	return b.call(ctx, "POST", "/accounts/1/topup", map[string]any{"amount": "900000000", "reference": "bench"})
}

// rule makes rule i: most are prefixes of other countries, as an aggregator has them.
func rule(i int) map[string]any {
	match := map[string]any{}
	switch {
	case i == 0: // takes what no other rule wants
	case i <= 400:
		match["prefixes"] = []string{fmt.Sprintf("15%03d", i*2)} // recipients of the benchmark
	case i <= 900:
		match["prefixes"] = []string{fmt.Sprintf("%d", 20_000+i*70)}
	case i <= 950:
		match["senders"] = []string{fmt.Sprintf("Shop%d*", i)}
	case i <= 980:
		match["tags"] = []string{fmt.Sprintf("campaign-%d", i)}
	case i <= 990:
		match["keywords"] = []string{fmt.Sprintf("WORD%d", i)}
	default:
		match["prefixes"], match["senders"] = []string{fmt.Sprintf("15%02d", i-900)}, []string{"Bench"}
		match["windows"] = []map[string]any{{"from": "00:00", "to": "23:59", "zone": "Asia/Dubai"}}
	}
	r := map[string]any{"name": fmt.Sprintf("rule-%d", i), "match": match, "targets": []map[string]any{{"connector": "default"}}}
	if i%2 == 1 {
		r["price"] = "0.0375"
	}
	return r
}

func (b *bench) call(ctx context.Context, method, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+b.at.HTTP+"/api/v1"+path, strings.NewReader(string(text)))
	if err != nil {
		return err
	}
	req.Header.Set("X-API-Key", "dev-api-key")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s answered %s: %s", method, path, resp.Status, answer)
	}
	return nil
}
