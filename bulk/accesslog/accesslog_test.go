package accesslog

import (
	"bytes"
	"context"
	"encoding/json"
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

// small is a disk with room for so many octets.
type small struct {
	bytes.Buffer
	room int
}

func (s *small) Write(b []byte) (int, error) {
	n := min(len(b), s.room)
	s.room -= n
	s.Buffer.Write(b[:n])
	if n < len(b) {
		return n, errors.New("no space left")
	}
	return n, nil
}

func (s *small) Close() error { return nil }

// TestFullDiskCutsNoOtherLine: lines after one that was cut off stand by themselves, wherever it was cut.
func TestFullDiskCutsNoOtherLine(t *testing.T) {
	const text = "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n"
	for room := range len(text) + 1 {
		disk := &small{room: room}
		l := &Log{out: disk, log: slog.New(slog.DiscardHandler)}
		l.write([]byte(text))
		l.write([]byte("{\"n\":4}\n")) // no room either, but for the whole
		disk.room = 1000
		l.write([]byte("{\"n\":5}\n"))
		whole := 0
		for line := range strings.Lines(disk.String()) {
			var v struct{ N int }
			if json.Unmarshal([]byte(line), &v) == nil {
				whole++
			}
		}
		if !strings.HasSuffix(disk.String(), "\n{\"n\":5}\n") && room > 0 || whole+int(l.Dropped()) != 5 {
			t.Errorf("room for %d octets: %d lines can be read, %d dropped of 5: %q", room, whole, l.Dropped(), disk.String())
		}
	}
}
