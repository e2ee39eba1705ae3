// Package redisq carries hints between nodes over Redis: which messages were committed for the
// lanes of a connector that another node owns. The messages themselves are in the store. A hint
// may be lost, repeated or wrong; what is not hinted at, the owner finds by looking a little
// later. So nothing waits for Redis, and nothing is lost with it.
//
// Each lane has a stream (pb:lane:{connector}:{priority}) with one consumer group for the owner of
// the connector. An entry is up to 1,000 ids of 8 octets. Entries that cannot be used go to
// pb:dead. A Queue owns two goroutines from Open to Stop: one writes, one reads.
package redisq

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"protei-bulk/bulk/message"
)

// Options configure a Queue. URL and Name are needed; Hinted and Owns to read.
type Options struct {
	URL  string // see ParseURL
	Name string // of the consumer: unlike that of any other process

	// Owns returns the connectors whose lanes are this node's. It is called twice a second.
	Owns func() []uint16
	// Hinted is given what others committed; taken(nil) says that the hint has done its work. An
	// error has it tried again, here or on the next owner. It must not block.
	Hinted func(lane message.Lane, ids []message.ID, taken func(error))

	// RetryAfter is how long a hint may be in work before it is tried again; 0: 10 s.
	RetryAfter time.Duration
	// StreamLen is how many entries a stream keeps, roughly: the oldest are dropped; 0: 10,000.
	StreamLen int64

	Logger *slog.Logger // nil: silent
}

// maxWaiting bounds the calls of Publish and the answers of Hinted that wait for the writer.
const maxWaiting = 4096

// Queue is one node's end. It is safe for concurrent use.
type Queue struct {
	o      Options
	log    *slog.Logger
	client rueidis.Client

	hints chan hint
	acks  chan ack

	published, dropped, read, buried atomic.Int64
	waiting                          atomic.Int64 // entries in the streams of this node, as last seen
	dead                             atomic.Int64 // entries of pb:dead, as last seen
	down                             atomic.Bool

	cancel context.CancelFunc
	joined sync.WaitGroup
}

type hint struct {
	lane message.Lane
	ids  []message.ID
}

// Stats are counts since Open, and how it is now.
type Stats struct {
	Published int64 // messages that were hinted at
	Dropped   int64 // messages whose hint was dropped: Redis was away or too slow
	Read      int64 // messages that others hinted at
	Buried    int64 // entries that this node gave up
	Waiting   int64 // entries for this node in Redis
	Dead      int64 // entries that were given up, of all nodes
	Up        bool  // the last call was answered
}

// Open reaches Redis, checks that it is one that this package can use, and begins.
func Open(ctx context.Context, o Options) (*Queue, error) {
	if o.RetryAfter == 0 {
		o.RetryAfter = 10 * time.Second
	}
	if o.StreamLen == 0 {
		o.StreamLen = 10_000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	client, err := Connect(ctx, o.URL)
	if err != nil {
		return nil, err
	}
	q := &Queue{o: o, log: o.Logger, client: client, hints: make(chan hint, maxWaiting), acks: make(chan ack, maxWaiting)}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	q.cancel = cancel
	q.joined.Go(func() { q.write(run) })
	if o.Owns != nil {
		q.joined.Go(func() { q.receive(run) })
	}
	return q, nil
}

// Stop ends both goroutines. Hints that were not written are dropped.
func (q *Queue) Stop() {
	q.cancel()
	q.joined.Wait()
	q.client.Close()
}

// Stats returns the counts.
func (q *Queue) Stats() Stats {
	return Stats{
		Published: q.published.Load(), Dropped: q.dropped.Load(), Read: q.read.Load(), Buried: q.buried.Load(),
		Waiting: q.waiting.Load(), Dead: q.dead.Load(), Up: !q.down.Load(),
	}
}

// reached notes whether Redis answers, and logs when that changes.
func (q *Queue) reached(err error) {
	if was := q.down.Swap(err != nil); was == (err != nil) {
		return
	}
	if err != nil {
		q.log.Warn("Redis does not answer: messages for other nodes are found by looking, a little later", "error", err)
	} else {
		q.log.Info("Redis answers again")
	}
}
