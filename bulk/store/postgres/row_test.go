package postgres

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
)

// TestReadsByID: messages are read by their ids at a price that neither what waits and is to be told
// nor the number of days changes: each row is looked up in its own day, and in the indexes of waiting and outbox.
func TestReadsByID(t *testing.T) {
	n := open(t, database(t), 1)
	msgs := n.make(300, 2)
	n.accept(msgs)
	ctx := t.Context()
	for _, sql := range []string{
		"INSERT INTO waiting SELECT 9, 1, g FROM generate_series(1, 50000) g",
		"INSERT INTO outbox SELECT g, 9 FROM generate_series(1, 50000) g",
		"ANALYZE waiting, outbox, messages",
	} {
		if _, err := n.pool.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, mode := range []string{"force_generic_plan", "force_custom_plan"} {
		plan := explain(t, n, mode, selectIDs, ids64(idsOf(msgs)))
		days := 0
		for line := range strings.Lines(plan) {
			if strings.Contains(line, "Seq Scan") {
				t.Errorf("%s: a whole table is read:\n%s", mode, plan)
			}
			if strings.Contains(line, " on messages_") && !strings.Contains(line, "never executed") {
				days++
			}
		}
		if days != 1 {
			t.Errorf("%s: %d days are looked into, want 1:\n%s", mode, days, plan)
		}
	}
	if _, err := n.pool.Exec(ctx, "INSERT INTO waiting VALUES (2, $1, $2)", int16(message.Normal), int64(msgs[7].ID)); err != nil {
		t.Fatal(err)
	}
	missing := n.IDs().Next()
	list, err := n.queryIDs(ctx, append([]message.ID{missing, msgs[7].ID}, idsOf(msgs[:3])...))
	if err != nil || len(list) != 4 || list[0].m.ID != msgs[0].ID || list[3].m.ID != msgs[7].ID || !list[3].waits || list[0].waits || list[3].teller != nil {
		t.Errorf("read: %+v (%v)", list, err)
	}
}

// explain runs a statement and returns its plan.
func explain(t *testing.T, n *node, mode, sql string, args ...any) string {
	t.Helper()
	conn, err := n.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), "SET plan_cache_mode = "+mode); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := conn.Exec(t.Context(), "RESET plan_cache_mode"); err != nil {
			t.Error(err)
		}
	}()
	rows, err := conn.Query(t.Context(), "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) "+sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(fmt.Errorf("explain %s: %w", sql, err))
	}
	return strings.Join(lines, "\n")
}
