package api

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzScanner compares with encoding/json: the same texts are JSON for both, except that
// this scanner refuses half surrogates and deep nesting.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-2.5e+3,true,false,null,"x\n\u00e4\ud83d\ude00"],"b":{}}`, `[]`, `{"a":1,}`, `[1 2]`, `"\ud83d"`, `01`, `-`, `1.`, `1e`,
		`{"a"}`, `{"a":}`, ` {} `, `nul`, `truefalse`, "\"\x01\"", `{"a":1}}`, `[[[[]]]]`, `"\u00"`, `""`, `{"":""}`, `[,]`, `{,}`, `"`, `"\`, `{"a":1 "b":2}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return // refused before it is scanned
		}
		var s scanner
		s.reset(text)
		s.skip()
		s.end()
		std := json.Valid([]byte(text))
		if s.err == nil && !std {
			t.Fatalf("%q is not JSON and was taken", text)
		}
		if s.err != nil {
			if std && !strings.Contains(s.err.detail, "nested") && !strings.Contains(s.err.detail, "\\u") {
				t.Fatalf("%q is JSON and was refused: %s", text, s.err.detail)
			}
			if line, column := place(text, s.err.offset); line < 1 || column < 1 || s.err.offset > len(text) {
				t.Fatalf("%q: place %d:%d", text, line, column)
			}
		}
		var value string
		if json.Unmarshal([]byte(text), &value) == nil && s.err == nil && s.text[0] == '"' {
			s.reset(text)
			if got := s.str(); got != value {
				t.Fatalf("%q reads as %q, want %q", text, got, value)
			}
		}
	})
}

// FuzzAppendString checks that what is written reads back.
func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{"", "plain", "\"\\\n\r\t\x00\x7f", "ä日😀", "a\xffb\xc3", "\u2028"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var back string
		if err := json.Unmarshal(appendString(nil, text), &back); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if want := strings.ToValidUTF8(text, "\ufffd"); back != want && utf8.ValidString(text) {
			t.Fatalf("%q came back as %q", text, back)
		}
	})
}
