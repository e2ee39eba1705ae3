package panel

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// LogLine is a line of the Logs tab.
type LogLine struct {
	At    time.Time
	Level slog.Level
	From  string // a worker's id, "" = this process
	Text  string
}

// maxLogLines and maxLogText bound what is kept of the log.
const (
	maxLogLines = 1000
	maxLogText  = 2000
)

// logRing keeps the last lines.
type logRing struct {
	mu    sync.Mutex
	lines []LogLine // guarded by mu: from next on the oldest, once it is full
	next  int
	count int // ever added
	alert int // of them, those above INFO
}

func (r *logRing) add(l LogLine) {
	if len(l.Text) > maxLogText {
		l.Text = l.Text[:maxLogText] + "…"
	}
	l.Text = strings.ToValidUTF8(l.Text, "\uFFFD")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	if l.Level > slog.LevelInfo {
		r.alert++
	}
	if len(r.lines) < maxLogLines {
		r.lines = append(r.lines, l)
		return
	}
	r.lines[r.next] = l
	r.next = (r.next + 1) % maxLogLines
}

// all are the lines in order, and how many there ever were.
func (r *logRing) all() ([]LogLine, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]LogLine, 0, len(r.lines))
	out = append(out, r.lines[r.next:]...)
	return append(out, r.lines[:r.next]...), r.count
}

// totals are how many lines there ever were, and how many of them were above INFO.
func (r *logRing) totals() (lines, alerts int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count, r.alert
}

// LogHandler writes records to the page and passes on to next those that it takes.
func (p *Page) LogHandler(next slog.Handler) slog.Handler { return &logHandler{page: p, next: next} }

type logHandler struct {
	page  *Page
	next  slog.Handler
	attrs string
	group string
}

// Enabled implements slog.Handler: the page keeps what is INFO and above.
func (h *logHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo || h.next.Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	b := &strings.Builder{}
	b.WriteString(r.Message + h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		writeAttr(b, h.group, a)
		return true
	})
	h.page.Log(LogLine{At: r.Time, Level: r.Level, Text: b.String()})
	if !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	b := &strings.Builder{}
	for _, a := range attrs {
		writeAttr(b, h.group, a)
	}
	return &logHandler{page: h.page, next: h.next.WithAttrs(attrs), attrs: h.attrs + b.String(), group: h.group}
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{page: h.page, next: h.next.WithGroup(name), attrs: h.attrs, group: h.group + name + "."}
}

func writeAttr(b *strings.Builder, group string, a slog.Attr) {
	b.WriteString("  " + group + a.Key + "=" + a.Value.Resolve().String())
}
