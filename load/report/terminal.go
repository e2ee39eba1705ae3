package report

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"protei-bulk/load/stats"
)

// TerminalOptions configure a [Terminal].
type TerminalOptions struct {
	Out         io.Writer
	Width       int           // columns, default TerminalWidth(Out)
	Color       bool          // see UseColor
	OnlySummary bool          // --only-summary: no periodic table
	TableEvery  time.Duration // default 10 s between tables; the state line comes each second
}

// UseColor decides on colour: out is a terminal, NO_COLOR is unset and TERM is not "dumb".
func UseColor(out io.Writer, getenv func(string) string) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}

// TerminalWidth is the width of out's terminal; 80 when it is none, or unknown.
func TerminalWidth(out io.Writer) int {
	if f, ok := out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return defaultWidth
}

const (
	defaultWidth   = 80
	maxWidth       = 160
	linesPerHeader = 20
	errorsShown    = 20
)

// Terminal prints a run: the plan, a state line each second, Locust's table every few seconds, and at the end tables,
// ledger and verdict. Lines are plain text, never redrawn, so that a log of them reads well. Its methods are called
// from one goroutine. What Out refuses is dropped: a closed pipe must not stop a run.
type Terminal struct {
	opts      TerminalOptions
	paint     painter
	lines     int // state lines since the last header
	lastTable time.Duration
}

// NewTerminal makes a terminal printer.
func NewTerminal(o TerminalOptions) *Terminal {
	if o.Width <= 0 {
		o.Width = TerminalWidth(o.Out)
	}
	o.Width = min(max(o.Width, 60), maxWidth)
	if o.TableEvery <= 0 {
		o.TableEvery = 10 * time.Second
	}
	return &Terminal{opts: o, paint: painter(o.Color)}
}

// Plan is what is printed before a run.
type Plan struct {
	Title, Host, Scenario, Shape string
	Users                        int
	SpawnRate                    float64       // users a second, 0 = not shown
	Rate                         string        // of the open model, "" = none
	RunTime                      time.Duration // 0 = until stopped
	OfferedRequests              float64       // a second at the peak, 0 = unknown
	OfferedMessages              float64
	Connections, Binds           int
	Lines                        []string // further lines
}

// Plan prints the plan.
func (t *Terminal) Plan(p Plan) {
	if p.Title != "" {
		t.println(t.paint.bold(printable(p.Title)))
	}
	field := func(label, value string) {
		if value != "" {
			t.println(pad(label, 10) + printable(value))
		}
	}
	field("target", p.Host)
	field("scenario", strings.Join(nonEmpty(p.Scenario, p.Shape), ", shape "))
	var load []string
	if p.Rate != "" {
		load = append(load, "iterations at "+p.Rate)
	}
	if p.Users > 0 || p.Rate == "" {
		load = append(load, plural(p.Users, "user"))
	}
	if p.SpawnRate > 0 && p.Users > 0 {
		load = append(load, "started at "+strconv.FormatFloat(p.SpawnRate, 'f', -1, 64)+"/s")
	}
	if p.RunTime > 0 {
		load = append(load, "for "+formatSpan(p.RunTime))
	} else if p.Shape == "" {
		load = append(load, "until Ctrl-C")
	}
	field("load", strings.Join(load, ", "))
	var offered []string
	if p.OfferedRequests > 0 {
		offered = append(offered, "≈ "+formatRate(p.OfferedRequests)+" requests/s")
	}
	if p.OfferedMessages > 0 {
		offered = append(offered, formatRate(p.OfferedMessages)+" messages/s")
	}
	field("offered", strings.Join(offered, ", "))
	var links []string
	if p.Connections > 0 {
		links = append(links, plural(p.Connections, "HTTP connection"))
	}
	if p.Binds > 0 {
		links = append(links, plural(p.Binds, "SMPP bind"))
	}
	field("links", strings.Join(links, ", "))
	for _, l := range p.Lines {
		t.println(printable(l))
	}
}

func plural(n int, noun string) string {
	s := formatCount(uint64(max(n, 0))) + " " + noun
	if n != 1 {
		s += "s"
	}
	return s
}

func nonEmpty(values ...string) (out []string) {
	for _, v := range values {
		if v != "" {
			out = append(out, v)
		}
	}
	return out
}

// Note prints a line between the state lines.
func (t *Terminal) Note(format string, args ...any) {
	t.println(printable(fmt.Sprintf(format, args...)))
}

