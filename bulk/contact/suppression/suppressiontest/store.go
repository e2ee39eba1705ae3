// Package suppressiontest has a suppression store in memory, for tests.
package suppressiontest

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"protei-bulk/bulk/contact/suppression"
)

// Store is a suppression.Store in memory. The zero value is empty.
type Store struct {
	mu  sync.Mutex
	all map[suppression.Key]suppression.Entry
	err error
}

// Fail makes every following write return err; nil ends that.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// EachListed implements suppression.Store.
func (s *Store) EachListed(_ context.Context, f func(suppression.Entry)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.all {
		f(e)
	}
	return nil
}

// SaveListed implements suppression.Store.
func (s *Store) SaveListed(_ context.Context, entries []suppression.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if s.all == nil {
		s.all = make(map[suppression.Key]suppression.Entry)
	}
	for _, e := range entries {
		if e.Kinds == 0 {
			delete(s.all, e.Key)
		} else {
			s.all[e.Key] = e
		}
	}
	return nil
}

// Listed implements suppression.Store.
func (s *Store) Listed(_ context.Context, q suppression.Query) (page []suppression.Entry, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	order := func(a, b *suppression.Key) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Sender, b.Sender))
	}
	for _, e := range s.all {
		if e.Account == q.Account && e.Kinds&q.Kinds != 0 && (q.Number == 0 || e.Number == q.Number) && order(&e.Key, &q.After) > 0 {
			page = append(page, e)
		}
	}
	slices.SortFunc(page, func(a, b suppression.Entry) int { return order(&a.Key, &b.Key) })
	return page[:min(len(page), q.Limit)], nil
}
