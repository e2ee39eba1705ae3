package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"protei-bulk/bulk/store"
	"protei-bulk/internal/pause"
)

// lockPause is how long Lock waits until it tries again.
const lockPause = 50 * time.Millisecond

// Lock takes a lease for something short, well below the TTL, that one node does at a time. It
// waits while another goroutine or node does it. unlock gives the lease back.
func (m *Member) Lock(ctx context.Context, name string) (unlock func(), err error) {
	mine, _ := m.locks.LoadOrStore(name, make(chan struct{}, 1))
	here := mine.(chan struct{})
	select {
	case here <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for %s: %w", name, context.Cause(ctx))
	}
	for {
		l, err := m.o.Store.Acquire(ctx, name, m.row.Node, m.row.Session, m.o.TTL)
		if err == nil {
			return func() {
				_ = m.free(l) // it runs out
				<-here
			}, nil
		}
		if errors.Is(err, store.ErrTaken) {
			err = pause.For(ctx, lockPause)
		}
		if err != nil {
			<-here
			return nil, fmt.Errorf("wait for %s: %w", name, err)
		}
	}
}
