package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/bulk/store"
)

func accountsAndKeys(s *suite) {
	ctx := context.Background()
	first := store.AccountRow{Name: "first", SystemID: "one", PasswordHash: "h", Settings: []byte(`{}`), CreatedAt: 5}
	second := store.AccountRow{Name: "second", Settings: []byte(`{"a":1}`)}
	third := store.AccountRow{Name: "third", Settings: []byte{}}
	s.must(s.PutAccount(ctx, &first), s.PutAccount(ctx, &second), s.PutAccount(ctx, &third))
	if err := s.PutAccount(ctx, &store.AccountRow{Name: "thief", SystemID: "one"}); !errors.Is(err, store.ErrTaken) {
		s.Errorf("a system_id was given twice: %v", err)
	}
	first.Name = "renamed"
	key := store.APIKeyRow{Hash: [32]byte{1, 2}, Account: first.ID, Name: "k", Prefix: "pb_", Settings: []byte(`{}`)}
	gone := store.APIKeyRow{Hash: [32]byte{9}, Account: third.ID, Name: "gone", Settings: []byte{}}
	s.must(s.PutAccount(ctx, &first), s.PutAPIKey(ctx, key), s.PutAPIKey(ctx, gone), s.DeleteAccount(ctx, third.ID))
	s.reopen()
	accounts, err := s.Accounts(ctx)
	if diff := cmp.Diff([]store.AccountRow{first, second}, accounts); err != nil || diff != "" {
		s.Errorf("accounts %v (-want +got):\n%s", err, diff)
	}
	keys, err := s.APIKeys(ctx)
	if diff := cmp.Diff([]store.APIKeyRow{key}, keys); err != nil || diff != "" {
		s.Errorf("keys %v (-want +got):\n%s", err, diff)
	}
	if err := s.DeleteAPIKey(ctx, [32]byte{7}); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("deleting an unknown key: %v", err)
	}
}

func objects(s *suite) {
	ctx := context.Background()
	s.must(s.PutObject(ctx, "route", "1", []byte("x")), s.PutObject(ctx, "route", "2", []byte("y")), s.PutObject(ctx, "connector", "1", []byte("z")),
		s.PutObject(ctx, "route", "2", []byte("new")))
	s.reopen()
	want := func(when string, want map[string][]byte) {
		s.Helper()
		got, err := s.Objects(ctx, "route")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			s.Errorf("%s: %v (-want +got):\n%s", when, err, diff)
		}
	}
	want("put", map[string][]byte{"1": []byte("x"), "2": []byte("new")})
	s.must(s.ReplaceObjects(ctx, "route", map[string][]byte{"2": []byte("a"), "3": []byte("b")}))
	want("replaced", map[string][]byte{"2": []byte("a"), "3": []byte("b")})
	s.must(s.DeleteObject(ctx, "route", "3"))
	want("deleted", map[string][]byte{"2": []byte("a")})
	if _, err := s.Object(ctx, "route", "3"); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("reading what was deleted: %v", err)
	}
	if got, err := s.Object(ctx, "connector", "1"); err != nil || string(got) != "z" {
		s.Errorf("an object of another kind: %q, %v", got, err)
	}
}

// createObject: of many who create what is not there one does, and the others change nothing.
func createObject(s *suite) {
	ctx := context.Background()
	entries := 0
	logged := store.Alongside(ctx, store.AuditLog, func() store.LogEntry {
		entries++
		return store.LogEntry{Key: fmt.Sprintf("%02d", entries), Value: []byte("{}")}
	})
	s.must(s.PutObject(ctx, "user", "bob", []byte("0")), s.CreateObject(logged, "key", "bob", []byte("1")), s.CreateObject(ctx, "user", "nil", nil))
	if err := s.CreateObject(logged, "user", "bob", []byte("2")); !errors.Is(err, store.ErrTaken) {
		s.Errorf("what is there was created: %v", err)
	}
	if log, err := s.Log(ctx, store.AuditLog, "", 10); err != nil || len(log) != 1 {
		s.Errorf("one of two was created, and the log has %d (%v)", len(log), err)
	}
	done := make(chan string, 20)
	for i := range cap(done) {
		go func() {
			value := string(rune('a' + i))
			switch err := s.CreateObject(ctx, "user", "ann", []byte(value)); {
			case errors.Is(err, store.ErrTaken):
				value = ""
			case err != nil:
				value = err.Error()
			}
			done <- value
		}()
	}
	created := ""
	for range cap(done) {
		created += <-done
	}
	s.reopen()
	got, err := s.Objects(ctx, "user")
	want := map[string][]byte{"ann": []byte(created), "bob": []byte("0"), "nil": {}}
	if diff := cmp.Diff(want, got); err != nil || len(created) != 1 || diff != "" {
		s.Errorf("%q were created, %v (-want +got):\n%s", created, err, diff)
	}
}

