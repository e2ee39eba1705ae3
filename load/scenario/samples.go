package scenario

import (
	"slices"
	"strings"
	"sync"

	"protei-bulk/load/httpload"
	"protei-bulk/load/report"
)

const (
	maxSamples     = 20
	maxSampleBytes = 2 << 10
	sampleMargin   = 2 << 10 // looked at beyond that, so that a secret at the cut is seen whole
)

// samples keeps the first failing answer of each kind.
type samples struct {
	mu   sync.Mutex
	kept []report.FailingAnswer // guarded by mu
}

// keep keeps an exchange that failed, when it is the first of its kind.
func (s *samples) keep(c *fileUser, step *httpStep, fault string, res *httpload.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	same := func(k report.FailingAnswer) bool {
		return k.Method == step.method && k.Name == step.name && k.Error == fault
	}
	if len(s.kept) >= maxSamples || slices.ContainsFunc(s.kept, same) {
		return
	}
	secrets := c.secrets()
	s.kept = append(s.kept, report.FailingAnswer{
		Method: step.method, Name: step.name, Error: fault, At: res.Done,
		Sent: clip(secrets, res.Request()), Answer: clip(secrets, res.Head(), res.Body),
	})
}

// clip is at most 2 kB of text, secrets masked.
func clip(secrets []string, parts ...[]byte) string {
	var b []byte
	for _, p := range parts {
		b = append(b, p[:min(len(p), maxSampleBytes+sampleMargin-len(b))]...)
	}
	text := mask(strings.ToValidUTF8(string(b), "?"), secrets)
	if len(text) > maxSampleBytes {
		text = strings.ToValidUTF8(text[:maxSampleBytes], "") + "…"
	}
	return text
}

// FailingAnswers are the first failing answers of each kind: 20 of them, request and
// answer 2 kB each, secrets masked.
func (r *Run) FailingAnswers() []report.FailingAnswer {
	r.samples.mu.Lock()
	defer r.samples.mu.Unlock()
	return slices.Clone(r.samples.kept)
}
