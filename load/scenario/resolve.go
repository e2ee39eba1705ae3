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

// Resolve asks the target's status call about the open messages and tells the ledger:
// what it still holds is pending, what it says is final, or does not know, is lost. It
// asks about at most 20,000 of them and for at most 10 s; the rest is pending when all
// that were asked about are, else lost.
func (m *Messaging) Resolve(ctx context.Context) Resolution {
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	var res Resolution
	var mu sync.Mutex // guards res
	var rest []uint64
	work := make(chan stats.OpenMessage)
	var wg sync.WaitGroup
	for range resolveAskers {
		wg.Go(func() {
			m.ask(ctx, work, func(open stats.OpenMessage, state stats.Resolution, reached bool) {
				m.opts.Ledger.Resolve(open.Seq, state)
				mu.Lock()
				defer mu.Unlock()
				res.Asked++
				if state == stats.ResolvedPending {
					res.Pending++
					return
				}
				res.Lost++
				if !reached {
					res.Unreachable++
				}
			})
		})
	}
	asked := 0
	m.opts.Ledger.OpenMessages(func(open stats.OpenMessage) bool {
		if !open.Answered {
			return true // no id to ask for; it stays unanswered
		}
		if asked >= maxAsked || open.ID == 0 {
			rest = append(rest, open.Seq)
			return true
		}
		select {
		case work <- open:
			asked++
		case <-ctx.Done():
			rest = append(rest, open.Seq)
		}
		return true
	})
	close(work)
	wg.Wait()
	state := stats.ResolvedLost
	if res.Asked > 0 && res.Lost == 0 {
		state = stats.ResolvedPending
	}
	for _, seq := range rest {
		m.opts.Ledger.Resolve(seq, state)
	}
	res.NotAsked = len(rest)
	return res
}

// ask queries messages until work is closed.
func (m *Messaging) ask(ctx context.Context, work <-chan stats.OpenMessage, tell func(stats.OpenMessage, stats.Resolution, bool)) {
	client := m.target.NewClient(ctx)
	defer client.Close()
	stop := context.AfterFunc(ctx, client.Abort)
	defer stop()
	for open := range work {
		r := client.Request()
		r.Path = appendHexID(r.Path, open.ID)
		res, err := client.Do(m.heads.status, r)
		switch {
		case err != nil || res.Status != 200 && res.Status != 404:
			tell(open, stats.ResolvedLost, false)
		case res.Status == 200 && held(member(res.Body, "status")):
			tell(open, stats.ResolvedPending, true)
		default:
			tell(open, stats.ResolvedLost, true)
		}
	}
}

// held says that the target still works on a message of this status.
func held(status []byte) bool {
	switch string(status) {
	case "PENDING", "SENT", "SCHEDULED", "QUEUED", "SUBMITTED", "PROCESSING":
		return true
	}
	return false
}

// appendHexID appends the 16 digits of an id that the ledger kept.
func appendHexID(b []byte, id uint64) []byte {
	digits := strconv.AppendUint(nil, id, 16)
	for range 16 - len(digits) {
		b = append(b, '0')
	}
	return append(b, digits...)
}
