package store

import (
	"context"

	"protei-bulk/bulk/message"
)

// AcceptedOrdinals calls f with the recipient ordinals of the campaign's messages whose
// ids are above after, in no order, some maybe twice: what a campaign does not do again
// after a crash. It sees every durable message.
func (e *Embedded) AcceptedOrdinals(ctx context.Context, account uint32, campaign, after message.ID, f func(ordinal uint32)) error {
	q := Query{Account: account, Campaign: campaign}
	return e.eachOf(ctx, q, after, func(m *message.Message) {
		if m.ID > after {
			f(m.Ordinal)
		}
	})
}

// WaitingMessages returns the campaign's messages that the SMSC has not been given, some
// maybe twice.
func (e *Embedded) WaitingMessages(ctx context.Context, account uint32, campaign message.ID) (ids []message.ID, err error) {
	for _, s := range []message.Status{message.Pending, message.Scheduled, message.Held} {
		// Not by campaign: the index of what is open is shorter than the one of the campaign.
		err := e.eachOf(ctx, Query{Account: account, Status: s}, 0, func(m *message.Message) {
			if m.Campaign == campaign && m.Status == s {
				ids = append(ids, m.ID)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// eachOf calls f with the live messages of q.Campaign or q.Account, and then with the rows
// that q selects down to the id low: a message that is not live any more has a row.
func (e *Embedded) eachOf(ctx context.Context, q Query, low message.ID, f func(*message.Message)) error {
	for i := range e.live.shards {
		s := &e.live.shards[i]
		s.mu.Lock()
		for _, m := range s.m {
			if m.Account == q.Account && (q.Campaign == 0 || m.Campaign == q.Campaign) {
				f(m)
			}
		}
		s.mu.Unlock()
	}
	for q.Limit = maxLimit; ; {
		msgs, next, _, err := e.List(ctx, q)
		if err != nil {
			return err
		}
		for _, m := range msgs {
			f(m)
		}
		if next <= low {
			return nil
		}
		q.Cursor = next
	}
}
