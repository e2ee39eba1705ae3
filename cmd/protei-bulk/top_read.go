package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// topPage is one reading of /metrics.
type topPage struct {
	at       time.Time
	families map[string]*dto.MetricFamily
}

func readTop(ctx context.Context, c *restClient) (*topPage, error) {
	text, err := c.fetch(ctx, "GET", "/metrics", nil)
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil || families["protei_bulk_build_info"] == nil {
		return nil, &exitError{code: 1, err: fmt.Errorf("%s/metrics does not answer like this platform", c.url)}
	}
	return &topPage{at: time.Now(), families: families}, nil
}

// topView is what happened between two readings. Rates are a second, latencies seconds.
type topView struct {
	At            time.Time `json:"at"`
	Version       string    `json:"version"`
	UptimeSeconds int64     `json:"uptime_seconds"`

	Accepted      float64  `json:"accepted_per_second"`
	Refused       float64  `json:"refused_per_second"`
	RefusedMost   string   `json:"refused_most,omitempty"` // the most frequent code
	Sent          float64  `json:"sent_per_second"`
	Receipts      float64  `json:"receipts_per_second"`
	WebhookEvents float64  `json:"webhook_events_per_second"`
	Inbound       float64  `json:"inbound_per_second"`
	PostP50       *float64 `json:"post_p50_seconds"`
	PostP95       *float64 `json:"post_p95_seconds"`
	PostP99       *float64 `json:"post_p99_seconds"`
	SyncP99       *float64 `json:"journal_sync_p99_seconds"`

	Waiting         float64 `json:"waiting"`
	InFlight        float64 `json:"in_flight"`
	WebhooksPending float64 `json:"webhook_events_pending"`
	Backlog         float64 `json:"store_backlog"`
	StoreFailed     bool    `json:"store_failed"`

	CPUShare       float64 `json:"cpu_share"` // of the cores allowed, 0 to 1
	Cores          float64 `json:"cores"`
	MemoryMiB      float64 `json:"memory_mib"` // without mapped files
	MemoryLimitMiB float64 `json:"memory_limit_mib"`

	Connectors []topConnector `json:"connectors"`
}

type topConnector struct {
	Name            string             `json:"name"`
	Binds           float64            `json:"binds"`
	BindsConfigured float64            `json:"binds_configured"`
	Waiting         map[string]float64 `json:"waiting"` // by priority
	InFlight        float64            `json:"in_flight"`
	Sent            float64            `json:"sent_per_second"`
	Failed          float64            `json:"failed_per_second"`
	Throttled       float64            `json:"throttled_per_second"`
	Receipts        float64            `json:"receipts_per_second"`
}

