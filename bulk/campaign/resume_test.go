package campaign_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/campaign"
	"protei-bulk/bulk/contact"
	"protei-bulk/bulk/contact/sheet"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/intake/intaketest"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/route"
)

// badLine accepts messages as a sink does, refuses lanes for a while, and at a moment of its
// choice lets the process die: nothing is durable from then on.
type badLine struct {
	intaketest.Sink
	mu     sync.Mutex
	budget int // messages until the process dies; guarded by mu
	dead   chan struct{}
	once   sync.Once
}

func (b *badLine) die() { b.once.Do(func() { close(b.dead) }) }

func (b *badLine) gone() bool {
	select {
	case <-b.dead:
		return true
	default:
		return false
	}
}

func (b *badLine) Accept(ctx context.Context, msgs []*message.Message, answer *message.Answer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone() {
		return intake.ErrUnavailable
	}
	// A crash may keep the beginning of what was written last.
	n := min(len(msgs), b.budget)
	b.budget -= n
	_ = b.Sink.Accept(ctx, msgs[:n], answer)
	if n < len(msgs) {
		b.die()
		return intake.ErrUnavailable
	}
	return nil
}

// TestEachRecipientOnceThroughCrashes kills the manager at random messages, with lanes that
// are full at random, recipients that are refused, and saves that were lost, until the
// campaign is done: each recipient has one message or one line in the error file.
func TestEachRecipientOnceThroughCrashes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := open(t)
		total := rapid.IntRange(1, 3000).Draw(rt, "recipients")
		refuse := rapid.IntRange(2, 50).Draw(rt, "one of so many is refused")
		rows := make([]sheet.Row, total)
		missing := 0
		for i := range rows {
			rows[i] = sheet.Row{Line: uint32(i + 1), Names: []string{"to", "name"}, Cells: []string{fmt.Sprintf("+4915112%06d", i), "Ann"}}
			if i%refuse == 0 {
				rows[i].Cells[1] = ""
				missing++
			}
		}
		c := r.create(t, campaign.Spec{MessageContent: "Hi {{name}}"}, nil)
		if _, _, err := r.m.AddRecipients(context.Background(), r.acme, c.ID, &campaign.Upload{Reader: &contact.Inline{Rows: rows}}); err != nil {
			rt.Fatal(err)
		}
		if missing == total {
			return // it could not be started with what the first recipient lacks; nothing to see
		}
		r.stop(t, r.m)
		row, _ := r.store.Campaign(context.Background(), c.ID)
		row.Status = campaign.Running
		_ = r.store.Write(context.Background(), &campaign.Change{Row: &row})

		line := &badLine{dead: make(chan struct{})}
		r.store.Accepted = line.Messages
		for life := 0; ; life++ {
			line.dead, line.once = make(chan struct{}), sync.Once{}
			line.budget = rapid.IntRange(0, 1500).Draw(rt, "messages until the crash")
			if life > 8 {
				line.budget = total + 1
			}
			full := rapid.IntRange(0, 4).Draw(rt, "lane is full one of so many times")
			keepSaves := rapid.IntRange(0, 5).Draw(rt, "saves that are kept")
			done := r.live(t, line, c.ID, full, keepSaves, life > 8)
			if done {
				break
			}
		}
		var got []uint32
		for _, m := range line.Messages() {
			got = append(got, m.Ordinal)
		}
		slices.Sort(got)
		if len(slices.Compact(slices.Clone(got))) != len(got) || len(got) != total-missing {
			rt.Fatalf("%d messages of %d recipients, %d of them twice", len(got), total-missing, len(got)-len(slices.Compact(got)))
		}
		row, _ = r.store.Campaign(context.Background(), c.ID)
		r.manager(t)
		if lines := strings.Count(r.errors(t, c.ID), "missing_variable"); lines != missing || row.Refused != uint64(missing) {
			rt.Fatalf("%d lines in the error file, %d counted; %d were refused", lines, row.Refused, missing)
		}
	})
}

// live is one life of the process, from its start to its crash or the campaign's end.
func (r *rig) live(t *testing.T, line *badLine, id message.ID, full, keepSaves int, last bool) (done bool) {
	table, err := route.NewTable([]route.Connector{{ID: 1, Name: "default"}})
	if err != nil {
		t.Fatal(err)
	}
	saves := 0
	r.store.Lose = func(*campaign.Change) bool {
		if saves++; !last && saves > keepSaves+1 || line.gone() {
			line.die() // what was not saved is not seen by anybody: the process is dead
			return true
		}
		return false
	}
	var highest message.ID
	for _, m := range line.Messages() {
		highest = max(highest, m.ID)
	}
	ids := message.NewIDSource(1, highest, nil)
	asked := 0
	door, err := intake.New(intake.Options{Sink: line, IDs: ids, Router: table, Admit: func(message.Lane) error {
		if asked++; full > 0 && asked%(97*full) == 0 {
			return intake.ErrBusy
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := campaign.New(campaign.Options{Store: r.store, Intake: door, Accounts: r.accounts, IDs: ids})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	finished := make(chan struct{})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	go func() {
		defer close(finished)
		_, _ = r.store.Wait(ctx, id, is(campaign.Completed))
	}()
	select {
	case <-finished:
		done = ctx.Err() == nil
		if !done {
			row, _ := r.store.Campaign(context.Background(), id)
			t.Errorf("the campaign does not end: %+v %s", row, row.Settings)
			done = true
		}
	case <-line.dead:
	}
	_ = m.Stop(context.Background())
	cancel()
	<-finished
	r.store.Lose = nil
	return done
}

func TestACampaignThatWaitsForItsAccountGoesOnByItself(t *testing.T) {
	r := open(t)
	c := r.create(t, campaign.Spec{AutoResume: true}, numbers(1500))
	disable := func(off bool) {
		if _, err := r.accounts.Update(context.Background(), r.acme.ID, func(s *account.Spec) { s.Disabled = off }); err != nil {
			t.Fatal(err)
		}
	}
	disable(true)
	r.do(t, c.ID, campaign.Start)
	row := r.wait(t, c.ID, func(row campaign.Row) bool {
		return strings.Contains(string(row.Settings), `"waiting":"account_disabled`)
	})
	if row.Status != campaign.Running || len(r.sink.Messages()) != 0 {
		t.Errorf("%s with %d messages", row.Status, len(r.sink.Messages()))
	}
	disable(false)
	r.wait(t, c.ID, is(campaign.Completed))
	r.wantEach(t, c.ID, 1500)
}

func TestABalanceThatIsSpentPausesAndAResumeGoesOn(t *testing.T) {
	r := open(t)
	c := r.create(t, campaign.Spec{}, numbers(2500))
	if _, err := r.accounts.Update(context.Background(), r.acme.ID, func(s *account.Spec) { s.Disabled = true }); err != nil {
		t.Fatal(err)
	}
	r.do(t, c.ID, campaign.Start)
	row := r.wait(t, c.ID, is(campaign.Paused))
	if !strings.Contains(string(row.Settings), `"reason":"account_disabled"`) || row.Refused != 0 {
		t.Errorf("row %+v %s", row, row.Settings)
	}
	if _, err := r.accounts.Update(context.Background(), r.acme.ID, func(s *account.Spec) { s.Disabled = false }); err != nil {
		t.Fatal(err)
	}
	r.do(t, c.ID, campaign.Resume)
	row = r.wait(t, c.ID, is(campaign.Completed))
	r.wantEach(t, c.ID, 2500)
	if strings.Contains(string(row.Settings), "reason") {
		t.Errorf("settings %s", row.Settings)
	}
}
