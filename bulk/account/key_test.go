package account_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/account/accounttest"
)

func TestKeysOfTimeAndAddress(t *testing.T) {
	store := new(accounttest.Store)
	now := time.Date(2030, 1, 31, 9, 0, 0, 0, time.UTC)
	openAt := func() *account.Directory {
		d, err := account.Open(context.Background(), account.Options{Store: store, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := openAt()
	a, _ := create(t, d, account.Spec{Name: "acme"}, "")
	end := now.Add(time.Minute)
	row, key, err := d.NewKey(t.Context(), a.ID, account.KeySpec{
		Name: "n", Scopes: account.ReadMessages, Allow: []string{"192.0.2.0/24", "2001:db8::1"}, ExpiresAt: end.UnixMilli(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for remote, want := range map[string]error{
		"192.0.2.200:1": nil, "[2001:db8::1]:9": nil, "[::ffff:192.0.2.3]:9": nil,
		"192.0.3.1:1": account.ErrKeyAddress, "[2001:db8::2]:9": account.ErrKeyAddress, "": account.ErrKeyAddress, "@": account.ErrKeyAddress,
	} {
		if _, err := d.ByKey(key, remote); !errors.Is(err, want) {
			t.Errorf("from %q: %v, want %v", remote, err, want)
		}
	}
	now = end.Add(-time.Millisecond)
	k, err := d.ByKey(key, "192.0.2.1:1")
	if err != nil || k.UsedAt() != now.UnixMilli() || !k.May(account.ReadMessages) || k.May(account.SendMessages) || k.May(account.AdminScope) {
		t.Errorf("key %+v, %v", k, err)
	}
	used := now
	now = end
	if _, err := d.ByKey(key, "192.0.2.1:1"); !errors.Is(err, account.ErrKeyExpired) {
		t.Errorf("an expired key: %v", err)
	}
	if err := d.SaveUse(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, k := range openAt().Snapshot().Keys(a.ID) {
		if k.Prefix == row.Prefix && (k.UsedAt() != used.UnixMilli() || k.Scopes != account.ReadMessages || len(k.Allow) != 2 || k.ExpiresAt != end.UnixMilli() || k.Name != "n") {
			t.Errorf("after a restart %+v, used %d", k.KeyRow, k.UsedAt())
		}
	}
}

func TestKeyIsFoundWithoutAllocation(t *testing.T) {
	d := open(t, new(accounttest.Store))
	a, _ := create(t, d, account.Spec{Name: "acme"}, "")
	_, key, err := d.NewKey(t.Context(), a.ID, account.KeySpec{Allow: []string{"127.0.0.0/8"}, Scopes: account.SendMessages})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := d.ByKey(key, "127.0.0.1:4711"); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestScopesByName(t *testing.T) {
	for text, want := range map[string]struct {
		names []string
		fails bool
	}{
		"all":           {names: nil},
		"messages:send": {names: []string{"messages:send"}},
		"all of them":   {names: []string{"ALL"}},
		"unknown":       {names: []string{"messages:write"}, fails: true},
	} {
		s, err := account.ParseScopes(want.names)
		if (err != nil) != want.fails || !want.fails && len(want.names) == 1 && want.names[0] != "ALL" && s.String() != want.names[0] {
			t.Errorf("%s: %v, %v", text, s, err)
		}
	}
}
