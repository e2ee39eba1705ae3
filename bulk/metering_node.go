package bulk

import "protei-bulk/bulk/metrics"

// nodeReadings shows this node among the others; a platform that is alone has none.
func (p *Platform) nodeReadings() []reading {
	if p.node == nil {
		return nil
	}
	return []reading{{
		name: "store_up", help: "1 while the store that nodes share takes changes.",
		read: func(emit metrics.Emit) {
			up := 1.0
			if p.store.Err() != nil {
				up = 0
			}
			emit(up)
		},
	}, {
		name: "nodes", help: "Nodes of the store as this one sees them, by state.", labels: []string{"state"},
		read: func(emit metrics.Emit) {
			count := map[string]int{nodeUp: 0, nodeDraining: 0, nodeLost: 0}
			for _, m := range p.node.member.Nodes() {
				if state := nodeState(&m); state != nodeLeft {
					count[state]++
				}
			}
			for state, n := range count {
				emit(float64(n), state)
			}
		},
	}, {
		name: "lease_epoch", help: "Leases that this node works with, and their epochs: how often they have changed hands.", labels: []string{"lease"},
		read: func(emit metrics.Emit) {
			for _, l := range p.node.member.Held() {
				emit(float64(l.Epoch), l.Name)
			}
		},
	}}
}
