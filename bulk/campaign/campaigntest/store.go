// Package campaigntest has a campaign store in memory, for tests.
package campaigntest

import (
	"context"
	"slices"
	"sync"

	"protei-bulk/bulk/campaign"
	"protei-bulk/bulk/message"
)

// Store is a campaign.Store in memory. The zero value is empty.
type Store struct {
	// Accepted returns the messages that were accepted, for MaxOrdinal and CampaignCounts.
	Accepted func() []*message.Message

	mu         sync.Mutex
	rows       map[message.ID]campaign.Row
	recipients map[message.ID][]campaign.Recipient
	changed    chan struct{}
}

// SaveCampaign implements campaign.Store.
func (s *Store) SaveCampaign(_ context.Context, row campaign.Row) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows == nil {
		s.rows = make(map[message.ID]campaign.Row)
		s.recipients = make(map[message.ID][]campaign.Recipient)
	}
	s.rows[row.ID] = row
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	return nil
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
func (s *Store) Campaigns(_ context.Context, account uint32, below message.ID, limit int) ([]campaign.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []campaign.Row
	for _, row := range s.rows {
		if (account == 0 || row.Account == account) && (below == 0 || row.ID < below) {
			all = append(all, row)
		}
	}
	slices.SortFunc(all, func(a, b campaign.Row) int { return int(int64(b.ID) - int64(a.ID)) })
	return all[:min(limit, len(all))], nil
}

// DeleteCampaign implements campaign.Store.
func (s *Store) DeleteCampaign(_ context.Context, id message.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.rows[id]; !ok {
		return campaign.ErrNotFound
	}
	delete(s.rows, id)
	delete(s.recipients, id)
	return nil
}

// AddRecipients implements campaign.Store.
func (s *Store) AddRecipients(_ context.Context, id message.ID, rows []campaign.Recipient) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recipients[id] = append(s.recipients[id], rows...)
	return nil
}

// Recipients implements campaign.Store.
func (s *Store) Recipients(_ context.Context, id message.ID, after uint32, limit int) ([]campaign.Recipient, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []campaign.Recipient
	for _, r := range s.recipients[id] {
		if r.Ordinal > after && len(found) < limit {
			found = append(found, r)
		}
	}
	return found, nil
}

// MaxOrdinal implements campaign.Store.
func (s *Store) MaxOrdinal(_ context.Context, id message.ID) (highest uint32, err error) {
	for _, m := range s.accepted() {
		if m.Campaign == id {
			highest = max(highest, m.Ordinal)
		}
	}
	return highest, nil
}

// CampaignCounts implements campaign.Store.
func (s *Store) CampaignCounts(id message.ID) (counts campaign.Counts) {
	for _, m := range s.accepted() {
		if m.Campaign == id {
			counts[m.Status]++
		}
	}
	return counts
}

func (s *Store) accepted() []*message.Message {
	if s.Accepted == nil {
		return nil
	}
	return s.Accepted()
}
