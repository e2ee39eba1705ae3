package inbound_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"protei-bulk/bulk/inbound"
	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDisk = errors.New("the disk is full")

// keeper is an inbound.Store and RouteStore in memory; what it holds outlives a Receiver.
type keeper struct {
	mu     sync.Mutex
	msgs   map[message.ID]*message.Inbound
	routes map[message.ID]inbound.Route
	fails  bool
	ids    *message.IDSource
}

func newKeeper() *keeper {
	return &keeper{msgs: map[message.ID]*message.Inbound{}, routes: map[message.ID]inbound.Route{}, ids: message.NewIDSource(1, 0, nil)}
}

func (k *keeper) RecordInbound(m *message.Inbound, done func(error)) {
	k.mu.Lock()
	if k.fails {
		k.mu.Unlock()
		done(errDisk)
		return
	}
	kept := *m
	for _, id := range kept.Consumed {
		delete(k.msgs, id)
	}
	kept.Consumed = nil
	k.msgs[kept.ID] = &kept
	k.mu.Unlock()
	done(nil)
}

func (k *keeper) ChangeInbound(changes []message.InboundChange, done func(error)) {
	k.mu.Lock()
	for _, c := range changes {
		if m := k.msgs[c.ID]; m != nil {
			next := *m
			next.InboundState = c.InboundState
			k.msgs[c.ID] = &next
		}
	}
	k.mu.Unlock()
	if done != nil {
		done(nil)
	}
}

func (k *keeper) Inbound(_ context.Context, id message.ID) (*message.Inbound, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if m := k.msgs[id]; m != nil {
		return m, nil
	}
	return nil, errors.New("not found")
}

func (k *keeper) Inbounds(_ context.Context, q message.InboundQuery) ([]*message.Inbound, error) {
	return k.some(q.Limit, func(m *message.Inbound) bool { return q.Matches(m) }), nil
}

func (k *keeper) InboundWaiting(_ context.Context, st message.InboundStatus, _ uint32, after message.ID, limit int) ([]*message.Inbound, error) {
	return k.some(limit, func(m *message.Inbound) bool { return m.Status == st && m.ID > after }), nil
}

func (k *keeper) some(limit int, want func(*message.Inbound) bool) (page []*message.Inbound) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range k.msgs {
		if want(m) {
			page = append(page, m)
		}
	}
	slices.SortFunc(page, func(a, b *message.Inbound) int { return int(int64(a.ID) - int64(b.ID)) })
	return page[:min(len(page), limit)]
}

func (k *keeper) LoadInboundRoutes(context.Context) (all []inbound.Route, err error) {
	for _, r := range k.routes {
		all = append(all, r)
	}
	return all, nil
}

func (k *keeper) SaveInboundRoute(_ context.Context, r inbound.Route) error {
	k.routes[r.ID] = r
	return nil
}

func (k *keeper) DeleteInboundRoute(_ context.Context, id message.ID) error {
	delete(k.routes, id)
	return nil
}

// rig is a Receiver over a keeper, with what it delivered.
type rig struct {
	*inbound.Receiver
	routes    *inbound.Routes
	delivered []*message.Inbound
	now       time.Time
}

func newRig(t *testing.T, k *keeper, change ...func(*inbound.Options)) *rig {
	t.Helper()
	ids := k.ids
	r := &rig{now: time.UnixMilli(time.Now().UnixMilli())}
	var err error
	if r.routes, err = inbound.OpenRoutes(t.Context(), k, ids); err != nil {
		t.Fatal(err)
	}
	o := inbound.Options{
		Store: k, IDs: ids, Routes: r.routes, Now: func() time.Time { return r.now },
		Deliver: func(m *message.Inbound) { r.delivered = append(r.delivered, m) },
	}
	for _, f := range change {
		f(&o)
	}
	if r.Receiver, err = inbound.New(o); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Stop(context.Background()) })
	return r
}

func (r *rig) create(t *testing.T, route inbound.Route) inbound.Route {
	t.Helper()
	route, err := r.routes.Create(t.Context(), route)
	if err != nil {
		t.Fatal(err)
	}
	return route
}

// take gives m to the receiver and returns its verdict.
func (r *rig) take(m *message.Inbound) error {
	verdict := errors.New("done was not called")
	m.ReceivedAt = r.now.UnixMilli()
	r.Receive(m, func(err error) { verdict = err })
	return verdict
}

func mo(from, text string) *message.Inbound {
	return &message.Inbound{Connector: 1, Source: message.Address{TON: 1, NPI: 1, Addr: from}, Dest: message.Address{Addr: "1000"}, Octets: []byte(text)}
}

// parts cuts a text as a phone does.
func parts(t *testing.T, from, text string, ref uint16, wide bool) (all []*message.Inbound) {
	t.Helper()
	payload, ends, info, err := gsm.Segment(nil, nil, text, gsm.Options{Ref: ref, Ref16: wide})
	if err != nil || info.Parts < 2 {
		t.Fatalf("%d parts, %v", info.Parts, err)
	}
	start := uint32(0)
	for i, end := range ends {
		m := mo(from, "")
		m.Octets, m.DataCoding, m.ESMClass = append([]byte{}, payload[start:end]...), info.DataCoding, 0x40
		m.Ref, m.Wide, m.Total, m.Seq = ref, wide, uint8(len(ends)), uint8(i+1)
		start = end
		all = append(all, m)
	}
	return all
}

