// Command truth is a messaging API that knows how long it took: its handler works for 20
// ms, and it keeps the time of each request from the handler's start to its end. A load
// generator in front of it is accurate when its percentiles are the same.
//
// GET /truth answers {"requests":…,"p50":…,"p95":…,"p99":…}, times in ms, of everything
// since the start or the last GET /reset. The percentiles are of the sorted values, not of
// a histogram. With -stall the server stands still so long in each period, as a garbage
// collection or a blocked disk would: what is under way then and what comes waits.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"net"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// maxKept bounds what is kept of a run: about 20 minutes at 3,000 requests a second.
const maxKept = 4_000_000

type server struct {
	work, stall, every time.Duration
	start              time.Time

	mu   sync.Mutex // guards took
	took []time.Duration
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	work := flag.Duration("work", 20*time.Millisecond, "time that the handler takes")
	stall := flag.Duration("stall", 0, "time that the server stands still in each period")
	every := flag.Duration("every", 5*time.Second, "length of a period")
	flag.Parse()
	s := &server{work: *work, stall: *stall, every: *every, start: time.Now()}
	if err := s.run(*listen); err != nil {
		fmt.Fprintln(os.Stderr, "truth:", err)
		os.Exit(1)
	}
}

func (s *server) run(listen string) error {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	web := &fasthttp.Server{Handler: s.handle, NoDefaultDate: true, NoDefaultServerHeader: true, Concurrency: 1 << 20}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(ln) }()
	fmt.Printf("http://%s\n", ln.Addr())
	select {
	case err := <-failed:
		return err
	case <-stop:
		return nil
	}
}

func (s *server) handle(c *fasthttp.RequestCtx) {
	began := time.Now()
	switch path := c.Path(); {
	case bytes.Equal(path, []byte("/truth")):
		c.SetBodyString(s.report())
		return
	case bytes.Equal(path, []byte("/reset")):
		s.reset()
		return
	case !c.IsPost(): // the load tester looks for /metrics, which is no request of its users
		c.SetStatusCode(fasthttp.StatusNotFound)
		return
	}
	s.standStill(began)
	time.Sleep(s.work)
	s.standStill(time.Now())
	c.SetStatusCode(fasthttp.StatusCreated)
	c.SetBodyString(`{"message_id":"0000000000000001","status":"PENDING","parts":1}`)
	s.keep(time.Since(began))
}

// standStill waits for the end of the stall that now lies in: the last part of a period.
func (s *server) standStill(now time.Time) {
	if s.stall <= 0 {
		return
	}
	if into := now.Sub(s.start) % s.every; into >= s.every-s.stall {
		time.Sleep(s.every - into)
	}
}

func (s *server) keep(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.took) < maxKept {
		s.took = append(s.took, took)
	}
}

func (s *server) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = s.took[:0]
}

func (s *server) report() string {
	s.mu.Lock()
	sorted := slices.Clone(s.took)
	s.mu.Unlock()
	slices.Sort(sorted)
	ms := func(q float64) float64 {
		if len(sorted) == 0 {
			return 0
		}
		i := int(math.Ceil(q*float64(len(sorted)))) - 1
		return float64(sorted[max(i, 0)]) / float64(time.Millisecond)
	}
	return fmt.Sprintf(`{"requests":%d,"p50":%.3f,"p95":%.3f,"p99":%.3f}`+"\n", len(sorted), ms(0.5), ms(0.95), ms(0.99))
}
