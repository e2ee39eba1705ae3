package httpload_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"protei-bulk/load/httpload"
)

func TestFailuresHaveNames(t *testing.T) {
	reset := func(conn net.Conn, r *bufio.Reader) {
		http.ReadRequest(r)
		conn.(*net.TCPConn).SetLinger(0)
	}
	endless := func(prefix, piece string) func(net.Conn, *bufio.Reader) {
		return func(conn net.Conn, r *bufio.Reader) {
			http.ReadRequest(r)
			io.WriteString(conn, prefix)
			for {
				if _, err := io.WriteString(conn, piece); err != nil {
					return
				}
			}
		}
	}
	silent := func(_ net.Conn, r *bufio.Reader) { io.Copy(io.Discard, r) }
	for name, tc := range map[string]struct {
		script func(net.Conn, *bufio.Reader)
		kind   httpload.Kind
	}{
		"reset":               {reset, httpload.KindReset},
		"closed at once":      {answering("", 1), httpload.KindClosed},
		"cut in the head":     {answering("HTTP/1.1 200 OK\r\nContent-", 1), httpload.KindCut},
		"cut in the body":     {answering("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", 1), httpload.KindCut},
		"cut in a chunk":      {answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello", 1), httpload.KindCut},
		"silent":              {silent, httpload.KindTimeout},
		"garbage":             {answering("SSH-2.0-OpenSSH_9.9\r\n", 1), httpload.KindBadResponse},
		"garbage without end": {endless("", "\x00\x01\x02"), httpload.KindBadResponse},
		"bad status":          {answering("HTTP/1.1 2x0 OK\r\n\r\n", 1), httpload.KindBadResponse},
		"bad length":          {answering("HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nhello", 1), httpload.KindBadResponse},
		"two lengths":         {answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 1), httpload.KindBadResponse},
		"no colon":            {answering("HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", 1), httpload.KindBadResponse},
		"bad chunk":           {answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello", 1), httpload.KindBadResponse},
		"unknown coding":      {answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello", 1), httpload.KindBadResponse},
		"switching protocols": {answering("HTTP/1.1 101 Switching\r\n\r\n", 1), httpload.KindBadResponse},
		"endless head":        {endless("HTTP/1.1 200 OK\r\n", "A: b\r\n"), httpload.KindBadResponse},
		"endless interim":     {endless("", "HTTP/1.1 100 Continue\r\n\r\n"), httpload.KindBadResponse},
		"endless body":        {endless("HTTP/1.1 200 OK\r\n\r\n", "0123456789"), httpload.KindTooLarge},
		"endless chunks":      {endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n"), httpload.KindTooLarge},
		"announces too much":  {answering("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", 1), httpload.KindTooLarge},
		"announces, sends less": {func(c net.Conn, r *bufio.Reader) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\nhello")
			silent(c, r)
		}, httpload.KindTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := time.Minute // a busy machine must not make one of anything else
			if tc.kind == httpload.KindTimeout {
				timeout = 300 * time.Millisecond
			}
			target := newTarget(t, scripted(t, tc.script), httpload.Options{Timeout: timeout, MaxBodyBytes: 64 << 10})
			c := target.NewClient(t.Context())
			defer c.Close()
			res, err := c.Do(target.Head("POST", "/"), c.Request())
			var fail *httpload.Error
			if !errors.As(err, &fail) || fail.Kind != tc.kind {
				t.Fatalf("got %v, want %v", err, tc.kind)
			}
			if !fail.Sent {
				t.Error("the target has the request, but Sent is false")
			}
			if tc.kind == httpload.KindTimeout && res.Done-res.Sent < 300*time.Millisecond {
				t.Errorf("a timeout counted as %v", res.Done-res.Sent)
			}
		})
	}
}

func TestConnectFailures(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	t.Run("refused", func(t *testing.T) {
		_, _, err := get(t, newTarget(t, "http://"+addr, httpload.Options{}))
		var fail *httpload.Error
		if !errors.As(err, &fail) || fail.Kind != httpload.KindRefused || fail.Sent {
			t.Errorf("got %+v", err)
		}
	})
	t.Run("no such host", func(t *testing.T) {
		_, err := httpload.NewTarget(t.Context(), "http://host.invalid", httpload.Options{
			Resolve: func(context.Context, string) ([]netip.Addr, error) { return nil, &net.DNSError{Err: "no such host"} },
		})
		if httpload.KindOf(err) != httpload.KindDNS {
			t.Errorf("got %v", err)
		}
	})
	t.Run("TLS", func(t *testing.T) {
		srv := httptest.NewUnstartedServer(http.NotFoundHandler())
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		srv.StartTLS()
		defer srv.Close()
		_, _, err := get(t, newTarget(t, srv.URL, httpload.Options{}))
		if httpload.KindOf(err) != httpload.KindTLS {
			t.Errorf("got %v", err)
		}
	})
	t.Run("bad base", func(t *testing.T) {
		for _, base := range []string{"", "localhost:8080", "ftp://x", "http://", "http://[::1", "http://:80"} {
			if err := httpload.CheckBase(base); err == nil {
				t.Errorf("%q passed", base)
			}
		}
	})
}
