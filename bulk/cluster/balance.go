package cluster

import (
	"cmp"
	"slices"
	"strings"
)

// share returns the leases that belong to this node. It needs mu.
func (m *Member) share(wanted []string) map[string]bool {
	mine := make(map[string]bool)
	if !m.o.Takes || m.draining {
		return mine
	}
	nodes, holders := []uint16{m.row.Node}, make(map[string]uint16)
	for i := range m.nodes {
		n := &m.nodes[i]
		for _, name := range n.Leases {
			holders[name] = n.Node
		}
		if n.Alive && n.Takes && !n.Draining && n.Node != m.row.Node {
			nodes = append(nodes, n.Node)
		}
	}
	slices.Sort(nodes)
	for _, names := range byKind(wanted) {
		for name, node := range balance(names, holders, nodes) {
			if node == m.row.Node {
				mine[name] = true
			}
		}
	}
	return mine
}

// byKind sorts names by what is before their slash: each kind is balanced for itself, so that
// campaigns, which come and go, move no connectors.
func byKind(names []string) map[string][]string {
	kinds := make(map[string][]string)
	for _, name := range slices.Sorted(slices.Values(names)) {
		kind, _, _ := strings.Cut(name, "/")
		kinds[kind] = append(kinds[kind], name)
	}
	return kinds
}

// balance deals names out over nodes, both sorted, so that no two nodes differ by more than one.
// A name stays with its holder where that is possible. Nodes that see the same holders come to
// the same result; if they do not, one of them gets the lease, and the next look is better.
func balance(names []string, holders map[string]uint16, nodes []uint16) map[string]uint16 {
	held := make(map[uint16]int, len(nodes))
	for _, name := range names {
		if node, ok := holders[name]; ok {
			held[node]++
		}
	}
	// Those that hold the most have one more than the others, if it does not come out even.
	order := slices.Clone(nodes)
	slices.SortStableFunc(order, func(a, b uint16) int { return cmp.Compare(held[b], held[a]) })
	room := make(map[uint16]int, len(nodes))
	for i, node := range order {
		room[node] = len(names) / len(nodes)
		if i < len(names)%len(nodes) {
			room[node]++
		}
	}
	owners := make(map[string]uint16, len(names))
	for _, name := range names {
		if node, ok := holders[name]; ok && room[node] > 0 {
			owners[name] = node
			room[node]--
		}
	}
	for _, name := range names {
		if _, ok := owners[name]; ok {
			continue
		}
		node := slices.MaxFunc(nodes, func(a, b uint16) int { return cmp.Compare(room[a], room[b]) })
		owners[name] = node
		room[node]--
	}
	return owners
}
