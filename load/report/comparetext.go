package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// howCompared stands under every comparison.
const howCompared = "The test draws blocks of neighbouring seconds of both measured windows (moving-block bootstrap, 99 %). " +
	"It knows how much a figure moves within the two runs, not how much it moves from run to run: " +
	"repeat both, in turn, before you believe a small difference."

// WriteComparison writes a comparison for a terminal of width columns.
func WriteComparison(w io.Writer, c *Comparison) error {
	t := &Terminal{opts: TerminalOptions{Out: &strings.Builder{}, Width: 100}}
	for _, r := range []struct {
		letter string
		*Recorded
	}{{"A", c.A}, {"B", c.B}} {
		t.println(r.letter + "  " + r.headline())
	}
	if len(c.Note) > 0 {
		t.println("")
		t.println("Not the same in both, or to be known:")
		for _, n := range c.Note {
			t.println("  " + wrapIndented(printable(n), t.opts.Width))
		}
	}
	last := ""
	for _, r := range c.Rows {
		if r.Request != last {
			t.println("")
			t.println(pad(shorten(r.Request, 38), 38) + padLeft("A", 10) + padLeft("B", 10) + padLeft("change", 11) + "   99 % interval")
			last = r.Request
		}
		t.println(pad("  "+r.Figure, 38) + padLeft(r.A, 10) + padLeft(r.B, 10) + padLeft(r.delta(), 11) + "   " + pad(r.interval(), 22) + " " + r.Change.String())
	}
	t.println("")
	t.println(wrap(howCompared, t.opts.Width))
	_, err := io.WriteString(w, t.opts.Out.(*strings.Builder).String())
	return err
}

// WriteComparisonMarkdown writes a comparison as Markdown.
func WriteComparisonMarkdown(w io.Writer, c *Comparison) error {
	b := &strings.Builder{}
	b.WriteString("## Load tests compared\n\n")
	fmt.Fprintf(b, "- **A** %s\n- **B** %s\n", markdownText(c.A.headline()), markdownText(c.B.headline()))
	for _, n := range c.Note {
		fmt.Fprintf(b, "- %s\n", markdownText(n))
	}
	b.WriteString("\n| request | figure | A | B | change | 99 % interval | |\n|---|---|---:|---:|---:|---|---|\n")
	for _, r := range c.Rows {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", markdownText(r.Request), r.Figure, r.A, r.B, r.delta(), r.interval(), r.Change)
	}
	b.WriteString("\n" + howCompared + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// headline says in a line what the run was.
func (r *Recorded) headline() string {
	d, w := &r.doc, r.window()
	parts := []string{r.Name}
	if d.Profile != "" {
		parts = append(parts, d.Profile)
	}
	parts = append(parts, d.Started.Format("2 Jan 2006, 15:04"), d.Host, plural(w.PeakUsers, "user"),
		formatFloat(w.To-w.From, 0)+" s", d.Verdict.Word)
	return printable(strings.Join(nonEmpty(parts...), " · "))
}

func (r Compared) delta() string {
	if math.IsNaN(r.Delta) || math.IsInf(r.Delta, 0) {
		return ""
	}
	return r.signed(r.Delta)
}

func (r Compared) interval() string {
	if math.IsNaN(r.Low) || math.IsNaN(r.High) || math.IsInf(r.Low, 0) || math.IsInf(r.High, 0) {
		return ""
	}
	return r.signed(r.Low) + " … " + r.signed(r.High)
}

// signed writes a change in percent, of a share in points of percent.
func (r Compared) signed(v float64) string {
	digits, unit := 1, " %"
	if r.Share {
		digits, unit = 2, " pt"
	}
	if math.Abs(v) >= 10 {
		digits = 0
	}
	s := formatFloat(math.Abs(v)*100, digits)
	switch {
	case strings.Trim(s, "0.") == "":
		return s + unit
	case v < 0:
		return "−" + s + unit
	default:
		return "+" + s + unit
	}
}

func wrapIndented(s string, width int) string {
	return strings.ReplaceAll(wrap(s, width-4), "\n", "\n    ")
}

// markdownText keeps text from being read as Markdown, HTML, or as the end of a table's cell.
func markdownText(s string) string {
	var b strings.Builder
	for _, r := range printable(s) {
		if r < utf8.RuneSelf && strings.ContainsRune("\\`*_[]<>|#~&", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
