package scenario_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/httpload"
	"protei-bulk/load/scenario"
	"protei-bulk/load/stats"
)

// badServer answers every request of every connection by the script; a false ends the connection.
func badServer(t *testing.T, answer func(net.Conn) bool) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					io.Copy(io.Discard, req.Body)
					if !answer(conn) {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return "http://" + ln.Addr().String()
}

func says(text string, more bool) func(net.Conn) bool {
	return func(c net.Conn) bool {
		_, err := io.WriteString(c, text)
		return err == nil && more
	}
}

// TestBadServersKillNoUser: whatever comes back, it is counted under its name and each
// user goes on.
func TestBadServersKillNoUser(t *testing.T) {
	const good = `{"message_id":"0000000000000001"}` // 33 bytes
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	deadURL := "http://" + dead.Addr().String()
	dead.Close()
	for name, tc := range map[string]struct {
		answer func(net.Conn) bool
		url    string
		want   string // of the failure table; "": no failure
	}{
		"host down": {url: deadURL, want: "connection refused"},
		"TLS error": {url: "https://", answer: says("", false), want: "TLS handshake failed"},
		"reset": {answer: func(c net.Conn) bool {
			c.(*net.TCPConn).SetLinger(0)
			return false
		}, want: "connection reset"},
		"closed": {answer: says("", false), want: "connection closed without an answer"},
		"slow body": {answer: func(c net.Conn) bool {
			io.WriteString(c, "HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n")
			for range 1000 {
				if _, err := io.WriteString(c, "x"); err != nil {
					return false
				}
				time.Sleep(5 * time.Millisecond) // the slowness under test
			}
			return false
		}, want: "timeout"},
		"endless body": {answer: func(c net.Conn) bool {
			io.WriteString(c, "HTTP/1.1 201 Created\r\n\r\n")
			piece := strings.Repeat("x", 1<<20)
			for {
				if _, err := io.WriteString(c, piece); err != nil {
					return false
				}
			}
		}, want: "response body too large"},
		"wrong content type": {
			answer: says("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 6\r\n\r\n<html>", true),
			want:   "answer is text/html, not JSON",
		},
		"JSON without an id": {
			answer: says("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", true),
			want:   "answer without message_id",
		},
		"redirect":        {answer: says("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", true), want: "HTTP 302"},
		"garbage":         {answer: says("SSH-2.0-OpenSSH\r\n", false), want: "bad response: no HTTP status line"},
		"endless interim": {answer: func(c net.Conn) bool { return says(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 200), false)(c) }, want: "bad response: too many 1xx answers"},
		"HTTP/1.0":        {answer: says("HTTP/1.0 201 Created\r\n\r\n"+good, false)},
		"chunked":         {answer: says("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n21\r\n"+good+"\r\n0\r\n\r\n", true)},
		"1xx":             {answer: says("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 33\r\n\r\n"+good, true)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := tc.url
			if tc.answer != nil {
				url += strings.TrimPrefix(badServer(t, tc.answer), strings.Repeat("http://", min(len(tc.url), 1)))
			}
			timeout := time.Minute
			if tc.want == "timeout" {
				timeout = time.Second
			}
			runAgainstBad(t, url, tc.want, timeout)
		})
	}
}

func runAgainstBad(t *testing.T, url, want string, timeout time.Duration) {
	t.Helper()
	const users, each = 3, 3
	o := scenario.Options{
		Host: url, APIKey: "x", PeakUsers: users, NoReceipts: true, Timeout: timeout,
		Recorder: stats.NewRecorder(stats.RecorderOptions{}),
		Ledger:   stats.NewLedger(stats.LedgerOptions{NoReceipts: true}), Clock: load.NewClock(),
	}
	f := parse(t, "users:\n  U:\n    wait: 0.01\n    tasks:\n      - {post: /api/v1/messages, messages: 1, json: {client_ref: \"${client_ref}\"}}\n")
	r, err := scenario.Open(t.Context(), f, o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	classes, err := r.Classes()
	if err != nil {
		t.Fatal(err)
	}
	tried := map[int]int{} // by user
	var mu sync.Mutex
	res, err := load.Run(t.Context(), load.Options{
		Classes: classes, Shape: load.Flat{Users: users, SpawnRate: 1000}, Iterations: users * each,
		Recorder: o.Recorder, Ledger: o.Ledger, Clock: o.Clock, StopTimeout: timeout, NoDrain: true,
		Listeners: []load.Listener{{Request: func(r load.Request) {
			mu.Lock()
			defer mu.Unlock()
			tried[r.User.Index]++
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	total := res.Collector.Summary(res.Collector.Whole()).Total
	c := o.Ledger.Counts()
	if total.Requests != users*each || c.Issued != total.Requests || c.Issued != c.Accepted+c.Rejected+c.Unanswered {
		t.Errorf("%d requests, %+v", total.Requests, c)
	}
	if len(tried) > users {
		t.Errorf("users did not go on: requests by user %v", tried)
	}
	if e := o.Recorder.Exceptions(); len(e) > 0 {
		t.Errorf("exceptions: %+v", e)
	}
	failures := o.Recorder.Failures()
	if want == "" {
		if len(failures) > 0 || total.Failures > 0 || c.Accepted != c.Issued {
			t.Errorf("%+v; %+v", failures, c)
		}
		return
	}
	if len(failures) != 1 || failures[0].Error != want || failures[0].Occurrences != total.Requests || total.Failures != total.Requests {
		t.Errorf("%d requests, %d failures, table %+v", total.Requests, total.Failures, failures)
	}
}

// TestNoSuchHost: a name that has no address is refused before the first request.
func TestNoSuchHost(t *testing.T) {
	o := scenario.Options{
		Host: "http://host.invalid:8080", APIKey: "x", Settings: scenario.DefaultSettings(), NoReceipts: true,
		Recorder: stats.NewRecorder(stats.RecorderOptions{}), Ledger: stats.NewLedger(stats.LedgerOptions{}), Clock: load.NewClock(),
	}
	_, builtIn := scenario.New(t.Context(), o)
	_, file := scenario.Open(t.Context(), parse(t, "users: {U: {tasks: [{get: /}]}}"), o)
	for _, err := range []error{builtIn, file} {
		var fail *httpload.Error
		if !errors.As(err, &fail) || fail.Kind != httpload.KindDNS {
			t.Errorf("got %v", err)
		}
	}
}
