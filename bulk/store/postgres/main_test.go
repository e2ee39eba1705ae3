package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
	"protei-bulk/internal/servers"
)

// server is the PostgreSQL of this process's tests; each has a database of its own.
var server *servers.Postgres

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "protei-bulk-postgres-")
	if err == nil {
		server, err = servers.NewPostgres(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := errors.Join(server.Stop(), os.RemoveAll(dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// node is a store with what it was told.
type node struct {
	*Store
	t testing.TB

	mu      sync.Mutex
	lane    []message.Event // that gave a place
	changed []message.Event
	hints   []message.ID
	wake    chan struct{}
}

// database makes an empty one.
func database(t testing.TB) string {
	t.Helper()
	url, err := server.NewDatabase()
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// open opens a node over a database.
func open(t testing.TB, url string, number uint16, change ...func(*Options)) *node {
	t.Helper()
	n := &node{t: t, wake: make(chan struct{}, 1)}
	opts := Options{URL: url, Applied: n.applied, Hint: func(_ message.Lane, ids []message.ID) {
		n.mu.Lock()
		n.hints = append(n.hints, ids...)
		n.mu.Unlock()
		signal(n.wake)
	}}
	for _, f := range change {
		f(&opts)
	}
	s, err := Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	n.Store = s
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	if err := s.SetNode(t.Context(), number); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) applied(evs []message.Event) {
	n.mu.Lock()
	for _, ev := range evs {
		if ev.Seq != 0 {
			n.lane = append(n.lane, ev)
		}
		n.changed = append(n.changed, ev)
	}
	n.mu.Unlock()
	signal(n.wake)
}

// until waits until what is true, under mu.
func (n *node) until(what string, ok func() bool) {
	n.t.Helper()
	n.eventually(what, func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return ok()
	})
}

// eventually waits until what is true. It looks when the node is told something, and now and then.
func (n *node) eventually(what string, ok func() bool) {
	n.t.Helper()
	deadline := time.After(15 * time.Second)
	for !ok() {
		select {
		case <-n.wake:
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			n.t.Fatalf("not within 15 s: %s", what)
		}
	}
}

// schema returns what takes the database to other versions of the schema.
func (n *node) schema() *goose.Provider {
	n.t.Helper()
	db := stdlib.OpenDBFromPool(n.pool)
	n.t.Cleanup(func() { _ = db.Close() })
	p, err := schema(db)
	if err != nil {
		n.t.Fatal(err)
	}
	return p
}

// lease makes the node the holder of a connector's lease under a higher epoch than before.
func (n *node) lease(connector uint16) int64 {
	n.t.Helper()
	var epoch int64
	err := n.pool.QueryRow(context.Background(), `INSERT INTO leases (name, epoch, node, session, expires) VALUES ($1, 1, $2, 'test', now() + interval '1 hour')
ON CONFLICT (name) DO UPDATE SET epoch = leases.epoch + 1, node = excluded.node RETURNING epoch`, LeaseOfConnector(connector), int16(n.node.Load())).Scan(&epoch)
	if err != nil {
		n.t.Fatal(err)
	}
	return epoch
}

func (n *node) own(connector uint16) []store.LaneState {
	n.t.Helper()
	states, err := n.Own(context.Background(), connector, n.lease(connector))
	if err != nil {
		n.t.Fatal(err)
	}
	return states
}

// looked waits until the feeder of a connector's lanes has looked at all that waited when it began.
func (n *node) looked(connector uint16) {
	n.t.Helper()
	n.until("the feeder has looked", func() bool { return !n.owners.of(connector).behind(int(message.Normal)) })
}

// make makes messages for a connector that are not accepted yet.
func (n *node) make(count int, connector uint16, change ...func(*message.Message)) []*message.Message {
	msgs := make([]*message.Message, count)
	for i := range msgs {
		id := n.IDs().Next()
		m := &message.Message{
			ID: id, Account: 7, Source: message.Address{TON: 5, Addr: "Bank"}, Dest: message.Address{TON: 1, NPI: 1, Addr: fmt.Sprintf("+9677%08d", i)},
			Priority: message.Normal, Flags: message.WantReceipt | message.NotifyFinal, DLRURL: "http://example.org/",
			SubmittedAt: id.Time().UnixMilli(), Connector: connector, Payload: []byte("hello"), Status: message.Pending,
		}
		m.SetParts(1)
		m.Parts[0].End = 5
		for _, f := range change {
			f(m)
		}
		msgs[i] = m
	}
	return msgs
}

func (n *node) accept(msgs []*message.Message) {
	n.t.Helper()
	if err := n.Accept(context.Background(), msgs, store.AcceptExtra{}); err != nil {
		n.t.Fatal(err)
	}
}

// record makes events durable and returns what became of them.
func (n *node) record(evs ...message.Event) error {
	done := make(chan error, 1)
	n.RecordMany(evs, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-time.After(15 * time.Second):
		n.t.Fatal("events are not stored within 15 s")
		return nil
	}
}

func (n *node) must(evs ...message.Event) {
	n.t.Helper()
	if err := n.record(evs...); err != nil {
		n.t.Fatal(err)
	}
}

func submitted(m *message.Message, smscID string) message.Event {
	return message.Event{Kind: message.Submitted, Msg: m, SMSCID: smscID, At: m.SubmittedAt + 5}
}

func delivered(m *message.Message) message.Event {
	return message.Event{Kind: message.Settle, Msg: m, Status: message.Delivered, At: m.SubmittedAt + 10}
}

// row reads a message as it is stored.
func (n *node) row(id message.ID) *message.Message {
	n.t.Helper()
	m, err := n.Message(context.Background(), id)
	if err != nil {
		n.t.Fatal(err)
	}
	return m
}

// arrived returns the ids of what came into the lanes, in that order.
func (n *node) arrived() (ids []message.ID) {
	for _, ev := range n.lane {
		ids = append(ids, ev.Msg.ID)
	}
	return ids
}

func (n *node) count(query string, args ...any) (count int) {
	n.t.Helper()
	if err := n.pool.QueryRow(context.Background(), query, args...).Scan(&count); err != nil {
		n.t.Fatal(err)
	}
	return count
}

func idsOf(msgs []*message.Message) (ids []message.ID) {
	for _, m := range msgs {
		ids = append(ids, m.ID)
	}
	return ids
}
