package bulk

import (
	"context"
	"fmt"
	"time"

	"protei-bulk/bulk/connector"
	"protei-bulk/bulk/dispatch"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/queue"
	"protei-bulk/bulk/route"
	"protei-bulk/smpp"
)

const (
	// moveBatch is how many messages move in one record group.
	moveBatch = 1000
	// moveAgain is how often messages of a connector that is down are looked at.
	moveAgain = time.Second
	// moveStill is how long a move that is asked for waits for more to come from disk.
	moveStill = 2 * time.Second
	moveLook  = 20 * time.Millisecond
)

// classes returns a connector's own table of statuses as dispatch wants it; Validate has
// read it already.
func classes(s *connector.Spec) map[smpp.Status]dispatch.Class {
	own, err := s.Classes()
	if err != nil {
		return nil
	}
	all := make(map[smpp.Status]dispatch.Class, len(own))
	for st, class := range own {
		all[st] = map[connector.Class]dispatch.Class{
			connector.Throttled: dispatch.Throttle, connector.Temporary: dispatch.Temporary, connector.Permanent: dispatch.Failing,
			connector.Rejected: dispatch.Permanent, connector.NoRoute: dispatch.NoRoute,
		}[class]
	}
	return all
}

// next is where a message goes that its connector has no way for.
func (f *fleet) next(from uint16, m *message.Message) (uint16, bool) {
	c, ok := f.p.router.Table().Next(m.Route, from, f.p.query(m))
	return c.Connector, ok
}

// failover moves what waits for a connector that is down for too long to another one of
// its rule that is up. It belongs to the watch goroutine.
func (f *fleet) failover(ctx context.Context, l *link) {
	t, now := l.trouble, time.Now()
	if l.c.Mode != connector.Running || l.group == nil || l.group.Up() {
		t.since, t.looked = time.Time{}, time.Time{}
		return
	}
	if t.since.IsZero() {
		t.since = now
	}
	patience := time.Duration(l.c.FailoverAfter)
	if patience == 0 || now.Sub(t.since) < patience || now.Sub(t.looked) < moveAgain || !f.anyUp() {
		return
	}
	t.looked = now
	table := f.p.router.Table()
	n, err := f.move(ctx, l, func(m *message.Message) (route.Choice, bool) {
		return table.Detour(m.Route, l.c.ID, f.p.query(m))
	})
	if n > 0 {
		f.p.log.Warn("connector is down: messages moved to others of their rules", "connector", l.c.Name, "down_since", t.since, "messages", n)
	}
	if err != nil && ctx.Err() == nil {
		f.p.log.Error("move messages of a connector that is down", "connector", l.c.Name, "error", err)
	}
}

func (f *fleet) anyUp() bool {
	for _, l := range *f.links.Load() {
		if !l.c.Deleted && l.state.Condition() == route.Up {
			return true
		}
	}
	return false
}

// move gives the messages in memory that way has a connector for a place in its lane.
//
// Pull is the claim: from then on nobody else sends or ends them. A crash before the event
// is durable leaves them in their old lane, unsent. A message of which an SMSC has a part
// stays: its receipts come by its connector. So does one that may have been sent before a
// crash, unless the connector's policy is to send it again, marked.
func (f *fleet) move(ctx context.Context, l *link, way func(*message.Message) (route.Choice, bool)) (moved int64, err error) {
	q := f.p.lanes.Connector(l.c.ID)
	movable := func(it *queue.Item) bool {
		if it.Parts != nil || it.Suspect && l.c.Unknown != "resend" {
			return false
		}
		_, ok := way(it.Msg)
		return ok
	}
	for ctx.Err() == nil {
		items := q.Pull(make([]queue.Item, 0, moveBatch), movable)
		if len(items) == 0 {
			break
		}
		now := time.Now().UnixMilli()
		evs := make([]message.Event, len(items))
		for i, it := range items {
			// Without a way by now it goes back to the end of its lane.
			to, _ := way(it.Msg)
			evs[i] = message.Event{Kind: message.Requeue, Msg: it.Msg, Part: message.AllParts, At: now, Due: it.Due, Dup: it.Dup, Connector: to.Connector}
		}
		if err := f.recordAll(evs); err != nil {
			return moved, err
		}
		moved += int64(len(items))
		l.trouble.moved.Add(uint64(len(items)))
	}
	return moved, ctx.Err()
}

