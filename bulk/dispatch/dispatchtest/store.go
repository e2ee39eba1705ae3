// Package dispatchtest is a store in memory for the tests of lanes and dispatch: it
// commits in groups, on its own goroutine, with the semantics of the embedded store, and
// can be crashed.
package dispatchtest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/queue"
)

// ErrStopped is given to everything after Stop or Crash.
var ErrStopped = errors.New("dispatchtest: stopped")

// Store keeps messages in memory. Start it before use.
type Store struct {
	// Applied is called once per group on the commit goroutine. Set it before Start.
	Applied func([]message.Event)
	// CommitTime is how long one group takes, like an fdatasync.
	CommitTime time.Duration
	// NoIndex leaves out the receipt index, for measurements.
	NoIndex bool

	mu      sync.Mutex // guards cur, closed and Fail
	cur     *group
	closed  bool
	failing error
	wake    chan struct{}
	done    chan struct{}

	live    sync.Mutex // guards the state of messages and all below
	byID    map[message.ID]*message.Message
	order   map[message.Lane][]entry
	lanes   map[message.Lane]*laneState
	index   map[message.ReceiptKey][]message.ReceiptMatch
	disk    map[message.ReceiptKey][]message.ReceiptMatch // found by LookupReceipts only
	parked  map[message.ReceiptKey]message.Receipt
	settles map[message.ID]int // final states applied, per message
	groups  int
	lookups int
}

type entry struct {
	seq uint64
	m   *message.Message
}

type laneState struct{ next, horizon uint64 }

type horizon struct {
	lane message.Lane
	seq  uint64
}

type group struct {
	events   []message.Event
	horizons []horizon
	receipts []message.Receipt
	dones    []func(error)
}

func (g *group) reset() {
	clear(g.events)
	clear(g.dones)
	g.events, g.horizons, g.receipts, g.dones = g.events[:0], g.horizons[:0], g.receipts[:0], g.dones[:0]
}

// New returns an empty store.
func New() *Store {
	return &Store{
		cur: &group{}, wake: make(chan struct{}, 1), done: make(chan struct{}),
		byID:   make(map[message.ID]*message.Message),
		order:  make(map[message.Lane][]entry),
		lanes:  make(map[message.Lane]*laneState),
		index:  make(map[message.ReceiptKey][]message.ReceiptMatch),
		disk:   make(map[message.ReceiptKey][]message.ReceiptMatch),
		parked: make(map[message.ReceiptKey]message.Receipt), settles: make(map[message.ID]int),
	}
}

// Start runs the commit goroutine.
func (s *Store) Start() { go s.run() }

// Stop commits what is pending and ends the goroutine.
func (s *Store) Stop() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.signal()
	<-s.done
}

// Crash drops what is not committed yet, and returns a store that holds copies of what is.
func (s *Store) Crash() *Store {
	s.mu.Lock()
	s.cur, s.closed = &group{}, true
	s.mu.Unlock()
	s.signal()
	<-s.done
	s.live.Lock()
	defer s.live.Unlock()
	n := New()
	for lane, st := range s.lanes {
		n.lanes[lane] = &laneState{st.next, st.horizon}
	}
	for id, m := range s.byID {
		c := *m
		c.SetParts(len(m.Parts))
		copy(c.Parts, m.Parts)
		n.byID[id] = &c
		if c.LaneSeq != 0 {
			n.order[c.Lane()] = append(n.order[c.Lane()], entry{c.LaneSeq, &c})
		}
		for i := range c.Parts {
			if sid := c.Parts[i].SMSCID; sid != "" {
				key := message.ReceiptKey{Group: c.Connector, SMSCID: sid}
				n.disk[key] = append(n.disk[key], message.ReceiptMatch{Msg: &c, Part: i, Found: true})
			}
		}
	}
	for _, o := range n.order {
		slices.SortFunc(o, func(a, b entry) int { return int(int64(a.seq) - int64(b.seq)) })
	}
	for k, r := range s.parked {
		n.parked[k] = r
	}
	return n
}

// Fail makes every commit from now on fail with err.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	s.failing = err
	s.mu.Unlock()
}

func (s *Store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Store) put(done func(error), add func(*group)) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		if done != nil {
			done(ErrStopped)
		}
		return
	}
	add(s.cur)
	if done != nil {
		s.cur.dones = append(s.cur.dones, done)
	}
	s.mu.Unlock()
	s.signal()
}

// Accept takes new messages; done runs when they are applied.
func (s *Store) Accept(msgs []*message.Message, done func(error)) {
	s.put(done, func(g *group) {
		for _, m := range msgs {
			g.events = append(g.events, message.Event{Kind: message.Accept, Msg: m, At: m.SubmittedAt})
		}
	})
}

