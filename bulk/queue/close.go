package queue

import (
	"context"
	"errors"

	"protei-bulk/bulk/message"
)

// closeBatch is how many retries Close gives a new sequence in one record.
const closeBatch = 1000

// Close makes Take return ErrClosed and leaves no false suspects behind: it brings the
// send horizon of each lane back to what was really taken, and gives the retries that
// wait below it a new sequence. It waits for those records, but not longer than ctx.
func (q *Queue) Close(ctx context.Context) error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
	q.closed = true
	exact := make(map[message.Lane]uint64)
	for p := range q.lanes {
		l := &q.lanes[p]
		if to := max(l.taken, l.suspectTo); to < l.asked {
			exact[l.id] = to
		}
	}
	retries := q.retries()
	q.mu.Unlock()
	q.signal()

	records := len(exact) + (len(retries)+closeBatch-1)/closeBatch
	done := make(chan error, records)
	note := func(err error) { done <- err }
	for lane, seq := range exact {
		q.o.Store.RecordHorizon(lane, seq, func(_ uint64, err error) { note(err) })
	}
	for len(retries) > 0 {
		n := min(closeBatch, len(retries))
		q.o.Store.RecordMany(retries[:n], note)
		retries = retries[n:]
	}
	var errs []error
	for range records {
		select {
		case err := <-done:
			errs = append(errs, err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.Join(errs...)
}

// retries needs mu. It lists the delayed items that a later start would take for suspects.
func (q *Queue) retries() []message.Event {
	var evs []message.Event
	at := q.o.Now().UnixMilli()
	add := func(it *Item) {
		if it.Seq <= q.lanes[it.Msg.Priority].taken && !it.Suspect {
			evs = append(evs, message.Event{Kind: message.Requeue, Msg: it.Msg, Part: message.AllParts, At: at, Due: it.Due})
		}
	}
	q.order.each(q, add)
	for i := range q.freed {
		add(&q.freed[i])
	}
	for s := range q.wheel.slots {
		for i := range q.wheel.slots[s] {
			add(&q.wheel.slots[s][i])
		}
	}
	for p := range q.lanes {
		for i := range q.lanes[p].late {
			add(&q.lanes[p].late[i])
		}
	}
	return evs
}
