package target

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"protei-bulk/load/stats"
)

// selector chooses what is read of a Prometheus page. The samples that match are added up.
type selector struct {
	alias    string // name of the series, "" = made of metric and labels
	function string // "rate", "value", "quantile", "" = by the metric's type
	quantile float64
	metric   string
	matchers []matcher
}

// matcher is a condition on a label.
type matcher struct {
	name, op, value string // op is =, !=, =~ or !~
	pattern         *regexp.Regexp
}

var (
	metricName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	aliasName  = regexp.MustCompile(`^([a-zA-Z][a-zA-Z0-9_.-]*)\s*=\s*`)
	callForm   = regexp.MustCompile(`^(rate|value|p[0-9]{1,2}(?:\.[0-9]{1,3})?)\((.*)\)$`)
	labelForm  = regexp.MustCompile(`^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)`)
)

const maxMatchers = 20

// parseSelector reads [ALIAS=]METRIC{label="value"}, rate(…), value(…) or p99(…).
func parseSelector(text string) (selector, error) {
	var s selector
	if m := aliasName.FindStringSubmatch(text); m != nil {
		s.alias, text = m[1], text[len(m[0]):]
	}
	if m := callForm.FindStringSubmatch(text); m != nil {
		s.function, text = m[1], m[2]
		if s.function[0] == 'p' {
			p, err := strconv.ParseFloat(s.function[1:], 64)
			if err != nil || p <= 0 {
				return s, fmt.Errorf("%s: want a percentile as p99 or p99.9", s.function)
			}
			s.function, s.quantile = "quantile", p/100
		}
	}
	name, labels, hasLabels := strings.Cut(strings.TrimSpace(text), "{")
	s.metric = strings.TrimSpace(name)
	if !metricName.MatchString(s.metric) {
		return s, fmt.Errorf("%q is no name of a metric; want METRIC, METRIC{label=\"value\"}, rate(…), value(…) or p99(…)", s.metric)
	}
	if !hasLabels {
		return s, nil
	}
	labels, closed := strings.CutSuffix(strings.TrimSpace(labels), "}")
	if !closed {
		return s, fmt.Errorf("%s{…: the } is missing", s.metric)
	}
	return s, s.parseMatchers(labels)
}

func (s *selector) parseMatchers(text string) error {
	for strings.TrimSpace(text) != "" {
		m := labelForm.FindStringSubmatch(text)
		if m == nil || len(s.matchers) == maxMatchers {
			return fmt.Errorf("%s{…}: want label=\"value\", also !=, =~ and !~, with commas between, %d at most", s.metric, maxMatchers)
		}
		one := matcher{name: m[1], op: m[2], value: unescaped(m[3])}
		if strings.HasSuffix(one.op, "~") {
			var err error
			if one.pattern, err = regexp.Compile("^(?:" + one.value + ")$"); err != nil {
				return fmt.Errorf("%s{%s…}: %w", s.metric, one.name, err)
			}
		}
		s.matchers = append(s.matchers, one)
		text = text[len(m[0]):]
	}
	return nil
}

// unescaped undoes \\, \" and \n, as the text format has them.
func unescaped(s string) string {
	if !strings.ContainsRune(s, '\\') {
		return s
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(s)
}

func (m *matcher) matches(value string) bool {
	switch m.op {
	case "=":
		return value == m.value
	case "!=":
		return value != m.value
	case "=~":
		return m.pattern.MatchString(value)
	default:
		return !m.pattern.MatchString(value)
	}
}

// takes says whether a sample's labels are chosen.
func (s *selector) takes(labels map[string]string) bool {
	for i := range s.matchers {
		if !s.matchers[i].matches(labels[s.matchers[i].name]) {
			return false
		}
	}
	return true
}

// counts says whether the metric only grows, by what the page says of its type, or by its name.
func (s *selector) counts(kind string) bool {
	switch {
	case s.function != "":
		return s.function == "rate"
	case kind == "gauge":
		return false
	case kind == "counter":
		return true
	}
	for _, suffix := range []string{"_total", "_count", "_sum", "_bucket"} {
		if strings.HasSuffix(s.metric, suffix) {
			return true
		}
	}
	return false
}

// series is the name and unit of what is read.
func (s *selector) series(counts bool) stats.SeriesInfo {
	info := stats.SeriesInfo{Name: s.alias, Label: s.label(), Level: !counts, Unit: s.unit(counts)}
	if info.Name != "" {
		return info
	}
	parts := []string{clean(s.metric)}
	for i := range s.matchers {
		parts = append(parts, clean(s.matchers[i].value))
	}
	if s.quantile > 0 {
		parts = append(parts, s.percentile())
	}
	info.Name = strings.Join(parts, ".")
	return info
}

func (s *selector) percentile() string { return "p" + strconv.FormatFloat(s.quantile*100, 'f', -1, 64) }

func (s *selector) label() string {
	text := s.metric
	if len(s.matchers) > 0 {
		var parts []string
		for _, m := range s.matchers {
			parts = append(parts, m.name+m.op+strconv.Quote(m.value))
		}
		text += "{" + strings.Join(parts, ",") + "}"
	}
	if s.quantile > 0 {
		return s.percentile() + " of " + text
	}
	return text
}

// unit follows from Prometheus's rules for names.
func (s *selector) unit(counts bool) string {
	name := strings.TrimSuffix(s.metric, "_total")
	bytes, seconds := strings.HasSuffix(name, "_bytes"), strings.HasSuffix(name, "_seconds")
	switch {
	case counts && bytes:
		return stats.UnitBytesPS
	case counts && seconds && name == "process_cpu_seconds":
		return "cores"
	case counts:
		return stats.UnitRate
	case bytes:
		return stats.UnitBytes
	case seconds:
		return stats.UnitSeconds
	case strings.HasSuffix(name, "_ratio"):
		return stats.UnitShare
	}
	return stats.UnitCount
}

// processMetrics are read when nothing is chosen: what every client library says about its process.
func processMetrics() []selector {
	return []selector{
		{alias: "cpu", metric: "process_cpu_seconds_total"},
		{alias: "memory", metric: "process_resident_memory_bytes"},
		{alias: "open_files", metric: "process_open_fds"},
	}
}