func (r *rig) texts() (all []string) {
	for _, m := range r.delivered {
		all = append(all, m.Source.Addr+": "+inbound.Text(m))
	}
	return all
}

func TestLongMessagesAreJoinedInAnyOrder(t *testing.T) {
	k := newKeeper()
	r := newRig(t, k)
	r.create(t, inbound.Route{Account: 7, URL: "http://127.0.0.1/mo"})
	first, second := strings.Repeat("first {€} ", 40), strings.Repeat("второе ", 40)
	a, b := parts(t, "491", first, 7, false), parts(t, "492", second, 7, true)
	if len(a) != 4 || len(b) != 5 {
		t.Fatalf("%d and %d parts", len(a), len(b))
	}
	again := *a[3]
	for _, m := range []*message.Inbound{a[3], b[4], b[0], a[1], &again, b[2], a[0], b[1], a[2], b[3]} {
		if err := r.take(m); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"491: " + first, "492: " + second}; !slices.Equal(r.texts(), want) {
		t.Errorf("delivered %q, want %q", r.texts(), want)
	}
	if m := r.delivered[0]; m.Parts != 4 || m.Account != 7 || m.ESMClass&0x40 != 0 || m.Status != message.InboundOpen {
		t.Errorf("%+v", m)
	}
	late := *a[2]
	if err := r.take(&late); err != nil || len(r.delivered) != 2 || r.Stats().Open != 0 {
		t.Errorf("a part that comes again after the message was joined: %v, %d delivered, %+v", err, len(r.delivered), r.Stats())
	}
	if len(k.msgs) != 2 {
		t.Errorf("the store holds %d messages, want the two joined ones", len(k.msgs))
	}
}