// Record commits an event.
func (s *Store) Record(ev message.Event, done func(error)) {
	s.put(done, func(g *group) { g.events = append(g.events, ev) })
}

// RecordMany commits events in this order.
func (s *Store) RecordMany(evs []message.Event, done func(error)) {
	s.put(done, func(g *group) { g.events = append(g.events, evs...) })
}

// RecordHorizon makes seq the lane's horizon.
func (s *Store) RecordHorizon(lane message.Lane, seq uint64, done func(uint64, error)) {
	s.put(func(err error) { done(seq, err) }, func(g *group) { g.horizons = append(g.horizons, horizon{lane, seq}) })
}

// ParkReceipt keeps a receipt for a Submitted to come.
func (s *Store) ParkReceipt(r message.Receipt, done func(error)) {
	s.put(done, func(g *group) { g.receipts = append(g.receipts, r) })
}

func (s *Store) run() {
	defer close(s.done)
	spare := &group{}
	for {
		s.mu.Lock()
		g, closed, failing := s.cur, s.closed, s.failing
		s.cur = spare
		s.mu.Unlock()
		spare = g
		if len(g.events)+len(g.dones)+len(g.horizons)+len(g.receipts) == 0 {
			if closed {
				return
			}
			<-s.wake
			continue
		}
		if s.CommitTime > 0 {
			time.Sleep(s.CommitTime)
		}
		if failing == nil {
			s.apply(g)
		}
		for _, done := range g.dones {
			done(failing)
		}
		g.reset()
	}
}

func (s *Store) apply(g *group) {
	s.live.Lock()
	s.groups++
	for _, h := range g.horizons {
		s.lane(h.lane).horizon = h.seq
	}
	var more []message.Event
	for _, r := range g.receipts {
		if match, ok := pick(s.index[r.Key], r.Dest); ok {
			more = append(more, settled(match, r))
			continue
		}
		s.parked[r.Key] = r
	}
	for i := range g.events {
		if late, ok := s.event(&g.events[i]); ok {
			more = append(more, late)
		}
	}
	s.live.Unlock()
	if s.Applied != nil {
		s.Applied(g.events)
	}
	for _, ev := range more {
		s.Record(ev, nil)
	}
}

func (s *Store) event(ev *message.Event) (late message.Event, ok bool) {
	m := ev.Msg
	if ev.Kind == message.Accept || ev.Kind == message.Requeue {
		l := s.lane(m.Lane())
		ev.Seq = l.next
		l.next++
	}
	if ev.Kind == message.Accept {
		s.byID[m.ID] = m
	}
	ev.Apply()
	if ev.Changed && ev.Now.Final() {
		s.settles[m.ID]++
	}
	if !s.NoIndex && m.LaneSeq == ev.Seq && ev.Seq != 0 {
		s.order[m.Lane()] = append(s.order[m.Lane()], entry{ev.Seq, m})
	}
	if ev.Kind != message.Submitted || s.NoIndex {
		return late, false
	}
	key := message.ReceiptKey{Group: m.Connector, SMSCID: ev.SMSCID}
	s.note(key, m, int(ev.Part))
	if r, found := s.parked[key]; found {
		delete(s.parked, key)
		return settled(message.ReceiptMatch{Msg: m, Part: int(ev.Part)}, r), true
	}
	return late, false
}

func settled(match message.ReceiptMatch, r message.Receipt) message.Event {
	return message.Event{Kind: message.Settle, Msg: match.Msg, Part: uint16(match.Part), Status: r.Status, Error: r.Error, At: r.At}
}

func (s *Store) lane(l message.Lane) *laneState {
	if s.lanes[l] == nil {
		s.lanes[l] = &laneState{next: 1}
	}
	return s.lanes[l]
}

// NoteSubmitted makes a part findable.
func (s *Store) NoteSubmitted(key message.ReceiptKey, m *message.Message, part int) {
	if s.NoIndex {
		return
	}
	s.live.Lock()
	defer s.live.Unlock()
	s.note(key, m, part)
}

func (s *Store) note(key message.ReceiptKey, m *message.Message, part int) {
	for _, r := range s.index[key] {
		if r.Msg == m && r.Part == part {
			return
		}
	}
	s.index[key] = append(s.index[key], message.ReceiptMatch{Msg: m, Part: part, Found: true})
}

// FindReceipts looks in the index of what was submitted since the start.
func (s *Store) FindReceipts(keys []message.ReceiptKey, dests []string, out []message.ReceiptMatch) int {
	s.live.Lock()
	defer s.live.Unlock()
	n := 0
	for i := range keys {
		var ok bool
		if out[i], ok = pick(s.index[keys[i]], dests[i]); ok {
			n++
		}
	}
	return n
}

