package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

func (s *suite) receive(change ...func(*message.Inbound)) *message.Inbound {
	s.Helper()
	m := &message.Inbound{
		ID: s.IDs().Next(), Connector: First, Source: message.Address{TON: 1, NPI: 1, Addr: "79161234567"},
		Dest: message.Address{Addr: "1000"}, Octets: []byte("JOIN now"), ReceivedAt: time.Now().UnixMilli(), Parts: 1,
		InboundState: message.InboundState{Status: message.InboundOpen, Account: 7, URL: "http://127.0.0.1/mo"},
	}
	for _, f := range change {
		f(m)
	}
	s.must(s.wait(func(done func(error)) { s.RecordInbound(m, done) }))
	return m
}

func inbound(s *suite) {
	old := s.receive()
	s.flush()
	fresh := s.receive(func(m *message.Inbound) { m.Account, m.Dest.Addr = 8, "2000" })
	lost := message.InboundChange{ID: old.ID, InboundState: old.InboundState}
	lost.Status = message.InboundFailed
	s.must(s.wait(func(done func(error)) { s.ChangeInbound([]message.InboundChange{lost}, done) }))
	cases := map[string]struct {
		q    message.InboundQuery
		want []message.ID
	}{
		"all":      {message.InboundQuery{}, []message.ID{fresh.ID, old.ID}},
		"account":  {message.InboundQuery{Account: 8}, []message.ID{fresh.ID}},
		"status":   {message.InboundQuery{Status: message.InboundFailed}, []message.ID{old.ID}},
		"to":       {message.InboundQuery{To: "2000"}, []message.ID{fresh.ID}},
		"cursor":   {message.InboundQuery{Below: fresh.ID}, []message.ID{old.ID}},
		"nobody's": {message.InboundQuery{From: "1"}, nil},
	}
	for _, when := range []string{"at once", "where they stay", "after a start"} {
		for name, c := range cases {
			c.q.Limit = 10
			page, err := s.Inbounds(context.Background(), c.q)
			var ids []message.ID
			for _, m := range page {
				ids = append(ids, m.ID)
			}
			if err != nil || !slices.Equal(ids, c.want) {
				s.Errorf("%s, %s: %v, %v, want %v", name, when, ids, err, c.want)
			}
		}
		open, err := s.InboundWaiting(context.Background(), message.InboundOpen, 0, 0, 10)
		if err != nil || len(open) != 1 || open[0].ID != fresh.ID || string(open[0].Octets) != "JOIN now" {
			s.Errorf("%s: to deliver are %v (%v)", when, open, err)
		}
		if when == "at once" {
			s.flush()
		} else {
			s.reopen()
		}
	}
	if _, err := s.Inbound(context.Background(), 1); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("an unknown id: %v", err)
	}
	// Parts that were joined do not come back.
	whole := s.receive(func(m *message.Inbound) { m.Consumed = []message.ID{fresh.ID} })
	s.reopen()
	if _, err := s.Inbound(context.Background(), fresh.ID); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("a part that was joined: %v", err)
	}
	if _, err := s.Inbound(context.Background(), whole.ID); err != nil {
		s.Errorf("what it was joined into: %v", err)
	}
}
