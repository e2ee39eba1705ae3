package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"protei-bulk/load/report"
)

// metricsPage is the listener of --metrics-listen.
type metricsPage struct {
	*report.Exporter
	server *http.Server
	addr   string
	done   chan struct{}
}

// listenMetrics serves /metrics on addr until close; a port alone is one of loopback.
func listenMetrics(addr string, logger *slog.Logger) (*metricsPage, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("--metrics-listen %q: want ADDRESS:PORT, as 127.0.0.1:9646", addr)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("--metrics-listen: %w", err)
	}
	p := &metricsPage{Exporter: report.NewExporter(logger), addr: ln.Addr().String(), done: make(chan struct{})}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", p.Exporter)
	p.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	go func() {
		defer close(p.done)
		if err := p.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("serve /metrics", "error", err)
		}
	}()
	return p, nil
}

// close ends the page; a scrape under way has a second to end.
func (p *metricsPage) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if p.server.Shutdown(ctx) != nil {
		_ = p.server.Close()
	}
	<-p.done
}
