package smsc

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// serveMetrics writes the counters in Prometheus' text format, version 0.0.4.
func (s *Simulator) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	c := s.Counters()
	var out bytes.Buffer
	metric := func(kind, name, help string, value any) {
		fmt.Fprintf(&out, "# HELP smsc_%s %s\n# TYPE smsc_%s %s\nsmsc_%s %v\n", name, help, name, kind, name, value)
	}
	metric("counter", "submits_total", "submit_sm and data_sm received.", c.Submits)
	metric("counter", "submit_octets_total", "Octets of their texts.", c.Octets)
	metric("counter", "messages_unique_total", "Different messages accepted.", c.Unique)
	metric("counter", "messages_duplicate_total", "Messages accepted again.", c.Duplicates)
	metric("counter", "messages_untracked_total", "Messages accepted beyond the memory for duplicates.", c.Untracked)
	metric("counter", "submits_unanswered_total", "Messages accepted and never answered.", c.Unanswered)
	fmt.Fprint(&out, "# HELP smsc_answers_total Submits answered, by command_status.\n# TYPE smsc_answers_total counter\n")
	for _, status := range slices.Sorted(maps.Keys(c.Answered)) {
		fmt.Fprintf(&out, "smsc_answers_total{status=%q} %d\n", status, c.Answered[status])
	}
	metric("counter", "receipts_wanted_total", "Messages that asked for a receipt.", c.Receipts.Wanted)
	metric("counter", "receipts_sent_total", "deliver_sm sent, retries included.", c.Receipts.Sent)
	metric("counter", "receipts_acked_total", "Receipts acknowledged.", c.Receipts.Acked)
	metric("counter", "receipts_retried_total", "Receipts put off, not answered, or whose bind was lost.", c.Receipts.Retried)
	metric("counter", "receipts_refused_total", "Receipts refused for good.", c.Receipts.Refused)
	metric("counter", "receipts_lost_total", "Receipts never sent, as asked for.", c.Receipts.Lost)
	metric("counter", "receipts_dropped_total", "Receipts given up after their time to live.", c.Receipts.Dropped)
	metric("gauge", "pending", "Messages that wait for answer or receipt.", c.Receipts.Pending)
	metric("gauge", "binds", "Binds now.", c.Binds.Current)
	metric("counter", "binds_total", "Binds accepted.", c.Binds.Total)
	metric("counter", "binds_refused_total", "Binds refused.", c.Binds.Refused)
	metric("gauge", "remembered_octets", "Memory for duplicates.", c.Memory.Octets)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(out.Bytes())
}