// compareTop makes the view of the time between two readings. A counter that went back
// belongs to a process that has started anew: it counts from zero.
func compareTop(before, after *topPage) *topView {
	span := max(after.at.Sub(before.at).Seconds(), 1e-3)
	grown := func(family string, labels ...string) float64 {
		now, then := after.sum(family, labels...), before.sum(family, labels...)
		if now < then {
			then = 0
		}
		return (now - then) / span
	}
	v := &topView{
		At:      after.at,
		Version: after.label("protei_bulk_build_info", "version"), UptimeSeconds: int64(float64(after.at.Unix()) - after.sum("process_start_time_seconds")),
		Accepted: grown("protei_bulk_accepted_total"), Refused: grown("protei_bulk_refused_total"),
		Sent:     grown("protei_bulk_dispatch_total", "outcome", "submitted"),
		Receipts: grown("protei_bulk_receipts_total", "outcome", "final"), WebhookEvents: grown("protei_bulk_webhook_events_total", "outcome", "delivered"),
		Inbound: grown("protei_bulk_inbound_total", "outcome", "received"),
		Waiting: after.sum("protei_bulk_lane_messages"), InFlight: after.sum("protei_bulk_submit_in_flight"),
		WebhooksPending: after.sum("protei_bulk_webhook_pending_events"), Backlog: after.sum("protei_bulk_store_backlog_messages"),
		StoreFailed: after.sum("protei_bulk_store_failed") > 0,
		Cores:       after.sum("protei_bulk_cpu_cores"), MemoryLimitMiB: after.sum("protei_bulk_memory_limit_bytes") / (1 << 20),
		MemoryMiB:  (after.sum("process_resident_memory_bytes") - after.sum("protei_bulk_memory_mapped_bytes")) / (1 << 20),
		Connectors: []topConnector{},
	}
	v.CPUShare = grown("process_cpu_seconds_total") / max(v.Cores, 1)
	most := 0.0
	for _, code := range after.values("protei_bulk_refused_total", "code") {
		if n := grown("protei_bulk_refused_total", "code", code); n > most {
			most, v.RefusedMost = n, code
		}
	}
	v.PostP50 = quantile(before, after, "protei_bulk_http_request_duration_seconds", 0.50, "method", "POST")
	v.PostP95 = quantile(before, after, "protei_bulk_http_request_duration_seconds", 0.95, "method", "POST")
	v.PostP99 = quantile(before, after, "protei_bulk_http_request_duration_seconds", 0.99, "method", "POST")
	v.SyncP99 = quantile(before, after, "protei_bulk_journal_sync_seconds", 0.99)
	for _, name := range after.values("protei_bulk_binds_configured", "connector") {
		c := topConnector{
			Name: name, Waiting: make(map[string]float64),
			Binds: after.sum("protei_bulk_binds", "connector", name), BindsConfigured: after.sum("protei_bulk_binds_configured", "connector", name),
			InFlight:  after.sum("protei_bulk_submit_in_flight", "connector", name),
			Sent:      grown("protei_bulk_dispatch_total", "connector", name, "outcome", "submitted"),
			Throttled: grown("protei_bulk_dispatch_total", "connector", name, "outcome", "throttled"),
			Receipts:  grown("protei_bulk_receipts_total", "connector", name, "outcome", "final"),
		}
		for _, outcome := range []string{"temporary", "rejected", "lost", "gave_up", "expired"} {
			c.Failed += grown("protei_bulk_dispatch_total", "connector", name, "outcome", outcome)
		}
		for _, p := range after.values("protei_bulk_lane_messages", "priority") {
			c.Waiting[p] = after.sum("protei_bulk_lane_messages", "connector", name, "priority", p)
		}
		v.Connectors = append(v.Connectors, c)
	}
	return v
}

// each calls f for the metrics of a family that have all the labels given.
func (p *topPage) each(family string, labels []string, f func(*dto.Metric)) {
	for _, m := range p.families[family].GetMetric() {
		fits := true
		for i := 0; i+1 < len(labels) && fits; i += 2 {
			fits = labelOf(m, labels[i]) == labels[i+1]
		}
		if fits {
			f(m)
		}
	}
}

func labelOf(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

func (p *topPage) sum(family string, labels ...string) (sum float64) {
	p.each(family, labels, func(m *dto.Metric) {
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
	})
	return sum
}

// label returns the value of a label of the family's first metric.
func (p *topPage) label(family, name string) string {
	for _, m := range p.families[family].GetMetric() {
		return labelOf(m, name)
	}
	return ""
}

// values lists the values of a label in a family, sorted.
func (p *topPage) values(family, name string) (values []string) {
	p.each(family, nil, func(m *dto.Metric) { values = append(values, labelOf(m, name)) })
	slices.Sort(values)
	return slices.Compact(values)
}

// buckets sums the cumulative counts of a histogram family by upper bound.
func (p *topPage) buckets(family string, labels []string) map[float64]float64 {
	all := make(map[float64]float64)
	p.each(family, labels, func(m *dto.Metric) {
		for _, b := range m.GetHistogram().GetBucket() {
			all[b.GetUpperBound()] += float64(b.GetCumulativeCount())
		}
	})
	return all
}

// quantile is that of what was observed between two readings, linear inside its bucket; nil
// when nothing was.
func quantile(before, after *topPage, family string, q float64, labels ...string) *float64 {
	then, now := before.buckets(family, labels), after.buckets(family, labels)
	type bucket struct{ upper, n float64 }
	var all []bucket
	for upper, n := range now {
		if n < then[upper] { // the process is another one
			then = nil
			break
		}
	}
	for upper, n := range now {
		all = append(all, bucket{upper, n - then[upper]})
	}
	slices.SortFunc(all, func(a, b bucket) int { return cmp.Compare(a.upper, b.upper) })
	if len(all) == 0 || all[len(all)-1].n <= 0 {
		return nil
	}
	rank := q * all[len(all)-1].n
	lower, below := 0.0, 0.0
	for _, b := range all {
		if b.n >= rank {
			if math.IsInf(b.upper, 1) {
				return &lower // beyond the last bound: at least that
			}
			if b.n > below {
				lower += (b.upper - lower) * (rank - below) / (b.n - below)
			}
			return &lower
		}
		if !math.IsInf(b.upper, 1) {
			lower = b.upper
		}
		below = b.n
	}
	return &lower
}
