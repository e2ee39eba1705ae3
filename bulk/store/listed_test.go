package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/bulk/store"
)

func TestListedNumbers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	a := store.ListedRow{Account: 7, Number: 30, Kinds: 1, At: 5, Source: "x"}
	b := store.ListedRow{Account: 7, Number: 30, Sender: "SHOP", Kinds: 2, At: 6}
	c := store.ListedRow{Account: 7, Number: 40, Kinds: 3, At: 7}
	d := store.ListedRow{Account: 8, Number: 30, Kinds: 1}
	if err := s.SaveListed(t.Context(), []store.ListedRow{d, c, b, a}); err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	s = open(t, store.Options{Dir: dir})
	list := func(q store.ListedQuery, want ...store.ListedRow) {
		t.Helper()
		if q.Account == 0 {
			q.Account = 7
		}
		if q.Limit == 0 {
			q.Limit = 10
		}
		got, err := s.Listed(t.Context(), q)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%+v: %v\n%s", q, err, diff)
		}
	}
	list(store.ListedQuery{Kinds: 1}, a, c)
	list(store.ListedQuery{Kinds: 2}, b, c)
	list(store.ListedQuery{Kinds: 3, Limit: 2}, a, b)
	list(store.ListedQuery{Kinds: 3, AfterNumber: 30}, b, c)
	list(store.ListedQuery{Kinds: 3, AfterNumber: 30, AfterSender: "SHOP"}, c)
	list(store.ListedQuery{Kinds: 3, Number: 30}, a, b)
	list(store.ListedQuery{Account: 8, Kinds: 1}, d)
	a.Kinds, c.Kinds = 0, 1
	if err := s.SaveListed(t.Context(), []store.ListedRow{a, c}); err != nil {
		t.Fatal(err)
	}
	list(store.ListedQuery{Kinds: 3}, b, c)
	n := 0
	if err := s.EachListed(t.Context(), func(store.ListedRow) { n++ }); err != nil || n != 3 {
		t.Errorf("%d entries, %v", n, err)
	}
}
