package redisq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"protei-bulk/bulk/message"
	"protei-bulk/internal/pause"
)

const (
	group = "owner"
	// readEntries bounds the entries of a stream that are read at once.
	readEntries = 64
	// readBlock is how long a read waits, and so how soon a new connector's lanes are read.
	readBlock = 500 * time.Millisecond
	// maxTries is how often an entry is offered until it is given up.
	maxTries = 5
	// retryRead is the pause after Redis did not answer.
	retryRead = 250 * time.Millisecond
)

// receive reads the streams of this node's connectors until ctx ends.
func (q *Queue) receive(ctx context.Context) {
	grouped := make(map[string]bool) // streams that have their group
	var swept time.Time
	for ctx.Err() == nil {
		keys := q.streams()
		if len(keys) == 0 {
			_ = pause.For(ctx, readBlock)
			continue
		}
		err := q.makeGroups(ctx, keys, grouped)
		if err == nil && time.Since(swept) > q.o.RetryAfter/2 {
			swept = time.Now()
			err = q.sweep(ctx, keys)
		}
		if err == nil {
			err = q.readOnce(ctx, keys)
		}
		if err == nil {
			continue
		}
		clear(grouped)
		if groupMissing(err) {
			continue // flushed away: the groups are made again
		}
		if ctx.Err() == nil {
			q.reached(err)
		}
		_ = pause.For(ctx, retryRead)
	}
}

// streams returns the keys of all lanes that are this node's.
func (q *Queue) streams() (keys []string) {
	for _, c := range q.o.Owns() {
		for p := range message.NumPriorities {
			keys = append(keys, stream(message.Lane{Connector: c, Priority: p}))
		}
	}
	return keys
}

func (q *Queue) makeGroups(ctx context.Context, keys []string, grouped map[string]bool) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for _, key := range keys {
		if grouped[key] {
			continue
		}
		err := q.client.Do(ctx, q.client.B().XgroupCreate().Key(key).Group(group).Id("0").Mkstream().Build()).Error()
		if err != nil && !rueidis.IsRedisBusyGroup(err) {
			return err
		}
		grouped[key] = true
	}
	q.reached(nil)
	return nil
}

// readOnce waits for new entries, and offers them.
func (q *Queue) readOnce(ctx context.Context, keys []string) error {
	ids := make([]string, len(keys))
	for i := range ids {
		ids[i] = ">"
	}
	ctx, cancel := context.WithTimeout(ctx, readBlock+callTimeout)
	defer cancel()
	entries, err := q.client.Do(ctx, q.client.B().Xreadgroup().Group(group, q.o.Name).Count(readEntries).
		Block(readBlock.Milliseconds()).Streams().Key(keys...).Id(ids...).Build()).AsXRead()
	if rueidis.IsRedisNil(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for key, list := range entries {
		for i := range list {
			if err := q.offer(ctx, key, &list[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// offer gives an entry to the store.
func (q *Queue) offer(ctx context.Context, key string, e *rueidis.XRangeEntry) error {
	lane, err := laneOf(key)
	if err != nil {
		return q.bury(ctx, key, e, err.Error())
	}
	ids, err := unpack(e.FieldValues[payload])
	if err != nil {
		return q.bury(ctx, key, e, err.Error())
	}
	q.read.Add(int64(len(ids)))
	id := e.ID
	q.o.Hinted(lane, ids, func(err error) {
		if err == nil {
			q.acknowledge(key, id)
		}
	})
	return nil
}

// sweep takes over what an owner before left in work and what this one could not use, gives up
// what was tried too often, and looks how much waits.
func (q *Queue) sweep(ctx context.Context, keys []string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	waiting := int64(0)
	for _, key := range keys {
		n, err := q.client.Do(ctx, q.client.B().Xlen().Key(key).Build()).AsInt64()
		if err != nil {
			return err
		}
		waiting += n
		if n == 0 {
			continue
		}
		if err := q.claim(ctx, key); err != nil {
			return err
		}
	}
	q.waiting.Store(waiting)
	n, err := q.client.Do(ctx, q.client.B().Xlen().Key(deadStream).Build()).AsInt64()
	q.dead.Store(n)
	return err
}

func (q *Queue) claim(ctx context.Context, key string) error {
	idle := q.o.RetryAfter.Milliseconds()
	list, err := q.client.Do(ctx, q.client.B().Xpending().Key(key).Group(group).Idle(idle).Start("-").End("+").Count(readEntries).Build()).ToArray()
	if err != nil || len(list) == 0 {
		return err
	}
	tries := make(map[string]int64, len(list))
	ids := make([]string, len(list))
	for i := range list {
		row, err := list[i].ToArray() // id, consumer, ms idle, times delivered
		if err != nil || len(row) < 4 {
			return errors.Join(fmt.Errorf("an answer of XPENDING that has %d fields", len(row)), err)
		}
		if ids[i], err = row[0].ToString(); err != nil {
			return err
		}
		if tries[ids[i]], err = row[3].AsInt64(); err != nil {
			return err
		}
	}
	entries, err := q.client.Do(ctx, q.client.B().Xclaim().Key(key).Group(group).Consumer(q.o.Name).
		MinIdleTime(strconv.FormatInt(idle, 10)).Id(ids...).Build()).AsXRange()
	if err != nil {
		return err
	}
	for i := range entries {
		if e := &entries[i]; tries[e.ID] >= maxTries {
			err = q.bury(ctx, key, e, fmt.Sprintf("offered %d times, and never taken", tries[e.ID]))
		} else {
			err = q.offer(ctx, key, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
