package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/store"
)

// Topics that this package uses itself.
const (
	TopicNodes = "nodes" // look at nodes and leases
	topicAsk   = "ask"
	topicReply = "reply"
)

// ErrNoReply: the node that was asked did not answer in time.
var ErrNoReply = errors.New("the other node does not answer")

// Bus carries short announcements between the nodes, and questions from one to another. What is
// said while a node is cut off, it does not hear: then it reads everything again.
//
// Handlers run one after the other on the bus's goroutine and must not block for long; those of
// questions run on goroutines of their own.
type Bus struct {
	s    store.Nodes
	node uint16
	log  *slog.Logger

	topics  map[string]func(payload string)
	reloads []func()
	asks    map[string]func(ctx context.Context, body []byte) ([]byte, error)

	next    atomic.Uint64
	mu      sync.Mutex
	waiting map[string]chan reply // guarded by mu
	cancel  context.CancelFunc
	joined  sync.WaitGroup
}

// question is the payload of topicAsk.
type question struct {
	ID   string          `json:"id"`
	To   uint16          `json:"to"`
	What string          `json:"what"`
	Body json.RawMessage `json:"body,omitempty"`
}

// reply is the payload of topicReply.
type reply struct {
	ID   string          `json:"id"`
	Body json.RawMessage `json:"body,omitempty"`
	Err  string          `json:"error,omitempty"`
}

// replyWithin bounds the wait for an answer.
const replyWithin = 5 * time.Second

// NewBus returns a bus of a node that does not listen yet.
func NewBus(s store.Nodes, node uint16, log *slog.Logger) *Bus {
	return &Bus{
		s: s, node: node, log: log, topics: make(map[string]func(string)),
		asks: make(map[string]func(context.Context, []byte) ([]byte, error)), waiting: make(map[string]chan reply),
	}
}

// On sets what happens when something is announced. Call it before Start.
func (b *Bus) On(topic string, f func(payload string)) { b.topics[topic] = f }

// OnGap adds what happens after announcements may have been missed. Call it before Start.
func (b *Bus) OnGap(f func()) { b.reloads = append(b.reloads, f) }

// OnAsk sets who answers a question. Call it before Start.
func (b *Bus) OnAsk(what string, f func(ctx context.Context, body []byte) ([]byte, error)) {
	b.asks[what] = f
}

// Start begins to listen.
func (b *Bus) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	b.joined.Go(func() {
		b.s.Listen(ctx, func(topic, payload string) { b.hear(ctx, topic, payload) }, func() {
			for _, f := range b.reloads {
				f()
			}
		})
	})
}

// Stop ends it, and waits for questions that are being answered.
func (b *Bus) Stop() {
	b.cancel()
	b.joined.Wait()
}

// Announce tells all nodes, this one included.
func (b *Bus) Announce(ctx context.Context, topic, payload string) error {
	return b.s.Announce(ctx, topic, payload)
}

func (b *Bus) hear(ctx context.Context, topic, payload string) {
	switch topic {
	case topicAsk:
		var q question
		if json.Unmarshal([]byte(payload), &q) == nil && q.To == b.node {
			b.joined.Go(func() { b.answer(ctx, &q) })
		}
	case topicReply:
		var r reply
		if json.Unmarshal([]byte(payload), &r) != nil {
			return
		}
		b.mu.Lock()
		ch := b.waiting[r.ID]
		delete(b.waiting, r.ID)
		b.mu.Unlock()
		if ch != nil {
			ch <- r
		}
	default:
		if f := b.topics[topic]; f != nil {
			f(payload)
		}
	}
}

func (b *Bus) answer(ctx context.Context, q *question) {
	ctx, cancel := context.WithTimeout(ctx, replyWithin)
	defer cancel()
	r := reply{ID: q.ID}
	f := b.asks[q.What]
	if f == nil {
		r.Err = "node " + strconv.Itoa(int(b.node)) + " does not know " + q.What
	} else if body, err := f(ctx, q.Body); err != nil {
		r.Err = err.Error()
	} else {
		r.Body = body
	}
	text, err := json.Marshal(r)
	if err == nil {
		err = b.s.Announce(ctx, topicReply, string(text))
	}
	if err != nil {
		b.log.Warn("cannot answer another node", "question", q.What, "error", err)
	}
}

// Ask puts a question to a node and returns its answer. body and the answer are JSON.
func (b *Bus) Ask(ctx context.Context, node uint16, what string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, replyWithin)
	defer cancel()
	q := question{ID: fmt.Sprintf("%d-%d", b.node, b.next.Add(1)), To: node, What: what, Body: body}
	text, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	ch := make(chan reply, 1)
	b.mu.Lock()
	b.waiting[q.ID] = ch
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.waiting, q.ID)
		b.mu.Unlock()
	}()
	if err := b.s.Announce(ctx, topicAsk, string(text)); err != nil {
		return nil, err
	}
	select {
	case r := <-ch:
		if r.Err != "" {
			return nil, errors.New(r.Err)
		}
		return r.Body, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("node %d: %w", node, ErrNoReply)
	}
}
