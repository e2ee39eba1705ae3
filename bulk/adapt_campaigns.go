package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"protei-bulk/bulk/api"
	"protei-bulk/bulk/campaign"
	"protei-bulk/bulk/contact"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// campaignStore is the embedded store as package campaign wants it.
type campaignStore struct{ p *Platform }

func (s campaignStore) Blocks(ctx context.Context, owner message.ID, kind contact.BlockKind, from uint32, limit int) ([]contact.Block, error) {
	rows, err := s.p.store.Blocks(ctx, owner, uint8(kind), from, limit)
	blocks := make([]contact.Block, len(rows))
	for i, r := range rows {
		blocks[i] = contact.Block{Kind: kind, First: r.First, Count: r.Count, Data: r.Data}
	}
	return blocks, err
}

func (s campaignStore) Write(ctx context.Context, c *campaign.Change) error {
	out := blockChange(c.Owner, c.Clear, c.Blocks)
	if r := c.Row; r != nil {
		s.noteCampaign(ctx, r.ID, r)
		out.Campaign = &store.CampaignRow{
			ID: r.ID, Account: r.Account, Name: r.Name, SenderID: r.SenderID, MessageContent: r.MessageContent,
			RecipientType: r.RecipientType, TotalRecipients: r.TotalRecipients, ScheduleType: r.ScheduleType,
			ScheduleAt: r.ScheduleAt, Priority: r.Priority, MaxTPS: r.MaxTPS, Status: string(r.Status), Cursor: r.Cursor,
			Refused: r.Refused, CreatedAt: r.CreatedAt, StartedAt: r.StartedAt, FinishedAt: r.FinishedAt, Settings: r.Settings,
		}
	}
	return campaignError(s.p.store.Write(ctx, out))
}

func blockChange(owner message.ID, drop, add []contact.Block) *store.Change {
	c := &store.Change{}
	for _, b := range drop {
		c.Clear = append(c.Clear, store.BlockRange{Owner: owner, Kind: uint8(b.Kind), First: b.First})
	}
	for _, b := range add {
		c.Blocks = append(c.Blocks, store.BlockRow{Owner: owner, Kind: uint8(b.Kind), First: b.First, Count: b.Count, Data: b.Data})
	}
	return c
}

func campaignRow(r store.CampaignRow) campaign.Row {
	return campaign.Row{
		ID: r.ID, Account: r.Account, Name: r.Name, SenderID: r.SenderID, MessageContent: r.MessageContent,
		RecipientType: r.RecipientType, TotalRecipients: r.TotalRecipients, ScheduleType: r.ScheduleType,
		ScheduleAt: r.ScheduleAt, Priority: r.Priority, MaxTPS: r.MaxTPS, Status: campaign.Status(r.Status), Cursor: r.Cursor,
		Refused: r.Refused, CreatedAt: r.CreatedAt, StartedAt: r.StartedAt, FinishedAt: r.FinishedAt, Settings: r.Settings,
	}
}

func (s campaignStore) Campaign(ctx context.Context, id message.ID) (campaign.Row, error) {
	r, err := s.p.store.Campaign(ctx, id)
	return campaignRow(r), campaignError(err)
}

func (s campaignStore) Campaigns(ctx context.Context, q campaign.Query) ([]campaign.Row, error) {
	stored, err := s.p.store.Campaigns(ctx, store.CampaignQuery{
		Account: q.Account, Status: string(q.Status), Below: q.Below, Since: q.Since, Limit: q.Limit,
	})
	rows := make([]campaign.Row, len(stored))
	for i, r := range stored {
		rows[i] = campaignRow(r)
	}
	return rows, err
}

func (s campaignStore) DeleteCampaign(ctx context.Context, id message.ID) error {
	s.noteCampaign(ctx, id, nil)
	return campaignError(s.p.store.DeleteCampaign(ctx, id))
}

func (s campaignStore) TopOrdinal(account uint32, id message.ID) uint32 {
	return s.p.store.CampaignTop(account, id)
}

func (s campaignStore) AcceptedOrdinals(ctx context.Context, account uint32, id, after message.ID, f func(uint32)) error {
	return s.p.store.AcceptedOrdinals(ctx, account, id, after, f)
}

func (s campaignStore) CampaignCounts(account uint32, id message.ID) campaign.Counts {
	return campaign.Counts(s.p.store.CampaignLedger(account, id))
}

