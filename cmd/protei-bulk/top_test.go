package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// topMetrics is a page after n hundred messages.
func topMetrics(n int) string {
	return fmt.Sprintf(`# TYPE protei_bulk_build_info gauge
protei_bulk_build_info{go="go1",version="1.2.3"} 1
# TYPE protei_bulk_accepted_total counter
protei_bulk_accepted_total{account="1"} %[1]d
protei_bulk_accepted_total{account="2"} %[1]d
# TYPE protei_bulk_refused_total counter
protei_bulk_refused_total{code="queue_full"} %[2]d
protei_bulk_refused_total{code="no_route"} 7
# TYPE protei_bulk_binds gauge
protei_bulk_binds{connector="north"} 1
# TYPE protei_bulk_binds_configured gauge
protei_bulk_binds_configured{connector="north"} 2
# TYPE protei_bulk_lane_messages gauge
protei_bulk_lane_messages{connector="north",priority="HIGH"} 1234567
# TYPE protei_bulk_dispatch_total counter
protei_bulk_dispatch_total{connector="north",outcome="submitted"} %[1]d
protei_bulk_dispatch_total{connector="north",outcome="rejected"} %[2]d
# TYPE protei_bulk_http_request_duration_seconds histogram
protei_bulk_http_request_duration_seconds_bucket{code="2xx",method="POST",route="/m",le="0.01"} %[1]d
protei_bulk_http_request_duration_seconds_bucket{code="2xx",method="POST",route="/m",le="0.1"} %[3]d
protei_bulk_http_request_duration_seconds_bucket{code="2xx",method="POST",route="/m",le="+Inf"} %[3]d
protei_bulk_http_request_duration_seconds_sum{code="2xx",method="POST",route="/m"} 1
protei_bulk_http_request_duration_seconds_count{code="2xx",method="POST",route="/m"} %[3]d
# TYPE protei_bulk_cpu_cores gauge
protei_bulk_cpu_cores 2
`, 100*n, 10*n, 110*n)
}

func TestTopComparesTwoReadings(t *testing.T) {
	var reads atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, topMetrics(int(reads.Add(1))))
	}))
	defer server.Close()
	run := func(args ...string) string {
		var out bytes.Buffer
		env := &environment{Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }}
		root := newRootCommand(env)
		root.SetArgs(append([]string{"top", "--once", "--interval", "100ms", "--url", server.URL}, args...))
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	var v topView
	if err := json.Unmarshal([]byte(run("-o", "json")), &v); err != nil {
		t.Fatal(err)
	}
	// Both rates come from the same span, whatever it was.
	if v.Accepted <= 0 || math.Abs(v.Accepted/v.Sent-2) > 1e-9 || math.Abs(v.Sent/v.Refused-10) > 1e-9 || v.RefusedMost != "queue_full" {
		t.Errorf("rates: %+v", v)
	}
	if v.PostP50 == nil || math.Abs(*v.PostP50-0.0055) > 1e-9 || math.Abs(*v.PostP99-(0.01+0.09*8.9/10)) > 1e-9 || v.SyncP99 != nil {
		t.Errorf("latencies: %v %v %v", v.PostP50, v.PostP99, v.SyncP99)
	}
	if len(v.Connectors) != 1 || v.Connectors[0].Waiting["HIGH"] != 1234567 || v.Connectors[0].BindsConfigured != 2 || math.Abs(v.Connectors[0].Failed-v.Refused) > 1e-9 {
		t.Errorf("connectors: %+v", v.Connectors)
	}
	text := run()
	for _, say := range []string{"protei-bulk 1.2.3", "1,234,567 to be sent", "most: queue_full", "north", "1/2"} {
		if !strings.Contains(text, say) {
			t.Errorf("does not say %q:\n%s", say, text)
		}
	}
}

// A process that starts anew counts from zero: no rate below zero, no latency from before.
func TestTopAfterARestart(t *testing.T) {
	page := func(n int) *topPage {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, topMetrics(n)) }))
		defer server.Close()
		p, err := readTop(t.Context(), &restClient{env: &environment{}, url: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	v := compareTop(page(50), page(1))
	if v.Accepted <= 0 || v.Connectors[0].Sent <= 0 || v.PostP50 == nil || *v.PostP50 > 0.01 {
		t.Errorf("%+v", v)
	}
}

func TestTopOfSomethingElse(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "go_goroutines 7\n") }))
	defer server.Close()
	root := newRootCommand(&environment{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Getenv: func(string) string { return "" }})
	root.SetArgs([]string{"top", "--url", server.URL})
	if err := root.Execute(); err == nil || !strings.Contains(err.Error(), "does not answer like this platform") {
		t.Errorf("%v", err)
	}
}
