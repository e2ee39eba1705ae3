package gsm_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"protei-bulk/gsm"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Item 47: whatever the order, with repeats, and with senders interleaved.
func TestItem47AssemblerJoinsAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type delivery struct {
			sender string
			octets []byte
		}
		var all []delivery
		want := make(map[string]string)
		for i := range rapid.IntRange(1, 4).Draw(t, "senders") {
			sender := fmt.Sprint("sender", i)
			data := rapid.SliceOfN(rapid.Byte(), 141, 900).Draw(t, "data")
			payload, ends, _, err := gsm.SegmentBinary(nil, nil, data, gsm.Options{Ref: 9, Ref16: rapid.Bool().Draw(t, "ref16")})
			if err != nil {
				t.Fatal(err)
			}
			want[sender] = string(data)
			from := uint32(0)
			for part, end := range ends {
				all = append(all, delivery{sender, payload[from:end]})
				if part > 0 { // the first comes once: a repeat of all parts is a new message
					all = append(all, delivery{sender, payload[from:end]})
				}
				from = end
			}
		}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 1))
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })

		a := gsm.NewAssembler(gsm.AssemblerOptions{})
		for _, d := range all {
			whole, done, err := a.Add(d.sender, "1000", d.octets, noon)
			if err != nil {
				t.Fatal(err)
			}
			if !done {
				continue
			}
			if string(whole) != want[d.sender] {
				t.Fatalf("%s: joined wrong", d.sender)
			}
			delete(want, d.sender)
		}
		if len(want) != 0 {
			t.Fatalf("%d messages never joined", len(want))
		}
	})
}

func TestAssemblerIsBounded(t *testing.T) {
	a := gsm.NewAssembler(gsm.AssemblerOptions{MaxOpen: 3, MaxAge: time.Hour})
	part := gsm.AppendConcat8(nil, 1, 2, 1)
	for i := range 10 {
		if _, done, err := a.Add(fmt.Sprint(i), "1", part, noon); done || err != nil {
			t.Fatal(done, err)
		}
	}
	if a.Open() != 3 {
		t.Errorf("%d open", a.Open())
	}
	second := append(gsm.AppendConcat8(nil, 1, 2, 2), "end"...)
	if whole, done, _ := a.Add("9", "1", second, noon); !done || string(whole) != "end" {
		t.Errorf("the newest was dropped: %q %v", whole, done)
	}
	if n := a.Expire(noon.Add(time.Hour)); n != 0 {
		t.Errorf("%d expired at the age allowed", n)
	}
	if n := a.Expire(noon.Add(time.Hour + time.Second)); n != 2 || a.Open() != 0 {
		t.Errorf("%d expired, %d open", n, a.Open())
	}
}

func TestAssemblerRefusesWhatIsNoPart(t *testing.T) {
	a := gsm.NewAssembler(gsm.AssemblerOptions{})
	if _, _, err := a.Add("1", "2", []byte{0}, noon); !errors.Is(err, gsm.ErrNotAPart) {
		t.Error(err)
	}
	var broken *gsm.UDHError
	if _, _, err := a.Add("1", "2", []byte{9, 1}, noon); !errors.As(err, &broken) {
		t.Error(err)
	}
}