// stateColumns are the widths of the state line.
var stateColumns = [...]struct {
	label string
	width int
}{
	{"time", 6}, {"users", 7}, {"req/s", 8}, {"p95", 9}, {"failed", 8}, {"messages", 12}, {"msg/s", 8}, {"DLRs open", 11},
}

// Tick prints the state line, and Locust's table when it is due.
func (t *Terminal) Tick(live stats.Live) {
	if t.lines%linesPerHeader == 0 {
		t.stateHeader()
	}
	t.lines++
	t.stateLine(&live)
	if !t.opts.OnlySummary && live.Phase != stats.PhaseDrain && live.Elapsed-t.lastTable >= t.opts.TableEvery-100*time.Millisecond {
		t.lastTable, t.lines = live.Elapsed, 0
		t.println("")
		t.printLines(statsTable(live.Entries, live.Total, recentRate(&live), t.opts.Width))
		t.println("")
	}
}

func (t *Terminal) stateHeader() {
	var b strings.Builder
	for _, c := range stateColumns {
		b.WriteString(padLeft(c.label, c.width))
	}
	t.println(t.paint.dim(b.String()))
}

func (t *Terminal) stateLine(live *stats.Live) {
	p95 := none
	if live.Last.Samples > 0 {
		p95 = formatLatency(live.Last.P95)
	}
	cells := [...]string{
		clock(live.Elapsed), formatCount(uint64(max(live.Users, 0))), formatFloat(live.Last.Requests, 0), p95,
		formatCount(live.Total.Failures), formatCount(live.Total.Messages), formatFloat(live.Last.Messages, 0),
		formatCount(live.Ledger.Open),
	}
	var b strings.Builder
	for i, c := range cells {
		cell := padLeft(c, stateColumns[i].width)
		if stateColumns[i].label == "failed" && live.Total.Failures > 0 {
			cell = t.paint.red(cell)
		}
		b.WriteString(cell)
	}
	switch {
	case live.Phase == stats.PhaseDrain:
		b.WriteString("  draining")
	case live.Last.Dropped > 0:
		b.WriteString(t.paint.red("  " + formatCount(live.Last.Dropped) + " dropped"))
	case live.Last.Host > 0:
		b.WriteString("  steal")
	case live.Last.Late > 0:
		b.WriteString("  late")
	}
	t.println(b.String())
}

// recentRate is the rate over the last 10 s, as Locust shows while a run goes on.
func recentRate(live *stats.Live) func(*stats.EntryStats) (rps, fps float64) {
	type key struct{ method, name string }
	recent := make(map[key]*stats.EntryStats, len(live.Recent.Entries))
	for i := range live.Recent.Entries {
		e := &live.Recent.Entries[i]
		recent[key{e.Method, e.Name}] = e
	}
	recent[key{"", stats.Aggregated}] = &live.Recent.Total
	return func(e *stats.EntryStats) (float64, float64) {
		r := recent[key{e.Method, e.Name}]
		if r == nil {
			return 0, 0
		}
		return live.Recent.PerSecond(r.Requests), live.Recent.PerSecond(r.Failures)
	}
}

// wholeRate is the rate over a summary.
func wholeRate(s *stats.Summary) func(*stats.EntryStats) (rps, fps float64) {
	return func(e *stats.EntryStats) (float64, float64) {
		return s.PerSecond(e.Requests), s.PerSecond(e.Failures)
	}
}

// wrap breaks s into lines of at most n columns, at blanks.
func wrap(s string, n int) string {
	var b strings.Builder
	col := 0
	for i, word := range strings.Fields(s) {
		w := len([]rune(word))
		switch {
		case i == 0:
		case col+1+w > n:
			b.WriteByte('\n')
			col = 0
		default:
			b.WriteByte(' ')
			col++
		}
		b.WriteString(word)
		col += w
	}
	return b.String()
}

func (t *Terminal) println(s string) {
	_, _ = io.WriteString(t.opts.Out, strings.TrimRight(s, " ")+"\n")
}

func (t *Terminal) printLines(lines []string) {
	for _, l := range lines {
		t.println(l)
	}
}

// painter colours text when it is true.
type painter bool

func (p painter) sgr(code, s string) string {
	if !p || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p painter) bold(s string) string { return p.sgr("1", s) }
func (p painter) dim(s string) string  { return p.sgr("2", s) }
func (p painter) red(s string) string  { return p.sgr("31", s) }

func (p painter) grade(g Grade, s string) string {
	switch g {
	case Pass:
		return p.sgr("32", s)
	case Acceptable, Invalid:
		return p.sgr("33", s)
	case Fail:
		return p.sgr("1;31", s)
	default:
		return p.dim(s)
	}
}
