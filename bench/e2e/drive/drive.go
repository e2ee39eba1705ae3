// Package drive sends messages to a platform as fast as it answers and counts the
// receipts that come back: the load of the end-to-end benchmarks. Driver owns its
// goroutines: Run returns when its context has ended and they are done.
package drive

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"protei-bulk/load/httpload"
	"protei-bulk/smpp"
)

// Counters are what a run counts; they only grow.
type Counters struct {
	Requests atomic.Int64 // HTTP requests or submit_sm answered
	Accepted atomic.Int64 // messages answered with 201 or ESME_ROK
	Refused  atomic.Int64 // requests answered with a refusal
	Errors   atomic.Int64 // requests without an answer
	Receipts atomic.Int64 // messages whose receipt came back
	Latency  Latency      // of requests
}

// Latency keeps a sample of the latencies: every 16th request.
type Latency struct {
	mu  sync.Mutex
	n   uint64          // guarded by mu
	all []time.Duration // guarded by mu
}

const sampleEvery = 16

// Add counts one latency.
func (l *Latency) Add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n++; l.n%sampleEvery == 0 {
		l.all = append(l.all, d)
	}
}

// Reset forgets all.
func (l *Latency) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = l.all[:0]
}

// Sorted returns the sample in ascending order.
func (l *Latency) Sorted() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.all)
	slices.Sort(all)
	return all
}

// Options of a Driver.
type Options struct {
	HTTP     []string // URLs of the platform's nodes, which the connections share
	SMPP     string   // its SMPP address
	Conns    int      // connections or binds
	Batch    int      // messages of one bulk request
	Sendsms  Sendsms  // of mode sendsms
	Counters *Counters
}

// Driver drives one platform.
type Driver struct {
	opts    Options
	targets []*httpload.Target
	hook    *fasthttp.Server
	url     string // of the webhook
	seq     atomic.Uint64

	closed atomic.Bool // the webhook answers 503
	events atomic.Int64
	posts  atomic.Int64 // requests that had them
}

// Hold makes the webhook answer 503, or take events again.
func (d *Driver) Hold(on bool) { d.closed.Store(on) }

// Webhooks returns the events taken and the requests they came in.
func (d *Driver) Webhooks() (events, requests int64) { return d.events.Load(), d.posts.Load() }

// New starts the webhook's listener.
func New(ctx context.Context, opts Options) (*Driver, error) {
	d := &Driver{opts: opts}
	for _, url := range opts.HTTP {
		target, err := httpload.NewTarget(ctx, url, httpload.Options{Header: []string{
			"X-API-Key: dev-api-key", "Content-Type: application/json",
		}})
		if err != nil {
			return nil, err
		}
		d.targets = append(d.targets, target)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d.url = "http://" + ln.Addr().String() + "/dlr"
	event := []byte(`"message_id"`)
	d.hook = &fasthttp.Server{
		MaxRequestBodySize: 64 << 20,
		Handler: func(ctx *fasthttp.RequestCtx) {
			if d.closed.Load() {
				ctx.SetStatusCode(http.StatusServiceUnavailable)
				return
			}
			n := int64(bytes.Count(ctx.PostBody(), event))
			if ctx.IsGet() {
				n = 1 // a report of sendsms
			}
			d.events.Add(n)
			d.posts.Add(1)
			opts.Counters.Receipts.Add(n)
		},
	}
	go func() { _ = d.hook.Serve(ln) }()
	return d, nil
}

// Webhook returns the URL of the webhook, which counts what it is told.
func (d *Driver) Webhook() string { return d.url }

// Close ends the webhook's listener.
func (d *Driver) Close() { _ = d.hook.Shutdown() }

// Run drives the platform until ctx ends: mode is single, bulk, smpp or sendsms.
func (d *Driver) Run(ctx context.Context, mode string) {
	var all sync.WaitGroup
	defer all.Wait()
	for i := range d.opts.Conns {
		target := d.targets[i%len(d.targets)]
		switch mode {
		case "smpp":
			all.Go(func() { d.overSMPP(ctx) })
		case "sendsms":
			all.Go(func() { d.overSendsms(ctx, target) })
		case "bulk":
			all.Go(func() { d.overHTTP(ctx, target, "/api/v1/messages/bulk", d.bulk, d.opts.Batch) })
		default:
			all.Go(func() { d.overHTTP(ctx, target, "/api/v1/messages", d.single, 1) })
		}
	}
}

// Pace sends bulk requests over some connections so that rate messages a second arrive, until ctx
// ends. Each request has its time; one that is late is sent as soon as a connection is free.
func (d *Driver) Pace(ctx context.Context, rate, conns int) {
	began, each := time.Now(), time.Second*time.Duration(d.opts.Batch)/time.Duration(rate)
	var next atomic.Int64
	body := func(b []byte) []byte {
		due := began.Add(time.Duration(next.Add(1)) * each)
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
		}
		return d.bulk(b)
	}
	var all sync.WaitGroup
	defer all.Wait()
	for range conns {
		all.Go(func() { d.overHTTP(ctx, d.targets[0], "/api/v1/messages/bulk", body, d.opts.Batch) })
	}
}

