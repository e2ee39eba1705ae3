package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// FuzzReadJSON: a report that can be read can be compared with itself, which is no change and
// can be shown; an error has the name of the file.
func FuzzReadJSON(f *testing.F) {
	head := fmt.Sprintf(`{"format_version":%d,`, jsonVersion)
	column := func(cell string) string { return "[" + strings.Repeat(cell+",", 29) + cell + "]" }
	f.Add([]byte(head + `"whole":{"requests_per_second":2,"aggregate":{"requests":60,"response_ms":{"percentiles":{"50%":1,"95%":2,"99%":3}}},"entries":[{"name":"a","method":"GET","requests":60}]},
		"measured_intervals":[{"name":"Aggregated","width_s":` + column("1") + `,"requests":` + column("200") + `,"failures":` + column("1") + `,"throttled":` + column("0") +
		`,"p50_ms":` + column("1") + `,"p95_ms":` + column("1e308") + `,"p99_ms":` + column("null") + `}]}`))
	f.Add([]byte(head + `"measured":{"aggregate":{"requests":1},"entries":[]},"whole":{"aggregate":{"requests":1},"entries":[]},"measured_intervals":[{"width_s":[0],"requests":[18446744073709551615],"failures":[1],"throttled":[0],"p50_ms":[-1],"p95_ms":[0],"p99_ms":[0]}]}`))
	f.Add([]byte(head + `"whole":{"entries":[]},"measured_intervals":[{"width_s":[1,2]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := ReadJSON(bytes.NewReader(text), "a.json")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "a.json") {
				t.Fatalf("%v does not begin with the file", err)
			}
			return
		}
		c, err := Compare(a, a)
		if err != nil {
			return
		}
		for _, r := range c.Rows {
			if r.Change == Better || r.Change == Worse {
				t.Fatalf("a run and itself: %+v", r)
			}
		}
		if err := WriteComparison(io.Discard, c); err != nil {
			t.Fatal(err)
		}
		if err := WriteComparisonMarkdown(io.Discard, c); err != nil {
			t.Fatal(err)
		}
	})
}
