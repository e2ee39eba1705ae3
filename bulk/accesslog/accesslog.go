// Package accesslog writes one line of JSON for each HTTP request: when, from whom, what, and how
// it was answered. A line has the pattern of the path instead of the path, which may have
// secrets in it, and neither query nor headers.
//
// Lines are gathered in memory and written by one goroutine, ten times a second or when there is
// much. What has no room because the disk is stuck is dropped and counted. A process that is
// killed loses the lines of its last tenth of a second.
package accesslog

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"
)

const (
	flushEvery = 100 * time.Millisecond
	flushAt    = 64 << 10 // octets that are written before that
	maxHeld    = 4 << 20  // octets that wait for the disk
	maxMethod  = 16       // octets of a method that are logged
)

// Options of a Log. File is needed.
type Options struct {
	File     string
	MaxBytes int64        // size at which the file is rotated, in whole MiB
	Keep     int          // rotated files kept
	Logger   *slog.Logger // told that the file cannot be written; nil: silent
}

// Log is an access log. Its methods are safe for concurrent use.
type Log struct {
	out     io.WriteCloser
	log     *slog.Logger
	dropped atomic.Uint64 // lines
	wake    chan struct{} // 1
	quit    chan struct{}
	ended   chan struct{}

	mu   sync.Mutex
	held []byte // guarded by mu: lines to write

	// Of the goroutine that writes.
	failing bool
	cut     bool // the file ends within a line
}

// Open returns a log whose goroutine runs. The file is made with the first line.
func Open(o Options) *Log {
	return open(&lumberjack.Logger{Filename: o.File, MaxSize: max(1, int(o.MaxBytes>>20)), MaxBackups: o.Keep, Compress: true}, o.Logger)
}

func open(out io.WriteCloser, log *slog.Logger) *Log {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l := &Log{out: out, log: log, wake: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{})}
	go l.run()
	return l
}

// Dropped returns how many lines had no room, or could not be written.
func (l *Log) Dropped() uint64 { return l.dropped.Load() }

// Stop writes what there is and closes the file. It is called once, after the last request.
func (l *Log) Stop(ctx context.Context) error {
	close(l.quit)
	select {
	case <-l.ended:
		return l.out.Close()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Log) run() {
	defer close(l.ended)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	var spare []byte
	for last := false; !last; {
		select {
		case <-tick.C:
		case <-l.wake:
		case <-l.quit:
			last = true
		}
		l.mu.Lock()
		lines := l.held
		l.held = spare[:0]
		l.mu.Unlock()
		if len(lines) > 0 {
			l.write(lines)
		}
		spare = lines
	}
}

// write appends lines to the file. What a full disk cut off begins anew on a line of its own when there is
// room, so that all others can be read.
func (l *Log) write(lines []byte) {
	if l.cut {
		lines = append([]byte{'\n'}, lines...)
	}
	n, err := l.out.Write(lines)
	if n > 0 {
		l.cut = lines[n-1] != '\n'
	}
	if err != nil {
		l.dropped.Add(uint64(bytes.Count(bytes.TrimPrefix(lines[n:], []byte("\n")), []byte("\n"))))
		if !l.failing {
			l.log.Error("access log cannot be written", "error", err)
		}
	}
	l.failing = err != nil
}

// record is what a request is known by, beside what the server says of it.
type record struct{ account string }

type recordKey struct{}

// Account notes whose request r is. Without an access log it does nothing.
func Account(r *http.Request, name string) {
	if rec, ok := r.Context().Value(recordKey{}).(*record); ok {
		rec.account = name
	}
}

const requestID = "X-Request-Id"

// Handler logs the requests that next answers. One without a usable X-Request-Id gets a new one,
// for the line and for the answer.
func (l *Log) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		rec := &record{}
		id := r.Header.Get(requestID)
		r = r.WithContext(context.WithValue(r.Context(), recordKey{}, rec))
		if !usable(id) {
			id = strconv.FormatUint(rand.Uint64()|1<<63, 16)
			r.Header[requestID] = []string{id}
		}
		note := &noted{ResponseWriter: w}
		defer func() {
			note.status = max(note.status, http.StatusOK) // what was not said
			l.line(began, time.Since(began), id, r, rec, note)
		}()
		next.ServeHTTP(note, r)
	})
}

// usable reports whether an id of a caller can stand in a line.
func usable(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' || id[i] == '"' || id[i] == '\\' {
			return false
		}
	}
	return true
}

func (l *Log) line(began time.Time, took time.Duration, id string, r *http.Request, rec *record, note *noted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.held) > maxHeld {
		l.dropped.Add(1)
		return
	}
	b := append(l.held, `{"time":"`...)
	b = began.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
	b = append(b, `","request_id":"`...)
	b = append(b, id...)
	b = text(append(b, `","remote":`...), r.RemoteAddr)
	b = text(append(b, `,"method":`...), r.Method[:min(len(r.Method), maxMethod)])
	b = text(append(b, `,"path":`...), route(r.Pattern))
	b = strconv.AppendInt(append(b, `,"status":`...), int64(note.status), 10)
	b = strconv.AppendInt(append(b, `,"bytes":`...), note.bytes, 10)
	b = strconv.AppendInt(append(b, `,"duration_us":`...), took.Microseconds(), 10)
	if rec.account != "" {
		b = text(append(b, `,"account":`...), rec.account)
	}
	l.held = append(b, "}\n"...)
	if len(l.held) >= flushAt {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// text appends a JSON string.
func text(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string has no error
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// route is the pattern without its method; "none" of a request that nothing answers.
func route(pattern string) string {
	if pattern == "" {
		return "none"
	}
	if _, path, ok := strings.Cut(pattern, " "); ok {
		return path
	}
	return pattern
}

// noted remembers status and size of an answer.
type noted struct {
	http.ResponseWriter
	status int
	bytes  int64 // of the body
}

// WriteHeader notes the first status that is not informational.
func (n *noted) WriteHeader(status int) {
	if n.status == 0 && status >= 200 {
		n.status = status
	}
	n.ResponseWriter.WriteHeader(status)
}

// Write counts the body.
func (n *noted) Write(b []byte) (int, error) {
	k, err := n.ResponseWriter.Write(b)
	n.bytes += int64(k)
	return k, err
}

// Unwrap lets http.ResponseController reach the writer below.
func (n *noted) Unwrap() http.ResponseWriter { return n.ResponseWriter }
