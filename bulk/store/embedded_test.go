package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// same compares messages without the store's bookkeeping.
var same = cmp.Options{
	cmpopts.IgnoreFields(message.Message{}, "Store"),
	cmpopts.IgnoreUnexported(message.Message{}),
}

// quick makes changes reach SQLite at once.
const quick = time.Nanosecond

// walk counts all answers by cursor and checks their order.
func walk(t *testing.T, s *store.Embedded, q store.Query, limit int) (n int) {
	t.Helper()
	last := ^message.ID(0)
	for q.Limit = limit; ; {
		msgs, next, _, err := s.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range msgs {
			if m.ID >= last {
				t.Fatalf("%s follows %s", m.ID, last)
			}
			last = m.ID
		}
		n += len(msgs)
		if q.Cursor = next; next == 0 {
			return n
		}
	}
}

func TestSecondOpenerIsToldThePid(t *testing.T) {
	dir := t.TempDir()
	open(t, store.Options{Dir: dir})
	_, err := store.OpenEmbedded(store.Options{Dir: dir})
	if !errors.Is(err, store.ErrLocked) {
		t.Fatalf("error %v", err)
	}
	t.Log(err)
}
