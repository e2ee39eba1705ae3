package accesslog

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// stuck is a disk that does not answer until it is told to, and then fails.
type stuck struct{ free chan struct{} }

func (s stuck) Write([]byte) (int, error) { <-s.free; return 0, errors.New("no space left") }
func (s stuck) Close() error              { return nil }

// TestStuckDiskHoldsNothingUp: requests are answered, memory is bounded, lost lines are counted.
func TestStuckDiskHoldsNothingUp(t *testing.T) {
	var out bytes.Buffer
	disk := stuck{make(chan struct{})}
	l := open(disk, slog.New(slog.NewTextHandler(&out, nil)))
	h := l.Handler(http.NotFoundHandler())
	const n = 60_000
	for range n {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/secret", nil))
	}
	l.mu.Lock()
	held := len(l.held)
	l.mu.Unlock()
	if held > maxHeld+1024 || l.Dropped() == 0 {
		t.Errorf("%d octets are held, %d lines dropped", held, l.Dropped())
	}
	close(disk.free)
	if err := l.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if l.Dropped() != n {
		t.Errorf("%d of %d lines are counted as lost", l.Dropped(), n)
	}
	if k := strings.Count(out.String(), "cannot be written"); k != 1 {
		t.Errorf("%d lines say so", k)
	}
}

func BenchmarkHandler(b *testing.B) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Account(r, "acme")
		w.WriteHeader(http.StatusCreated)
	})
	l := Open(Options{File: b.TempDir() + "/access.log", MaxBytes: 100 << 20, Keep: 1})
	for name, h := range map[string]http.Handler{"off": answer, "on": l.Handler(answer)} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("POST", "/api/v1/messages", nil)
			r.Pattern = "/api/v1/messages"
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(&httptest.ResponseRecorder{}, r)
			}
		})
	}
	if err := l.Stop(context.Background()); err != nil {
		b.Fatal(err)
	}
}
