package target

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"protei-bulk/load/stats"
)

// prometheusSource reads a page in Prometheus's text format.
type prometheusSource struct {
	spec   *Spec
	url    string
	client *http.Client

	kinds    map[string]string // type by metric, of the last page
	counters []counter         // by selector
	buckets  []map[float64]float64
}

func newPrometheus(s *Spec, opts WatchOptions) *prometheusSource {
	transport := &http.Transport{TLSClientConfig: opts.TLS, MaxIdleConns: 1, MaxConnsPerHost: 2, MaxResponseHeaderBytes: 64 << 10}
	return &prometheusSource{
		spec: s, url: s.url.String(), client: &http.Client{Transport: transport},
		counters: make([]counter, len(s.metrics)), buckets: make([]map[float64]float64, len(s.metrics)),
	}
}

func (p *prometheusSource) close() { p.client.CloseIdleConnections() }

// settle tells rates and levels apart by what the page says of the types.
func (p *prometheusSource) settle(infos []stats.SeriesInfo) {
	for i := range infos {
		m := &p.spec.metrics[i]
		settled := m.series(m.counts(p.kinds[m.metric]))
		infos[i].Unit, infos[i].Level = settled.Unit, settled.Level
	}
}

func (p *prometheusSource) read(ctx context.Context) ([]stats.SeriesValue, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/plain;version=0.0.4;q=1,*/*;q=0.1")
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	found := make([]finding, len(p.spec.metrics))
	kinds, err := scanPage(resp.Body, p.spec.metrics, found)
	if err != nil {
		return nil, err
	}
	p.kinds = kinds
	now := time.Now()
	values := make([]stats.SeriesValue, len(found))
	for i := range found {
		values[i] = p.value(i, &found[i], now)
	}
	return values, nil
}

func (p *prometheusSource) value(i int, f *finding, now time.Time) stats.SeriesValue {
	m := &p.spec.metrics[i]
	switch {
	case f.samples == 0:
		p.counters[i], p.buckets[i] = counter{}, nil
		return stats.NotMeasured("the page has no " + m.label())
	case m.quantile > 0:
		before := p.buckets[i]
		p.buckets[i] = f.buckets
		return quantileBetween(before, f.buckets, m.quantile)
	case m.counts(p.kinds[m.metric]):
		return p.counters[i].rate(f.sum, now)
	case math.IsNaN(f.sum) || math.IsInf(f.sum, 0):
		return stats.NotMeasured("the page says " + strconv.FormatFloat(f.sum, 'g', -1, 64))
	}
	return stats.SeriesValue{Value: f.sum}
}

// finding is what a page says to one selector.
type finding struct {
	samples int
	sum     float64
	buckets map[float64]float64 // of a quantile: cumulative, by upper bound
}

// Bounds of a page.
const (
	maxLine    = 64 << 10
	maxBuckets = 1000
	maxLabels  = 64
)

// scanPage reads a page line by line and keeps what was asked for. It returns the types of the metrics asked for.
func scanPage(r io.Reader, asked []selector, found []finding) (map[string]string, error) {
	limited := &io.LimitedReader{R: r, N: maxPageBytes + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, 16<<10), maxLine)
	kinds := map[string]string{}
	good := false
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if line[0] == '#' {
			readType(line, asked, kinds)
			continue
		}
		if good && !wanted(line, asked) {
			continue // of a large page, most lines
		}
		name, labels, value, ok := series(string(line))
		good = good || ok
		if ok {
			take(name, labels, value, asked, found)
		}
	}
	switch err := lines.Err(); {
	case limited.N <= 0:
		return nil, fmt.Errorf("the page has more than %d MB", maxPageBytes>>20)
	case errors.Is(err, bufio.ErrTooLong):
		return nil, errors.New("this is no page of metrics: a line has more than 64 kB")
	case err != nil:
		return nil, err
	case !good:
		return nil, errors.New("this is no page of metrics")
	}
	return kinds, nil
}

// wanted says whether a line may be a sample of a metric asked for.
func wanted(line []byte, asked []selector) bool {
	return slices.ContainsFunc(asked, func(s selector) bool { return bytes.HasPrefix(line, []byte(s.metric)) })
}

// readType keeps `# TYPE name kind` of the metrics asked for.
func readType(line []byte, asked []selector, kinds map[string]string) {
	if !bytes.HasPrefix(line, []byte("# TYPE ")) {
		return
	}
	fields := strings.Fields(string(line))
	if len(fields) == 4 && fields[1] == "TYPE" && slices.ContainsFunc(asked, func(s selector) bool { return s.metric == fields[2] }) {
		kinds[fields[2]] = fields[3]
	}
}

// take adds a sample to the findings of those that asked for it.
func take(name, text string, value float64, asked []selector, found []finding) {
	var labels map[string]string
	for i := range asked {
		s, f := &asked[i], &found[i]
		if s.quantile > 0 && name != s.metric+"_bucket" || s.quantile == 0 && name != s.metric {
			continue
		}
		if labels == nil {
			labels = readLabels(text)
		}
		if !s.takes(labels) {
			continue
		}
		if s.quantile == 0 {
			f.samples++
			f.sum += value
			continue
		}
		bound, err := strconv.ParseFloat(labels["le"], 64)
		if err != nil || math.IsNaN(bound) || len(f.buckets) >= maxBuckets {
			continue
		}
		if f.buckets == nil {
			f.buckets = map[float64]float64{}
		}
		f.samples++
		f.buckets[bound] += value
	}
}

// readLabels reads `a="x",b="y"`, escapes undone; what is malformed ends it.
func readLabels(text string) map[string]string {
	labels := map[string]string{}
	for len(labels) < maxLabels {
		m := labelForm.FindStringSubmatch(text)
		if m == nil {
			break
		}
		labels[m[1]] = unescaped(m[3])
		text = text[len(m[0]):]
	}
	return labels
}

// quantileBetween estimates a quantile of what was observed between two pages: the bucket that holds it, and in it as if
// observations were spread evenly. Of the last bucket, which has no upper bound, it is the lower one.
func quantileBetween(before, after map[float64]float64, q float64) stats.SeriesValue {
	if before == nil {
		return stats.NotMeasured(needsTwo)
	}
	bounds := make([]float64, 0, len(after))
	for b := range after {
		bounds = append(bounds, b)
	}
	slices.Sort(bounds)
	last := len(bounds) - 1
	if !math.IsInf(bounds[last], 1) {
		return stats.NotMeasured("the histogram has no bucket le=\"+Inf\"")
	}
	grown := func(i int) float64 { return after[bounds[i]] - before[bounds[i]] }
	total := grown(last)
	switch {
	case total < 0 || math.IsNaN(total):
		return stats.NotMeasured(wasReset)
	case total == 0:
		return stats.NotMeasured("nothing was observed")
	}
	rank, below, from := q*total, 0.0, 0.0
	for i, bound := range bounds {
		n := grown(i)
		if n >= rank && i < last {
			if n <= below {
				return stats.SeriesValue{Value: bound}
			}
			return stats.SeriesValue{Value: from + (bound-from)*(rank-below)/(n-below)}
		}
		if i < last {
			below, from = max(n, below), bound
		}
	}
	return stats.SeriesValue{Value: from}
}
