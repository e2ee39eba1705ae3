package cdr

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/bulk/message"
)

// TestEncoded: records come out of the files as they were encoded, in either format and from
// one to the other, and what was taken already is not taken twice.
func TestEncoded(t *testing.T) {
	recs := []Record{
		{
			Time: 1_800_000_000_123, Message: 1 << 40, Part: 1, Parts: 2, Account: 7, From: "Bank, \"Ltd\"", To: "+967771234567", Connector: 3, SMSCID: "a;b",
			Status: message.Delivered, SubmittedAt: 1_800_000_000_000, SentAt: 1_800_000_000_050, DoneAt: 1_800_000_000_123, Attempts: 1, Priority: message.High, ClientRef: "r,1", Batch: 9 << 40,
		},
		{Time: 1_800_000_000_200, Message: 2 << 40, Part: 1, Parts: 1, Account: 8, To: "1", Status: message.Failed, Error: 88, SubmittedAt: 1_800_000_000_001, ViaSMPP: true, PossibleDuplicate: true},
	}
	for _, from := range []Format{CSV, JSON} {
		for _, to := range []Format{CSV, JSON} {
			source := open(t, Options{Dir: t.TempDir(), Format: from})
			text := source.Encode(nil, recs)
			dir := t.TempDir()
			w, err := Open(Options{Dir: dir, Format: to})
			if err != nil {
				t.Fatal(err)
			}
			pos := Position{15: 1}
			for range 2 {
				if err := w.AppendEncoded(text, pos); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			lines := bytes.TrimPrefix(read(t, dir, to.current()), []byte(to.header()))
			kind := map[Format]byte{CSV: encodedCSV, JSON: encodedJSON}[to]
			got, err := decode(append([]byte{kind}, lines...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(recs, got); diff != "" {
				t.Errorf("%v to %v (-encoded +in the files):\n%s", from, to, diff)
			}
		}
	}
	w := open(t, Options{Dir: t.TempDir()})
	for _, text := range []string{"x", "cx\n", "j{\n"} {
		if err := w.AppendEncoded([]byte(text), Position{15: 9}); err == nil {
			t.Errorf("%q passes", text)
		}
	}
	if len(w.Encode(nil, nil)) != 0 {
		t.Error("nothing is encoded as something")
	}
}
