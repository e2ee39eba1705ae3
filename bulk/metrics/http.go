package metrics

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// HTTP measures the requests that next answers: duration by route (the pattern that
// http.ServeMux matched), method and class of status (2xx, 4xx, …).
func (m *Metrics) HTTP(next http.Handler) http.Handler {
	known := &requests{seen: make(map[request]*Histogram), all: m.http}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		note := &noted{ResponseWriter: w}
		defer func() {
			known.of(request{r.Pattern, method(r), note.class()}).Observe(time.Since(began))
		}()
		next.ServeHTTP(note, r)
	})
}

// request is what requests are told apart by. Patterns are few: they are the program's own.
type request struct{ pattern, method, class string }

// requests keeps the handles, so that a request costs no allocation here.
type requests struct {
	all *HistogramVec

	mu   sync.RWMutex // guards seen
	seen map[request]*Histogram
}

func (q *requests) of(r request) *Histogram {
	q.mu.RLock()
	h := q.seen[r]
	q.mu.RUnlock()
	if h != nil {
		return h
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	h = q.all.With(route(r.pattern), r.method, r.class)
	q.seen[r] = h
	return h
}

// route is the pattern without its method.
func route(pattern string) string {
	if pattern == "" {
		return "none"
	}
	if _, path, ok := strings.Cut(pattern, " "); ok {
		return path
	}
	return pattern
}

// method is one of the methods that anybody uses.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// noted remembers the status of an answer.
type noted struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the first status that is not informational.
func (n *noted) WriteHeader(status int) {
	if n.status == 0 && status >= 200 {
		n.status = status
	}
	n.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the writer below.
func (n *noted) Unwrap() http.ResponseWriter { return n.ResponseWriter }

func (n *noted) class() string {
	switch n.status / 100 {
	case 0, 2:
		return "2xx"
	case 3:
		return "3xx"
	case 4:
		if n.status == http.StatusTooManyRequests {
			return "429"
		}
		return "4xx"
	case 5:
		return "5xx"
	}
	return "other"
}
