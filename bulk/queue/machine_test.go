package queue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"protei-bulk/bulk/message"
)

// machineStore is a store that commits at once, on the caller's goroutine.
type machineStore struct {
	lanes   *Lanes
	byID    map[message.ID]*message.Message
	next    map[message.Lane]uint64
	order   map[message.Lane][]placed // by sequence; the message may have moved on
	horizon map[message.Lane]uint64   // durable
	asked   []func()                  // makes a horizon durable
	during  func()                    // runs in the middle of a load, when others push
	strict  bool                      // grants no more than the sequences it gave
	held    bool                      // applied, but the hook comes later
	late    []message.Event           // for it
}

type placed struct {
	m   *message.Message
	seq uint64
}

func (s *machineStore) RecordMany(evs []message.Event, done func(error)) {
	for i := range evs {
		ev := &evs[i]
		if ev.Kind == message.Accept || ev.Kind == message.Requeue {
			s.next[ev.Msg.Lane()]++
			ev.Seq = s.next[ev.Msg.Lane()]
		}
		if ev.Kind == message.Accept {
			s.byID[ev.Msg.ID] = ev.Msg
		}
		ev.Apply()
		if ev.Msg.LaneSeq == ev.Seq && ev.Seq != 0 {
			s.order[ev.Msg.Lane()] = append(s.order[ev.Msg.Lane()], placed{ev.Msg, ev.Seq})
		}
	}
	if s.held {
		s.late = append(s.late, evs...)
	} else {
		s.lanes.Applied(evs)
	}
	if done != nil {
		done(nil)
	}
}

// release runs the hooks that were held.
func (s *machineStore) release() {
	late := s.late
	s.held, s.late = false, nil
	s.lanes.Applied(late)
}

func (s *machineStore) RecordHorizon(lane message.Lane, seq uint64, done func(uint64, error)) {
	s.asked = append(s.asked, func() {
		if s.strict {
			seq = min(seq, s.next[lane])
		}
		s.horizon[lane] = seq
		done(seq, nil)
	})
}

// commit makes the horizons durable.
func (s *machineStore) commit() {
	asked := s.asked
	s.asked = nil
	for _, f := range asked {
		f()
	}
}

func (s *machineStore) LoadLane(_ context.Context, lane message.Lane, after uint64, limit int) ([]*message.Message, uint64, error) {
	var out []*message.Message
	for _, e := range s.order[lane] {
		if e.seq <= after || e.m.LaneSeq != e.seq || e.m.Status == message.Scheduled {
			continue
		}
		if len(out) == limit {
			break
		}
		out = append(out, e.m)
	}
	complete := s.next[lane]
	if s.during != nil {
		during := s.during
		s.during = nil
		during()
	}
	return out, complete, nil
}

func (s *machineStore) View(m *message.Message, f func(*message.Message)) { f(m) }

func (s *machineStore) EachWaiting(_ context.Context, want func(*message.Message) bool, f func(*message.Message)) error {
	for _, m := range s.byID {
		if want(m) && m.Waits() {
			f(m)
		}
	}
	return nil
}

func (s *machineStore) LoadDue(_ context.Context, before int64, limit int) ([]*message.Message, error) {
	var out []*message.Message
	for _, m := range s.byID {
		if m.Status == message.Scheduled && m.DueAt < before {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b *message.Message) int { return int(a.DueAt - b.DueAt) })
	return out[:min(limit, len(out))], nil
}

// machine drives the lanes of one connector and keeps a model beside them.
type machine struct {
	t     fataler
	store *machineStore
	lanes *Lanes
	q     *Queue
	now   time.Time
	ids   message.ID

	taken   map[message.ID]Item
	gone    map[message.ID]bool // cancelled or sent
	settles []message.Event     // of cancels, not recorded yet
	lastSeq map[message.Lane]uint64
	dests   []string // of ordered messages, two of three; none: none is ordered
}

// fataler is a test, of rapid or not.
type fataler interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func newMachine(t fataler, memory int) *machine {
	s := &machineStore{
		byID: map[message.ID]*message.Message{}, next: map[message.Lane]uint64{},
		order: map[message.Lane][]placed{}, horizon: map[message.Lane]uint64{},
	}
	m := &machine{
		t: t, store: s, now: time.UnixMilli(1_800_000_000_000), taken: map[message.ID]Item{},
		gone: map[message.ID]bool{}, lastSeq: map[message.Lane]uint64{},
	}
	var err error
	m.lanes, err = New(Options{Store: s, Memory: memory, LoadBatch: 7, Now: func() time.Time { return m.now }})
	if err != nil {
		t.Fatal(err)
	}
	s.lanes, m.q = m.lanes, m.lanes.Connector(1)
	return m
}

