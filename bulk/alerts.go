package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"protei-bulk/bulk/alert"
	"protei-bulk/bulk/callback"
	"protei-bulk/bulk/cluster"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
	"protei-bulk/bulk/store"
)

// alertLease is held by the node that watches: one of several tells people.
const alertLease = "alerts"

// openAlerts reads rules and channels. A platform that is alone watches from now on; of several
// nodes the one with the lease does.
func (p *Platform) openAlerts(ctx context.Context) error {
	s := alertStore{p.store, p.vault}
	guard := &callback.Guard{Allow: p.allowed()}
	book, err := alert.OpenBook(ctx, s, guard)
	if err != nil {
		return err
	}
	gauge := &alertGauge{p: p}
	p.alerts = book
	p.watcher = alert.NewWatcher(alert.Options{Book: book, Store: s, Guard: guard, Measure: gauge.measure, Logger: p.log})
	p.onStop("alerts", func(context.Context) error { p.watcher.Stop(); return nil })
	if p.node == nil {
		p.watcher.Start()
	}
	return nil
}

// alertDesk is rules, channels, what fires and history as package api wants them.
type alertDesk struct {
	*alert.Book
	*alert.Watcher
	store alertStore
}

// History returns what fired and resolved, the newest first.
func (d alertDesk) History(ctx context.Context, limit int) ([]alert.Alert, error) {
	return d.store.History(ctx, limit)
}

// alertStore keeps rules, channels and the history in the store.
type alertStore struct {
	store store.Store
	vault *vault
}

const (
	alertRuleKind    = "alert_rule"
	alertChannelKind = "alert_channel"
)

func alertPlace(channel string) string { return "alert channel " + channel }

// readObjects reads all objects of a kind.
func readObjects[T any](ctx context.Context, s store.Store, kind string) ([]T, error) {
	objects, err := s.Objects(ctx, kind)
	if err != nil {
		return nil, err
	}
	all := make([]T, 0, len(objects))
	for key, value := range objects {
		var v T
		if err := json.Unmarshal(value, &v); err != nil {
			return nil, fmt.Errorf("%s %s: %w", kind, key, err)
		}
		all = append(all, v)
	}
	return all, nil
}

func (s alertStore) LoadRules(ctx context.Context) ([]alert.Rule, error) {
	return readObjects[alert.Rule](ctx, s.store, alertRuleKind)
}

func (s alertStore) SaveRule(ctx context.Context, r alert.Rule) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := noteObject(ctx, s.store, alertRuleKind, r.Name, "alert rule "+r.Name, value); err != nil {
		return err
	}
	return s.store.PutObject(ctx, alertRuleKind, r.Name, value)
}

// LoadChannels opens the secrets.
func (s alertStore) LoadChannels(ctx context.Context) ([]alert.Channel, error) {
	all, err := readObjects[alert.Channel](ctx, s.store, alertChannelKind)
	for i := range all {
		c := &all[i]
		if c.Secret, err = s.vault.open(alertPlace(c.Name), c.Secret); err != nil {
			return nil, fmt.Errorf("secret of alert channel %s: %w", c.Name, err)
		}
	}
	return all, err
}

// SaveChannel seals the secret.
func (s alertStore) SaveChannel(ctx context.Context, c alert.Channel) error {
	c.Secret = s.vault.seal(alertPlace(c.Name), c.Secret)
	value, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := noteObject(ctx, s.store, alertChannelKind, c.Name, alertPlace(c.Name), value); err != nil {
		return err
	}
	return s.store.PutObject(ctx, alertChannelKind, c.Name, value)
}

