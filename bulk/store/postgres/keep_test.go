package postgres

import (
	"errors"
	"testing"
	"time"

	"protei-bulk/bulk/store"
)

// TestNewerSchemaIsRefused: an older program keeps its hands off.
func TestNewerSchemaIsRefused(t *testing.T) {
	url := database(t)
	n := open(t, url, 1)
	if _, err := n.pool.Exec(t.Context(), "INSERT INTO schema_version (version_id, is_applied) VALUES (9999, true)"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{URL: url}); !errors.Is(err, store.ErrNewerSchema) {
		t.Errorf("a schema of version 9999: %v", err)
	}
}

// TestRetentionDropsDays: the partitions of days beyond the retention go, with their messages,
// and no other.
func TestRetentionDropsDays(t *testing.T) {
	url := database(t)
	const days = 10
	then := func() time.Time { return time.Now().AddDate(0, 0, -days) }
	old := open(t, url, 1, func(o *Options) { o.Now = then })
	gone := old.make(3, 1)
	old.accept(gone)
	n := open(t, url, 2, func(o *Options) { o.Retention = 48 * time.Hour })
	kept := n.make(3, 1)
	n.accept(kept) // both wait for a connector that nobody has
	table := partitionName("messages", then().UTC())
	n.until("the old day is gone", func() bool { return n.count("SELECT count(*) FROM pg_class WHERE relname = $1", table) == 0 })
	for _, m := range kept {
		n.row(m.ID)
	}
	n.until("what waited of it is gone, too", func() bool {
		return n.count("SELECT count(*) FROM (SELECT unnest(ids) FROM waiting_lists) w") == len(kept)
	})
	if _, err := n.Message(t.Context(), gone[0].ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a message of the old day: %v", err)
	}
}
