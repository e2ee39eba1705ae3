package main

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// The cell that is planned with: machines of clouds that can be had everywhere. A core of them
// is taken for as fast as the one measured; what is faster needs fewer.
const (
	nodesOfCell   = 4
	coresOfNode   = 4
	coresOfServer = 16
	coresOfRedis  = 2
	// Beyond this share of its processors a component has no room for a failed neighbour.
	fullAt = 0.7
	// Targets of an accepted request and of a delivered message, ms.
	acceptWithin, deliverWithin = 100, 1000

	// Prices in US dollars: an hour of a general-purpose core with 4 GB of memory on demand, a
	// month of a GB on fast block storage. They are assumptions: see docs/scaling.md.
	pricePerCore = 0.048
	pricePerGB   = 0.08
	hoursOfMonth = 730
)

func cellOf(remote float64) Cell {
	return Cell{Nodes: nodesOfCell, NodeCores: coresOfNode, PostgresCores: coresOfServer, Remote: remote, Speed: 1, RTT: 0.25, SMSC: 20}
}

// remoteOf is the part of messages that another node sends when n nodes share the connectors.
func remoteOf(n int) float64 { return 1 - 1/float64(n) }

// holds reports whether a cell keeps up within the targets and with room left.
func holds(r Result) bool {
	return r.Rate > 0.97*r.Offered && r.AcceptP95 < acceptWithin && r.DeliverP95 < deliverWithin &&
		r.Node < fullAt && r.Postgres < fullAt && r.Redis < fullAt && r.WAL < fullAt
}

// capacity finds the highest rate that a cell holds, to 2 %.
func capacity(c *Costs, cell Cell) (float64, Result) {
	low, high := 0.0, 10_000.0
	var best Result
	for {
		r := simulate(c, cell, Load{Rate: high, Seconds: 4})
		if !holds(r) {
			break
		}
		low, best = high, r
		high *= 2
	}
	for high-low > 0.02*high {
		mid := (low + high) / 2
		if r := simulate(c, cell, Load{Rate: mid, Seconds: 4}); holds(r) {
			low, best = mid, r
		} else {
			high = mid
		}
	}
	return low, best
}

// Plan is what a rate needs.
type Plan struct {
	Cells, Machines, Cores int
	WAL                    float64 // bytes a second of one cell
	Stored                 float64 // GB a day, all cells
	Month                  float64 // US dollars, with a day of messages kept
}

func plan(c *Costs, rate, perCell float64) Plan {
	cells := int(math.Ceil(rate / perCell))
	p := Plan{Cells: cells}
	// Each cell: nodes, PostgreSQL with a synchronous standby, Redis with a replica.
	p.Machines = cells * (nodesOfCell + 2 + 2)
	p.Cores = cells * (nodesOfCell*coresOfNode + 2*coresOfServer + 2*coresOfRedis)
	p.WAL = rate / float64(cells) * c.WAL
	p.Stored = rate * c.Row * 86400 / 1e9
	p.Month = float64(p.Cores)*pricePerCore*hoursOfMonth + 2*p.Stored*pricePerGB
	return p
}

// limit names the component that is busiest.
func limit(r Result) string {
	name, most := "nodes", r.Node
	for _, c := range []struct {
		name string
		busy float64
	}{{"the connections of a node that settle", r.Writer}, {"PostgreSQL", r.Postgres}, {"Redis", r.Redis}, {"WAL", r.WAL}} {
		if c.busy > most {
			name, most = c.name, c.busy
		}
	}
	return name
}

func report(w io.Writer, c *Costs, rate float64) {
	check := checkRun(c)
	fmt.Fprintf(w, "Costs of %s.\n\n", c.Machine)
	fmt.Fprintf(w, "Check: %d cores with everything on them, %d clients: measured %s messages/s, simulated %s (%+.0f %%).\n\n",
		c.Check.Cores, c.Check.Clients, thousands(c.Check.Rate), thousands(check.Rate), (check.Rate/c.Check.Rate-1)*100)

	cell := cellOf(remoteOf(nodesOfCell))
	most, at := capacity(c, cell)
	fmt.Fprintf(w, "A cell of %d nodes with %d cores, PostgreSQL with %d, one Redis carries %s messages/s; the limit is %s.\n\n",
		cell.Nodes, cell.NodeCores, cell.PostgresCores, thousands(most), limit(at))
	fmt.Fprintf(w, "| messages/s in a cell | accept p95 | p99 | delivered p95 | nodes | PostgreSQL | Redis | log's disk | settling connections |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, share := range []float64{0.25, 0.5, 0.75, 1, 1.25, 1.5} {
		r := simulate(c, cell, Load{Rate: share * most, Seconds: 6})
		fmt.Fprintf(w, "| %s | %s | %s | %s | %.0f %% | %.0f %% | %.0f %% | %.0f %% | %.0f %% |\n", thousands(share*most),
			ms(r.AcceptP95), ms(r.AcceptP99), ms(r.DeliverP95), r.Node*100, r.Postgres*100, r.Redis*100, r.WAL*100, r.Writer*100)
	}
	fmt.Fprintf(w, "\n| messages/s | cells | machines | cores | WAL of a cell | stored a day | dollars a month |\n|---|---|---|---|---|---|---|\n")
	for _, n := range []float64{rate / 100, rate / 10, rate} {
		p := plan(c, n, most)
		fmt.Fprintf(w, "| %s | %d | %d | %d | %.0f MB/s | %s GB | %s |\n", thousands(n), p.Cells, p.Machines, p.Cores, p.WAL/1e6, thousands(p.Stored), thousands(p.Month))
	}
}

// checkRun simulates the machine that was measured.
func checkRun(c *Costs) Result {
	return simulate(c, Cell{
		Nodes: 1, NodeCores: c.Check.Cores, PostgresCores: c.Check.Cores, Shared: true, Others: c.Check.Others, Speed: 1, RTT: 0.02, SMSC: 2,
	}, Load{Clients: c.Check.Clients, Seconds: 5})
}

func ms(v float64) string {
	if math.IsInf(v, 1) || v > 10_000 {
		return "> 10 s"
	}
	return fmt.Sprintf("%.0f ms", v)
}

func thousands(v float64) string {
	digits := fmt.Sprintf("%.0f", v)
	var parts []string
	for len(digits) > 3 {
		parts = append([]string{digits[len(digits)-3:]}, parts...)
		digits = digits[:len(digits)-3]
	}
	return strings.Join(append([]string{digits}, parts...), ",")
}
