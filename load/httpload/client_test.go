package httpload_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/load/httpload"
)

// scripted is a server that does to each connection what its script says.
func scripted(t *testing.T, script func(conn net.Conn, r *bufio.Reader)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			wg.Go(func() {
				defer conn.Close()
				script(conn, bufio.NewReader(conn))
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return "http://" + ln.Addr().String()
}

// answering sends a fixed answer to each request, and closes after the last of n.
func answering(answer string, n int) func(net.Conn, *bufio.Reader) {
	return func(conn net.Conn, r *bufio.Reader) {
		for range n {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			io.WriteString(conn, answer)
		}
	}
}

func newTarget(t *testing.T, base string, o httpload.Options) *httpload.Target {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	target, err := httpload.NewTarget(t.Context(), base, o)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// get sends one GET on a client of its own.
func get(t *testing.T, target *httpload.Target) (status int, body string, err error) {
	t.Helper()
	c := target.NewClient(t.Context())
	defer c.Close()
	res, err := c.Do(target.Head("GET", "/x"), c.Request())
	return res.Status, string(res.Body), err
}

func TestRequestAsSent(t *testing.T) {
	var seen *http.Request
	var body []byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(429)
	}))
	defer srv.Close()
	target := newTarget(t, srv.URL+"/base/", httpload.Options{Header: []string{"X-Run:  7 "}})
	c := target.NewClient(t.Context())
	defer c.Close()
	r := c.Request()
	r.Path = append(r.Path, "/17?limit=5"...)
	r.Body = append(r.Body, "hello"...)
	res, err := c.Do(target.Head("POST", "/api", "Content-Type: text/plain"), r)
	if err != nil {
		t.Fatal(err)
	}
	if got := seen.Method + " " + seen.RequestURI; got != "POST /base/api/17?limit=5" {
		t.Errorf("request line: %s", got)
	}
	if seen.Host != strings.TrimPrefix(srv.URL, "http://") {
		t.Errorf("Host: %s", seen.Host)
	}
	if string(body) != "hello" || seen.ContentLength != 5 || seen.Header.Get("Content-Type") != "text/plain" || seen.Header.Get("X-Run") != "7" {
		t.Errorf("body %q, length %d, headers %v", body, seen.ContentLength, seen.Header)
	}
	if res.Status != 429 || res.RetryAfter != 7*time.Second {
		t.Errorf("status %d, Retry-After %v", res.Status, res.RetryAfter)
	}
	if res.Done < res.Sent {
		t.Errorf("done %v before sent %v", res.Done, res.Sent)
	}
}