// swapObject: only who knows the value replaces it, and of many who know it one does.
func swapObject(s *suite) {
	ctx := context.Background()
	entries := 0
	logged := store.Alongside(ctx, store.AuditLog, func() store.LogEntry {
		entries++
		return store.LogEntry{Key: fmt.Sprintf("%02d", entries), Value: []byte("{}")}
	})
	s.must(s.PutObject(ctx, "user", "ann", []byte("0")), s.PutObject(ctx, "user", "bob", []byte("0")), s.PutObject(ctx, "key", "ann", []byte("0")))
	s.must(s.SwapObject(logged, "user", "ann", []byte("0"), []byte("1")))
	for what, err := range map[string]error{
		"an old value":     s.SwapObject(logged, "user", "ann", []byte("0"), []byte("2")),
		"a missing object": s.SwapObject(logged, "user", "carl", nil, []byte("2")),
	} {
		if !errors.Is(err, store.ErrChanged) {
			s.Errorf("%s: %v", what, err)
		}
	}
	if log, err := s.Log(ctx, store.AuditLog, "", 10); err != nil || len(log) != 1 {
		s.Errorf("one swap of three was made, and the log has %d (%v)", len(log), err)
	}
	done := make(chan error, 20)
	for i := range cap(done) {
		go func() { done <- s.SwapObject(ctx, "user", "ann", []byte("1"), []byte{'a' + byte(i)}) }()
	}
	swapped := 0
	for range cap(done) {
		if err := <-done; err == nil {
			swapped++
		} else if !errors.Is(err, store.ErrChanged) {
			s.Error(err)
		}
	}
	if swapped != 1 {
		s.Errorf("%d of %d swapped one value", swapped, cap(done))
	}
	s.reopen()
	got, err := s.Objects(ctx, "user")
	if err != nil || len(got) != 2 || len(got["ann"]) != 1 || got["ann"][0] < 'a' || string(got["bob"]) != "0" {
		s.Errorf("what is stored: %q, %v", got, err)
	}
	if other, err := s.Object(ctx, "key", "ann"); err != nil || string(other) != "0" {
		s.Errorf("an object of another kind: %q, %v", other, err)
	}
}

// logWithChange: both or none.
func logWithChange(s *suite) {
	entry := store.LogEntry{Key: "01", Value: []byte("first")}
	ctx := store.Alongside(context.Background(), store.AuditLog, func() store.LogEntry { return entry })
	want := func(what string, want int) {
		s.Helper()
		entries, err := s.Log(context.Background(), store.AuditLog, "", 10)
		if err != nil || len(entries) != want {
			s.Errorf("%s: %d entries, want %d (%v)", what, len(entries), want, err)
		}
	}
	s.must(s.PutAccount(ctx, &store.AccountRow{Name: "a", SystemID: "x", Settings: []byte("{}")}))
	want("a change", 1)
	entry.Key = "02"
	if err := s.PutAccount(ctx, &store.AccountRow{Name: "b", SystemID: "x", Settings: []byte("{}")}); !errors.Is(err, store.ErrTaken) {
		s.Errorf("a system_id was given twice: %v", err)
	}
	want("a change that failed", 1)
	if err := s.DeleteObject(ctx, "nothing", "here"); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("deleting nothing: %v", err)
	}
	want("a change of nothing", 1)
	s.must(s.PutObject(context.Background(), "a", "b", nil))
	want("a change that nobody asked for", 1)
	entry.Key = "03"
	s.must(s.PutObject(ctx, "a", "c", []byte("1")))
	entry.Key = "04"
	s.must(s.ReplaceObjects(ctx, "a", map[string][]byte{"d": []byte("1")}))
	entry.Key = "05"
	s.must(s.DeleteObject(ctx, "a", "d"))
	entry.Key = "06"
	s.must(s.PutAPIKey(ctx, store.APIKeyRow{Hash: [32]byte{1}, Account: 1, Settings: []byte("{}")}))
	want("four more changes", 5)
}

func logInPages(s *suite) {
	var entries []store.LogEntry
	for i := range 7 {
		entries = append(entries, store.LogEntry{Key: fmt.Sprintf("%02d", i), Value: []byte{byte(i)}})
	}
	s.must(s.AppendLog(context.Background(), store.AuditLog, entries[:3]), s.AppendLog(context.Background(), store.AuditLog, entries[3:]))
	s.reopen()
	var got []string
	for below := ""; ; below = got[len(got)-1] {
		page, err := s.Log(context.Background(), store.AuditLog, below, 3)
		s.must(err)
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			got = append(got, e.Key)
		}
	}
	if diff := cmp.Diff([]string{"06", "05", "04", "03", "02", "01", "00"}, got); diff != "" {
		s.Errorf("the log, newest first (-want +got):\n%s", diff)
	}
}

func listedNumbers(s *suite) {
	a := store.ListedRow{Account: 7, Number: 30, Kinds: 1, At: 5, Source: "x"}
	b := store.ListedRow{Account: 7, Number: 30, Sender: "SHOP", Kinds: 2, At: 6}
	c := store.ListedRow{Account: 7, Number: 40, Kinds: 3, At: 7}
	d := store.ListedRow{Account: 8, Number: 30, Kinds: 1}
	s.must(s.SaveListed(context.Background(), []store.ListedRow{d, c, b, a}))
	s.reopen()
	list := func(q store.ListedQuery, want ...store.ListedRow) {
		s.Helper()
		if q.Account == 0 {
			q.Account = 7
		}
		if q.Limit == 0 {
			q.Limit = 10
		}
		got, err := s.Listed(context.Background(), q)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			s.Errorf("%+v: %v\n%s", q, err, diff)
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
	s.must(s.SaveListed(context.Background(), []store.ListedRow{a, c}))
	list(store.ListedQuery{Kinds: 3}, b, c)
	n := 0
	if err := s.EachListed(context.Background(), func(store.ListedRow) { n++ }); err != nil || n != 3 {
		s.Errorf("%d entries, %v", n, err)
	}
}
