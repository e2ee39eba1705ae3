package gsm_test

import (
	"strings"
	"testing"

	"protei-bulk/gsm"
)

var (
	ascii100  = strings.Repeat("Your code: ", 9) + "1"
	ascii400  = strings.Repeat(ascii100, 4)
	mixed100  = strings.Repeat("Prix: 5 € é", 9) + "1"
	russian60 = strings.Repeat("Привет, мир", 5) + " да !"
)

func BenchmarkSegment(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"GSM7/100", ascii100},
		{"GSM7/extended", mixed100},
		{"GSM7/400/3parts", ascii400},
		{"UCS2/60", russian60},
	} {
		b.Run(c.name, func(b *testing.B) {
			dst, ends := make([]byte, 0, 1024), make([]uint32, 0, 16)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, _, err := gsm.Segment(dst, ends, c.text, gsm.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	dst := make([]byte, 0, 1024)
	septets := []byte(ascii100)
	b.ReportAllocs()
	for b.Loop() {
		gsm.AppendText(dst, gsm.GSM7, septets)
	}
}

func BenchmarkRefs(b *testing.B) {
	refs := gsm.NewRefs()
	b.ReportAllocs()
	for b.Loop() {
		refs.Next("1000", "79161234567")
	}
}

func TestSegmentIntoGivenBuffersAllocatesNothing(t *testing.T) {
	dst, ends := make([]byte, 0, 1024), make([]uint32, 0, 16)
	for _, text := range []string{ascii100, mixed100, ascii400, russian60} {
		allocs := testing.AllocsPerRun(100, func() {
			if _, _, _, err := gsm.Segment(dst, ends, text, gsm.Options{}); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%.20q…: %v allocations", text, allocs)
		}
	}
}