func TestAnswers(t *testing.T) {
	big := strings.Repeat("0123456789", 20_000)
	for name, tc := range map[string]struct {
		answer string
		status int
		body   string
	}{
		"content length":          {"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello", 201, "hello"},
		"lower case, bare LF":     {"HTTP/1.1 200\ncontent-length: 5\n\nhello", 200, "hello"},
		"empty":                   {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ""},
		"no content":              {"HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
		"not modified":            {"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 304, ""},
		"chunked":                 {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", 200, "hello"},
		"chunked with trailers":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n", 200, "hello"},
		"until close":             {"HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello"},
		"HTTP/1.0":                {"HTTP/1.0 200 OK\r\n\r\nhello", 200, "hello"},
		"interim before the last": {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
		"big":                     {"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + big, 200, big},
		"big chunked":             {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n" + big + "\r\n0\r\n\r\n", 200, big},
		"two equal lengths":       {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			target := newTarget(t, scripted(t, answering(tc.answer, 1)), httpload.Options{})
			status, body, err := get(t, target)
			if err != nil || status != tc.status || body != tc.body {
				t.Errorf("got %d, %.40q, %v", status, body, err)
			}
		})
	}
}

// TestAnswersInPieces sends answers byte by byte: the cut may fall anywhere.
func TestAnswersInPieces(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
	} {
		base := scripted(t, func(conn net.Conn, r *bufio.Reader) {
			for {
				if _, err := http.ReadRequest(r); err != nil {
					return
				}
				for i := range len(answer) {
					conn.Write([]byte(answer[i : i+1]))
				}
			}
		})
		target := newTarget(t, base, httpload.Options{})
		c := target.NewClient(t.Context())
		for range 3 {
			res, err := c.Do(target.Head("GET", "/"), c.Request())
			if err != nil || string(res.Body) != "hello" {
				t.Errorf("%q: got %q, %v", answer, res.Body, err)
			}
		}
		c.Close()
	}
}

func TestFamiliesAreTriedInTurn(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(srv.URL, "http://"))
	lookups := 0
	target := newTarget(t, "http://both.example:"+port, httpload.Options{
		Resolve: func(context.Context, string) ([]netip.Addr, error) {
			lookups++
			return []netip.Addr{netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.1")}, nil
		},
	})
	for range 3 {
		if status, _, err := get(t, target); err != nil || status != 204 {
			t.Fatalf("%d, %v", status, err)
		}
	}
	if lookups != 1 {
		t.Errorf("resolved %d times", lookups)
	}
	if want := "127.0.0.1:" + port; target.Addr() != want {
		t.Errorf("later connections go to %s, want %s", target.Addr(), want)
	}
}

func TestConnectionIsKept(t *testing.T) {
	for name, tc := range map[string]struct {
		answer string
		conns  int32
	}{
		"kept":                 {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1},
		"kept after chunks":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 1},
		"close asked":          {"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\nok", 3},
		"HTTP/1.0":             {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 3},
		"HTTP/1.0, keep-alive": {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", 1},
		"more than announced":  {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 stray\r\n\r\n", 3},
	} {
		t.Run(name, func(t *testing.T) {
			var conns atomic.Int32
			base := scripted(t, func(conn net.Conn, r *bufio.Reader) {
				conns.Add(1)
				answering(tc.answer, 100)(conn, r)
			})
			target := newTarget(t, base, httpload.Options{})
			c := target.NewClient(t.Context())
			defer c.Close()
			for range 3 {
				res, err := c.Do(target.Head("GET", "/"), c.Request())
				if err != nil || string(res.Body) != "ok" {
					t.Fatalf("%q, %v", res.Body, err)
				}
			}
			if conns.Load() != tc.conns {
				t.Errorf("%d connections, want %d", conns.Load(), tc.conns)
			}
		})
	}
}

// TestClosedKeptConnection: the server closes after each answer without saying so. A GET
// is repeated on a new connection, a POST is not: the target may have acted on it.
func TestClosedKeptConnection(t *testing.T) {
	closed := make(chan struct{}, 10)
	base := scripted(t, func(conn net.Conn, r *bufio.Reader) {
		answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1)(conn, r)
		conn.Close()
		closed <- struct{}{}
	})
	target := newTarget(t, base, httpload.Options{})
	c := target.NewClient(t.Context())
	defer c.Close()
	for range 3 {
		if _, err := c.Do(target.Head("GET", "/"), c.Request()); err != nil {
			t.Fatalf("GET: %v", err)
		}
		<-closed
	}
	_, err := c.Do(target.Head("POST", "/"), c.Request())
	var fail *httpload.Error
	if !errors.As(err, &fail) || !fail.Sent || fail.Kind != httpload.KindClosed && fail.Kind != httpload.KindReset {
		t.Errorf("POST: %v", err)
	}
	if _, err := c.Do(target.Head("POST", "/"), c.Request()); err != nil {
		t.Errorf("POST on a new connection: %v", err)
	}
}

// TestIdleConnectionIsLookedAt: after a second of silence a connection that the server
// closed is replaced before a POST is sent on it.
func TestIdleConnectionIsLookedAt(t *testing.T) {
	closed := make(chan struct{}, 10)
	base := scripted(t, func(conn net.Conn, r *bufio.Reader) {
		answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1)(conn, r)
		conn.Close()
		closed <- struct{}{}
	})
	var now atomic.Int64
	target := newTarget(t, base, httpload.Options{Clock: func() time.Duration { return time.Duration(now.Load()) }})
	c := target.NewClient(t.Context())
	defer c.Close()
	for range 3 {
		if _, err := c.Do(target.Head("POST", "/"), c.Request()); err != nil {
			t.Fatal(err)
		}
		<-closed
		now.Add(int64(2 * time.Second))
	}
}

func TestAbort(t *testing.T) {
	reached := make(chan struct{})
	base := scripted(t, func(_ net.Conn, r *bufio.Reader) {
		http.ReadRequest(r)
		close(reached)
		io.Copy(io.Discard, r)
	})
	target := newTarget(t, base, httpload.Options{Timeout: time.Minute})
	c := target.NewClient(t.Context())
	defer c.Close()
	go func() {
		<-reached
		c.Abort()
	}()
	_, err := c.Do(target.Head("GET", "/"), c.Request())
	var fail *httpload.Error
	if !errors.As(err, &fail) || fail.Kind != httpload.KindAborted || !fail.Sent {
		t.Errorf("got %v", err)
	}
	if _, err := c.Do(target.Head("GET", "/"), c.Request()); httpload.KindOf(err) != httpload.KindAborted {
		t.Errorf("after the abort: %v", err)
	}
}

// TestLargeBody writes more than the socket's buffers hold.
func TestLargeBody(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	}))
	defer srv.Close()
	target := newTarget(t, srv.URL, httpload.Options{Timeout: 20 * time.Second})
	c := target.NewClient(t.Context())
	defer c.Close()
	const size = 32 << 20
	for range 2 {
		r := c.Request()
		r.Body = append(r.Body, make([]byte, size)...)
		res, err := c.Do(target.Head("POST", "/"), r)
		if err != nil || string(res.Body) != strconv.Itoa(size) {
			t.Fatalf("%q, %v", res.Body, err)
		}
	}
}

