package httpload

import (
	"bytes"
	"testing"
)

// FuzzParseHead: no panic, and the head that is found does not depend on where the input
// was cut before.
func FuzzParseHead(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.0 404\n\n", "HTTP/1.1 200 OK\r\nA:b",
		"HTTP/1.1 200 OK\r\nConnection: keep-alive, close\r\nTransfer-Encoding: chunked\r\n\r\n", "garbage", "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, ok, err := parseHead(b)
		if err != nil || !ok {
			return
		}
		if h.bytes <= 0 || h.bytes > len(b) || h.status < 100 || h.status > 999 {
			t.Fatalf("head of %d bytes, status %d, from %q", h.bytes, h.status, b)
		}
		if _, early, err := parseHead(b[:h.bytes-1]); early || err != nil {
			t.Fatalf("found before its end, or %v: %q", err, b)
		}
	})
}

// FuzzChunks: decoding in pieces gives what decoding at once gives.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("3\r\nhel\r\n2;x\r\nlo\r\n0\r\n\r\n"), uint8(4))
	f.Add([]byte("0\r\nA: b\r\n\r\nrest"), uint8(1))
	f.Add([]byte("ffffffffffffffff\r\n"), uint8(3))
	f.Fuzz(func(t *testing.T, raw []byte, step uint8) {
		whole := bytes.Clone(raw)
		var one chunks
		done, err := one.decode(whole)

		var dec chunks
		var b []byte
		var done2 bool
		var err2 error
		n := int(step)%7 + 1
		for at := 0; at < len(raw) && !done2 && err2 == nil; at += n {
			b = append(b, raw[at:min(at+n, len(raw))]...)
			done2, err2 = dec.decode(b)
			b = b[:dec.w+copy(b[dec.w:], b[dec.r:])]
			dec.r = dec.w
		}
		if (err == nil) != (err2 == nil) || done != done2 {
			t.Fatalf("at once: %v %v, in pieces of %d: %v %v", done, err, n, done2, err2)
		}
		if err == nil && !bytes.Equal(whole[:one.w], b[:dec.w]) {
			t.Fatalf("at once %q, in pieces %q", whole[:one.w], b[:dec.w])
		}
	})
}
