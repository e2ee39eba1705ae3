package postgres

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"protei-bulk/bulk/store"
)

// TestBindsOverNodes: three nodes take as many binds as they can get, all at once; those of a node
// that is not seen any more, or began anew, are free.
func TestBindsOverNodes(t *testing.T) {
	url := database(t)
	const most = 60
	ctx := t.Context()
	session := func(n *node) string { return fmt.Sprint("s", n.node.Load()) }
	set := func(n *node, account uint32, binds, most int) bool {
		t.Helper()
		ok, err := n.SetBinds(ctx, account, session(n), nodeTTL, binds, most)
		if err != nil {
			t.Error(err)
		}
		return ok
	}
	var nodes []*node
	for i := range 3 {
		n := open(t, url, uint16(i))
		if _, err := n.Register(ctx, i, store.NodeRow{Name: session(n), Session: session(n)}, nodeTTL); err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, n)
	}
	a, b := nodes[0], nodes[1]
	var took [3]atomic.Int64
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() {
			for binds := 1; set(n, 7, binds, most); binds++ {
				took[i].Add(1)
			}
		})
	}
	all.Wait()
	if sum := took[0].Load() + took[1].Load() + took[2].Load(); sum != most {
		t.Errorf("%d binds, want %d", sum, most)
	}
	if !set(a, 8, 2, 2) || set(b, 8, 1, 2) {
		t.Error("two binds of two are not all")
	}
	if !set(a, 8, 1, -1) || !set(b, 8, 1, 2) || set(b, 8, 2, 2) {
		t.Error("the place of a bind that ended is not free, or more than that")
	}
	a.late(0)
	if !set(b, 8, 2, 2) {
		t.Error("a dead node keeps its binds")
	}
	if !set(b, 8, 0, -1) || a.count("SELECT count(*) FROM binds WHERE account = 8 AND node = 1") != 0 {
		t.Error("no binds leave a row")
	}
	if !set(a, 9, 2, 2) {
		t.Fatal("not set")
	}
	if _, err := b.Register(ctx, 0, store.NodeRow{Name: "new", Session: "new"}, nodeTTL); err != nil { // in place of a
		t.Fatal(err)
	}
	if !set(b, 9, 2, 2) {
		t.Error("binds of the process before count")
	}
}
