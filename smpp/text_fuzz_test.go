package smpp_test

import (
	"testing"
	"time"

	"protei-bulk/smpp"
)

// FuzzTime: a time that can be read is the same when it is written and read again, and is
// of the century that two digits of a year are of.
func FuzzTime(f *testing.F) {
	for _, seed := range []string{
		"260131235959900+", "000101000000048+", "991231235959948-", "240229120000004-", "000000003600000R", "999999999999000R", "230229000000000+", "2601312359599 0+",
	} {
		f.Add([]byte(seed), int64(1_900_000_000))
	}
	f.Fuzz(func(t *testing.T, text []byte, unix int64) {
		now := time.Unix(unix%(1<<33), 0)
		at, err := smpp.ParseTime(text, now)
		if err != nil {
			return
		}
		if len(text) != 16 {
			t.Fatalf("%q was read", text)
		}
		if text[15] == 'R' {
			if at.Before(now) {
				t.Fatalf("%q: %v is before %v", text, at, now)
			}
			return
		}
		if low, high := time.Date(1999, 12, 31, 12, 0, 0, 0, time.UTC), time.Date(2100, 1, 1, 12, 0, 0, 0, time.UTC); at.Before(low) || at.After(high) {
			t.Fatalf("%q is %v", text, at)
		}
		if y := at.Year(); y < 2000 || y > 2099 {
			return // an offset of the first or last hours: AppendTime has no two digits for it
		}
		again, err := smpp.ParseTime(smpp.AppendTime(nil, at), now)
		if err != nil || !again.Equal(at) {
			t.Fatalf("%q is %v, written and read again %v, %v", text, at, again, err)
		}
	})
}

// FuzzRelativeTime: a period that is written is read back to the second.
func FuzzRelativeTime(f *testing.F) {
	f.Add(int64(0))
	f.Add(int64(86_399))
	f.Add(int64(99*86_400 + 86_399))
	f.Add(int64(-1))
	f.Fuzz(func(t *testing.T, seconds int64) {
		seconds %= 1 << 33
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		at, err := smpp.ParseTime(smpp.AppendRelativeTime(nil, time.Duration(seconds)*time.Second), now)
		want := min(max(seconds, 0), 100*86_400-1)
		if err != nil || at.Sub(now) != time.Duration(want)*time.Second {
			t.Fatalf("%d s are read as %v, %v", seconds, at.Sub(now), err)
		}
	})
}

// FuzzMessageID: an id that can be read is the same when it is written and read again, and
// what is written every peer takes.
func FuzzMessageID(f *testing.F) {
	f.Add([]byte("00ff"), true)
	f.Add([]byte("18446744073709551615"), false)
	f.Add([]byte("FFFFFFFFFFFFFFFF"), true)
	f.Add([]byte("0x1_0"), true)
	f.Add([]byte("+1"), false)
	f.Fuzz(func(t *testing.T, text []byte, hex bool) {
		format := smpp.IDDecimal
		if hex {
			format = smpp.IDHex
		}
		id, ok := smpp.ParseMessageID(text, format)
		if !ok {
			return
		}
		for _, c := range text {
			if (c < '0' || c > '9') && (!hex || (c|0x20) < 'a' || (c|0x20) > 'f') {
				t.Fatalf("%q was read as %d", text, id)
			}
		}
		written := smpp.AppendMessageID(nil, id, format)
		if again, ok := smpp.ParseMessageID(written, format); !ok || again != id || !smpp.ValidMessageID(written) {
			t.Fatalf("%q is %d, written as %q and read again %d", text, id, written, again)
		}
	})
}

// FuzzStat: a stat is one of the states, whose own letters mean the same.
func FuzzStat(f *testing.F) {
	for _, seed := range []string{"DELIVRD", "delivered", " FAILED", "ACKED", "BUFFERED", "UNKNOWN", "", "UNDELIVER"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stat []byte) {
		state, ok := smpp.ParseStat(stat)
		if !ok {
			return
		}
		if again, ok := smpp.ParseStat([]byte(state.Stat())); !ok || again != state {
			t.Fatalf("%q is %v, whose letters mean %v", stat, state, again)
		}
	})
}
