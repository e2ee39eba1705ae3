package redisq

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"protei-bulk/bulk/message"
)

const (
	// maxIDs bounds an entry.
	maxIDs = 1000
	idSize = 8
	// payload is the field of an entry that has the ids, 8 octets each, big-endian.
	payload = "ids"
)

const streamPrefix = "pb:lane:"

func stream(lane message.Lane) string {
	return fmt.Sprintf("%s{%d}:%d", streamPrefix, lane.Connector, lane.Priority)
}

func laneOf(stream string) (lane message.Lane, err error) {
	_, err = fmt.Sscanf(stream, streamPrefix+"{%d}:%d", &lane.Connector, &lane.Priority)
	if err == nil && lane.Priority >= message.NumPriorities {
		err = errors.New("no such priority")
	}
	return lane, err
}

func pack(ids []message.ID) []byte {
	b := make([]byte, 0, len(ids)*idSize)
	for _, id := range ids {
		b = binary.BigEndian.AppendUint64(b, uint64(id))
	}
	return b
}

func unpack(text string) ([]message.ID, error) {
	if n := len(text); n == 0 || n%idSize != 0 || n > maxIDs*idSize {
		return nil, fmt.Errorf("%d octets are not 1 to %d ids of %d", n, maxIDs, idSize)
	}
	ids := make([]message.ID, 0, len(text)/idSize)
	for b := []byte(text); len(b) > 0; b = b[idSize:] {
		ids = append(ids, message.ID(binary.BigEndian.Uint64(b)))
	}
	return ids, nil
}

// Publish tells the owner of a lane of committed messages. It never blocks: when Redis is away
// or too slow, the hint is dropped and counted.
func (q *Queue) Publish(lane message.Lane, ids []message.ID) {
	select {
	case q.hints <- hint{lane, ids}:
	default:
		q.dropped.Add(int64(len(ids)))
	}
}

// ack says that an entry has done its work.
type ack struct{ stream, id string }

// write writes what came since the last round trip with the next.
func (q *Queue) write(ctx context.Context) {
	lanes := make(map[message.Lane][]message.ID)
	done := make(map[string][]string)
	for {
		select {
		case h := <-q.hints:
			lanes[h.lane] = append(lanes[h.lane], h.ids...)
		case a := <-q.acks:
			done[a.stream] = append(done[a.stream], a.id)
		case <-ctx.Done():
			return
		}
		for range len(q.hints) {
			h := <-q.hints
			lanes[h.lane] = append(lanes[h.lane], h.ids...)
		}
		for range len(q.acks) {
			a := <-q.acks
			done[a.stream] = append(done[a.stream], a.id)
		}
		q.flush(ctx, lanes, done)
		clear(lanes)
		clear(done)
	}
}

func (q *Queue) flush(ctx context.Context, lanes map[message.Lane][]message.ID, done map[string][]string) {
	var cmds rueidis.Commands
	var sizes []int // messages of each command; 0: it is no hint
	for lane, ids := range lanes {
		for len(ids) > 0 {
			n := min(len(ids), maxIDs)
			cmds = append(cmds, q.add(stream(lane), rueidis.BinaryString(pack(ids[:n]))))
			sizes = append(sizes, n)
			ids = ids[n:]
		}
	}
	for key, ids := range done {
		cmds = append(cmds, q.client.B().Xack().Key(key).Group(group).Id(ids...).Build(), q.client.B().Xdel().Key(key).Id(ids...).Build())
		sizes = append(sizes, 0, 0)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var failed error
	for i, r := range q.client.DoMulti(ctx, cmds...) {
		if err := r.Error(); err != nil {
			q.dropped.Add(int64(sizes[i]))
			failed = err
		} else {
			q.published.Add(int64(sizes[i]))
		}
	}
	q.reached(failed)
}

func (q *Queue) add(key, ids string) rueidis.Completed {
	return q.client.B().Xadd().Key(key).Maxlen().Almost().Threshold(strconv.FormatInt(q.o.StreamLen, 10)).
		Id("*").FieldValue().FieldValue(payload, ids).Build()
}

// acknowledge never blocks: what has no room is offered again a little later.
func (q *Queue) acknowledge(key, id string) {
	select {
	case q.acks <- ack{key, id}:
	default:
	}
}

// groupMissing reports whether a stream or its group is not there: new, or flushed away.
func groupMissing(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "NOGROUP")
}
