package redisq

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"protei-bulk/bulk/message"
)

const (
	deadStream = "pb:dead"
	// maxDead is how many entries that were given up are kept, roughly.
	maxDead = 10_000
)

// Dead is an entry that was given up. The messages themselves wait in the store, and are found
// there by looking.
type Dead struct {
	ID     string
	At     time.Time
	Stream string
	Reason string
	IDs    []message.ID
	Raw    string // in hex, when it has no ids
}

// bury moves an entry to the dead ones.
func (q *Queue) bury(ctx context.Context, key string, e *rueidis.XRangeEntry, reason string) error {
	b := q.client.B
	for _, r := range q.client.DoMulti(ctx,
		b().Xadd().Key(deadStream).Maxlen().Almost().Threshold(strconv.Itoa(maxDead)).Id("*").FieldValue().
			FieldValue("stream", key).FieldValue("reason", reason).FieldValue(payload, e.FieldValues[payload]).Build(),
		b().Xack().Key(key).Group(group).Id(e.ID).Build(), b().Xdel().Key(key).Id(e.ID).Build(),
	) {
		if err := r.Error(); err != nil {
			return err
		}
	}
	q.buried.Add(1)
	q.log.Warn("hint given up", "stream", key, "reason", reason)
	return nil
}

// Dead returns entries that were given up, oldest first, after the one with the id given; "": from
// the first one on.
func (q *Queue) Dead(ctx context.Context, after string, limit int) ([]Dead, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	start := "-"
	if after != "" {
		start = "(" + after
	}
	entries, err := q.client.Do(ctx, q.client.B().Xrange().Key(deadStream).Start(start).End("+").Count(int64(limit)).Build()).AsXRange()
	if err != nil {
		return nil, fmt.Errorf("list the dead hints: %w", err)
	}
	list := make([]Dead, len(entries))
	for i, e := range entries {
		ms, _, _ := strings.Cut(e.ID, "-")
		at, _ := strconv.ParseInt(ms, 10, 64) // Redis writes nothing else
		list[i] = Dead{ID: e.ID, At: time.UnixMilli(at).UTC(), Stream: e.FieldValues["stream"], Reason: e.FieldValues["reason"]}
		if list[i].IDs, err = unpack(e.FieldValues[payload]); err != nil {
			list[i].Raw = hex.EncodeToString([]byte(e.FieldValues[payload]))
		}
	}
	return list, nil
}

// Replay offers all entries that were given up until now once more, and returns how many.
func (q *Queue) Replay(ctx context.Context) (n int64, err error) { return q.exhume(ctx, true) }

// Purge forgets all entries that were given up until now, and returns how many.
func (q *Queue) Purge(ctx context.Context) (n int64, err error) { return q.exhume(ctx, false) }

// exhume takes the dead entries away; those that come meanwhile stay.
func (q *Queue) exhume(ctx context.Context, again bool) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*callTimeout)
	defer cancel()
	newest, err := q.client.Do(ctx, q.client.B().Xrevrange().Key(deadStream).End("+").Start("-").Count(1).Build()).AsXRange()
	if err != nil || len(newest) == 0 {
		return 0, err
	}
	last := newest[0].ID
	for {
		entries, err := q.client.Do(ctx, q.client.B().Xrange().Key(deadStream).Start("-").End(last).Count(maxIDs).Build()).AsXRange()
		if err != nil || len(entries) == 0 {
			q.dead.Add(-n)
			return n, err
		}
		var cmds rueidis.Commands
		ids := make([]string, len(entries))
		for i, e := range entries {
			ids[i] = e.ID
			if _, err := laneOf(e.FieldValues["stream"]); again && err == nil {
				cmds = append(cmds, q.add(e.FieldValues["stream"], e.FieldValues[payload]))
			}
		}
		for _, r := range q.client.DoMulti(ctx, append(cmds, q.client.B().Xdel().Key(deadStream).Id(ids...).Build())...) {
			if err := r.Error(); err != nil {
				return n, err
			}
		}
		n += int64(len(entries))
	}
}
