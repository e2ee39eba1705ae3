package inbound

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"protei-bulk/bulk/message"
)

// RouteStore keeps routes. A call returns when the change is durable.
type RouteStore interface {
	LoadInboundRoutes(ctx context.Context) ([]Route, error)
	SaveInboundRoute(ctx context.Context, r Route) error
	DeleteInboundRoute(ctx context.Context, id message.ID) error
}

// Errors that callers branch on.
var (
	ErrUnknownRoute  = errors.New("no such inbound route")
	ErrTooManyRoutes = fmt.Errorf("there are %d inbound routes already", MaxRoutes)
)

// Routes is the set of routes in force: changes are durable before they show. It is safe
// for concurrent use.
type Routes struct {
	store RouteStore
	ids   IDs
	table atomic.Pointer[Table]

	// Check, when set, refuses a route for reasons outside it, such as an account that does
	// not exist, with a *FieldError. Set it before the first change.
	Check func(r *Route) error

	mu sync.Mutex // one change at a time
}

// OpenRoutes reads the routes.
func OpenRoutes(ctx context.Context, store RouteStore, ids IDs) (*Routes, error) {
	all, err := store.LoadInboundRoutes(ctx)
	if err != nil {
		return nil, fmt.Errorf("read inbound routes: %w", err)
	}
	t, err := NewTable(all)
	if err != nil {
		return nil, err
	}
	r := &Routes{store: store, ids: ids}
	r.table.Store(t)
	return r, nil
}

// Table returns the table in force.
func (r *Routes) Table() *Table { return r.table.Load() }

// Route returns one route, or ErrUnknownRoute.
func (r *Routes) Route(id message.ID) (Route, error) {
	for i := range r.Table().routes {
		if c := &r.Table().routes[i]; c.ID == id {
			return c.Route, nil
		}
	}
	return Route{}, ErrUnknownRoute
}

// Create adds a route and returns it with its id.
func (r *Routes) Create(ctx context.Context, route Route) (Route, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.Table().Routes()
	if len(all) >= MaxRoutes {
		return Route{}, ErrTooManyRoutes
	}
	route.ID = r.ids.Next()
	return route, r.put(ctx, all, route)
}

// Update replaces what change makes of a route.
func (r *Routes) Update(ctx context.Context, id message.ID, change func(*Route)) (Route, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	route, err := r.Route(id)
	if err != nil {
		return route, err
	}
	change(&route)
	route.ID = id
	all := slices.DeleteFunc(r.Table().Routes(), func(o Route) bool { return o.ID == id })
	return route, r.put(ctx, all, route)
}

// Delete removes a route, or returns ErrUnknownRoute. Messages that it chose keep their customer.
func (r *Routes) Delete(ctx context.Context, id message.ID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.Route(id); err != nil {
		return err
	}
	if err := r.store.DeleteInboundRoute(ctx, id); err != nil {
		return fmt.Errorf("delete inbound route %s: %w", id, err)
	}
	return r.swap(slices.DeleteFunc(r.Table().Routes(), func(o Route) bool { return o.ID == id }))
}

// put needs mu: it saves route and puts it in force beside the others.
func (r *Routes) put(ctx context.Context, others []Route, route Route) error {
	if err := route.Validate(); err != nil {
		return err
	}
	if r.Check != nil {
		if err := r.Check(&route); err != nil {
			return err
		}
	}
	if err := r.store.SaveInboundRoute(ctx, route); err != nil {
		return fmt.Errorf("save inbound route %s: %w", route.ID, err)
	}
	return r.swap(append(others, route))
}

func (r *Routes) swap(all []Route) error {
	t, err := NewTable(all)
	if err != nil {
		return err
	}
	r.table.Store(t)
	return nil
}

// Reload reads the routes anew, after another process has changed them.
func (r *Routes) Reload(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, err := r.store.LoadInboundRoutes(ctx)
	if err != nil {
		return fmt.Errorf("read inbound routes: %w", err)
	}
	return r.swap(all)
}