// CancelWaiting withdraws the messages here, and asks the owners of the other lanes for theirs.
func (s campaignStore) CancelWaiting(ctx context.Context, account uint32, id message.ID) (int, error) {
	n, foreign, err := s.cancelHere(ctx, account, id, math.MaxInt)
	if err != nil || len(foreign) == 0 {
		return n, err
	}
	others, err := s.p.node.withdrawElsewhere(ctx, account, id, foreign)
	return n + others, err
}

// cancelChunk is how many messages have their end made durable together.
const cancelChunk = 1000

// cancelHere takes up to limit messages out of their lanes one by one, which decides between us
// and dispatch, and makes their end durable together. It returns the connectors of other nodes
// that have some.
func (s campaignStore) cancelHere(ctx context.Context, account uint32, id message.ID, limit int) (n int, foreign map[uint16]bool, err error) {
	ids, err := s.p.store.WaitingMessages(ctx, account, id)
	if err != nil {
		return 0, nil, err
	}
	r := reader(s)
	foreign = make(map[uint16]bool)
	var evs []message.Event
	flush := func() error {
		if len(evs) == 0 {
			return nil
		}
		done := make(chan error, 1)
		s.p.store.RecordMany(evs, func(err error) { done <- err })
		n += len(evs)
		evs = nil
		return <-done
	}
	for _, id := range ids {
		if n+len(evs) >= limit {
			break
		}
		if s.p.node != nil {
			if m, err := r.Message(ctx, id); err == nil && m.Status == message.Pending && !s.p.fleet.mine(m.Connector) {
				foreign[m.Connector] = true
				continue
			}
		}
		err := r.takeOut(ctx, id)
		switch {
		case err == nil:
			m, err := s.p.store.Load(ctx, id)
			if err != nil {
				err = errors.Join(err, flush())
				return n, nil, err
			}
			evs = append(evs, message.Event{
				Kind: message.Settle, Msg: m, Part: message.AllParts, Status: message.Cancelled, At: time.Now().UnixMilli(),
			})
		case errors.Is(err, errHeld):
			if err := r.cancelHeld(ctx, id); err == nil {
				n++
			} else if !errors.Is(err, api.ErrTooLate) {
				err = errors.Join(err, flush())
				return n, nil, err
			}
		case !errors.Is(err, api.ErrTooLate) && !errors.Is(err, api.ErrNotFound):
			err = errors.Join(err, flush())
			return n, nil, err
		}
		if len(evs) == cancelChunk {
			if err := flush(); err != nil {
				return n, nil, err
			}
		}
	}
	err = flush()
	return n, foreign, err
}

// listObjects is the kind of object that a contact list is.
const listObjects = "contact_list"

// listStore is the embedded store as package contact wants it for lists.
type listStore struct{ campaignStore }

func (s listStore) LoadLists(ctx context.Context) ([]contact.List, error) {
	objects, err := s.p.store.Objects(ctx, listObjects)
	if err != nil {
		return nil, err
	}
	var all []contact.List
	for key, text := range objects {
		var l contact.List
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, fmt.Errorf("contact list %s: %w", key, err)
		}
		all = append(all, l)
	}
	return all, nil
}

func (s listStore) WriteList(ctx context.Context, c *contact.ListChange) error {
	text, err := json.Marshal(c.List)
	if err != nil {
		return err
	}
	if err := noteObject(ctx, s.p.store, listObjects, c.List.ID.String(), "contact list "+c.List.ID.String(), text); err != nil {
		return err
	}
	out := blockChange(c.List.ID, c.Clear, c.Blocks)
	out.Kind, out.Key, out.Value = listObjects, c.List.ID.String(), text
	return campaignError(s.p.store.Write(ctx, out))
}

func (s listStore) DeleteList(ctx context.Context, id message.ID) error {
	if err := noteObject(ctx, s.p.store, listObjects, id.String(), "contact list "+id.String(), nil); err != nil {
		return err
	}
	return s.p.store.DeleteBlocks(ctx, id, listObjects, id.String())
}

func campaignError(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return campaign.ErrNotFound
	case errors.Is(err, store.ErrDiskFull):
		return intake.AsRefusal(intake.ErrDiskFull)
	}
	return err
}
