// Package alone lets one process at a time change what several share in a Store.
package alone

import (
	"context"
	"sync"
)

// Lock keeps other processes from changes until release. It fails when it cannot be had in time, or when ctx ends. A
// nil Lock: there are no others.
type Lock func(ctx context.Context) (release func(), err error)

// Begin begins a change under mu, which guards what this process has in memory: reload has read what others have
// changed until then, without mu, and they change nothing until end. After an error nothing is held.
func (l Lock) Begin(ctx context.Context, reload func(context.Context) error, mu sync.Locker) (end func(), err error) {
	if l == nil {
		mu.Lock()
		return mu.Unlock, nil
	}
	release, err := l(ctx)
	if err != nil {
		return nil, err
	}
	if err := reload(ctx); err != nil {
		release()
		return nil, err
	}
	mu.Lock()
	return func() { mu.Unlock(); release() }, nil
}
