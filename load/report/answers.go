package report

import (
	"html"
	"strings"
	"time"
)

// FailingAnswer is the first failing answer of its kind: of one error of one request name.
// Secrets are masked and lengths bounded by whoever makes it.
type FailingAnswer struct {
	Method string        `json:"method"`
	Name   string        `json:"name"`
	Error  string        `json:"error"`
	At     time.Duration `json:"-"`       // since the start of the run
	Sent   string        `json:"request"` // as it was sent
	Answer string        `json:"answer"`  // "" = none came
}

type jsonAnswer struct {
	Seconds float64 `json:"at_s"`
	FailingAnswer
}

func newJSONAnswers(list []FailingAnswer) []jsonAnswer {
	out := make([]jsonAnswer, len(list))
	for i, a := range list {
		out[i] = jsonAnswer{a.At.Seconds(), a}
	}
	return out
}

// answerRow is a failing answer on the page.
type answerRow struct {
	Title, Error, At, Sent, Answer string
	Open                           bool
}

// answerBytesShown bounds the failing answers of the page, which is to stay below 1 MB.
const answerBytesShown = 150_000

// answerRows are the failing answers, the first unfolded, and how many did not fit.
func answerRows(run *Run) (out []answerRow, more int) {
	room := answerBytesShown
	for i, a := range run.Answers {
		r := answerRow{strings.TrimSpace(a.Method + " " + a.Name), a.Error, clock(a.At), textLines(a.Sent), textLines(a.Answer), i == 0}
		room -= len(html.EscapeString(r.Title)) + len(html.EscapeString(r.Error)) + len(html.EscapeString(r.Sent)) + len(html.EscapeString(r.Answer))
		if room < 0 {
			return out, len(run.Answers) - i
		}
		out = append(out, r)
	}
	return out, 0
}

// textLines is a text of several lines for people: CRLF is one line end, and what is no text
// is shown as ?.
func textLines(s string) string {
	out := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, l := range out {
		out[i] = printable(strings.ReplaceAll(l, "\t", "    "))
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n")
}

const (
	answersInMarkdown     = 3
	answerBytesInMarkdown = 600
)

// markdownAnswers shows the first few answers, folded.
func markdownAnswers(b *strings.Builder, run *Run) {
	if len(run.Answers) == 0 {
		return
	}
	b.WriteString("\n<details><summary>Failing answers</summary>\n")
	for i, a := range run.Answers {
		if i == answersInMarkdown {
			b.WriteString("\nThe HTML and JSON reports have " + formatCount(uint64(len(run.Answers)-i)) + " more, with the requests.\n")
			break
		}
		text := textLines(a.Answer)
		if text == "" {
			text = "(no answer)"
		}
		if len(text) > answerBytesInMarkdown {
			text = strings.ToValidUTF8(text[:answerBytesInMarkdown], "") + "…"
		}
		b.WriteString("\n" + markdownText(strings.TrimSpace(a.Method+" "+a.Name)+" at "+clock(a.At)+": "+a.Error) + "\n\n")
		b.WriteString("    " + strings.ReplaceAll(text, "\n", "\n    ") + "\n")
	}
	b.WriteString("\n</details>\n")
}