func TestHTTPS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	}))
	defer srv.Close()
	target := newTarget(t, srv.URL, httpload.Options{TLS: &tls.Config{InsecureSkipVerify: true}})
	c := target.NewClient(t.Context())
	defer c.Close()
	for range 3 {
		r := c.Request()
		r.Body = append(r.Body, "over TLS"...)
		res, err := c.Do(target.Head("POST", "/"), r)
		if err != nil || string(res.Body) != "over TLS" {
			t.Fatalf("%q, %v", res.Body, err)
		}
	}
}

func TestManyClientsAtOnce(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	defer srv.Close()
	target := newTarget(t, srv.URL, httpload.Options{})
	head := target.Head("POST", "/")
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			c := target.NewClient(t.Context())
			defer c.Close()
			for j := range 50 {
				want := fmt.Sprintf("client %d, request %d", i, j)
				r := c.Request()
				r.Body = append(r.Body, want...)
				res, err := c.Do(head, r)
				if err != nil || string(res.Body) != want {
					t.Errorf("got %q, %v, want %q", res.Body, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestExchangeAllocatesNothing(t *testing.T) {
	base := scripted(t, func(conn net.Conn, r *bufio.Reader) {
		answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		buf := make([]byte, 4096)
		for {
			if _, err := r.Read(buf); err != nil {
				return
			}
			conn.Write(answer)
		}
	})
	target := newTarget(t, base, httpload.Options{})
	head := target.Head("POST", "/api/v1/messages", "Content-Type: application/json")
	c := target.NewClient(t.Context())
	defer c.Close()
	allocs := testing.AllocsPerRun(500, func() {
		r := c.Request()
		r.Body = append(r.Body, `{"to":"966500000000"}`...)
		if _, err := c.Do(head, r); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 && !raceDetector {
		t.Errorf("%v allocations an exchange", allocs)
	}
}

func BenchmarkExchange(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		buf := make([]byte, 4096)
		for {
			if _, err := conn.Read(buf); err != nil {
				return
			}
			conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		}
	}()
	target, err := httpload.NewTarget(b.Context(), "http://"+ln.Addr().String(), httpload.Options{})
	if err != nil {
		b.Fatal(err)
	}
	head := target.Head("GET", "/")
	c := target.NewClient(b.Context())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Do(head, c.Request()); err != nil {
			b.Fatal(err)
		}
	}
	c.Close()
	ln.Close()
	<-done
}
