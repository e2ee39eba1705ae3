package bulk

import (
	"context"
	"errors"
	"time"

	"protei-bulk/bulk/api"
	"protei-bulk/bulk/upstream"
)

// insight answers the API's questions about the platform's state.
type insight struct{ p *Platform }

var errNoConnector = errors.New("no connector is configured")

// Ready returns why the platform cannot take messages now, or nil.
func (i insight) Ready() error {
	if i.p.draining.Load() {
		return errStopped
	}
	if err := i.p.store.Err(); err != nil {
		return err
	}
	if err := i.p.cdrFault.Load(); err != nil {
		return *err
	}
	if len(i.p.connector.All()) == 0 {
		return errNoConnector
	}
	return nil
}

// Counts returns the ledger of an account, of all accounts for 0.
func (i insight) Counts(account uint32) api.Counts {
	var sum api.Counts
	for id, ledger := range i.p.store.Ledgers() {
		if account != 0 && id != account {
			continue
		}
		for status, n := range ledger {
			sum[status] += n
		}
	}
	return sum
}

// EachAccount calls f with the ledger of each account.
func (i insight) EachAccount(f func(account uint32, counts api.Counts)) {
	for id, ledger := range i.p.store.Ledgers() {
		f(id, api.Counts(ledger))
	}
}

// Accepted returns what an account had accepted, of all accounts for 0, counted apart
// from the statuses.
func (i insight) Accepted(account uint32) (sum int64) {
	for id, n := range i.p.store.Accepted() {
		if account == 0 || id == account {
			sum += n
		}
	}
	return sum
}

// Connectors returns the state of every connector.
func (i insight) Connectors() []api.Connector {
	queued := make(map[uint16]int64)
	for _, d := range i.p.lanes.Depths(nil) {
		queued[d.Lane.Connector] += d.Waiting
	}
	all := make([]api.Connector, 0, len(i.p.connector.All()))
	for _, c := range i.p.connector.All() {
		view := api.Connector{
			ID: c.ID, Name: c.Name, Kind: string(c.Kind), Address: c.Endpoint(), TPS: c.TPS, Mode: string(c.Mode), Fixed: c.Fixed,
			State: "stopped", Queued: queued[c.ID],
		}
		if l := i.p.fleet.link(c.ID); l != nil && l.group != nil {
			l.describe(&view)
		}
		switch n := i.p.node; {
		case n == nil:
		case i.p.fleet.mine(c.ID):
			own := int(n.member.Number())
			view.Node = &own
		default:
			n.borrow(&view)
		}
		all = append(all, view)
	}
	return all
}

// describe fills in what the links say.
func (l *link) describe(view *api.Connector) {
	counters := l.dispatcher.Counters()
	view.Submitted, view.Throttled = int64(counters.Submitted), int64(counters.Throttled)
	view.Paced = l.group.Pace()
	for _, b := range l.group.States() {
		if b.Awaits() {
			view.Links = append(view.Links, bindView(&b))
			continue
		}
		view.Binds++
		view.Window += b.Window
		view.InFlight += b.InFlight
		if b.State == upstream.Bound {
			view.Bound++
		}
		if b.Err != "" {
			view.LastError = b.Err
		}
		view.Links = append(view.Links, bindView(&b))
	}
	switch view.Bound {
	case 0:
		view.State = "down"
	case view.Binds:
		view.State = "up"
	default:
		view.State = "degraded"
	}
}

func bindView(b *upstream.BindState) api.Bind {
	return api.Bind{
		Index: b.Index, Type: b.Type, State: string(b.State), Since: b.Since.UTC(), Error: b.Err, Throttled: b.Paused,
		Window: b.Window, InFlight: b.InFlight, Binds: b.Binds, Pauses: b.Pauses, Unanswered: b.Lost, Late: b.Late,
	}
}

func (i insight) Queues() []api.Queue {
	depths := i.p.lanes.Depths(nil)
	all := make([]api.Queue, 0, len(depths))
	for _, d := range depths {
		all = append(all, api.Queue{
			Connector: i.p.connector.Name(d.Lane.Connector), Priority: d.Lane.Priority,
			Waiting: d.Waiting, Delayed: int64(d.Delayed), InMemory: int64(d.Memory),
		})
	}
	return all
}

// remember has the API note its figures, so that a page that is opened now shows what was before.
func (p *Platform) remember(a *api.API) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(api.PastEvery)
		defer tick.Stop()
		for {
			a.Remember()
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	}()
	p.onStop("history of the live figures", func(context.Context) error {
		close(quit)
		<-done
		return nil
	})
}
