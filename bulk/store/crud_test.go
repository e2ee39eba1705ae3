package store_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/bulk/store"
)

func TestAccountsAndKeysSurviveReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	ctx := t.Context()
	first := store.AccountRow{Name: "first", SystemID: "one", PasswordHash: "h", Settings: []byte(`{}`), CreatedAt: 5}
	second := store.AccountRow{Name: "second", Settings: []byte(`{"a":1}`)}
	third := store.AccountRow{Name: "third", Settings: []byte{}}
	for _, row := range []*store.AccountRow{&first, &second, &third} {
		if err := s.PutAccount(ctx, row); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PutAccount(ctx, &store.AccountRow{Name: "thief", SystemID: "one"}); !errors.Is(err, store.ErrTaken) {
		t.Errorf("a system_id was given twice: %v", err)
	}
	first.Name = "renamed"
	key := store.APIKeyRow{Hash: [32]byte{1, 2}, Account: first.ID, Name: "k", Prefix: "pb_", Settings: []byte(`{}`)}
	gone := store.APIKeyRow{Hash: [32]byte{9}, Account: third.ID, Name: "gone", Settings: []byte{}}
	for _, err := range []error{
		s.PutAccount(ctx, &first), s.PutAPIKey(ctx, key), s.PutAPIKey(ctx, gone), s.DeleteAccount(ctx, third.ID),
		s.PutObject(ctx, "connector", "1", []byte("x")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	stop(t, s)
	s = open(t, store.Options{Dir: dir})
	accounts, err := s.Accounts(ctx)
	if diff := cmp.Diff([]store.AccountRow{first, second}, accounts); err != nil || diff != "" {
		t.Errorf("accounts %v (-want +got):\n%s", err, diff)
	}
	keys, err := s.APIKeys(ctx)
	if diff := cmp.Diff([]store.APIKeyRow{key}, keys); err != nil || diff != "" {
		t.Errorf("keys %v (-want +got):\n%s", err, diff)
	}
	if err := s.DeleteAPIKey(ctx, [32]byte{7}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleting an unknown key: %v", err)
	}
	objects, err := s.Objects(ctx, "connector")
	if err != nil || string(objects["1"]) != "x" {
		t.Errorf("objects %v, %v", objects, err)
	}
}

func TestCampaignsSurviveReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	ctx := t.Context()
	rows := []store.CampaignRow{
		{ID: 10, Account: 1, Name: "a", Status: "DRAFT", TotalRecipients: 3},
		{ID: 20, Account: 2, Name: "b", Status: "RUNNING"},
		{ID: 30, Account: 1, Name: "c", Status: "DRAFT"},
		{ID: 40, Account: 1, Name: "d", Status: "PAUSED"},
	}
	for i := range rows {
		if err := s.Write(ctx, &store.Change{Campaign: &rows[i]}); err != nil {
			t.Fatal(err)
		}
	}
	blocks := []store.BlockRow{
		{Owner: 10, Kind: 1, First: 1, Count: 100, Data: []byte("one")},
		{Owner: 10, Kind: 1, First: 101, Count: 100, Data: []byte("two")},
		{Owner: 10, Kind: 1, First: 201, Count: 7, Data: []byte("three")},
		{Owner: 10, Kind: 2, First: 1, Count: 1, Data: []byte("fault")},
	}
	if err := s.Write(ctx, &store.Change{Blocks: blocks, Kind: "contact_list", Key: "l", Value: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	s = open(t, store.Options{Dir: dir})
	for _, c := range []struct {
		q    store.CampaignQuery
		want []store.CampaignRow
	}{
		{store.CampaignQuery{Account: 1, Below: 30, Limit: 10}, rows[:1]},
		{store.CampaignQuery{Status: "RUNNING", Limit: 10}, rows[1:2]},
		{store.CampaignQuery{Since: 40, Limit: 10}, rows[3:]},
		{store.CampaignQuery{Account: 1, Status: "DRAFT", Limit: 1}, rows[2:3]},
	} {
		got, err := s.Campaigns(ctx, c.q)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("campaigns of %+v: %v (-want +got):\n%s", c.q, err, diff)
		}
	}
	for from, want := range map[uint32][]store.BlockRow{
		0: blocks[:2], 1: blocks[:2], 100: blocks[:2], 101: blocks[1:3], 200: blocks[1:3], 207: blocks[2:3], 208: nil,
	} {
		got, err := s.Blocks(ctx, 10, 1, from, 2)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("blocks from %d: %v (-want +got):\n%s", from, err, diff)
		}
	}
	// What is cleared and what takes its place change together.
	more := store.BlockRow{Owner: 10, Kind: 1, First: 150, Count: 1, Data: []byte("new")}
	if err := s.Write(ctx, &store.Change{Clear: []store.BlockRange{{Owner: 10, Kind: 1, First: 101}}, Blocks: []store.BlockRow{more}}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Blocks(ctx, 10, 1, 0, 9); err != nil || len(got) != 2 || string(got[1].Data) != "new" {
		t.Errorf("blocks %v, %v", got, err)
	}
	if err := s.DeleteCampaign(ctx, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Campaign(ctx, 10); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleted campaign: %v", err)
	}
	if left, err := s.Blocks(ctx, 10, 2, 0, 10); err != nil || len(left) != 0 {
		t.Errorf("blocks of a deleted campaign: %v, %v", left, err)
	}
	if err := s.DeleteBlocks(ctx, 11, "contact_list", "l"); err != nil {
		t.Error(err)
	}
	if err := s.DeleteBlocks(ctx, 11, "contact_list", "l"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
}
