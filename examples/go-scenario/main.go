// A load test in Go: customers of a shop that browse and buy, with a connection, a basket
// and a failure check of their own. It takes the flags of `protei-bulk load`:
//
//	go run ./examples/go-scenario -H http://127.0.0.1:8080 -u 50 -r 10 -t 30s
//	go run ./examples/go-scenario -H http://127.0.0.1:8080 --rate 500/s -t 30s --target p95=50ms
//	go run ./examples/go-scenario -H http://127.0.0.1:8080 --find-max --target p99=100ms
package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/cli"
	"protei-bulk/load/httpload"
	"protei-bulk/load/stats"
)

func main() {
	cli.Main(cli.Scenario{Name: "shop", Host: "http://127.0.0.1:8080", Setup: shop, Targets: []string{"errors=1%"}})
}

// shop makes the user classes.
func shop(ctx context.Context, kit *cli.Kit) ([]load.UserClass, error) {
	target, err := httpload.NewTarget(ctx, kit.Host, httpload.Options{Clock: kit.Clock.Now, Timeout: kit.Timeout})
	if err != nil {
		return nil, err
	}
	s := &store{
		target: target,
		item:   target.Head("GET", "/items/"),
		order:  target.Head("POST", "/orders", "Content-Type: application/json"),
		// One name for all items: 1,000 paths are one row of the table.
		browsed: kit.Recorder.Entry("GET", "/items/[id]"),
		ordered: kit.Recorder.Entry("POST", "/orders"),
		sold:    kit.Metrics.Counter("items sold", ""),
	}
	customers := load.NewClass("Customer", load.Between(500*time.Millisecond, 2*time.Second), s.enter,
		load.Task[*customer]{Name: "browse", Weight: 5, Run: (*customer).browse},
		load.Task[*customer]{Name: "buy", Weight: 1, Tags: []string{"write"}, Run: (*customer).buy})
	return []load.UserClass{customers}, nil
}

// store is what all customers share.
type store struct {
	target           *httpload.Target
	item, order      *httpload.Head
	browsed, ordered stats.Entry
	sold             *load.Counter
}

// customer is one virtual user with a connection of its own.
type customer struct {
	*store
	http   *httpload.Client
	basket []int
}

func (s *store) enter(u *load.User) (*customer, error) {
	return &customer{store: s, http: s.target.NewClient(u.Context())}, nil
}

// Close implements load.Actor.
func (c *customer) Close() { c.http.Close() }

// Abort implements load.Actor.
func (c *customer) Abort() { c.http.Abort() }

func (c *customer) browse(u *load.User) {
	id := u.Rand.IntN(1000)
	r := c.http.Request()
	r.Path = strconv.AppendInt(r.Path, int64(id), 10)
	if c.do(u, c.browsed, c.item, r) {
		c.basket = append(c.basket, id)
	}
}

func (c *customer) buy(u *load.User) {
	r := c.http.Request()
	r.Body = fmt.Appendf(r.Body, `{"items":%d}`, len(c.basket))
	if c.do(u, c.ordered, c.order, r) {
		c.sold.Add(int64(len(c.basket)))
		c.basket = c.basket[:0]
	}
}

// do sends a request and records it; true: it was answered with 2xx.
func (c *customer) do(u *load.User, e stats.Entry, h *httpload.Head, r *httpload.Request) bool {
	res, err := c.http.Do(h, r)
	defer res.Release()
	smp := stats.Sample{Bytes: len(res.Body)}
	switch {
	case err != nil:
		smp.Outcome = stats.Failed
		u.Fail(e, err.Error())
	case res.Status == http.StatusTooManyRequests:
		smp.Outcome = stats.Throttled
	case res.Status < 200 || res.Status > 299:
		smp.Outcome = stats.Failed
		u.Fail(e, "HTTP "+strconv.Itoa(res.Status))
	}
	u.Record(e, res.Sent, res.Done, smp)
	return smp.Outcome == stats.OK
}