func (s alertStore) DeleteChannel(ctx context.Context, name string) error {
	if err := noteObject(ctx, s.store, alertChannelKind, name, alertPlace(name), nil); err != nil {
		return err
	}
	err := s.store.DeleteObject(ctx, alertChannelKind, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

func (s alertStore) AppendHistory(ctx context.Context, alerts []alert.Alert) error {
	entries := make([]store.LogEntry, len(alerts))
	for i := range alerts {
		value, err := json.Marshal(alerts[i])
		if err != nil {
			return err
		}
		entries[i] = store.LogEntry{Key: s.store.IDs().Next().String(), Value: value}
	}
	return s.store.AppendLog(ctx, store.AlertLog, entries)
}

// History returns the newest first.
func (s alertStore) History(ctx context.Context, limit int) ([]alert.Alert, error) {
	entries, err := s.store.Log(ctx, store.AlertLog, "", limit)
	if err != nil {
		return nil, err
	}
	all := make([]alert.Alert, len(entries))
	for i := range entries {
		if err := json.Unmarshal(entries[i].Value, &all[i]); err != nil {
			return nil, fmt.Errorf("alert %s: %w", entries[i].Key, err)
		}
	}
	return all, nil
}

// alertGauge measures the platform for the rules. One goroutine uses it.
type alertGauge struct {
	p       *Platform
	outcome []outcome // of deliveryWindow, the oldest first
}

// outcome is what had become of all messages at a moment.
type outcome struct {
	at               time.Time
	delivered, final int64
}

const (
	deliveryWindow = 5 * time.Minute
	// deliveryLeast is the volume below which the rate of a window says nothing.
	deliveryLeast = 100
	// alertsEndpoints is how many failing endpoints a node watches, toldEndpoints how many it tells the others of.
	alertsEndpoints = 1000
	toldEndpoints   = 20
)

func (g *alertGauge) measure(now time.Time) []alert.Sample {
	p, view := g.p, insight{g.p}
	all := g.nodes()
	for _, c := range view.Connectors() {
		if c.Mode != "stopped" {
			all = append(all, alert.Sample{Rule: alert.ConnectorDown, Subject: c.Name, Value: float64(c.Bound)})
		}
		all = append(all, alert.Sample{Rule: alert.LaneLong, Subject: c.Name, Value: float64(c.Queued)})
	}
	for id, b := range p.store.Balances() {
		if a := p.accounts.ByID(id); a != nil && b.Credits > 0 {
			all = append(all, alert.Sample{Rule: alert.BalanceLow, Subject: a.Name, Value: float64(b.Left) / float64(money.Unit)})
		}
	}
	if rate, ok := g.delivery(now); ok {
		all = append(all, alert.Sample{Rule: alert.DeliveryLow, Value: rate})
	}
	return all
}

// nodeCondition is what a node says of itself that alerts are about.
type nodeCondition struct {
	CDRTrouble bool     `json:"cdr_trouble,omitempty"`
	DiskFree   *float64 `json:"disk_free_percent,omitempty"` // nil: not known
	// Webhooks has the failures in a row of endpoints that fail, by account and URL.
	Webhooks map[string]int `json:"failing_webhooks,omitempty"`
}

// condition has at most so many endpoints, those that fail most.
func (p *Platform) condition(endpoints int) nodeCondition {
	c := nodeCondition{CDRTrouble: p.cdrFault.Load() != nil}
	for _, e := range p.webhooks.Endpoints(0, endpoints) {
		if e.Failures > 0 {
			c.fails(strconv.FormatUint(uint64(e.Account), 10)+" "+withoutQuery(e.URL), e.Failures)
		}
	}
	if d, err := p.disk(); err == nil && d.Total > 0 {
		free := 100 * float64(d.Free) / float64(d.Total)
		c.DiskFree = &free
	}
	return c
}

// fails notes an endpoint. Of several on one address, and of several nodes, the worst counts.
func (c *nodeCondition) fails(endpoint string, failures int) {
	if c.Webhooks == nil {
		c.Webhooks = make(map[string]int)
	}
	c.Webhooks[endpoint] = max(c.Webhooks[endpoint], failures)
}

func (c *nodeCondition) samples(subject string, accepts bool) []alert.Sample {
	all := []alert.Sample{
		{Rule: alert.NotAccepting, Subject: subject, Value: truth(!accepts)},
		{Rule: alert.CDRTrouble, Subject: subject, Value: truth(c.CDRTrouble)},
	}
	if c.DiskFree != nil {
		all = append(all, alert.Sample{Rule: alert.DiskLow, Subject: subject, Value: *c.DiskFree})
	}
	return all
}

// nodes measures what each node has of its own: this one now, the others as they said last. One that is gone
// without a word is missed for a day, as long as it is listed. A customer's endpoint is one, whichever nodes call it.
func (g *alertGauge) nodes() (all []alert.Sample) {
	p := g.p
	here := p.condition(alertsEndpoints)
	subject := ""
	if p.node != nil {
		subject = nodeSubject(p.node.member.Number())
	}
	all = here.samples(subject, insight{p}.Ready() == nil)
	for _, m := range p.otherNodes() {
		var h nodeHealth
		switch state := nodeState(&m); {
		case state == nodeLost:
			all = append(all, alert.Sample{Rule: alert.NotAccepting, Subject: nodeSubject(m.Node), Value: 1})
		case state == nodeUp && json.Unmarshal(m.Health, &h) == nil:
			all = append(all, h.samples(nodeSubject(m.Node), h.Ready)...)
			for endpoint, n := range h.Webhooks {
				here.fails(endpoint, n)
			}
		}
	}
	for endpoint, n := range here.Webhooks {
		all = append(all, alert.Sample{Rule: alert.WebhookFailing, Subject: endpoint, Value: float64(n)})
	}
	return all
}

// otherNodes returns the nodes that are listed beside this one.
func (p *Platform) otherNodes() []cluster.Node {
	if p.node == nil {
		return nil
	}
	member := p.node.member
	return slices.DeleteFunc(slices.Clone(member.Nodes()), func(m cluster.Node) bool { return m.Node == member.Number() })
}

func nodeSubject(number uint16) string { return "node " + strconv.Itoa(int(number)) }

// withoutQuery leaves out of a customer's URL where its secrets may be.
func withoutQuery(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(not a URL)"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// delivery is the percentage delivered of what became final in the window, if it was enough.
func (g *alertGauge) delivery(now time.Time) (percent float64, ok bool) {
	o := outcomeOf(now, g.p.store.Ledgers())
	for len(g.outcome) > 0 && now.Sub(g.outcome[0].at) > deliveryWindow {
		g.outcome = g.outcome[1:]
	}
	g.outcome = append(g.outcome, o)
	final := o.final - g.outcome[0].final
	if final < deliveryLeast {
		return 0, false
	}
	return 100 * float64(o.delivered-g.outcome[0].delivered) / float64(final), true
}

// outcomeOf counts messages that are final. Those that want no receipt and those that were
// cancelled say nothing of delivery.
func outcomeOf(at time.Time, ledgers map[uint32]store.Ledger) outcome {
	o := outcome{at: at}
	for _, l := range ledgers {
		o.delivered += l[message.Delivered]
		o.final += l[message.Delivered] + l[message.Failed] + l[message.Rejected] + l[message.Expired] + l[message.Unknown]
	}
	return o
}
