package panel

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// stream gives each event to all viewers. It keeps the last one only: a viewer that is slow finds the newest when it is
// ready, and has missed those between.
//
//	publish ── send ──> latest, seq+1, close(next) ──> viewers wake, read latest, wait for the next one
type stream struct {
	mu      sync.Mutex
	latest  []byte // nil: to be encoded when somebody comes
	seq     uint64
	next    chan struct{}
	viewers int
	closed  bool
}

const (
	maxViewers = 64
	pingEvery  = 2 * time.Second  // a sign of life when nothing happens
	writeLimit = 10 * time.Second // for one event to one viewer
	retryAfter = 1000             // ms until a browser asks again
)

func (s *stream) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.viewers == 0
}

func (s *stream) send(event []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = event
	s.wake()
}

// drop forgets the last event: it has become old and nobody looks.
func (s *stream) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = nil
	s.seq++
}

func (s *stream) wake() {
	s.seq++
	if s.next != nil {
		close(s.next)
		s.next = nil
	}
}

// join counts a viewer; false: there are too many, or the page is closing.
func (s *stream) join() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.viewers >= maxViewers || s.closed {
		return false
	}
	s.viewers++
	return true
}

func (s *stream) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.viewers--
}

// read is the event after seen, or the channel that says that there is one.
func (s *stream) read(seen uint64) (event []byte, seq uint64, wait <-chan struct{}, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, 0, nil, true
	}
	if s.latest != nil && s.seq != seen {
		return s.latest, s.seq, nil, false
	}
	if s.next == nil {
		s.next = make(chan struct{})
	}
	return nil, seen, s.next, false
}

// Close ends the streams of all viewers; their browsers ask again until there is a page.
func (p *Page) Close() {
	p.stream.mu.Lock()
	defer p.stream.mu.Unlock()
	p.stream.closed = true
	p.stream.wake()
}

// events is GET /api/events: server-sent events, one a second while a test runs.
func (p *Page) events(w http.ResponseWriter, r *http.Request) {
	if !p.stream.join() {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "There are "+strconv.Itoa(maxViewers)+" viewers already.", http.StatusServiceUnavailable)
		return
	}
	defer p.stream.leave()
	p.refresh()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	out := &eventWriter{w: w, control: http.NewResponseController(w)}
	if !out.write("retry: " + strconv.Itoa(retryAfter) + "\n\n") {
		return
	}
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for seen := uint64(0); ; {
		event, seq, wait, closed := p.stream.read(seen)
		if closed {
			return
		}
		if event != nil {
			seen = seq
			if !out.write("data: ", string(event), "\n\n") {
				return
			}
			continue
		}
		select {
		case <-r.Context().Done():
			return
		case <-wait:
		case <-ping.C:
			if !out.write("event: ping\ndata: {}\n\n") {
				return
			}
		}
	}
}

// refresh encodes the state for a viewer that comes first.
func (p *Page) refresh() {
	p.judge()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stream.send(p.encodeTick())
}

type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// write sends one event; false: the viewer is gone or too slow.
func (e *eventWriter) write(parts ...string) bool {
	if e.control.SetWriteDeadline(time.Now().Add(writeLimit)) != nil {
		return false
	}
	for _, s := range parts {
		if _, err := e.w.Write([]byte(s)); err != nil {
			return false
		}
	}
	return e.control.Flush() == nil
}
