package main

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
)

// Cell is what one simulation runs: nodes over one PostgreSQL and one Redis.
type Cell struct {
	Nodes, NodeCores int
	PostgresCores    int
	// Shared puts everything on the cores of the first node, as on one small machine.
	Shared bool
	// Others is what other programs spend on the shared cores for each message, in µs.
	Others float64
	// Remote is the part of the messages whose connector another node owns.
	Remote float64
	// Speed is how much faster a core is than the one measured.
	Speed float64
	// RTT is between a node and PostgreSQL or Redis, in ms.
	RTT float64
	// SMSC is the time until the SMSC has answered and sent its receipt, in ms.
	SMSC float64
}

// Load is what comes in: Rate messages a second in requests of Costs.Batch at random moments,
// or, with Clients, as many clients that send the next request when the last is answered.
type Load struct {
	Rate    float64
	Clients int
	Seconds float64
}

// Result is what a simulation saw after its first fifth. Times are ms.
type Result struct {
	Offered, Rate           float64 // messages a second, that came and that were delivered
	AcceptP95, AcceptP99    float64
	DeliverP95              float64
	Node, Postgres, Redis   float64 // share of the time that the cores work
	Writer                  float64 // share of the time that a node's connection that settles works
	WAL                     float64 // share of what the disk of the log can take
	Backlog                 int     // messages accepted and not delivered at the end
	Groups                  float64 // messages of a transaction that accepts, on average
	acceptTimes, dlvryTimes []float64
}

// sim is a discrete-event simulation. Its unit of work is a batch of messages, its clock ms.
type sim struct {
	c    *Costs
	cell *Cell
	load Load
	rnd  *rand.Rand

	now    float64
	events eventHeap
	serial int

	nodes []*node
	pg    *pool
	redis *pool
	wal   wal
	res   Result
	from  float64 // measured from here
	came  float64 // messages that came since then
	got   float64 // of all, those delivered since then
	open  int     // messages accepted and not delivered
	rows  float64
	txns  float64
}

type node struct {
	cpu            *pool
	accept, settle *writer
}

// batch is n messages that go together.
type batch struct {
	n      int
	node   *node
	began  float64
	client bool
}

func simulate(c *Costs, cell Cell, load Load) Result {
	s := &sim{c: c, cell: &cell, load: load, rnd: rand.New(rand.NewPCG(1, 2)), from: load.Seconds * 1000 / 5}
	for range cell.Nodes {
		n := &node{cpu: &pool{s: s, cores: cell.NodeCores}}
		if cell.Shared && len(s.nodes) > 0 {
			n.cpu = s.nodes[0].cpu
		}
		s.nodes = append(s.nodes, n)
	}
	s.pg, s.redis = &pool{s: s, cores: cell.PostgresCores}, &pool{s: s, cores: 1}
	if cell.Shared {
		s.pg, s.redis = s.nodes[0].cpu, s.nodes[0].cpu
	}
	for _, n := range s.nodes {
		n.accept = &writer{s: s, cost: c.Accept + c.Other/2, done: s.accepted, conns: 1}
		n.settle = &writer{s: s, cost: c.Settle + 2*c.Outbox + c.Other/2, done: s.delivered, linger: 5, conns: settleConns}
	}
	for range load.Clients {
		s.after(s.rnd.Float64(), func() { s.request(true) })
	}
	if load.Clients == 0 {
		s.after(0, s.arrive)
	}
	end := load.Seconds * 1000
	for s.now < end && s.events.Len() > 0 {
		e := heap.Pop(&s.events).(event)
		s.now = e.at
		e.run()
	}
	return s.result(end - s.from)
}

func (s *sim) result(span float64) Result {
	r := s.res
	slices.Sort(r.acceptTimes)
	slices.Sort(r.dlvryTimes)
	r.AcceptP95, r.AcceptP99, r.DeliverP95 = quantile(r.acceptTimes, 0.95), quantile(r.acceptTimes, 0.99), quantile(r.dlvryTimes, 0.95)
	r.Offered, r.Rate = s.came/span*1000, s.got/span*1000
	for _, n := range s.nodes {
		r.Writer += n.settle.work / span / settleConns / float64(len(s.nodes))
		r.Node += n.cpu.busy / span / float64(n.cpu.cores) / float64(len(s.nodes))
	}
	r.Postgres = s.pg.busy / span / float64(s.pg.cores)
	r.Redis = s.redis.busy / span / float64(s.redis.cores)
	r.WAL = s.wal.busy / span
	r.Backlog = s.open
	r.Groups = s.rows / max(s.txns, 1)
	return r
}

func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.Inf(1)
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// us is a time of processors in ms, on the cores of the cell; no two pieces of work are the same.
func (s *sim) us(n float64) float64 {
	return n / 1000 / s.cell.Speed * (0.8 + 0.4*s.rnd.Float64())
}

func (s *sim) arrive() {
	s.request(false)
	s.after(s.rnd.ExpFloat64()*1000*float64(s.c.Batch)/s.load.Rate, s.arrive)
}

// request is one request: the node's work, then the transaction that accepts.
func (s *sim) request(client bool) {
	b := &batch{n: s.c.Batch, node: s.nodes[s.rnd.IntN(len(s.nodes))], began: s.now, client: client}
	if s.now >= s.from {
		s.came += float64(b.n)
	}
	work := s.us(s.c.Request + (s.c.Intake+s.cell.Others/2)*float64(b.n))
	b.node.cpu.do(work, func() { b.node.accept.put(b) })
}

