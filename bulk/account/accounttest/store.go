// Package accounttest has an account store in memory, for tests.
package accounttest

import (
	"context"
	"sync"

	"protei-bulk/bulk/account"
)

// Store is an account.Store in memory. The zero value is empty.
type Store struct {
	mu       sync.Mutex
	accounts map[uint32]account.Row
	keys     map[account.KeyHash]account.KeyRow
	err      error
}

// Fail makes every following write return err; nil ends that.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// LoadAccounts implements account.Store.
func (s *Store) LoadAccounts(context.Context) (rows []account.Row, keys []account.KeyRow, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range s.accounts {
		rows = append(rows, row)
	}
	for _, key := range s.keys {
		keys = append(keys, key)
	}
	return rows, keys, nil
}

// SaveAccount implements account.Store.
func (s *Store) SaveAccount(_ context.Context, row account.Row) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if s.accounts == nil {
		s.accounts = make(map[uint32]account.Row)
	}
	s.accounts[row.ID] = row
	return nil
}

// SaveKey implements account.Store.
func (s *Store) SaveKey(_ context.Context, key account.KeyRow) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if s.keys == nil {
		s.keys = make(map[account.KeyHash]account.KeyRow)
	}
	s.keys[key.Hash] = key
	return nil
}

// DeleteKey implements account.Store.
func (s *Store) DeleteKey(_ context.Context, hash account.KeyHash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	delete(s.keys, hash)
	return nil
}
