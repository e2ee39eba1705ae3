package bulk

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"protei-bulk/bulk/audit"
	"protei-bulk/bulk/connector"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/route"
	"protei-bulk/bulk/store"
)

// routeObjects is the kind under which the store keeps routing rules.
const routeObjects = "route"

// routeStore is the embedded store as package route wants it.
type routeStore struct{ store store.Store }

// LoadRoutes implements route.Store.
func (s routeStore) LoadRoutes(ctx context.Context) ([]route.Row, error) {
	objects, err := s.store.Objects(ctx, routeObjects)
	if err != nil {
		return nil, err
	}
	rows := make([]route.Row, 0, len(objects))
	for key, text := range objects {
		var r route.Row
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, fmt.Errorf("route %s: %w", key, err)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// SaveRoute implements route.Store.
func (s routeStore) SaveRoute(ctx context.Context, row route.Row) error {
	text, err := json.Marshal(row)
	if err != nil {
		return err
	}
	key := strconv.FormatUint(uint64(row.ID), 10)
	if err := noteObject(ctx, s.store, routeObjects, key, "route "+row.Name, text); err != nil {
		return err
	}
	return s.store.PutObject(ctx, routeObjects, key, text)
}

// DeleteRoute implements route.Store.
func (s routeStore) DeleteRoute(ctx context.Context, id uint32) error {
	key := strconv.FormatUint(uint64(id), 10)
	if audit.From(ctx) != nil {
		rows, err := s.LoadRoutes(ctx)
		if err != nil {
			return err
		}
		for i := range rows {
			if rows[i].ID == id {
				audit.From(ctx).Note("route "+rows[i].Name, rows[i], nil)
			}
		}
	}
	return s.store.DeleteObject(ctx, routeObjects, key)
}

// ReplaceRoutes implements route.Store.
func (s routeStore) ReplaceRoutes(ctx context.Context, rows []route.Row) error {
	if r := audit.From(ctx); r != nil {
		old, err := s.LoadRoutes(ctx)
		if err != nil {
			return err
		}
		r.Note("routes", map[string]any{"table": old}, map[string]any{"table": rows})
	}
	values := make(map[string][]byte, len(rows))
	for i := range rows {
		text, err := json.Marshal(rows[i])
		if err != nil {
			return err
		}
		values[strconv.FormatUint(uint64(rows[i].ID), 10)] = text
	}
	return s.store.ReplaceObjects(ctx, routeObjects, values)
}

// wireRoutes reads the rules. The table is empty until the connectors run.
func (p *Platform) wireRoutes(ctx context.Context) error {
	table, err := route.NewTable(nil)
	if err != nil {
		return err
	}
	if p.router, err = route.NewRouter(table); err != nil {
		return err
	}
	p.fleet = newFleet(p)
	o := route.BookOptions{
		Store: routeStore{p.store}, Changed: p.fleet.Reroute, Logger: p.log,
		Known: func(name string) bool { return p.connector.Named(name) != nil },
	}
	if p.node != nil {
		o.Alone = p.node.alone
	}
	p.routes, err = route.OpenBook(ctx, o)
	return err
}

// seedObjects is the kind of what remembers that seeds were sown: rules that were deleted
// shall not come back.
const seedObjects = "seed"

// seedRoutes puts the rules of the configuration into a store that never had any.
func (p *Platform) seedRoutes(ctx context.Context) error {
	sown, err := p.store.Objects(ctx, seedObjects)
	if err != nil || len(p.cfg.Routes) == 0 || len(p.routes.Rows()) > 0 || sown[routeObjects] != nil {
		return err
	}
	rules := make([]route.Rule, 0, len(p.cfg.Routes))
	for _, text := range p.cfg.Routes {
		rule, err := parseRoute(text)
		if err != nil {
			return fmt.Errorf("setting routes: %w", err)
		}
		rules = append(rules, rule)
	}
	if _, err := p.routes.Replace(ctx, rules); err != nil {
		return fmt.Errorf("setting routes: %w", err)
	}
	return p.store.PutObject(ctx, seedObjects, routeObjects, []byte(`{}`))
}

// usedBy counts the rules that name a connector.
func (p *Platform) usedBy(c *connector.Connector) int { return p.routes.Using(c.Name) }

// query is what a rule may look at of a message that was accepted.
func (p *Platform) query(m *message.Message) *route.Query {
	q := route.QueryOf(m, p.router.NeedsText())
	return &q
}
