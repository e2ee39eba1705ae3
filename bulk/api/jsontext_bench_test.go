package api

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func bulkText(n int) string {
	var b strings.Builder
	b.WriteString(`{"from":"ACME","messages":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"to":"+4915112%06d","text":"Your code is %06d. It is valid for ten minutes.","client_ref":"run-1-%06d"}`, i, i, i)
	}
	b.WriteString(`]}`)
	return b.String()
}

// BenchmarkTokens reads all tokens of a bulk body of 100 messages: the scanner against
// jsontext, which is why the scanner exists.
func BenchmarkTokens(b *testing.B) {
	text := bulkText(100)
	b.Run("scanner", func(b *testing.B) {
		var s scanner
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			s.reset(text)
			s.skip()
			if s.end(); s.err != nil {
				b.Fatal(s.err)
			}
		}
	})
	b.Run("jsontext", func(b *testing.B) {
		raw := []byte(text)
		in := bytes.NewReader(raw)
		d := jsontext.NewDecoder(in)
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			in.Reset(raw)
			d.Reset(in)
			for range 807 {
				if _, err := d.ReadToken(); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
