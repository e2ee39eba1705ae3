package store_test

import (
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

func TestPartsAreCountedByQuarterAndSurviveAReopening(t *testing.T) {
	dir := t.TempDir()
	day := time.Now().UTC().Truncate(24 * time.Hour)
	at := func(d time.Duration, parts int) func(*message.Message) {
		return func(m *message.Message) { m.SubmittedAt = day.Add(d).UnixMilli(); m.SetParts(parts) }
	}
	other := func(m *message.Message) { m.Account = 8 }
	check := func(s *store.Embedded) {
		t.Helper()
		for _, c := range []struct {
			account  uint32
			from, to time.Duration
			want     int64
		}{
			{7, 0, 24 * time.Hour, 2 + 3},
			{7, -15 * time.Minute, 24 * time.Hour, 1 + 2 + 3},
			{7, -24 * time.Hour, 0, 1},
			{7, 0, 15 * time.Minute, 2},
			{7, 15 * time.Minute, 24 * time.Hour, 3},
			{7, 24 * time.Hour, 48 * time.Hour, 5},
			{8, 0, 48 * time.Hour, 255},
			{9, 0, 48 * time.Hour, 0},
			{7, -400 * 24 * time.Hour, 400 * 24 * time.Hour, 11},
		} {
			if got := s.Parts(c.account, day.Add(c.from).UnixMilli(), day.Add(c.to).UnixMilli()); got != c.want {
				t.Errorf("account %d from %s to %s: %d parts, want %d", c.account, c.from, c.to, got, c.want)
			}
		}
	}
	s := open(t, store.Options{Dir: dir})
	accept(t, s, newMessage(s, 1, at(-time.Millisecond, 1)), newMessage(s, 2, at(0, 2)), newMessage(s, 3, at(23*time.Hour, 3)),
		newMessage(s, 4, at(24*time.Hour, 5)), newMessage(s, 5, at(0, 255), other))
	check(s)
	flush(t, s)
	check(s)
	stop(t, s)
	check(open(t, store.Options{Dir: dir}))
}
