package target

import (
	"bufio"
	"bytes"
	"time"

	"protei-bulk/load/stats"
)

// ReadAnswer reads one answer of Redis.
func ReadAnswer(r *bufio.Reader) (any, error) { return (&respReader{Reader: r}).answer() }

// ReadPages reads pages one after the other and returns what the last one says.
func ReadPages(selection string, pages ...[]byte) (values []stats.SeriesValue, err error) {
	spec, err := ParseSpec("http://host#" + selection)
	if err != nil {
		return nil, err
	}
	p := newPrometheus(spec, WatchOptions{})
	for i, page := range pages {
		found := make([]finding, len(spec.metrics))
		if p.kinds, err = scanPage(bytes.NewReader(page), spec.metrics, found); err != nil {
			return nil, err
		}
		values = make([]stats.SeriesValue, len(found))
		for j := range found {
			values[j] = p.value(j, &found[j], time.Unix(int64(i), 0))
		}
	}
	return values, nil
}
