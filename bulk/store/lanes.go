package store

import (
	"sync"
	"sync/atomic"

	"protei-bulk/bulk/message"
)

// lane is what the store keeps per queue.
type lane struct {
	key     message.Lane
	next    uint64        // lane sequence of the next message; the writer's
	applied atomic.Uint64 // highest lane sequence applied
	horizon atomic.Uint64 // durable send horizon
	waiting atomic.Int64  // waiting messages in the live table
	floor   atomic.Uint64 // every waiting message up to it has a row
}

// lanes finds a lane by its key. Lanes are made when first used and stay.
type lanes struct {
	mu  sync.Mutex // taken to add one
	all atomic.Pointer[map[message.Lane]*lane]
}

func (l *lanes) get(key message.Lane) *lane {
	if all := l.all.Load(); all != nil {
		if found := (*all)[key]; found != nil {
			return found
		}
	}
	return l.add(key)
}

func (l *lanes) add(key message.Lane) *lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	grown := make(map[message.Lane]*lane)
	if all := l.all.Load(); all != nil {
		if found := (*all)[key]; found != nil {
			return found
		}
		for k, v := range *all {
			grown[k] = v
		}
	}
	found := &lane{key: key, next: 1}
	grown[key] = found
	l.all.Store(&grown)
	return found
}

// each calls f with every lane.
func (l *lanes) each(f func(*lane)) {
	if all := l.all.Load(); all != nil {
		for _, lane := range *all {
			f(lane)
		}
	}
}

// mark is a lane's highest sequence at some moment.
type mark struct {
	lane *lane
	seq  uint64
}

// marks notes the applied sequence of every lane.
func (l *lanes) marks() []mark {
	var dst []mark
	l.each(func(la *lane) { dst = append(dst, mark{la, la.applied.Load()}) })
	return dst
}
