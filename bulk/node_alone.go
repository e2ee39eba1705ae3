package bulk

import (
	"context"
	"errors"
	"time"

	"protei-bulk/bulk/connector"
	"protei-bulk/bulk/store"
)

// Locks of the nodes: what an empty store begins with is written by one of them. Accounts, connectors, routes and
// contact lists are created by one at a time, which has read what the others created: numbers and names are given once.
// Accounts and routes are changed so as well: no change undoes another.
const (
	firstStartLock = "lock/first start"
	creationLock   = "lock/creation"
)

// lockFirstStart waits while another node writes what an empty store begins with.
func (p *Platform) lockFirstStart(ctx context.Context) (err error) {
	if p.node != nil {
		p.node.ready, err = p.node.member.Lock(ctx, firstStartLock)
	}
	return err
}

func (p *Platform) unlockFirstStart(context.Context) error {
	if p.node != nil {
		p.node.ready()
	}
	return nil
}

// creationWait bounds the wait for other nodes that create or change.
const creationWait = 10 * time.Second

// alone waits until no other node creates or changes, and keeps them from it until release.
func (n *node) alone(ctx context.Context) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, creationWait)
	defer cancel()
	return n.member.Lock(ctx, creationLock)
}

// modeObjects are the modes of connectors that the settings name.
const modeObjects = "connector_mode"

// modeStore is the store as package connector wants it for the mode of the fixed connector.
type modeStore struct{ store store.Store }

// modeKey is the fixed connector's: there is one.
const modeKey = "fixed"

func (s modeStore) LoadMode(ctx context.Context) (connector.Mode, error) {
	text, err := s.store.Object(ctx, modeObjects, modeKey)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return connector.Mode(text), err
}

func (s modeStore) SaveMode(ctx context.Context, m connector.Mode) error {
	return s.store.PutObject(ctx, modeObjects, modeKey, []byte(m))
}
