// Package usertest has a store of users and sessions in memory.
package usertest

import (
	"context"
	"maps"
	"slices"
	"sync"

	"protei-bulk/bulk/user"
)

// Store is a user.Store in memory. The zero value is ready to be used; several directories may share one.
type Store struct {
	mu       sync.Mutex
	users    map[string]user.User
	sessions map[string]user.Stored
	saved    int
}

// LoadUsers implements user.Store.
func (s *Store) LoadUsers(context.Context) ([]user.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.users)), nil
}

// CreateUser implements user.Store.
func (s *Store) CreateUser(_ context.Context, u user.User) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == nil {
		s.users = map[string]user.User{}
	}
	if _, there := s.users[u.Name]; there {
		return user.ErrTaken
	}
	s.users[u.Name] = u
	return nil
}

// ChangeUser implements user.Store.
func (s *Store) ChangeUser(_ context.Context, name string, change func(*user.User) error) (user.User, error) {
	for {
		s.mu.Lock()
		old, ok := s.users[name]
		s.mu.Unlock()
		if !ok {
			return old, user.ErrUnknown
		}
		u := old
		if err := change(&u); err != nil {
			return old, err
		}
		s.mu.Lock()
		same := s.users[name] == old
		if same {
			s.users[name] = u
		}
		s.mu.Unlock()
		if same {
			return u, nil
		}
	}
}

// DeleteUser implements user.Store.
func (s *Store) DeleteUser(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.users, name)
	return nil
}

// LoadSessions implements user.Store.
func (s *Store) LoadSessions(context.Context) ([]user.Stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.sessions)), nil
}

// SaveSession implements user.Store.
func (s *Store) SaveSession(_ context.Context, one user.Stored) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions == nil {
		s.sessions = map[string]user.Stored{}
	}
	s.sessions[one.Key] = one
	s.saved++
	return nil
}

// DeleteSession implements user.Store.
func (s *Store) DeleteSession(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, key)
	return nil
}

// Sessions returns what is stored of sessions, and how often one was saved.
func (s *Store) Sessions() (all []user.Stored, saved int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.sessions)), s.saved
}
