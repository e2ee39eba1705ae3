package bulk

import (
	"context"
	"net/http"
	"path/filepath"

	"protei-bulk/bulk/accesslog"
	"protei-bulk/bulk/metrics"
)

// openAccessLog opens the log of requests before the doors, and closes it behind them.
func (p *Platform) openAccessLog(context.Context) error {
	file := p.cfg.Log.Access
	if file == "" {
		return nil
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(p.cfg.Data, file)
	}
	p.access = accesslog.Open(accesslog.Options{File: file, MaxBytes: int64(p.cfg.Log.MaxBytes), Keep: p.cfg.Log.Keep, Logger: p.log})
	p.onStopWithin(doorPatience, "access log", p.access.Stop)
	return nil
}

// accessed logs the requests that h answers, if they are to be.
func (p *Platform) accessed(h http.Handler) http.Handler {
	if p.access != nil {
		h = p.access.Handler(h)
	}
	return h
}

// accessReadings shows lines that were lost.
func (p *Platform) accessReadings() []reading {
	return []reading{{
		name: "access_log_dropped", help: "Requests that the access log has no line of: the disk is too slow or refuses.", counter: true,
		read: func(emit metrics.Emit) {
			lost := uint64(0)
			if p.access != nil {
				lost = p.access.Dropped()
			}
			emit(float64(lost))
		},
	}}
}
