package bulk

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/api"
	"protei-bulk/internal/pause"
)

// door is the HTTP server's handler. While the platform starts, which may take as long as
// nobody can reach the store, it says that it lives and is not ready, and why.
type door struct {
	handler atomic.Pointer[http.Handler]
	why     atomic.Pointer[string]
}

// startRetry is the Retry-After of a platform that starts, in seconds.
const startRetry = 2

// only is a door for a node that is not to answer customers: what monitors and balancers ask for.
func only(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.Path; p != "/metrics" && !strings.HasPrefix(p, "/api/v1/health") && !strings.HasPrefix(p, "/api/v1/nodes") {
			refuseHTTP(w, "not_ready", "this node has not the role api")
			return
		}
		h.ServeHTTP(w, r)
	})
}

// refuseHTTP answers 503 with a problem document.
func refuseHTTP(w http.ResponseWriter, code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", strconv.Itoa(startRetry))
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintf(w, `{"type":"urn:protei-bulk:problem:%s","title":"Not ready","status":503,"code":"%s","detail":%s}`+"\n", code, code, strconv.Quote(strings.ToValidUTF8(detail, "?")))
}

func (d *door) open(h http.Handler) { d.handler.Store(&h) }

// waits notes what the start waits for.
func (d *door) waits(reason string) { d.why.Store(&reason) }

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := d.handler.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if r.URL.Path == "/api/v1/health" {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintln(w, `{"status":"starting"}`)
		return
	}
	reason := "the platform starts"
	if why := d.why.Load(); why != nil {
		reason = *why
	}
	refuseHTTP(w, "not_ready", reason)
}

// openDoor listens for HTTP. What can be answered before everything is there, is.
func (p *Platform) openDoor(context.Context) (err error) {
	p.door = &door{}
	if p.httpLn, err = net.Listen("tcp", p.cfg.HTTP); err != nil {
		return fmt.Errorf("http: %w", err)
	}
	p.web = p.httpServer(p.door)
	p.joined.Go(func() {
		if err := p.web.Serve(p.httpLn); err != nil {
			p.log.Error("REST server ended", "error", err)
			p.fail(err)
		}
	})
	p.onStopWithin(doorPatience, "HTTP", p.web.Shutdown)
	return nil
}

// httpServer answers with h whoever comes, or is brought by a trusted proxy.
func (p *Platform) httpServer(h http.Handler) *api.Server {
	return api.NewServer(api.ServerOptions{Handler: h, Outer: p.proxies.handler, TLS: p.tls, Logger: p.log})
}

// drain lets balancers see that the node stops, before it does.
func (p *Platform) drain(ctx context.Context) {
	if p.draining.Swap(true) || p.cfg.Drain == 0 || p.door == nil || p.door.handler.Load() == nil {
		return
	}
	p.log.Info("not ready any more; the doors close later", "drain", time.Duration(p.cfg.Drain))
	_ = pause.For(ctx, time.Duration(p.cfg.Drain))
}
