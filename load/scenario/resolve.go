package scenario

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"protei-bulk/load/stats"
)

const (
	maxAsked      = 20_000
	resolveTime   = 10 * time.Second
	resolveAskers = 16
)

// Resolution is what the target said about the messages that were open after the drain.
type Resolution struct {
	Asked, Pending, Lost int
	NotAsked             int // beyond the bound, or without an id
	Unreachable          int // of Lost: the target could not be asked
}

// String is a note for the report.
func (r Resolution) String() string {
	text := fmt.Sprintf("%d messages were open after the drain; asked about %d, the target holds %d and %d are lost",
		r.Asked+r.NotAsked, r.Asked, r.Pending, r.Lost)
	if r.Unreachable > 0 {
		text += fmt.Sprintf(" (%d because it could not be asked)", r.Unreachable)
	}
	if r.NotAsked > 0 {
		text += fmt.Sprintf("; %d were not asked about and count as the others do", r.NotAsked)
	}
	return text
}

// asker queries messages until work is closed.
type asker func(ctx context.Context, work <-chan stats.OpenMessage, book *resolving)

func resolveAll(ctx context.Context, ledger *stats.Ledger, ask asker) Resolution {
	book := &resolving{ledger: ledger}
	work := make(chan stats.OpenMessage)
	var wg sync.WaitGroup
	for range resolveAskers {
		wg.Go(func() { ask(ctx, work, book) })
	}
	rest := feed(ctx, ledger, work)
	wg.Wait()
	res := book.sum
	state := stats.ResolvedLost
	if res.Asked > 0 && res.Lost == 0 {
		state = stats.ResolvedPending
	}
	for _, seq := range rest {
		ledger.Resolve(seq, state)
	}
	res.NotAsked = len(rest)
	return res
}

// feed hands out the open messages to ask about and closes work; it returns the others.
// A message without an answer has no id to ask for: it stays unanswered.
func feed(ctx context.Context, ledger *stats.Ledger, work chan<- stats.OpenMessage) (rest []uint64) {
	defer close(work)
	asked := 0
	ledger.OpenMessages(func(open stats.OpenMessage) bool {
		switch {
		case !open.Answered:
			return true
		case asked < maxAsked && open.ID != 0:
			select {
			case work <- open:
				asked++
				return true
			case <-ctx.Done():
			}
		}
		rest = append(rest, open.Seq)
		return true
	})
	return rest
}

// resolving collects what the askers are told.
type resolving struct {
	ledger *stats.Ledger

	mu  sync.Mutex
	sum Resolution // guarded by mu
}

func (r *resolving) tell(open stats.OpenMessage, state stats.Resolution, reached bool) {
	r.ledger.Resolve(open.Seq, state)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Asked++
	if state == stats.ResolvedPending {
		r.sum.Pending++
		return
	}
	r.sum.Lost++
	if !reached {
		r.sum.Unreachable++
	}
}

// appendHexID appends the 16 digits of an id that the ledger kept.
func appendHexID(b []byte, id uint64) []byte {
	digits := strconv.AppendUint(nil, id, 16)
	for range 16 - len(digits) {
		b = append(b, '0')
	}
	return append(b, digits...)
}
