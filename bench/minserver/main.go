// Command minserver answers the messaging API's calls as cheaply as Go allows, and does
// nothing else: what remains is the cost of the load generator in front of it. It prints
// its URL and runs until it is interrupted.
package main

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/valyala/fasthttp"
)

type server struct{ ids atomic.Uint64 }

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	flag.Parse()
	if err := run(*listen); err != nil {
		fmt.Fprintln(os.Stderr, "minserver:", err)
		os.Exit(1)
	}
}

func run(listen string) error {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	s := &server{}
	web := &fasthttp.Server{Handler: s.handle, NoDefaultDate: true, NoDefaultServerHeader: true, Concurrency: 1 << 20}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	done := make(chan error, 1)
	go func() { done <- web.Serve(ln) }()
	fmt.Printf("http://%s\n", ln.Addr())
	select {
	case err := <-done:
		return err
	case <-stop:
		return nil
	}
}

func (s *server) handle(c *fasthttp.RequestCtx) {
	switch path := c.Path(); {
	case c.IsPost() && bytes.HasSuffix(path, []byte("/bulk")):
		s.bulk(c)
	case c.IsPost() && bytes.HasSuffix(path, []byte("/messages")):
		s.single(c)
	case c.IsPost():
		c.SetStatusCode(fasthttp.StatusCreated)
		c.SetBodyString(`{"campaign_id":"0000000000000001","status":"DRAFT"}`)
	case bytes.HasSuffix(path, []byte("/messages")):
		c.SetBodyString(`{"messages":[],"page":1,"limit":20,"next_cursor":""}`)
	case bytes.HasPrefix(path, []byte("/api/v1/messages/")):
		c.SetBodyString(`{"message_id":"0000000000000001","status":"DELIVERED"}`)
	default:
		c.SetStatusCode(fasthttp.StatusNotFound)
	}
}

func (s *server) single(c *fasthttp.RequestCtx) {
	c.SetStatusCode(fasthttp.StatusCreated)
	b := append(c.Response.Body(), `{"message_id":"`...)
	b = s.appendID(b)
	c.SetBody(append(b, `","status":"PENDING","parts":1,"encoding":"GSM7","submitted_at":"2026-01-01T00:00:00Z"}`...))
}

func (s *server) bulk(c *fasthttp.RequestCtx) {
	n := bytes.Count(c.PostBody(), []byte(`"to":`))
	c.SetStatusCode(fasthttp.StatusCreated)
	b := fmt.Appendf(nil, `{"batch_id":"0000000000000001","total":%d,"accepted":%d,"rejected":0,"message_ids":[`, n, n)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(s.appendID(append(b, '"')), '"')
	}
	c.SetBody(append(b, `],"errors":[]}`...))
}

func (s *server) appendID(b []byte) []byte {
	id := s.ids.Add(1)
	raw := [8]byte{byte(id >> 56), byte(id >> 48), byte(id >> 40), byte(id >> 32), byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}
	return hex.AppendEncode(b, raw[:])
}
