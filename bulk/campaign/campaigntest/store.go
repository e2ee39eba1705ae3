// Package campaigntest has a campaign store in memory, for tests.
package campaigntest

import (
	"context"
	"slices"
	"sync"

	"protei-bulk/bulk/campaign"
	"protei-bulk/bulk/contact"
	"protei-bulk/bulk/message"
)

// Store is a campaign.Store in memory. The zero value is empty.
type Store struct {
	// Accepted returns the messages that were accepted.
	Accepted func() []*message.Message
	// Lose, when set, makes the store forget a change: as if the process had ended before it
	// was durable.
	Lose func(*campaign.Change) bool
	// Refuse, when set, says why the store takes no change now.
	Refuse func() error

	mu      sync.Mutex
	rows    map[message.ID]campaign.Row
	blocks  map[message.ID][]contact.Block
	changed chan struct{}
}

// Write implements campaign.Store.
func (s *Store) Write(_ context.Context, c *campaign.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Refuse != nil {
		if err := s.Refuse(); err != nil {
			return err
		}
	}
	if s.Lose != nil && s.Lose(c) {
		return nil
	}
	if s.rows == nil {
		s.rows = make(map[message.ID]campaign.Row)
		s.blocks = make(map[message.ID][]contact.Block)
	}
	if c.Row != nil {
		s.rows[c.Row.ID] = *c.Row
	}
	s.put(c.Owner, c.Clear, c.Blocks)
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	return nil
}

func (s *Store) put(owner message.ID, drop, add []contact.Block) {
	all := s.blocks[owner]
	for _, d := range drop {
		all = slices.DeleteFunc(all, func(b contact.Block) bool { return b.Kind == d.Kind && b.First >= d.First })
	}
	for _, n := range add {
		n.Data = slices.Clone(n.Data)
		all = slices.DeleteFunc(all, func(b contact.Block) bool { return b.Kind == n.Kind && b.First == n.First })
		all = append(all, n)
	}
	s.blocks[owner] = all
}

// Blocks implements contact.Store.
func (s *Store) Blocks(_ context.Context, owner message.ID, kind contact.BlockKind, from uint32, limit int) (found []contact.Block, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.blocks[owner] {
		if b.Kind == kind && b.First+b.Count > from {
			found = append(found, b)
		}
	}
	slices.SortFunc(found, func(a, b contact.Block) int { return int(int64(a.First) - int64(b.First)) })
	return found[:min(limit, len(found))], nil
}

// Wait returns the campaign as soon as ok says so.
func (s *Store) Wait(ctx context.Context, id message.ID, ok func(campaign.Row) bool) (campaign.Row, error) {
	for {
		s.mu.Lock()
		row := s.rows[id]
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		if ok(row) {
			return row, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return row, ctx.Err()
		}
	}
}

// Campaign implements campaign.Store.
func (s *Store) Campaign(_ context.Context, id message.ID) (campaign.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, ok := s.rows[id]
	if !ok {
		return row, campaign.ErrNotFound
	}
	return row, nil
}

// Campaigns implements campaign.Store.
func (s *Store) Campaigns(_ context.Context, q campaign.Query) ([]campaign.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []campaign.Row
	for _, row := range s.rows {
		if (q.Account == 0 || row.Account == q.Account) && (q.Below == 0 || row.ID < q.Below) && row.ID >= q.Since &&
			(q.Status == "" || row.Status == q.Status) {
			all = append(all, row)
		}
	}
	slices.SortFunc(all, func(a, b campaign.Row) int { return int(int64(b.ID) - int64(a.ID)) })
	return all[:min(q.Limit, len(all))], nil
}

// DeleteCampaign implements campaign.Store.
func (s *Store) DeleteCampaign(_ context.Context, id message.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.rows[id]; !ok {
		return campaign.ErrNotFound
	}
	delete(s.rows, id)
	delete(s.blocks, id)
	return nil
}

// TopOrdinal implements campaign.Store.
func (s *Store) TopOrdinal(_ uint32, id message.ID) (highest uint32) {
	for _, m := range s.accepted(id) {
		highest = max(highest, m.Ordinal)
	}
	return highest
}

// AcceptedOrdinals implements campaign.Store.
func (s *Store) AcceptedOrdinals(_ context.Context, _ uint32, id, after message.ID, f func(uint32)) error {
	for _, m := range s.accepted(id) {
		if m.ID > after {
			f(m.Ordinal)
		}
	}
	return nil
}

// CampaignCounts implements campaign.Store.
func (s *Store) CampaignCounts(_ uint32, id message.ID) (counts campaign.Counts) {
	for _, m := range s.accepted(id) {
		counts[m.Status]++
	}
	return counts
}

// CancelWaiting implements campaign.Store.
func (s *Store) CancelWaiting(_ context.Context, _ uint32, id message.ID) (n int, err error) {
	for _, m := range s.accepted(id) {
		if m.Status.Waiting() {
			m.Status = message.Cancelled
			n++
		}
	}
	return n, nil
}

func (s *Store) accepted(id message.ID) (found []*message.Message) {
	if s.Accepted == nil {
		return nil
	}
	for _, m := range s.Accepted() {
		if m.Campaign == id {
			found = append(found, m)
		}
	}
	return found
}
