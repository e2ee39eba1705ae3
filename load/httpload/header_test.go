package httpload_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"protei-bulk/load/httpload"
)

// TestHeadersBothWays: header lines of a single request, and headers of an answer that
// came in chunks.
func TestHeadersBothWays(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Echo", r.Header.Get("X-One")+r.Header.Get("X-Two"))
		for range 3 {
			io.WriteString(w, strings.Repeat("x", 4000))
			w.(http.Flusher).Flush()
		}
	}))
	defer srv.Close()
	target := newTarget(t, srv.URL, httpload.Options{})
	c := target.NewClient(t.Context())
	defer c.Close()
	for _, want := range []string{"ab", ""} { // the lines belong to one request
		r := c.Request()
		if want != "" {
			r.Header = append(r.Header, "X-One: a\r\nX-Two: b\r\n"...)
		}
		res, err := c.Do(target.Head("GET", "/"), r)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(res.Header("x-echo")); got != want || len(res.Body) != 12000 {
			t.Errorf("echo %q, want %q; %d bytes", got, want, len(res.Body))
		}
		if res.Header("X-None") != nil || !strings.HasPrefix(string(res.Head()), "HTTP/1.1 200") {
			t.Errorf("head: %q", res.Head())
		}
	}
}
