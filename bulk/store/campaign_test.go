package store_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// ordinals are those that AcceptedOrdinals tells, sorted and each once.
func ordinals(t *testing.T, s *store.Embedded, after message.ID) []uint32 {
	t.Helper()
	set := map[uint32]bool{}
	if err := s.AcceptedOrdinals(t.Context(), 7, 99, after, func(n uint32) { set[n] = true }); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(set))
}

// TestOrdinalsSurviveACrashAtEveryPoint: whatever of a campaign was acknowledged is told
// after a crash, be it in the journal, in SQLite or on its way there.
func TestOrdinalsSurviveACrashAtEveryPoint(t *testing.T) {
	if testing.Short() {
		t.Skip("TestAcknowledgedSurvivesCrashes has the same points, with more at once")
	}
	for _, point := range []string{"begin", "copied", "committed", "released"} {
		t.Run(point, func(t *testing.T) {
			m := newMachine(t, store.Options{Settle: time.Millisecond, TableRows: 500})
			var want []uint32
			var mark message.ID
			n := uint32(0)
			for round := range 4 {
				for range 30 {
					var batch []*message.Message
					for range 25 {
						n++
						if n%7 == 0 { // refused: it has no message
							continue
						}
						want = append(want, n)
						batch = append(batch, newMessage(m.s, int(n), func(msg *message.Message) { msg.Campaign, msg.Ordinal = 99, n }))
					}
					accept(t, m.s, batch...)
					for _, msg := range batch[:len(batch)/2] {
						record(t, m.s, submitted(msg, "s-"+msg.ID.String()), settled(msg, message.Delivered))
					}
					if round == 1 && mark == 0 {
						mark = batch[len(batch)-1].ID
						want = want[:0]
					}
				}
				if err := m.crashAt(point); err != nil {
					t.Fatal(err)
				}
				if got := ordinals(t, m.s, mark); !slices.Equal(got, want) {
					t.Fatalf("round %d: %d ordinals, want %d", round, len(got), len(want))
				}
				if top := m.s.CampaignTop(7, 99); top < want[len(want)-1] {
					t.Errorf("highest ordinal %d, want %d", top, want[len(want)-1])
				}
			}
			if l := m.s.CampaignLedger(7, 99); l.Sum() != int64(n-n/7) {
				t.Errorf("%d messages in the ledger, %d were accepted", l.Sum(), n-n/7)
			}
		})
	}
}