func (m *machine) accept(n int, p message.Priority, due int64) {
	evs := make([]message.Event, n)
	for i := range evs {
		m.ids++
		msg := &message.Message{ID: m.ids, Connector: 1, Priority: p, Status: message.Pending}
		msg.SetParts(1)
		if n := len(m.dests); n > 0 && int(m.ids)%3 != 0 {
			msg.Flags, msg.Dest.Addr = message.Ordered, m.dests[int(m.ids)%n]
		}
		if due != 0 {
			msg.Status, msg.Parts[0].Status, msg.DueAt, msg.ScheduleAt = message.Scheduled, message.Scheduled, due, due
		}
		evs[i] = message.Event{Kind: message.Accept, Msg: msg}
	}
	m.store.RecordMany(evs, nil)
}

func (m *machine) take(n int) int {
	items := make([]Item, n)
	got, _, err := m.q.take(items)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, it := range items[:got] {
		id, lane := it.Msg.ID, it.Msg.Lane()
		if _, twice := m.taken[id]; twice || m.gone[id] {
			m.t.Fatalf("message %d came out although it was taken or cancelled before", id)
		}
		if it.Seq != it.Msg.LaneSeq {
			m.t.Fatalf("message %d came out at sequence %d, its own is %d", id, it.Seq, it.Msg.LaneSeq)
		}
		if it.Seq > m.store.horizon[lane] {
			m.t.Fatalf("sequence %d came out above the horizon %d", it.Seq, m.store.horizon[lane])
		}
		if it.Due > m.now.UnixMilli() {
			m.t.Fatalf("message %d came out %d ms early", id, it.Due-m.now.UnixMilli())
		}
		if it.Ordered {
			m.inOrder(it.Msg)
		} else if it.Due == 0 {
			if it.Seq <= m.lastSeq[lane] {
				m.t.Fatalf("lane %v: sequence %d after %d", lane, it.Seq, m.lastSeq[lane])
			}
			m.lastSeq[lane] = it.Seq
		}
		m.taken[id] = it
	}
	return got
}

// inOrder checks that nothing of the same chain is out, or waits, before msg. What comes
// later by its schedule joins when its time has come.
func (m *machine) inOrder(msg *message.Message) {
	for id, other := range m.store.byID {
		if other == msg || other.Flags&message.Ordered == 0 || other.Dest != msg.Dest || m.gone[id] {
			continue
		}
		if _, out := m.taken[id]; out || id < msg.ID && other.ScheduleAt == 0 {
			m.t.Fatalf("message %d came out before message %d (%v, out %v)", msg.ID, id, other.Status, out)
		}
	}
}

// keep reads the store through when an ordered message wants that.
func (m *machine) keep() {
	select {
	case <-m.lanes.order.wanted:
		if err := m.lanes.readOrdered(context.Background()); err != nil {
			m.t.Fatal(err)
		}
	default:
	}
}

func (m *machine) anyTaken(t *rapid.T) (Item, bool) {
	for id := message.ID(1); id <= m.ids; id++ {
		if it, ok := m.taken[id]; ok && rapid.Bool().Draw(t, "this") {
			return it, true
		}
	}
	return Item{}, false
}

func (m *machine) finish(it Item) {
	delete(m.taken, it.Msg.ID)
	m.gone[it.Msg.ID] = true
	m.store.RecordMany([]message.Event{{Kind: message.Submitted, Msg: it.Msg, SMSCID: "x"}}, nil)
}

func (m *machine) retry(it Item, wait time.Duration) {
	delete(m.taken, it.Msg.ID)
	ev := message.Event{Kind: message.Requeue, Msg: it.Msg, Part: message.AllParts, At: m.now.UnixMilli(), Error: 8}
	if it.Ordered { // as dispatch does
		wait = min(wait, message.FarDue*time.Millisecond)
	}
	if wait > 0 {
		ev.Due = m.now.Add(wait).UnixMilli()
	}
	m.store.RecordMany([]message.Event{ev}, nil)
}

func (m *machine) cancel(id message.ID) {
	msg := m.store.byID[id]
	if msg == nil || msg.Status.Final() || msg.Status == message.Sent {
		return
	}
	_, isTaken := m.taken[id]
	isTaken = isTaken || m.gone[id]
	won := m.lanes.Cancel(msg.Lane(), id, msg.LaneSeq, msg.Status)
	if won == isTaken {
		m.t.Fatalf("cancel of message %d (%v, seq %d) says %v, taken %v; lanes %+v", id, msg.Status, msg.LaneSeq, won, isTaken, m.q.Depths(nil))
	}
	if won {
		m.gone[id] = true
		m.settles = append(m.settles, message.Event{Kind: message.Settle, Msg: msg, Part: message.AllParts, Status: message.Cancelled})
	}
}

