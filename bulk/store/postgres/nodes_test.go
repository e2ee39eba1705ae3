package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/store"
)

const nodeTTL = time.Minute

// late makes the database believe that a node was last seen, and its leases ran out, long ago.
func (n *node) late(number uint16) {
	n.t.Helper()
	for _, sql := range []string{
		"UPDATE nodes SET seen = now() - interval '1 hour' WHERE node = $1",
		"UPDATE leases SET expires = now() - interval '1 hour' WHERE node = $1",
	} {
		if _, err := n.pool.Exec(n.t.Context(), sql, int16(number)); err != nil {
			n.t.Fatal(err)
		}
	}
}

func TestNumbersOfNodes(t *testing.T) {
	n := open(t, database(t), 0)
	ctx := t.Context()
	var mu sync.Mutex
	taken := make(map[uint16]string)
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			session := fmt.Sprint("s", i)
			row, err := n.Register(ctx, -1, store.NodeRow{Name: session, Session: session}, nodeTTL)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || taken[row.Node] != "" || row.Node > 9 {
				t.Errorf("%s got %d, which is %q's: %v", session, row.Node, taken[row.Node], err)
			}
			taken[row.Node] = session
		})
	}
	all.Wait()
	_, err := n.Register(ctx, 4, store.NodeRow{Name: "late", Session: "late"}, nodeTTL)
	if !errors.Is(err, store.ErrTaken) || !strings.Contains(err.Error(), taken[4]) {
		t.Errorf("a number in use: %v, want one that names %s", err, taken[4])
	}
	n.late(4)
	if _, err := n.Register(ctx, 4, store.NodeRow{Name: "late", Session: "late"}, nodeTTL); err != nil {
		t.Errorf("the number of one that is not seen any more: %v", err)
	}
	if _, err := n.Heartbeat(ctx, store.NodeRow{Node: 4, Session: taken[4]}, nodeTTL); !errors.Is(err, store.ErrFenced) {
		t.Errorf("the one that had it: %v", err)
	}
	if err := n.Leave(ctx, 4, "late"); err != nil {
		t.Error(err)
	}
	if row, err := n.Register(ctx, -1, store.NodeRow{Session: "next"}, nodeTTL); err != nil || row.Node != 4 {
		t.Errorf("the lowest free number is %d, %v, want 4", row.Node, err)
	}
}

func TestLeasesRiseWithEachHolder(t *testing.T) {
	n := open(t, database(t), 0)
	ctx := t.Context()
	for number, session := range []string{"a", "b"} {
		if _, err := n.Register(ctx, number, store.NodeRow{Session: session}, nodeTTL); err != nil {
			t.Fatal(err)
		}
	}
	take := func(number uint16, session string, epoch int64) {
		t.Helper()
		l, err := n.Acquire(ctx, "connector/1", number, session, nodeTTL)
		if err != nil || l.Epoch != epoch || l.Node != number {
			t.Fatalf("%s takes it: %+v, %v, want epoch %d", session, l, err, epoch)
		}
	}
	take(0, "a", 1)
	take(0, "a", 1)
	if _, err := n.Acquire(ctx, "connector/1", 1, "b", nodeTTL); !errors.Is(err, store.ErrTaken) {
		t.Errorf("another has it: %v", err)
	}
	n.late(0)
	held, err := n.Heartbeat(ctx, store.NodeRow{Node: 0, Session: "a"}, nodeTTL)
	if err != nil || len(held) != 1 || held[0].Epoch != 1 {
		t.Errorf("late, but nobody took it: %+v, %v", held, err)
	}
	n.late(0)
	take(1, "b", 2)
	if held, err := n.Heartbeat(ctx, store.NodeRow{Node: 0, Session: "a"}, nodeTTL); err != nil || len(held) != 0 {
		t.Errorf("somebody took it: %+v, %v", held, err)
	}
	if err := n.Release(ctx, "connector/1", 0, 1); err != nil { // too late: it is not his
		t.Error(err)
	}
	if list, err := n.ListLeases(ctx); err != nil || len(list) != 1 || list[0].Node != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if err := n.Release(ctx, "connector/1", 1, 2); err != nil {
		t.Error(err)
	}
	take(1, "b", 3) // given back, and taken by the same: the epoch rises all the same
	if err := n.Leave(ctx, 1, "b"); err != nil {
		t.Error(err)
	}
	take(0, "a", 4)
}

// TestListenersComeBack: a connection that is cut is replaced. The gap is told, as is the one before
// the first connection: what was announced then was not heard.
func TestListenersComeBack(t *testing.T) {
	n := open(t, database(t), 0)
	ctx, cancel := context.WithCancel(t.Context())
	heard, gaps := make(chan string, 100), make(chan struct{}, 100)
	var joined sync.WaitGroup
	joined.Go(func() {
		n.Listen(ctx, func(topic, payload string) { heard <- topic + "=" + payload }, func() { gaps <- struct{}{} })
	})
	defer joined.Wait()
	defer cancel()
	told := func() {
		t.Helper()
		select {
		case <-gaps:
		case <-time.After(20 * time.Second):
			t.Fatal("nobody was told of the gap")
		}
	}
	hears := func(text string) {
		t.Helper()
		until := time.After(20 * time.Second)
		for {
			if err := n.Announce(ctx, "t", text); err != nil {
				t.Fatal(err)
			}
			select {
			case got := <-heard:
				if got == "t="+text {
					return
				}
			case <-time.After(20 * time.Millisecond): // it does not listen yet
			case <-until:
				t.Fatal("not heard: " + text)
			}
		}
	}
	told()
	hears("one\nof two lines")
	if err := pgx.BeginFunc(ctx, n.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %' AND datname = current_database()")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	told()
	hears("two")
}
