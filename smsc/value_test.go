package smsc

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"protei-bulk/smpp"
)

func TestDelayDraws(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for text, want := range map[string]struct{ low, high, mean time.Duration }{
		"0":                {0, 0, 0},
		"20ms":             {20 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond},
		"10ms-30ms":        {10 * time.Millisecond, 30 * time.Millisecond, 20 * time.Millisecond},
		"exp:50ms":         {0, 500 * time.Millisecond, 50 * time.Millisecond},
		"normal:50ms,10ms": {10 * time.Millisecond, 90 * time.Millisecond, 50 * time.Millisecond},
		"normal:1ms,10ms":  {0, 41 * time.Millisecond, 4500 * time.Microsecond},
	} {
		d, err := ParseDelay(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		const n = 100_000
		sum := time.Duration(0)
		for range n {
			at := d.draw(rng.Uint64())
			if at < want.low || at > want.high {
				t.Fatalf("%s drew %v", text, at)
			}
			sum += at
		}
		for _, edge := range []uint64{0, math.MaxUint64, 1 << 32} {
			if at := d.draw(edge); at < want.low || at > want.high {
				t.Errorf("%s drew %v for %d", text, at, edge)
			}
		}
		if mean := sum / n; mean < want.mean*95/100 || mean > want.mean*105/100 {
			t.Errorf("%s has the mean %v", text, mean)
		}
	}
	for _, text := range []string{"-5ms", "5", "50ms-5ms", "exp:", "normal:5ms", "25h", "1ms-x", "soon", "exp:-1s"} {
		if d, err := ParseDelay(text); err == nil {
			t.Errorf("%q reads as %v", text, d)
		}
	}
}

func TestMixesRefuseNonsense(t *testing.T) {
	for _, text := range []string{"RTHROTTLED", "RTHROTTLED=", "RTHROTTLED=101%", "RTHROTTLED=-1%", "ROK=1%", "0=1%", "=1%", "RSYSERR=NaN", "RSYSERR=60%,RTHROTTLED=50%"} {
		if m, err := ParseErrorMix(text); err == nil {
			t.Errorf("%q reads as %v", text, m)
		}
	}
	m, err := ParseErrorMix("esme_rthrottled=1%, 0x400=0.5%,")
	if err != nil || m.String() != "RTHROTTLED=1%,0x400=0.5%" {
		t.Errorf("%v, %v", m, err)
	}
	if _, err := ParseReceiptMix("ENROUTE=1%"); err == nil {
		t.Error("ENROUTE passes for final")
	}
	if m, err := ParseReceiptMix("undeliv=2%"); err != nil || len(m) != 1 || m[0].State != smpp.StateUndeliverable {
		t.Errorf("%v, %v", m, err)
	}
}

// FuzzValues holds: what a setting accepts, it shows in a form that it reads again as the same.
func FuzzValues(f *testing.F) {
	for _, text := range []string{"20ms", "5ms-50ms", "exp:1s", "normal:1s,2s", "RTHROTTLED=1%", "UNDELIV=0.5", "1.5%", "hex", "true", "7"} {
		f.Add(text)
	}
	fields := Fields()
	f.Fuzz(func(t *testing.T, text string) {
		for i := range fields {
			var b, again Behaviour
			if fields[i].Set(&b, text) != nil {
				continue
			}
			shown := fields[i].Value(&b)
			if err := fields[i].Set(&again, shown); err != nil {
				t.Fatalf("%s: %q shows as %q: %v", fields[i].Name, text, shown, err)
			}
			if more := fields[i].Value(&again); more != shown && !strings.Contains(shown, "e-") {
				t.Fatalf("%s: %q shows as %q, then %q", fields[i].Name, text, shown, more)
			}
		}
	})
}

func TestPatchFuzzSeeds(t *testing.T) {
	for _, text := range []string{`{}`, `{"":1}`, `{"latency":null}`, `{"latency":{"a":1}}`, `{"tps":1e3}`, `{"tps":"7"}`} {
		var b Behaviour
		err := b.Patch([]byte(text))
		if text == `{}` || text == `{"tps":"7"}` {
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s passes", text)
		}
	}
}
