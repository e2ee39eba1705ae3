package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/internal/pause"
)

const (
	senders = 8
	sendOf  = 1000 // messages of a request
)

// send stores the messages over REST, of each account its share, and returns some of each when all
// have their final states.
func (b *bench) send(ctx context.Context) (map[*customer][]stored, error) {
	var (
		mu    sync.Mutex
		known = map[*customer][]stored{}
		fault error
		next  atomic.Int64
		all   sync.WaitGroup
	)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range senders {
		all.Go(func() {
			for int(next.Add(sendOf))-sendOf < b.opts.messages {
				of := b.pick()
				some, err := b.sendSome(ctx, of)
				mu.Lock()
				if err != nil {
					fault = errors.Join(fault, err)
					cancel()
				}
				if have := known[of]; len(have) < keep {
					known[of] = append(have, some...)
				} else { // of all that were sent, not of the first ones alone
					have[rand.IntN(len(have))] = some[0]
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	all.Wait()
	for _, of := range b.accounts { // also the one that is lost among them has something to ask for
		if fault == nil && len(known[of]) == 0 {
			known[of], fault = b.sendSome(ctx, of)
		}
	}
	if fault != nil {
		return nil, fault
	}
	return known, b.settled(ctx)
}

// pick returns an account, each as often as its share says.
func (b *bench) pick() *customer {
	at := rand.Float64()
	for _, c := range b.accounts {
		if at -= c.share; at < 0 {
			return c
		}
	}
	return b.accounts[0]
}

// sendSome sends a request full of messages, again while the platform is busy, and returns a few of them.
func (b *bench) sendSome(ctx context.Context, of *customer) ([]stored, error) {
	items := make([]map[string]any, sendOf)
	for i := range items {
		items[i] = map[string]any{
			"to": fmt.Sprintf("+9677%08d", rand.IntN(recipients)), "from": fmt.Sprintf("Shop%d", rand.IntN(20)), "client_ref": fmt.Sprintf("order-%d", rand.Uint32()),
			"text": "Your parcel is at the door. Show the code 123456 to the driver. Thank you for your order!",
		}
	}
	var answer struct {
		Accepted int      `json:"accepted"`
		IDs      []string `json:"message_ids"`
	}
	for {
		err := b.call(ctx, "POST", "/messages/bulk", of.Key, map[string]any{"messages": items}, &answer)
		var refused *refusedError
		if errors.As(err, &refused) && refused.busy() {
			if err := pause.For(ctx, 100*time.Millisecond); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		break
	}
	if answer.Accepted != len(items) {
		return nil, fmt.Errorf("%d of %d messages were accepted", answer.Accepted, len(items))
	}
	var some []stored
	for i := rand.IntN(50); i < len(items); i += 50 {
		id, err := message.ParseID(answer.IDs[i])
		if err != nil {
			return nil, err
		}
		some = append(some, stored{id, items[i]["to"].(string), of})
	}
	return some, nil
}

// settled waits until nothing is in flight.
func (b *bench) settled(ctx context.Context) error {
	for {
		var now struct {
			Accepted int64 `json:"accepted"`
			InFlight int64 `json:"in_flight"`
		}
		if err := b.call(ctx, "GET", "/statistics", admin, nil, &now); err != nil {
			return err
		}
		if now.InFlight == 0 {
			return nil
		}
		if err := pause.For(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}