func (d *Driver) overHTTP(ctx context.Context, target *httpload.Target, path string, body func([]byte) []byte, messages int) {
	head := target.Head("POST", path)
	c := target.NewClient(ctx)
	defer c.Close()
	for ctx.Err() == nil {
		req := c.Request()
		req.Body = body(req.Body[:0])
		res, err := c.Do(head, req)
		d.count(ctx, res, err, http.StatusCreated, messages)
	}
}

// count counts an answer, that messages were accepted when it has the status want; after a refusal it
// waits for a moment.
func (d *Driver) count(ctx context.Context, res *httpload.Response, err error, want, messages int) (accepted bool) {
	count := d.opts.Counters
	switch {
	case err != nil:
		if ctx.Err() == nil {
			count.Errors.Add(1)
		}
	case res.Status == want:
		accepted = true
		count.Accepted.Add(int64(messages))
	default:
		count.Refused.Add(1)
		time.Sleep(10 * time.Millisecond)
	}
	count.Requests.Add(1)
	count.Latency.Add(res.Done - res.Sent)
	return accepted
}

const text = "Your order 4711 has left our house and will be with you tomorrow between 9 and 12."

func (d *Driver) single(b []byte) []byte {
	n := d.seq.Add(1)
	b = append(b, `{"from":"Bench","to":"+15`...)
	b = appendNumber(b, n)
	b = append(b, `","text":"`+text+`","dlr_url":"`...)
	b = append(b, d.url...)
	return append(b, `"}`...)
}

func (d *Driver) bulk(b []byte) []byte {
	b = append(b, `{"from":"Bench","dlr_url":"`...)
	b = append(b, d.url...)
	b = append(b, `","messages":[`...)
	for i := range d.opts.Batch {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"to":"+15`...)
		b = appendNumber(b, d.seq.Add(1))
		b = append(b, `","text":"`+text+`"}`...)
	}
	return append(b, `]}`...)
}

// appendNumber appends 9 digits that look like a random recipient's.
func appendNumber(b []byte, n uint64) []byte {
	return strconv.AppendUint(b, 100_000_000+(n*0x9E3779B97F4A7C15>>20)%900_000_000, 10)
}

// overSMPP keeps a window of submit_sm in flight on one bind.
func (d *Driver) overSMPP(ctx context.Context) {
	const window = 100
	s, err := smpp.Dial(ctx, smpp.DialOptions{
		Addr: d.opts.SMPP, SystemID: "dev", Password: "devpass1", BindType: smpp.Transceiver,
		Session: smpp.SessionOptions{Window: window, Handler: smpp.HandlerFunc(d.receipt)},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "bind:", err)
		d.opts.Counters.Errors.Add(1)
		return
	}
	pdu := &smpp.SubmitSM{
		Source: smpp.Address{TON: 5, Addr: []byte("Bench")}, Dest: smpp.Address{TON: 1, NPI: 1},
		RegisteredDelivery: 1, ShortMessage: []byte(text),
	}
	done := answered{d.opts.Counters}
	for ctx.Err() == nil {
		pdu.Dest.Addr = appendNumber(append(pdu.Dest.Addr[:0], "15"...), d.seq.Add(1))
		if err := s.Send(ctx, pdu, done); err != nil {
			break
		}
	}
	// The bind stays for the receipts, until the process ends.
}

func (d *Driver) receipt(s *smpp.Session, r *smpp.Request) {
	if p, ok := r.PDU.(*smpp.DeliverSM); ok && p.IsReceipt() {
		d.opts.Counters.Receipts.Add(1)
	}
	_ = s.Respond(r.Seq, r.ID, smpp.ROK, &smpp.DeliverSMResp{})
}

type answered struct{ c *Counters }

func (a answered) Complete(r smpp.Result) {
	a.c.Requests.Add(1)
	switch {
	case r.Err != nil:
		a.c.Errors.Add(1)
	case r.Status != smpp.ROK:
		a.c.Refused.Add(1)
	default:
		a.c.Accepted.Add(1)
	}
	a.c.Latency.Add(r.Done.Sub(r.Sent))
}

// Fetch saves what url answers in a file.
func Fetch(url, path string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, resp.Status)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(f, resp.Body)
	return err
}