// recordAll waits until events are durable and applied, or never will be.
func (f *fleet) recordAll(evs []message.Event) error {
	done := make(chan error, 1)
	f.p.store.RecordMany(evs, func(err error) { done <- err })
	return <-done
}

// Move implements connector.Runner: all that waits, scheduled messages included, goes to
// another connector. HELD messages stay: somebody decides about them.
func (f *fleet) Move(ctx context.Context, from, to *connector.Connector) (moved int64, err error) {
	l := f.link(from.ID)
	if l == nil {
		return 0, connector.ErrUnknown
	}
	all := func(*message.Message) (route.Choice, bool) { return route.Choice{Connector: to.ID}, true }
	for still := time.Now(); time.Since(still) < moveStill; {
		n, err := f.move(ctx, l, all)
		if moved += n; err != nil {
			return moved, err
		}
		if n > 0 {
			still = time.Now()
		}
		if f.waiting(from.ID) == 0 {
			break
		}
		select {
		case <-time.After(moveLook): // the rest comes from disk
		case <-ctx.Done():
			return moved, ctx.Err()
		}
	}
	n, err := f.moveScheduled(ctx, from.ID, to.ID)
	return moved + n, err
}

func (f *fleet) waiting(id uint16) (n int64) {
	for _, d := range f.p.lanes.Connector(id).Depths(nil) {
		n += d.Waiting
	}
	return n
}

// moveScheduled moves messages whose time has not come, but for those that are about to
// enter their lane.
func (f *fleet) moveScheduled(ctx context.Context, from, to uint16) (moved int64, err error) {
	if err := f.caughtUp(ctx); err != nil {
		return 0, err
	}
	var at message.Place
	for {
		msgs, next, err := f.p.store.LoadOpen(ctx, message.Scheduled, at, countPage, func(*message.Message) bool { return true })
		if err != nil {
			return moved, err
		}
		now := time.Now().UnixMilli()
		soon := now + 2*scheduledMargin.Milliseconds()
		var evs []message.Event
		for _, m := range msgs {
			f.p.store.View(m, func(v *message.Message) {
				if v.Connector == from && v.Status == message.Scheduled && v.DueAt > soon {
					evs = append(evs, message.Event{Kind: message.Requeue, Msg: m, Part: message.AllParts, At: now, Due: v.DueAt, Connector: to})
				}
			})
		}
		if len(evs) > 0 {
			if err := f.recordAll(evs); err != nil {
				return moved, err
			}
			moved += int64(len(evs))
		}
		if at = next; at == (message.Place{}) {
			return moved, nil
		}
	}
}

// catchUp bounds the wait for the database.
const catchUp = 15 * time.Second

// caughtUp waits until the database holds all that has happened up to now: what is looked
// up there misses nothing then.
func (f *fleet) caughtUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	for upTo := f.p.store.Stats().Record; f.p.store.Stats().Released < upTo; {
		select {
		case <-time.After(moveLook):
		case <-ctx.Done():
			return fmt.Errorf("the database is behind: try again later: %w", ctx.Err())
		}
	}
	return nil
}

// addressRules returns a connector's rules as dispatch wants them; Validate has read them.
func addressRules(rules []connector.AddressRule) []dispatch.AddressRule {
	kinds := map[string]dispatch.AddressKind{
		"alphanumeric": dispatch.Alphanumeric, "international": dispatch.International,
		"national": dispatch.National, "short": dispatch.Short,
	}
	number := func(n *int) int {
		if n == nil {
			return -1
		}
		return *n
	}
	all := make([]dispatch.AddressRule, len(rules))
	for i, r := range rules {
		all[i] = dispatch.AddressRule{
			Kind: kinds[r.Kind], Prefix: r.Prefix, TON: number(r.TON), NPI: number(r.NPI), Strip: r.Strip, Prepend: r.Prepend, Replace: r.Replace,
		}
	}
	return all
}
