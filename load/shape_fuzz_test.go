package load_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"protei-bulk/load"
)

// FuzzParseShape: a shape that can be read has users and an end, goes from corner to corner,
// and an error says which stage it is about.
func FuzzParseShape(f *testing.F) {
	for _, seed := range []string{"0s:0,60s:100,120s:0", "Spike", " soak ", "1h30m:5", "0:1,,", "1:9223372036854775807", "1e8:1,1e-9:2", ":", "inf:1", "0x1p4:3", "9233721:9223372036854775"} {
		f.Add(seed, 0, int64(0))
		f.Add(seed, 1000, int64(time.Minute))
	}
	f.Fuzz(func(t *testing.T, text string, users int, runTime int64) {
		users %= 1_000_000
		s, err := load.ParseShape(text, users, time.Duration(runTime))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "shape ") {
				t.Fatalf("%q: %v does not say what it is about", text, err)
			}
			return
		}
		length, peak := s.Length(), s.Peak()
		if length <= 0 || peak < 0 {
			t.Fatalf("%q: %d users, %v", text, peak, length)
		}
		for i := range 9 {
			at := max(length/8*time.Duration(i)-1, 0)
			n, _, done := s.At(at)
			if n < 0 || n > peak || done != (at >= length) {
				t.Fatalf("%q: %d of %d users, done %v at %v of %v", text, n, peak, done, at, length)
			}
		}
		if n, _, done := s.At(length); !done || n != s[len(s)-1].Users {
			t.Fatalf("%q: %d users at the end, done %v", text, n, done)
		}
		if r, err := s.Rate(); err == nil && r.Starts(length) < 0 {
			t.Fatalf("%q as a rate: %v starts", text, r.Starts(length))
		}
	})
}

// FuzzRateJSON: a rate as the master sends it to workers makes the same starts there.
func FuzzRateJSON(f *testing.F) {
	for _, seed := range []string{"500/s", "0s:0,60s:2000/s", "Spike:2000/s", "30/m"} {
		r, err := load.ParseRate(seed, 0)
		if err != nil {
			f.Fatal(err)
		}
		text, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"stages":[{"At":-1,"PerSecond":-0.0},{"At":9223372036854775807,"PerSecond":1e7}]}`))
	f.Add([]byte(`{"stages":null,"endless":true}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var r load.Rate
		if json.Unmarshal(text, &r) != nil {
			return
		}
		out, err := json.Marshal(&r)
		if err != nil {
			t.Fatalf("%s cannot be written again: %v", text, err)
		}
		var again load.Rate
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatalf("%s does not come back: %v", out, err)
		}
		if p := r.Peak(); !(p >= 0 && p <= 10_000_000) || p != again.Peak() || r.Length() != again.Length() {
			t.Fatalf("%s: peak %v in %v, again %v in %v", text, p, r.Length(), again.Peak(), again.Length())
		}
		for _, n := range []uint64{0, 1, 1000, 1 << 60} {
			at, ok := r.Due(n)
			if at2, ok2 := again.Due(n); at != at2 || ok != ok2 || ok && at < 0 {
				t.Fatalf("%s: start %d at %v, %v, again %v, %v", text, n, at, ok, at2, ok2)
			}
		}
	})
}