// settle records the cancels since the last call.
func (m *machine) settle() {
	m.store.RecordMany(m.settles, nil)
	m.settles = nil
}

func (m *machine) load() {
	m.now = m.now.Add(loadRetry) // a load that brought nothing waits so long
	for p := range m.q.lanes {
		m.lanes.loadLane(context.Background(), m.q, &m.q.lanes[p])
	}
}

func (m *machine) promote() {
	for {
		more, err := m.lanes.promote(context.Background(), m.now.UnixMilli())
		if err != nil {
			m.t.Fatal(err)
		}
		if !more {
			return
		}
	}
}

// check compares depths with the model.
func (m *machine) check() {
	waiting := map[message.Lane]int64{}
	for id, msg := range m.store.byID {
		if _, is := m.taken[id]; !is && !m.gone[id] && msg.Status != message.Scheduled {
			waiting[msg.Lane()]++
		}
	}
	memory := 0
	for _, d := range m.q.Depths(nil) {
		memory += d.Memory + d.Delayed
		if d.Waiting != waiting[d.Lane] {
			m.t.Fatalf("lane %v says %d wait, but %d do: %+v", d.Lane, d.Waiting, waiting[d.Lane], d)
		}
	}
	if memory > m.q.o.Memory {
		m.t.Fatalf("%d items in memory, the bound is %d", memory, m.q.o.Memory)
	}
}

// TestLanesAgainstModel accepts, takes, retries, cancels and loads at random: nothing is
// lost, nothing comes twice, order and bounds hold.
func TestLanesAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t, rapid.SampledFrom([]int{16, 40, 1000}).Draw(t, "memory"))
		m.store.strict = rapid.Bool().Draw(t, "strict")
		m.dests = rapid.SampledFrom([][]string{nil, {"1"}, {"1", "2", "3"}}).Draw(t, "ordered")
		priority := func() message.Priority {
			return message.Priority(rapid.IntRange(0, 3).Draw(t, "priority"))
		}
		t.Repeat(map[string]func(*rapid.T){
			"accept": func(t *rapid.T) { m.accept(rapid.IntRange(1, 60).Draw(t, "n"), priority(), 0) },
			"schedule": func(t *rapid.T) {
				m.accept(rapid.IntRange(1, 5).Draw(t, "n"), priority(), m.now.Add(time.Duration(rapid.IntRange(1, 200).Draw(t, "s"))*time.Second).UnixMilli())
			},
			"take": func(t *rapid.T) { m.take(rapid.IntRange(1, 50).Draw(t, "n")) },
			"finish": func(t *rapid.T) {
				if it, ok := m.anyTaken(t); ok {
					m.finish(it)
				}
			},
			"retry": func(t *rapid.T) {
				if it, ok := m.anyTaken(t); ok {
					m.retry(it, time.Duration(rapid.IntRange(0, 90_000).Draw(t, "ms"))*time.Millisecond)
				}
			},
			"cancel": func(t *rapid.T) {
				if m.ids > 0 {
					m.cancel(message.ID(rapid.IntRange(1, int(m.ids)).Draw(t, "id")))
				}
			},
			"settle": func(*rapid.T) { m.settle() },
			"commit": func(*rapid.T) { m.store.commit() },
			"load":   func(*rapid.T) { m.load() },
			"push during load": func(t *rapid.T) {
				n, p := rapid.IntRange(1, 30).Draw(t, "n"), priority()
				victim := message.ID(rapid.IntRange(1, int(m.ids)+n).Draw(t, "victim"))
				m.store.during = func() { m.accept(n, p, 0); m.cancel(victim) }
				m.load()
				m.store.during = nil
			},
			"load what is not pushed yet": func(t *rapid.T) {
				m.store.held = true
				m.accept(rapid.IntRange(1, 30).Draw(t, "n"), priority(), 0)
				m.load()
				m.store.release()
			},
			"promote": func(*rapid.T) { m.promote() },
			"keep":    func(*rapid.T) { m.keep() },
			"time": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(1, 30_000).Draw(t, "ms")) * time.Millisecond)
			},
			"": func(*rapid.T) { m.check() },
		})
		m.drain()
	})
}

