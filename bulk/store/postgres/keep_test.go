package postgres

import (
	"errors"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// TestNewerSchemaIsRefused: an older program keeps its hands off at its start; one that runs when the schema becomes
// newer goes on.
func TestNewerSchemaIsRefused(t *testing.T) {
	url := database(t)
	n := open(t, url, 1)
	if _, err := n.pool.Exec(t.Context(), "INSERT INTO schema_version (version_id, is_applied) VALUES (9999, true)"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{URL: url}); !errors.Is(err, store.ErrNewerSchema) {
		t.Errorf("a schema of version 9999: %v", err)
	}
	n.own(1)
	msgs := n.make(2, 1)
	n.accept(msgs)
	n.until("they are in the lane", func() bool { return len(n.standingIn(1)) == len(msgs) })
	n.must(submitted(msgs[0], "1"), delivered(msgs[0]))
	if m := n.row(msgs[0].ID); m.Status != message.Delivered {
		t.Errorf("a message of the node that runs is %v", m.Status)
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

// TestBooksOfDeletedCampaignsAreFolded: their rows go when they are older than the retention, and no sum changes, not
// even when something happens to one of their messages later. Campaigns that are there keep theirs.
func TestBooksOfDeletedCampaignsAreFolded(t *testing.T) {
	url := database(t)
	a := open(t, url, 1)
	a.own(1)
	old := message.FirstID(time.Now().AddDate(0, 0, -10))
	there, gone, young := old, old+1, a.IDs().Next()
	for _, id := range []message.ID{there, gone, young} {
		if err := a.Write(t.Context(), &store.Change{Campaign: &store.CampaignRow{ID: id, Account: 7}}); err != nil {
			t.Fatal(err)
		}
	}
	var msgs []*message.Message
	for _, id := range []message.ID{there, gone, young, 0} {
		msgs = append(msgs, a.make(3, 1, func(m *message.Message) { m.Account, m.Campaign, m.Ordinal = 7, id, 1 })...)
	}
	a.accept(msgs)
	for _, id := range []message.ID{gone, young} {
		if err := a.DeleteCampaign(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	rows := func(id message.ID) int { return a.count("SELECT count(*) FROM ledger WHERE campaign = $1", int64(id)) }
	b := open(t, url, 2, func(o *Options) { o.Retention = 48 * time.Hour })
	a.until("the books are folded", func() bool { return rows(gone) == 0 })
	if rows(there) == 0 || rows(young) == 0 {
		t.Error("the books of a campaign that is there, or young, are gone")
	}
	fresh := uint16(2)
	want := func(when string, delivered int64) {
		t.Helper()
		fresh++
		sums := store.Ledger{}
		sums[message.Pending], sums[message.Delivered] = int64(len(msgs))-delivered, delivered
		for name, n := range map[string]*node{"the node that counted": a, "another node": b, "one that starts": open(t, url, fresh)} {
			if err := n.RefreshBooks(t.Context()); err != nil {
				t.Fatal(err)
			}
			if l, all := n.Ledgers()[7], n.Accepted()[7]; l != sums || all != int64(len(msgs)) {
				t.Errorf("%s, %s: %v of %d accepted, want %v", when, name, l, all, sums)
			}
			if l := n.CampaignLedger(7, there); l.Sum() != 3 {
				t.Errorf("%s, %s: the campaign that is there has %v", when, name, l)
			}
		}
	}
	want("folded", 0)
	late := msgs[3] // of the campaign that is gone
	a.must(submitted(late, "1"), delivered(late))
	want("settled later", 1)
	if rows(gone) == 0 {
		t.Error("what was settled later was not counted by campaign: this test shows less than it says")
	}
	if err := b.foldBooks(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("folded again", 1)
	if rows(gone) != 0 {
		t.Error("the books are not folded again")
	}
}
