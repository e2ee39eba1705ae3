package account_test

import (
	"context"
	"errors"
	"testing"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/account/accounttest"
)

// dyingStore writes as often as it may and fails then, as a process that is killed.
type dyingStore struct {
	*accounttest.Store
	left int
}

var errDead = errors.New("the process is gone")

func (s *dyingStore) spend() error {
	if s.left == 0 {
		return errDead
	}
	s.left--
	return nil
}

func (s *dyingStore) SaveAccount(ctx context.Context, row account.Row) error {
	if err := s.spend(); err != nil {
		return err
	}
	return s.Store.SaveAccount(ctx, row)
}

func (s *dyingStore) SaveKey(ctx context.Context, key account.KeyRow) error {
	if err := s.spend(); err != nil {
		return err
	}
	return s.Store.SaveKey(ctx, key)
}

// TestFirstStartInterrupted: wherever a first start is cut off, the next one has an
// account that can be used, with the secrets that it shows.
func TestFirstStartInterrupted(t *testing.T) {
	for writes := range 2 {
		disk := &dyingStore{Store: &accounttest.Store{}, left: writes}
		d := reopen(t, disk)
		if _, err := d.EnsureDev(t.Context()); !errors.Is(err, errDead) {
			t.Fatalf("after %d writes: %v", writes, err)
		}
		disk.left = 100
		d = reopen(t, disk)
		a, err := d.EnsureDev(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := d.ByKey(account.DevAPIKey, ""); err != nil || got.Owner() != a {
			t.Errorf("after %d writes and a restart the key of dev opens %v, %v", writes, got, err)
		}

		disk = &dyingStore{Store: &accounttest.Store{}, left: writes}
		if _, _, err := reopen(t, disk).EnsureAdmin(t.Context()); !errors.Is(err, errDead) {
			t.Fatalf("after %d writes: %v", writes, err)
		}
		disk.left = 100
		d = reopen(t, disk)
		secrets, created, err := d.EnsureAdmin(t.Context())
		if err != nil || !created {
			t.Fatalf("after %d writes and a restart: created %v, %v", writes, created, err)
		}
		admin := d.ByName(account.AdminName)
		if got, err := d.ByKey(secrets.APIKey, ""); err != nil || got.Owner() != admin {
			t.Errorf("after %d writes and a restart the admin's key opens %v, %v", writes, got, err)
		}
		if keys := d.Snapshot().Keys(admin.ID); len(keys) != 1 {
			t.Errorf("%d keys open the admin's account, want the one that was shown", len(keys))
		}
	}
}

func reopen(t *testing.T, s account.Store) *account.Directory {
	t.Helper()
	d, err := account.Open(t.Context(), account.Options{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	return d
}