// TestPartsSurviveARestart stops after each part and goes on with another Receiver.
func TestPartsSurviveARestart(t *testing.T) {
	k := newKeeper()
	text := strings.Repeat("over restarts ", 40)
	all := parts(t, "491", text, 9, false)
	var r *rig
	for i, m := range all {
		r = newRig(t, k)
		if i == 0 {
			r.create(t, inbound.Route{Account: 7})
		}
		if err := r.take(m); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.texts(); !slices.Equal(got, []string{"491: " + text}) {
		t.Fatalf("delivered %q", got)
	}
	// The SMSC did not get our answer to the last part before the crash.
	last := *all[len(all)-1]
	if r = newRig(t, k); r.take(&last) != nil || len(k.msgs) != 1 || r.Stats().Open != 0 {
		t.Errorf("the store holds %d messages, %+v", len(k.msgs), r.Stats())
	}
}

// TestPartsMoveWithTheirConnector: parts that one node took are joined with those that another one
// takes, which is offered them twice and does nothing twice.
func TestPartsMoveWithTheirConnector(t *testing.T) {
	k := newKeeper()
	text := strings.Repeat("from node to node ", 20)
	all := parts(t, "491", text, 9, false)
	before, after := newRig(t, k), newRig(t, k)
	after.create(t, inbound.Route{Account: 7})
	if err := before.take(all[0]); err != nil {
		t.Fatal(err)
	}
	before.LetGo(all[0].Connector + 1)
	if before.Stats().Open != 1 {
		t.Error("parts of another connector are let go")
	}
	before.LetGo(all[0].Connector)
	if before.Stats().Open != 0 || len(k.msgs) != 1 {
		t.Errorf("let go, and yet %+v; the store has %d", before.Stats(), len(k.msgs))
	}
	adopt := func(list []*message.Inbound) {
		t.Helper()
		for range 2 {
			if err := after.Adopt(t.Context(), list); err != nil {
				t.Fatal(err)
			}
		}
	}
	adopt([]*message.Inbound{all[0]})
	for _, m := range all[1:] {
		if err := after.take(m); err != nil {
			t.Fatal(err)
		}
	}
	adopt(all) // they were read before they were joined
	if got := after.texts(); !slices.Equal(got, []string{"491: " + text}) {
		t.Errorf("delivered %q", got)
	}
	if after.Stats().Open != 0 || len(k.msgs) != 1 {
		t.Errorf("%+v; the store has %d messages", after.Stats(), len(k.msgs))
	}
}

func TestCompletePartsOfACrashAreJoinedAtStart(t *testing.T) {
	k := newKeeper()
	text := strings.Repeat("all parts, no message ", 20)
	for i, m := range parts(t, "491", text, 9, false) { // as the crash left them: durable, not joined
		m.ID, m.Status = message.ID(i+1), message.InboundPart
		k.msgs[m.ID] = m
	}
	k.routes[5] = inbound.Route{ID: 5, Account: 3}
	r := newRig(t, k)
	if got := r.texts(); !slices.Equal(got, []string{"491: " + text}) || len(k.msgs) != 1 {
		t.Errorf("delivered %q, the store holds %d", got, len(k.msgs))
	}
}

func TestIncompleteMessagesAreGivenUp(t *testing.T) {
	k := newKeeper()
	r := newRig(t, k, func(o *inbound.Options) { o.MaxOpen = 2 })
	text := strings.Repeat("incomplete ", 30)
	for i := range 3 {
		if err := r.take(parts(t, fmt.Sprint("49", i), text, 1, false)[0]); err != nil {
			t.Fatal(err)
		}
	}
	if st := r.Stats(); st.Open != 2 || st.Expired != 1 {
		t.Errorf("above the bound: %+v", st)
	}
	r.now = r.now.Add(24 * time.Hour)
	if r.ExpireNow(); r.Stats().Open != 2 {
		t.Errorf("given up before their time: %+v", r.Stats())
	}
	r.now = r.now.Add(time.Minute)
	r.ExpireNow()
	if st := r.Stats(); st.Open != 0 || st.Expired != 3 {
		t.Errorf("%+v", st)
	}
	for _, m := range k.msgs {
		if m.Status != message.InboundExpired || m.DoneAt == 0 {
			t.Errorf("%+v", m)
		}
	}
}

// TestReferenceIsUsedAgain: a new message with the reference of one that lacks a part is not
// mixed with it.
func TestReferenceIsUsedAgain(t *testing.T) {
	k := newKeeper()
	r := newRig(t, k)
	r.create(t, inbound.Route{Account: 7})
	old, text := parts(t, "491", strings.Repeat("old ", 60), 1, false), strings.Repeat("new ", 60)
	for _, m := range append(old[:1], parts(t, "491", text, 1, false)...) {
		if err := r.take(m); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.texts(); !slices.Equal(got, []string{"491: " + text}) {
		t.Errorf("delivered %q", got)
	}
}

func TestWhatIsNotStoredIsNotTaken(t *testing.T) {
	k := newKeeper()
	r := newRig(t, k)
	r.create(t, inbound.Route{Account: 7})
	k.fails = true
	if err := r.take(mo("491", "hi")); !errors.Is(err, errDisk) {
		t.Errorf("%v", err)
	}
	if err := r.take(parts(t, "491", strings.Repeat("x", 200), 1, false)[0]); !errors.Is(err, errDisk) {
		t.Errorf("%v", err)
	}
	if len(r.delivered) != 0 || r.Stats().Refused != 2 || r.Stats().Open != 0 {
		t.Errorf("%d delivered, %+v", len(r.delivered), r.Stats())
	}
}

func TestReplayFollowsTheRoutesOfNow(t *testing.T) {
	k := newKeeper()
	r := newRig(t, k)
	if err := r.take(mo("491", "hi")); err != nil || len(r.delivered) != 0 {
		t.Fatalf("%v, %d delivered without a route", err, len(r.delivered))
	}
	id := k.some(1, func(*message.Inbound) bool { return true })[0].ID
	if _, err := r.Replay(t.Context(), id); !errors.Is(err, inbound.ErrNoRoute) {
		t.Errorf("without a route: %v", err)
	}
	route := r.create(t, inbound.Route{Account: 7})
	m, err := r.Replay(t.Context(), id)
	if err != nil || m.Account != 7 || m.Route != route.ID || len(r.delivered) != 1 || k.msgs[id].Status != message.InboundOpen {
		t.Errorf("%+v, %v, %d delivered", m, err, len(r.delivered))
	}
	part := parts(t, "491", strings.Repeat("x", 200), 1, false)[0]
	if err := r.take(part); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Replay(t.Context(), part.ID); !errors.Is(err, inbound.ErrIncomplete) {
		t.Errorf("a part: %v", err)
	}
}

func TestPortsStayInTheHeader(t *testing.T) {
	r := newRig(t, newKeeper())
	r.create(t, inbound.Route{Account: 7})
	ports := "\x05\x04\x0b\x84\x23\xf0"
	for i, m := range []*message.Inbound{mo("491", ""), mo("491", "")} {
		m.DataCoding, m.ESMClass, m.Ref, m.Total, m.Seq = 4, 0x40, 3, 2, uint8(i+1)
		m.Octets = []byte("\x0b\x00\x03\x03\x02" + string(rune(i+1)) + ports + fmt.Sprint("half", i))
		if err := r.take(m); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.delivered) != 1 {
		t.Fatalf("%d delivered", len(r.delivered))
	}
	if m := r.delivered[0]; string(m.Octets) != "\x06"+ports+"half0half1" || m.ESMClass != 0x40 {
		t.Errorf("% x, esm_class %#x", m.Octets, m.ESMClass)
	}
	if ev := string(inbound.WebhookEvent(r.delivered[0], "far")); !strings.Contains(ev, `"udh":"0605040b8423f0"`) ||
		!strings.Contains(ev, `"text":"68616c663068616c6631"`) || !strings.Contains(ev, `"encoding":"BINARY"`) {
		t.Error(ev)
	}
}
