package storetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

func campaigns(s *suite) {
	ctx := context.Background()
	rows := []store.CampaignRow{
		{ID: 10, Account: 1, Name: "a", Status: "DRAFT", TotalRecipients: 3},
		{ID: 20, Account: 2, Name: "b", Status: "RUNNING"},
		{ID: 30, Account: 1, Name: "c", Status: "DRAFT"},
		{ID: 40, Account: 1, Name: "d", Status: "PAUSED"},
	}
	for i := range rows {
		s.must(s.Write(ctx, &store.Change{Campaign: &rows[i]}))
	}
	blocks := []store.BlockRow{
		{Owner: 10, Kind: 1, First: 1, Count: 100, Data: []byte("one")},
		{Owner: 10, Kind: 1, First: 101, Count: 100, Data: []byte("two")},
		{Owner: 10, Kind: 1, First: 201, Count: 7, Data: []byte("three")},
		{Owner: 10, Kind: 2, First: 1, Count: 1, Data: []byte("fault")},
	}
	s.must(s.Write(ctx, &store.Change{Blocks: blocks, Kind: "contact_list", Key: "l", Value: []byte("{}")}))
	s.reopen()
	for _, c := range []struct {
		q    store.CampaignQuery
		want []store.CampaignRow
	}{
		{store.CampaignQuery{Account: 1, Below: 30, Limit: 10}, rows[:1]},
		{store.CampaignQuery{Status: "RUNNING", Limit: 10}, rows[1:2]},
		{store.CampaignQuery{Since: 40, Limit: 10}, rows[3:]},
		{store.CampaignQuery{Account: 1, Status: "DRAFT", Limit: 1}, rows[2:3]},
	} {
		got, err := s.Campaigns(ctx, c.q)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			s.Errorf("campaigns of %+v: %v (-want +got):\n%s", c.q, err, diff)
		}
	}
	for from, want := range map[uint32][]store.BlockRow{
		0: blocks[:2], 1: blocks[:2], 100: blocks[:2], 101: blocks[1:3], 200: blocks[1:3], 207: blocks[2:3], 208: nil,
	} {
		got, err := s.Blocks(ctx, 10, 1, from, 2)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			s.Errorf("blocks from %d: %v (-want +got):\n%s", from, err, diff)
		}
	}
	// What is cleared and what takes its place change together.
	more := store.BlockRow{Owner: 10, Kind: 1, First: 150, Count: 1, Data: []byte("new")}
	s.must(s.Write(ctx, &store.Change{Clear: []store.BlockRange{{Owner: 10, Kind: 1, First: 101}}, Blocks: []store.BlockRow{more}}))
	if got, err := s.Blocks(ctx, 10, 1, 0, 9); err != nil || len(got) != 2 || string(got[1].Data) != "new" {
		s.Errorf("blocks %v, %v", got, err)
	}
	s.must(s.DeleteCampaign(ctx, 10))
	if _, err := s.Campaign(ctx, 10); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("deleted campaign: %v", err)
	}
	if left, err := s.Blocks(ctx, 10, 2, 0, 10); err != nil || len(left) != 0 {
		s.Errorf("blocks of a deleted campaign: %v, %v", left, err)
	}
	s.must(s.DeleteBlocks(ctx, 11, "contact_list", "l"))
	if err := s.DeleteBlocks(ctx, 11, "contact_list", "l"); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("deleted twice: %v", err)
	}
}

// messagesOfCampaign: which of its recipients have a message, and which messages wait.
func messagesOfCampaign(s *suite) {
	of := func(campaign message.ID, ordinal uint32, change ...func(*message.Message)) *message.Message {
		return s.message(int(ordinal), append(change, func(m *message.Message) { m.Campaign, m.Ordinal = campaign, ordinal })...)
	}
	waits, later, other, sent := of(99, 1), of(99, 2, scheduled(time.Now().Add(time.Hour).UnixMilli())), of(98, 3), of(99, 4)
	s.accept(waits, later, other, sent)
	s.record(submitted(sent, "a"))
	for _, when := range []string{"at once", "where they stay", "after a start"} {
		ids, err := s.WaitingMessages(context.Background(), 7, 99)
		s.must(err)
		slices.Sort(ids)
		if got := slices.Compact(ids); !slices.Equal(got, []message.ID{waits.ID, later.ID}) {
			s.Errorf("%s: waiting are %v, want %v and %v", when, got, waits.ID, later.ID)
		}
		ordinals := map[uint32]bool{}
		s.must(s.AcceptedOrdinals(context.Background(), 7, 99, waits.ID, func(n uint32) { ordinals[n] = true }))
		if got := slices.Sorted(maps.Keys(ordinals)); !slices.Equal(got, []uint32{2, 4}) {
			s.Errorf("%s: the recipients after the first are %v, want 2 and 4", when, got)
		}
		if top := s.CampaignTop(7, 99); top != 4 {
			s.Errorf("%s: the highest recipient is %d, want 4", when, top)
		}
		if l := s.CampaignLedger(7, 99); l.Sum() != 3 || l[message.Pending] != 1 || l[message.Scheduled] != 1 || l[message.Sent] != 1 {
			s.Errorf("%s: the campaign's ledger is %v", when, l)
		}
		if when == "at once" {
			s.flush()
		} else {
			s.reopen()
		}
	}
}
