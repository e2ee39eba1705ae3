package journal_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"protei-bulk/bulk/journal"
	"protei-bulk/bulk/journal/faultfs"
)

// FuzzReplay puts arbitrary bytes over a small log: as patches of three bytes (offset,
// value) over the last segment, and as a whole segment. Replay must never panic, never
// invent a record, and never lose one without an error unless it is in the last group.
func FuzzReplay(f *testing.F) {
	s := newSample(f, 3)
	image, err := s.fs.Load(segPath(9))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{}, []byte{})
	f.Add([]byte{0, 200, 1}, []byte("PBULKJNL"))
	f.Add([]byte{0, 12, 7, 1, 0, 255}, image[:600])
	f.Fuzz(func(t *testing.T, patches, whole []byte) {
		fs := s.fs.Clone()
		damaged := slices.Clone(image)
		for ; len(patches) >= 3; patches = patches[3:] {
			damaged[int(binary.BigEndian.Uint16(patches))%len(damaged)] = patches[2]
		}
		fs.Store(segPath(9), damaged)
		l, got, _, err := reopen(options(fs), s.from)
		if len(got) > len(s.want) || !slices.Equal(got, s.want[:len(got)]) {
			t.Fatalf("false records: %d", len(got))
		}
		if err == nil {
			l.Close()
			if len(got) < s.last().before {
				t.Fatalf("%d records without an error, %d stood before the last group", len(got), s.last().before)
			}
		}
		raw := faultfs.New()
		raw.Store(segPath(1), whole)
		l, got, _, err = reopen(options(raw), journal.Pos{})
		if err == nil {
			l.Close()
		}
		if len(got) > 0 {
			t.Fatalf("records out of nothing: %d", len(got))
		}
	})
}
