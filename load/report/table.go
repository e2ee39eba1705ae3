package report

import (
	"strings"
	"time"
	"unicode/utf8"

	"protei-bulk/load/stats"
)

// percentiles are Locust's eleven.
var percentiles = [...]struct {
	label string
	q     float64
}{
	{"50%", 0.50},
	{"66%", 0.66},
	{"75%", 0.75},
	{"80%", 0.80},
	{"90%", 0.90},
	{"95%", 0.95},
	{"98%", 0.98},
	{"99%", 0.99},
	{"99.9%", 0.999},
	{"99.99%", 0.9999},
	{"100%", 1},
}

// pad fills s with blanks on the right, or cuts it, to n columns.
func pad(s string, n int) string {
	if w := utf8.RuneCountInString(s); w < n {
		return s + strings.Repeat(" ", n-w)
	}
	return shorten(s, n)
}

// padLeft fills s with blanks on the left to n columns; a wider s stays whole, figures are never cut.
func padLeft(s string, n int) string {
	if w := utf8.RuneCountInString(s); w < n {
		return strings.Repeat(" ", n-w) + s
	}
	return s
}

// shorten cuts the middle out of s: the ends of a path tell more.
func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	if n < 2 {
		return string(r[:n])
	}
	head := (n - 1) / 3
	return string(r[:head]) + "…" + string(r[len(r)-(n-1-head):])
}

// printable makes a name safe for a terminal: control characters become "?".
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '?'
		}
		return r
	}, s)
}

// millis shows a latency in ms without its unit, as Locust's tables do: 0.84, 12.3, 1,250.
func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case d == 0:
		return "0"
	case ms < 0.995:
		return formatFloat(ms, 2)
	default:
		return significant(ms, 3)
	}
}

// typeWidth is the width of the column Type.
const typeWidth = 9

// shortName joins method and name in n columns, cutting the head of a path: its end tells more.
func shortName(method, name string, n int) string {
	full := strings.TrimSpace(method + " " + name)
	if utf8.RuneCountInString(full) <= n {
		return full
	}
	room := n - utf8.RuneCountInString(method) - 2
	if method == "" {
		room++
	}
	if !strings.HasPrefix(name, "/") || room < 8 {
		return shorten(full, n)
	}
	r := []rune(name)
	tail := string(r[len(r)-room:])
	if i := strings.IndexByte(tail, '/'); i >= 0 && i < room/2 {
		tail = tail[i:]
	}
	return strings.TrimSpace(method + " …" + tail)
}

// wideTable is the width from which Locust's tables fit with every column.
const wideTable = 110

// statsTable is Locust's first table: requests, failures, response times in ms, rates. Below wideTable columns type and
// name share a column and failures/s gives way.
//
//	Type     Name                       # reqs      # fails |    Avg    Min    Max    Med |    req/s  failures/s
func statsTable(entries []stats.EntryStats, total stats.EntryStats, rate func(*stats.EntryStats) (rps, fps float64), width int) []string {
	wide := width >= wideTable
	widths := [8]int{9, 12, 6, 6, 7, 6, 8, 0}
	if wide {
		widths = [8]int{11, 14, 8, 8, 8, 8, 10, 12}
	}
	figures := 4 // two bars
	for _, w := range widths {
		figures += w
	}
	name := max(width-figures, 16)
	if wide {
		name = min(width-figures-typeWidth, 60)
	}
	line := func(method, label string, cells [8]string) string {
		var b strings.Builder
		if wide {
			b.WriteString(pad(method, typeWidth))
			b.WriteString(pad(label, name))
		} else {
			b.WriteString(pad(shortName(method, label, name), name))
		}
		for i, w := range widths {
			if i == 2 || i == 6 {
				b.WriteString(" |")
			}
			if w > 0 {
				b.WriteString(padLeft(cells[i], w))
			}
		}
		return b.String()
	}
	head := line("Type", "Name", [8]string{"# reqs", "# fails", "Avg", "Min", "Max", "Med", "req/s", "failures/s"})
	if !wide {
		head = line("", "Name (ms)", [8]string{"# reqs", "# fails", "Avg", "Min", "Max", "Med", "req/s"})
	}
	rule := strings.Repeat("-", utf8.RuneCountInString(head))
	row := func(e stats.EntryStats) string {
		rps, fps := rate(&e)
		cells := [8]string{
			formatCount(e.Requests), formatCount(e.Failures) + "(" + formatFloat(100*e.ErrorRate(), 2) + "%)",
			none, none, none, none, formatRate(rps), formatFloat(fps, 2),
		}
		if h := e.Response; h.Count() > 0 {
			cells[2], cells[3], cells[4], cells[5] = millis(h.Mean()), millis(h.Min()), millis(h.Max()), millis(h.Quantile(0.5))
		}
		return line(printable(e.Method), printable(e.Name), cells)
	}
	out := []string{head, rule}
	for _, e := range entries {
		out = append(out, row(e))
	}
	return append(out, rule, row(total))
}

// percentileTable is Locust's second table, in ms.
func percentileTable(entries []stats.EntryStats, total stats.EntryStats, width int) []string {
	wide := width >= wideTable+10
	name := 4
	if wide {
		name = min(width-typeWidth-11*8-11, 60)
	}
	cells := func(value func(i int) string) string {
		var b strings.Builder
		for i := range percentiles {
			w := 7
			if wide {
				w = 8
			} else if i < 8 {
				w = 6
			}
			b.WriteString(padLeft(value(i), w))
		}
		return b.String()
	}
	figures := func(e *stats.EntryStats) string {
		return cells(func(i int) string {
			if e.Response.Count() == 0 {
				return none
			}
			return millis(e.Response.Quantile(percentiles[i].q))
		})
	}
	head := cells(func(i int) string { return percentiles[i].label })
	if wide {
		head = pad("Type", typeWidth) + pad("Name", name) + head + padLeft("# reqs", 11)
	} else {
		head = pad("ms", name) + head
	}
	rule := strings.Repeat("-", utf8.RuneCountInString(head))
	out := []string{head, rule}
	row := func(e stats.EntryStats) {
		method, label := printable(e.Method), printable(e.Name)
		if wide {
			out = append(out, pad(method, typeWidth)+pad(label, name)+figures(&e)+padLeft(formatCount(e.Requests), 11))
			return
		}
		count := "  # reqs " + formatCount(e.Requests)
		label = shortName(method, label, width-utf8.RuneCountInString(count))
		out = append(out, label+count, pad("", name)+figures(&e))
	}
	for _, e := range entries {
		row(e)
	}
	out = append(out, rule)
	row(total)
	return out
}

// errorTable is Locust's third table: occurrences and what failed.
func errorTable(failures []stats.Failure, limit, width int) []string {
	if len(failures) == 0 {
		return nil
	}
	out := []string{padLeft("# occurrences", 14) + "  Error", strings.Repeat("-", width)}
	for i, f := range failures {
		if i == limit {
			out = append(out, padLeft(formatCount(uint64(len(failures)-limit)), 14)+"  further kinds of error, see the report")
			break
		}
		text := strings.TrimSpace(f.Method + " " + f.Name + ": " + f.Error)
		lines := strings.Split(wrap(shorten(printable(text), 3*(width-20)), width-16), "\n")
		out = append(out, padLeft(formatCount(f.Occurrences), 14)+"  "+lines[0])
		for _, l := range lines[1:] {
			out = append(out, pad("", 16)+l)
		}
	}
	return out
}
