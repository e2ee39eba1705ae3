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
	}
	for _, row := range rows {
		if err := s.PutCampaign(ctx, row); err != nil {
			t.Fatal(err)
		}
	}
	to := []store.RecipientRow{{Ordinal: 1, To: "491"}, {Ordinal: 2, To: "492", Fields: []byte(`{"n":1}`)}, {Ordinal: 3, To: "493"}}
	if err := s.AddRecipients(ctx, 10, to); err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	s = open(t, store.Options{Dir: dir})
	got, err := s.Campaigns(ctx, 1, 30, 10)
	if diff := cmp.Diff(rows[:1], got); err != nil || diff != "" {
		t.Errorf("campaigns %v (-want +got):\n%s", err, diff)
	}
	left, err := s.Recipients(ctx, 10, 1, 10)
	if diff := cmp.Diff(to[1:], left); err != nil || diff != "" {
		t.Errorf("recipients %v (-want +got):\n%s", err, diff)
	}
	if err := s.DeleteCampaign(ctx, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Campaign(ctx, 10); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleted campaign: %v", err)
	}
	if left, err := s.Recipients(ctx, 10, 0, 10); err != nil || len(left) != 0 {
		t.Errorf("recipients of a deleted campaign: %v, %v", left, err)
	}
}