// accepted answers a request; its messages go to their connector's node.
func (s *sim) accepted(b *batch) {
	s.open += b.n
	if s.now >= s.from {
		s.res.acceptTimes = append(s.res.acceptTimes, s.now-b.began)
	}
	if b.client {
		s.request(true)
	}
	if s.rnd.Float64() >= s.cell.Remote {
		s.deliver(b)
		return
	}
	b.node = s.nodes[s.rnd.IntN(len(s.nodes))]
	s.redis.do(s.us(s.c.Redis*float64(b.n)), func() {
		s.after(2*s.cell.RTT, func() {
			s.pg.do(s.us(s.c.Commit+s.c.Read*float64(b.n)), func() { s.after(2*s.cell.RTT, func() { s.deliver(b) }) })
		})
	})
}

// deliver sends messages to the SMSC; the answers and receipts make a transaction.
func (s *sim) deliver(b *batch) {
	work := s.us((s.c.Delivery + s.cell.Others/2) * float64(b.n))
	b.node.cpu.do(work, func() { s.after(s.cell.SMSC, func() { b.node.settle.put(b) }) })
}

func (s *sim) delivered(b *batch) {
	s.open -= b.n
	if s.now >= s.from {
		s.got += float64(b.n)
		s.res.dlvryTimes = append(s.res.dlvryTimes, s.now-b.began)
	}
}

// writer writes by one connection of a node to PostgreSQL, or by two: a transaction takes everything that waits, and half
// of it while there is enough for a second one.
type writer struct {
	s       *sim
	cost    float64 // of a row, in µs
	linger  float64 // ms between the first that waits and the transaction
	conns   int
	waiting []*batch
	rows    int     // of waiting
	busy    int     // connections
	work    float64 // ms of transactions, from the first statement to the answer
	done    func(*batch)
}

const (
	// maxGroup bounds a transaction, in rows.
	maxGroup = 5000
	// settleConns and splitAbove are package postgres's settleShards, and splitAbove in rows.
	settleConns = 2
	splitAbove  = 500
)

// worthTwo reports whether another connection should begin.
func (w *writer) worthTwo() bool { return w.busy < w.conns && w.rows >= 2*splitAbove }

func (w *writer) put(b *batch) {
	w.waiting = append(w.waiting, b)
	w.rows += b.n
	switch {
	case w.busy == 0:
		w.busy = 1
		w.s.after(w.linger, w.begin)
	case w.worthTwo():
		w.busy++
		w.begin()
	}
}

func (w *writer) begin() {
	most := maxGroup
	if w.worthTwo() {
		most = min(most, w.rows/2)
		w.busy++
		defer w.begin()
	}
	rows, n := 0, 0
	for ; n < len(w.waiting) && rows < most; n++ {
		rows += w.waiting[n].n
	}
	group := slices.Clone(w.waiting[:n])
	w.waiting = slices.Delete(w.waiting, 0, n)
	w.rows -= rows
	s := w.s
	began := s.now
	if w.linger == 0 {
		s.rows, s.txns = s.rows+float64(rows), s.txns+1
	}
	s.pg.do(s.us(s.c.Commit+w.cost*float64(rows)), func() {
		s.wal.flush(s, float64(rows)*s.c.WAL/2, func() {
			s.after(2*s.cell.RTT, func() {
				if began >= s.from {
					w.work += s.now - began
				}
				for _, b := range group {
					w.done(b)
				}
				if w.rows == 0 || w.busy > 1 && w.rows < splitAbove {
					w.busy--
					return
				}
				w.begin()
			})
		})
	})
}

// walSpeed is how fast a disk takes the log, in bytes a ms: 400 MB/s.
const walSpeed = 400e3

// wal is the log of PostgreSQL: one flush at a time, and all that wait share the next one.
type wal struct {
	waiting []func()
	bytes   float64
	under   bool
	busy    float64 // ms of writing, without the wait for the disk's answer
}

func (l *wal) flush(s *sim, bytes float64, done func()) {
	l.waiting = append(l.waiting, done)
	l.bytes += bytes
	if !l.under {
		l.next(s)
	}
}

func (l *wal) next(s *sim) {
	l.under = true
	group := l.waiting
	l.waiting = nil
	// Mostly about the same, now and then several times as long.
	write := l.bytes / walSpeed
	l.bytes = 0
	d := s.c.Flush*(0.7+0.3*s.rnd.ExpFloat64()) + write
	if s.now >= s.from {
		l.busy += write
	}
	s.after(d, func() {
		for _, f := range group {
			f()
		}
		if l.under = len(l.waiting) > 0; l.under {
			l.next(s)
		}
	})
}

// pool is processors with one queue.
type pool struct {
	s       *sim
	cores   int
	working int
	queue   []job
	busy    float64 // ms of all cores
}

type job struct {
	d    float64
	then func()
}

func (p *pool) do(d float64, then func()) {
	p.queue = append(p.queue, job{d, then})
	p.start()
}

func (p *pool) start() {
	for p.working < p.cores && len(p.queue) > 0 {
		j := p.queue[0]
		p.queue = p.queue[1:]
		p.working++
		if p.s.now >= p.s.from {
			p.busy += j.d
		}
		p.s.after(j.d, func() {
			p.working--
			j.then()
			p.start()
		})
	}
}

type event struct {
	at     float64
	serial int // first come, first served at the same moment
	run    func()
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].serial < h[j].serial
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*h = old[:len(old)-1]
	return e
}

func (s *sim) after(d float64, run func()) {
	s.serial++
	heap.Push(&s.events, event{s.now + d, s.serial, run})
}
