package bulk

import (
	"errors"

	"protei-bulk/bulk/api"
	"protei-bulk/bulk/queue"
	"protei-bulk/bulk/upstream"
)

// insight answers the API's questions about the platform's state.
type insight struct{ p *Platform }

var errNoConnector = errors.New("no connector is configured")

// Ready returns why the platform cannot take messages now, or nil.
func (i insight) Ready() error {
	if err := i.p.store.Err(); err != nil {
		return err
	}
	if len(i.p.connector) == 0 {
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

func (i insight) Connectors() []api.Connector {
	all := make([]api.Connector, 0, len(i.p.connector))
	for _, c := range i.p.connector {
		o, counters := c.group.Options(), c.dispatcher.Counters()
		view := api.Connector{
			ID: c.id, Name: o.Name, Address: o.Addr, TPS: o.TPS,
			Submitted: int64(counters.Submitted), Throttled: int64(counters.Throttled),
		}
		for _, b := range c.group.States() {
			view.Binds++
			view.Window += b.Window
			view.InFlight += b.InFlight
			if b.State == upstream.Bound {
				view.Bound++
			}
			if b.Err != "" {
				view.LastError = b.Err
			}
		}
		switch view.Bound {
		case 0:
			view.State = "down"
		case view.Binds:
			view.State = "up"
		default:
			view.State = "degraded"
		}
		all = append(all, view)
	}
	return all
}

func (i insight) Queues() []api.Queue {
	depths := i.p.lanes.Depths(nil)
	all := make([]api.Queue, 0, len(depths))
	for _, d := range depths {
		all = append(all, api.Queue{
			Connector: i.p.connectorName(d), Priority: d.Lane.Priority,
			Waiting: d.Waiting, Delayed: int64(d.Delayed), InMemory: int64(d.Memory),
		})
	}
	return all
}

func (p *Platform) connectorName(d queue.Depth) string {
	return p.router.Table().Name(d.Lane.Connector)
}