// LookupReceipts also looks among what an earlier store had.
func (s *Store) LookupReceipts(_ context.Context, keys []message.ReceiptKey, dests []string, out []message.ReceiptMatch) error {
	s.FindReceipts(keys, dests, out)
	s.live.Lock()
	defer s.live.Unlock()
	s.lookups++
	for i := range keys {
		if !out[i].Found {
			out[i], _ = pick(s.disk[keys[i]], dests[i])
		}
	}
	return nil
}

func pick(list []message.ReceiptMatch, dest string) (message.ReceiptMatch, bool) {
	for i := len(list) - 1; i >= 0; i-- {
		if dest == "" || strings.HasSuffix(list[i].Msg.Dest.Addr, dest) {
			return list[i], true
		}
	}
	return message.ReceiptMatch{}, false
}

// LoadLane returns waiting messages of a lane in order.
func (s *Store) LoadLane(_ context.Context, lane message.Lane, after uint64, limit int) ([]*message.Message, uint64, error) {
	s.live.Lock()
	defer s.live.Unlock()
	list := s.order[lane]
	from := sort.Search(len(list), func(i int) bool { return list[i].seq > after })
	var out []*message.Message
	for _, e := range list[from:] {
		if e.m.LaneSeq == e.seq && e.m.Status != message.Scheduled && len(out) < limit {
			out = append(out, e.m)
		}
	}
	return out, s.lane(lane).next - 1, nil
}

// View calls f while m cannot change.
func (s *Store) View(m *message.Message, f func(*message.Message)) {
	s.live.Lock()
	defer s.live.Unlock()
	f(m)
}

// EachWaiting calls f with each message that waits and that want selects.
func (s *Store) EachWaiting(_ context.Context, want func(*message.Message) bool, f func(*message.Message)) error {
	s.live.Lock()
	defer s.live.Unlock()
	for _, m := range s.byID {
		if m.Waits() && want(m) {
			f(m)
		}
	}
	return nil
}

// LoadDue returns scheduled messages that are due before a time, earliest first.
func (s *Store) LoadDue(_ context.Context, before int64, limit int) ([]*message.Message, error) {
	s.live.Lock()
	defer s.live.Unlock()
	var out []*message.Message
	for _, m := range s.byID {
		if m.Status == message.Scheduled && m.DueAt < before {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b *message.Message) int { return int(a.DueAt - b.DueAt) })
	return out[:min(limit, len(out))], nil
}

// LoadOpen looks at up to limit messages in a status, in the order of their ids.
func (s *Store) LoadOpen(_ context.Context, status message.Status, from message.Place, limit int, want func(*message.Message) bool) (out []*message.Message, next message.Place, err error) {
	s.live.Lock()
	defer s.live.Unlock()
	ids := slices.Sorted(maps.Keys(s.byID))
	seen := 0
	for _, id := range ids {
		m := s.byID[id]
		if m.Status != status || id <= from.ID {
			continue
		}
		if want(m) {
			out = append(out, m)
		}
		if seen++; seen == limit {
			return out, message.Place{ID: id}, nil
		}
	}
	return out, message.Place{}, nil
}

// Cancel cancels a waiting message through the lanes and reports whether it could.
func (s *Store) Cancel(lanes *queue.Lanes, id message.ID, done func(error)) bool {
	s.live.Lock()
	m := s.byID[id]
	ok := m != nil && m.Status.Waiting() && lanes.Cancel(m.Lane(), id, m.LaneSeq, m.Status)
	s.live.Unlock()
	if ok {
		s.Record(message.Event{Kind: message.Settle, Msg: m, Part: message.AllParts, Status: message.Cancelled, At: time.Now().UnixMilli()}, done)
	}
	return ok
}

// Message returns a copy of a message.
func (s *Store) Message(id message.ID) (message.Message, bool) {
	s.live.Lock()
	defer s.live.Unlock()
	m := s.byID[id]
	if m == nil {
		return message.Message{}, false
	}
	c := *m
	c.Parts = slices.Clone(m.Parts)
	return c, true
}

// Count returns how many messages have each status.
func (s *Store) Count() map[message.Status]int {
	s.live.Lock()
	defer s.live.Unlock()
	n := make(map[message.Status]int)
	for _, m := range s.byID {
		n[m.Status]++
	}
	return n
}

// Parked returns the number of receipts without a message.
func (s *Store) Parked() int {
	s.live.Lock()
	defer s.live.Unlock()
	return len(s.parked)
}

// Recovery returns what a start finds about the lanes.
func (s *Store) Recovery() []queue.LaneState {
	s.live.Lock()
	defer s.live.Unlock()
	var out []queue.LaneState
	for lane, st := range s.lanes {
		out = append(out, queue.LaneState{Lane: lane, Horizon: st.horizon, Next: st.next})
	}
	return out
}
