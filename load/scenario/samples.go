package scenario

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"protei-bulk/load/httpload"
)

// Sample is the first failing answer of its kind.
type Sample struct {
	Method, Name, Fault string
	Answer              string // at most 2 kB of it, secrets masked
}

// String is the sample on one line.
func (s Sample) String() string {
	return fmt.Sprintf("First answer of %s %s: %s:\n%s", s.Method, s.Name, s.Fault, s.Answer)
}

const (
	maxSamples     = 20
	maxSampleBytes = 2 << 10
)

// samples keeps the first failing answer of each kind.
type samples struct {
	secrets []string

	mu   sync.Mutex
	kept []Sample // guarded by mu
}

func (s *samples) keep(step *httpStep, fault string, res *httpload.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	same := func(k Sample) bool { return k.Method == step.method && k.Name == step.name && k.Fault == fault }
	if len(s.kept) >= maxSamples || slices.ContainsFunc(s.kept, same) {
		return
	}
	head := res.Head()
	body := res.Body
	text := string(head[:min(len(head), maxSampleBytes)]) + string(body[:min(len(body), maxSampleBytes)])
	text = mask(text, s.secrets)
	if len(text) > maxSampleBytes {
		text = strings.ToValidUTF8(text[:maxSampleBytes], "") + "…"
	}
	s.kept = append(s.kept, Sample{step.method, step.name, fault, text})
}

func (s *samples) list() []Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.kept)
}

// hidden stands for a secret.
const hidden = "HIDDEN"

// mask hides secrets in a request or answer: the ones given, headers with credentials, and
// members of JSON and forms whose names say that they are secret.
func mask(text string, secrets []string) string {
	for _, s := range secrets {
		if len(s) >= 4 {
			text = strings.ReplaceAll(text, s, hidden)
		}
	}
	headers := regexp.MustCompile(`(?im)^((?:proxy-)?authorization|cookie|set-cookie|x-api-key|api-key|x-auth-token)(: *).*?(\r?)$`)
	text = headers.ReplaceAllString(text, "${1}${2}"+hidden+"${3}")
	members := regexp.MustCompile(`(?i)("[^"]*(?:password|passwd|secret|token|api_?key|authorization)[^"]*"\s*:\s*)"(?:[^"\\]|\\.)*"`)
	text = members.ReplaceAllString(text, `${1}"`+hidden+`"`)
	forms := regexp.MustCompile(`(?i)\b((?:password|passwd|secret|token|access_token|api_?key)=)[^&\s"]*`)
	return forms.ReplaceAllString(text, "${1}"+hidden)
}
