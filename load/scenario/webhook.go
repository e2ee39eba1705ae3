package scenario

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/smpp"
)

// receipt is one event of a webhook; the slices belong to the request's body.
type receipt struct {
	id, ref, status []byte
}

// state is the final state as SMPP numbers it, 0 for one that it does not know.
func (r receipt) state() uint8 {
	switch string(r.status) {
	case "DELIVERED":
		return uint8(smpp.StateDelivered)
	case "EXPIRED":
		return uint8(smpp.StateExpired)
	case "CANCELLED":
		return uint8(smpp.StateDeleted)
	case "FAILED", "UNDELIVERABLE":
		return uint8(smpp.StateUndeliverable)
	case "UNKNOWN":
		return uint8(smpp.StateUnknown)
	case "REJECTED":
		return uint8(smpp.StateRejected)
	}
	return 0
}

// eachReceipt calls fn for every event of {"events":[{…}]}.
func eachReceipt(body []byte, fn func(receipt)) error {
	c := cursor{b: body}
	if !c.enter('{') {
		return c.err
	}
	for key, ok := c.key(); ok; key, ok = c.key() {
		if string(key) != "events" || c.next() != '[' {
			c.skip()
			continue
		}
		for c.enter('['); c.item(); {
			r, ok := c.receipt()
			if !ok {
				return c.err
			}
			fn(r)
		}
	}
	return c.err
}

func (c *cursor) receipt() (r receipt, ok bool) {
	if !c.enter('{') {
		return r, false
	}
	for key, ok := c.key(); ok; key, ok = c.key() {
		switch string(key) {
		case "message_id":
			r.id = c.text()
		case "client_ref":
			r.ref = c.text()
		case "status":
			r.status = c.text()
		default:
			c.skip()
		}
	}
	return r, c.err == nil
}

// maxWebhookBytes bounds one webhook request.
const maxWebhookBytes = 16 << 20

// webhook is the listener that takes delivery receipts: one server, one goroutine per
// connection of the target. It ends with Close.
type webhook struct {
	url    string
	server *http.Server
	bodies sync.Pool // *[]byte
	api    *messagingAPI
	handle func(receipt)
	each   func(body []byte, query string) error // takes a whole request instead of handle
	addr   string
	done   chan struct{}

	bad atomic.Uint64 // requests that were no webhook of ours
}

// listen makes the webhook that the options ask for, on an address that faces target.
func (o *Options) listen(target string, api *messagingAPI, handle func(receipt)) (*webhook, error) {
	if o.Forwarded {
		return &webhook{url: o.DLRURL}, nil
	}
	addr := o.DLRListen
	if addr == "" {
		addr = reachableAddr(target)
	}
	return listenWebhook(addr, o.DLRURL, o.Logger, api, handle)
}

// listenWebhook listens on addr. url is what the target is told, made from the address
// when empty; api says how receipts are written.
func listenWebhook(addr, url string, log *slog.Logger, api *messagingAPI, handle func(receipt)) (*webhook, error) {
	w := &webhook{url: url, api: api, handle: handle}
	if err := w.open(addr, log); err != nil {
		return nil, err
	}
	return w, nil
}

// open starts the server.
func (w *webhook) open(addr string, log *slog.Logger) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen for delivery receipts (--dlr-listen): %w", err)
	}
	w.addr, w.done = ln.Addr().String(), make(chan struct{})
	if w.url == "" {
		w.url = "http://" + ln.Addr().String() + "/dlr/" + rand.Text()[:8]
	}
	w.bodies.New = func() any { b := make([]byte, 0, 64<<10); return &b }
	w.server = &http.Server{
		Handler:           w,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       5 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(w.done)
		if err := w.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error("delivery receipts: listener ended", "error", err)
		}
	}()
	return nil
}

// ServeHTTP takes one batch of events.
func (w *webhook) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodPost && (!w.api.form || req.Method != http.MethodGet) {
		rw.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	buf := w.bodies.Get().(*[]byte)
	defer w.bodies.Put(buf)
	body, err := readAll((*buf)[:0], http.MaxBytesReader(rw, req.Body, maxWebhookBytes))
	*buf = body[:0]
	switch {
	case err != nil:
	case w.each != nil:
		err = w.each(body, req.URL.RawQuery)
	default:
		err = w.api.eachReceipt(body, req.URL.RawQuery, w.handle)
	}
	if errors.Is(err, errNotForwarded) {
		http.Error(rw, err.Error(), http.StatusServiceUnavailable)
		return
	}
	if err != nil {
		w.bad.Add(1)
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	rw.WriteHeader(http.StatusNoContent)
}

// Close stops the listener; requests under way may finish within a second.
func (w *webhook) Close() {
	if w.server == nil {
		return // another process listens
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if w.server.Shutdown(ctx) != nil {
		_ = w.server.Close()
	}
	<-w.done
}

// readAll is io.ReadAll into a buffer that is there already.
func readAll(b []byte, r io.Reader) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}
