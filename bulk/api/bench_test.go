package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// discard is a response writer that costs nothing.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

const benchMessage = `{"from":"ACME","to":"+4915112345678","text":"Your code is 123456. It is valid for ten minutes.",` +
	`"priority":"NORMAL","dlr_url":"http://127.0.0.1:9999/dlr","client_ref":"run-1-000042"}`

func benchBulk(n int) string {
	var b strings.Builder
	b.WriteString(`{"from":"ACME","dlr_url":"http://127.0.0.1:9999/dlr","messages":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"to":"+4915112%06d","text":"Your code is %06d. It is valid for ten minutes.","client_ref":"run-1-%06d"}`, i, i, i)
	}
	b.WriteString(`]}`)
	return b.String()
}

// BenchmarkHandler is a call without sockets and without what net/http does around it.
func BenchmarkHandler(b *testing.B) {
	p := start(b, options{drop: true})
	for _, c := range []struct{ name, method, path, body string }{
		{"single", "POST", "/api/v1/messages", benchMessage},
		{"bulk100", "POST", "/api/v1/messages/bulk", benchBulk(100)},
	} {
		b.Run(c.name, func(b *testing.B) {
			body := strings.NewReader(c.body)
			w := &discard{header: http.Header{}}
			req := &http.Request{
				Method: c.method, URL: &url.URL{Path: c.path}, ContentLength: int64(len(c.body)), Body: io.NopCloser(body),
				Header: http.Header{"X-Api-Key": {p.key}, "Content-Type": {"application/json"}},
			}
			b.ReportAllocs()
			for b.Loop() {
				body.Reset(c.body)
				clear(w.header)
				p.api.ServeHTTP(w, req)
				if w.status != 201 {
					b.Fatal("status", w.status)
				}
			}
		})
	}
}

// BenchmarkList is a page of 20 messages.
func BenchmarkList(b *testing.B) {
	p := start(b, options{})
	for range 20 {
		p.do(b, "POST", "/api/v1/messages", benchMessage)
	}
	w := &discard{header: http.Header{}}
	req := &http.Request{Method: "GET", URL: &url.URL{Path: "/api/v1/messages", RawQuery: "limit=20"}, Header: http.Header{"X-Api-Key": {p.key}}}
	b.ReportAllocs()
	for b.Loop() {
		p.api.ServeHTTP(w, req)
		if w.status != 200 {
			b.Fatal("status", w.status)
		}
	}
}

// BenchmarkSocket is the whole of net/http over loopback, client included.
func BenchmarkSocket(b *testing.B) {
	p := start(b, options{drop: true})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, err := http.NewRequest("POST", p.URL+"/api/v1/messages", strings.NewReader(benchMessage))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("X-API-Key", p.key)
			resp, err := client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
}

// BenchmarkStdJSON is what encoding/json needs for the bulk body, to compare with
// BenchmarkHandler/bulk100, which decodes, validates, segments and answers.
func BenchmarkStdJSON(b *testing.B) {
	body := []byte(benchBulk(100))
	b.ReportAllocs()
	for b.Loop() {
		var v struct {
			From     string
			DLRURL   string `json:"dlr_url"`
			Messages []struct {
				To, Text  string
				ClientRef string `json:"client_ref"`
			}
		}
		if err := json.NewDecoder(bytes.NewReader(body)).Decode(&v); err != nil {
			b.Fatal(err)
		}
	}
}