// drain takes everything out, which must then be everything there is.
func (m *machine) drain() {
	m.settle()
	for range 10_000 {
		m.now = m.now.Add(5 * time.Minute)
		m.promote()
		m.load()
		got := m.take(100)
		m.store.commit()
		got += m.take(100)
		m.keep()
		got += m.take(100)
		if len(m.dests) > 0 { // the next of a chain comes when the one before has gone
			for _, it := range m.taken {
				m.finish(it)
			}
		}
		if got == 0 {
			break
		}
	}
	m.check()
	for id, msg := range m.store.byID {
		if _, is := m.taken[id]; !is && !m.gone[id] {
			m.t.Fatalf("message %d (%v, seq %d, due %d) never came out; lanes %+v", id, msg.Status, msg.LaneSeq, msg.DueAt, m.q.Depths(nil))
		}
	}
	for _, d := range m.q.Depths(nil) {
		if d.Disk || d.Waiting != 0 {
			m.t.Fatalf("empty lane is %+v", d)
		}
	}
}

// diskMode has 60 messages for LOW, of which 10 fitted into memory and have been taken.
func diskMode(t *testing.T) *machine {
	m := newMachine(t, 16)
	m.accept(60, message.Low, 0)
	m.take(1) // asks for the horizon
	m.store.commit()
	if n := m.take(20); n != 10 {
		t.Fatalf("took %d, want the 10 in memory", n)
	}
	return m
}

func TestCancelOfWhatIsPushedDuringALoad(t *testing.T) {
	m := diskMode(t)
	m.store.during = func() { m.accept(1, message.Low, 0); m.cancel(61) }
	m.load() // does not reach what was pushed, so that is loaded later
	for range 20 {
		m.take(10)
		m.load()
	}
	m.drain()
}

func TestCancelOfWhatIsBeingLoaded(t *testing.T) {
	m := diskMode(t)
	m.store.during = func() { m.cancel(12); m.settle() }
	m.load() // brings 12 as it was before
	m.drain()
}

// TestRestoreFindsEverything restarts over a store that holds waiting messages.
func TestRestoreFindsEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t, 16)
		m.accept(rapid.IntRange(1, 200).Draw(t, "n"), message.High, 0)
		for range rapid.IntRange(0, 5).Draw(t, "takes") {
			m.take(10)
			m.store.commit()
			m.load()
		}
		sent, before, old := len(m.taken), int(m.ids), m.store
		m.lanes, _ = New(Options{Store: old, Memory: 16, LoadBatch: 7, Now: func() time.Time { return m.now }})
		old.lanes, m.q = m.lanes, m.lanes.Connector(1)
		lane := message.Lane{Connector: 1, Priority: message.High}
		horizon := old.horizon[lane]
		m.lanes.Restore([]LaneState{{Lane: lane, Horizon: horizon, Next: old.next[lane] + 1}})
		m.taken, m.lastSeq = map[message.ID]Item{}, map[message.Lane]uint64{}
		m.accept(rapid.IntRange(0, 50).Draw(t, "more"), message.High, 0)
		m.drain()
		suspects := 0
		for _, it := range m.taken {
			if it.Suspect {
				suspects++
			}
			if it.Suspect && int(it.Msg.ID) > before {
				t.Fatalf("message %d was accepted after the restart and is a suspect", it.Msg.ID)
			}
			if !it.Suspect && int(it.Msg.ID) <= before && it.Seq <= horizon {
				t.Fatalf("message %d is below the horizon %d and not a suspect", it.Msg.ID, horizon)
			}
		}
		if suspects < sent {
			t.Fatalf("%d messages had been taken, only %d are suspects", sent, suspects)
		}
	})
}

func BenchmarkPushTake(b *testing.B) {
	s := &machineStore{horizon: map[message.Lane]uint64{}}
	lanes, err := New(Options{Store: s})
	if err != nil {
		b.Fatal(err)
	}
	q := lanes.Connector(1)
	const group = 256
	evs := make([]message.Event, group)
	for i := range evs {
		m := &message.Message{ID: message.ID(i + 1), Connector: 1, Priority: message.Priority(rand.IntN(4)), Status: message.Pending}
		m.SetParts(1)
		evs[i] = message.Event{Kind: message.Accept, Msg: m, Changed: true}
	}
	items := make([]Item, group)
	seq := uint64(0)
	b.ReportAllocs()
	for i := 0; i < b.N; i += group {
		for j := range evs {
			seq++
			evs[j].Seq, evs[j].Msg.LaneSeq = seq, seq
		}
		lanes.Applied(evs)
		for n := 0; n < group; {
			k, _, err := q.take(items[:group-n])
			if err != nil {
				b.Fatal(err)
			}
			n += k
			s.commit()
		}
	}
}

func (d Depth) String() string {
	return fmt.Sprintf("%s{waiting %d, memory %d, delayed %d, disk %v}", d.Lane.Priority, d.Waiting, d.Memory, d.Delayed, d.Disk)
}
