package store_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// model is what the store must be equal to: every message with its events applied, the
// parked receipts and the horizons.
type model struct {
	t       *rapid.T
	m       *machine
	msgs    map[message.ID]*message.Message
	handles map[message.ID]*message.Message // objects of this opening, some long out of date
	parked  map[message.ReceiptKey]message.Receipt
	horizon map[message.Lane]uint64
	serial  int
}

// TestRandomEventsAgainstModel applies random events, with crashes and reopenings in
// between, and compares everything that the store answers with the model.
func TestRandomEventsAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		opts := store.Options{
			Settle:    rapid.SampledFrom([]time.Duration{quick, 30 * time.Millisecond, time.Hour}).Draw(rt, "settle"),
			TableRows: rapid.SampledFrom([]int{5, 1000}).Draw(rt, "table rows"),
			LaneCache: 3, OutboxCache: 2, ReceiptCache: 4096,
		}
		md := &model{
			t: rt, m: newMachine(t, opts), msgs: make(map[message.ID]*message.Message),
			handles: make(map[message.ID]*message.Message),
			parked:  make(map[message.ReceiptKey]message.Receipt), horizon: make(map[message.Lane]uint64),
		}
		defer func() { md.m.s.Stop(context.Background()) }()
		actions := map[string]func(*rapid.T){
			"accept": md.accept, "event": md.event, "event 2": md.event, "event 3": md.event,
			"park": md.park, "horizon": md.setHorizon, "flush": md.flush,
			"crash": md.crash, "full disk": md.full, "reopen": md.reopen, "": md.check,
		}
		rt.Repeat(actions)
		md.checkAll()
	})
}

// flush writes everything to SQLite; with a Settle of an hour only Stop does.
func (md *model) flush(rt *rapid.T) {
	if md.m.opts.Settle == time.Hour {
		rt.Skip("nothing is written")
	}
	flush(md.m.t, md.m.s)
	md.checkOpen()
}

// checkOpen walks through the open messages, all of which are in SQLite.
func (md *model) checkOpen() {
	ctx := context.Background()
	for _, status := range []message.Status{message.Pending, message.Scheduled, message.Sent, message.Held} {
		wanted := func(m *message.Message) bool { return m.Flags&message.WantReceipt != 0 }
		var open []*message.Message
		var place message.Place
		var err error
		for more := true; more; more = place != (message.Place{}) {
			var page []*message.Message
			if page, place, err = md.m.s.LoadOpen(ctx, status, place, 3, wanted); err != nil {
				break
			}
			open = append(open, page...)
		}
		md.equal("open "+status.String(), sortedIDs(open), err, func(m *message.Message) bool { return m.Status == status && wanted(m) })
	}
}

func (md *model) accept(rt *rapid.T) {
	n := rapid.IntRange(1, 6).Draw(rt, "messages")
	var msgs []*message.Message
	for range n {
		md.serial++
		msgs = append(msgs, newMessage(md.m.s, md.serial, func(m *message.Message) {
			m.Account = rapid.Uint32Range(1, 3).Draw(rt, "account")
			m.Priority = rapid.SampledFrom([]message.Priority{message.Low, message.High}).Draw(rt, "priority")
			m.Flags = rapid.SampledFrom([]message.Flags{0, message.WantReceipt, message.WantReceipt | message.NotifyFinal}).Draw(rt, "flags")
			m.Callback = rapid.SampledFrom([]message.Callback{
				{},
				{},
				{Form: message.KannelGET, Tells: message.TellDelivered | message.TellSent | message.TellRefused},
				{Form: message.JasminPOST, Tells: message.TellFailed},
			}).Draw(rt, "callback")
			if parts := rapid.IntRange(1, 3).Draw(rt, "parts"); parts > 1 {
				m.SetParts(parts)
				for i := range m.Parts {
					m.Parts[i].End = uint32(i + 1)
				}
				m.Parts[parts-1].End = uint32(len(m.Payload))
			}
			if rapid.IntRange(0, 4).Draw(rt, "scheduled") == 0 {
				m.Status, m.ScheduleAt = message.Scheduled, m.SubmittedAt+int64(md.serial)*1000
				m.DueAt = m.ScheduleAt
				for i := range m.Parts {
					m.Parts[i].Status = message.Scheduled
				}
			}
		}))
	}
	accept(md.m.t, md.m.s, msgs...)
	for _, m := range msgs {
		md.handles[m.ID] = m
		md.msgs[m.ID] = md.read(m.ID)
	}
}

// read returns the store's copy.
func (md *model) read(id message.ID) *message.Message {
	got, err := md.m.s.Message(context.Background(), id)
	if err != nil {
		md.t.Fatalf("message %s: %v", id, err)
	}
	return got
}

// any draws one of the messages.
func (md *model) any(rt *rapid.T) *message.Message {
	if len(md.msgs) == 0 {
		rt.Skip("no messages")
	}
	ids := slices.Sorted(maps.Keys(md.msgs))
	return md.msgs[rapid.SampledFrom(ids).Draw(rt, "message")]
}

func (md *model) smscID(m *message.Message, part int) string { return fmt.Sprintf("%x-%d", m.ID, part) }

func (md *model) event(rt *rapid.T) {
	want := md.any(rt)
	part := rapid.IntRange(0, len(want.Parts)-1).Draw(rt, "part")
	at := want.SubmittedAt + int64(rapid.IntRange(1, 1000).Draw(rt, "at"))
	ev := message.Event{Part: uint16(part), At: at}
	switch kind := rapid.SampledFrom([]message.Kind{
		message.Submitted, message.Submitted, message.Settle, message.Settle, message.Requeue, message.Hold, message.Notified,
	}).Draw(rt, "kind"); kind {
	case message.Submitted:
		if want.Status == message.Scheduled {
			rt.Skip("nobody sends it")
		}
		ev.Kind, ev.SMSCID = kind, md.smscID(want, part)
		ev.Dup = rapid.Bool().Draw(rt, "duplicate")
	case message.Settle:
		ev.Kind, ev.Error = kind, 3
		ev.Status = rapid.SampledFrom([]message.Status{message.Delivered, message.Failed, message.Unknown, message.Cancelled}).Draw(rt, "status")
	case message.Requeue:
		ev.Kind, ev.Error, ev.Due = kind, 0x58, at+rapid.SampledFrom([]int64{0, 1000, 3_600_000}).Draw(rt, "delay")
		ev.Part = rapid.SampledFrom([]uint16{uint16(part), message.AllParts}).Draw(rt, "parts")
	case message.Notified:
		ev.Kind, ev.Part = kind, rapid.SampledFrom([]uint16{0, message.Reopen, message.ToldSent}).Draw(rt, "reopen")
	default:
		ev.Kind = kind
	}
	md.apply(ev, want)
}

// apply records ev in the store and applies it to the model.
func (md *model) apply(ev message.Event, want *message.Message) {
	live := ev
	live.Msg = md.handles[want.ID]
	if live.Msg == nil {
		m, err := md.m.s.Load(context.Background(), want.ID)
		if err != nil {
			md.t.Fatal(err)
		}
		live.Msg, md.handles[want.ID] = m, m
	}
	record(md.m.t, md.m.s, live)
	md.barrier()
	ev.Msg, ev.Seq = want, 1<<60
	before := want.LaneSeq
	ev.Apply()
	md.settleParked(ev, want)
	got := md.read(want.ID)
	if (got.LaneSeq == 0) != (want.LaneSeq == 0) || want.LaneSeq == before && got.LaneSeq != before {
		md.t.Fatalf("after %+v: lane sequence %d, model %d, before %d", ev, got.LaneSeq, want.LaneSeq, before)
	}
	want.LaneSeq = got.LaneSeq
}

// settleParked does what the store does by itself with a parked receipt.
func (md *model) settleParked(ev message.Event, want *message.Message) {
	part := int(ev.Part)
	if part >= len(want.Parts) || want.Parts[part].SMSCID == "" {
		return
	}
	key := message.ReceiptKey{Group: want.Connector, SMSCID: want.Parts[part].SMSCID}
	r, ok := md.parked[key]
	switch {
	case ev.Kind == message.Settle:
		delete(md.parked, key)
	case ok && ev.Kind == message.Submitted && want.Flags&message.WantReceipt != 0:
		delete(md.parked, key)
		settle := message.Event{Kind: message.Settle, Msg: want, Part: ev.Part, Status: r.Status, Error: r.Error, At: r.At}
		settle.Apply()
	}
}

// barrier returns after everything that the store recorded by itself was applied.
func (md *model) barrier() {
	done := make(chan error, 1)
	md.m.s.RecordHorizon(message.Lane{Connector: 99}, 1, func(_ uint64, err error) { done <- err })
	if err := <-done; err != nil {
		md.t.Fatal(err)
	}
}

// park hands over the receipt of a part that the store does not know as sent.
func (md *model) park(rt *rapid.T) {
	want := md.any(rt)
	part := rapid.IntRange(0, len(want.Parts)-1).Draw(rt, "part")
	if want.Parts[part].SMSCID != "" {
		rt.Skip("sent already")
	}
	r := message.Receipt{
		Key:  message.ReceiptKey{Group: want.Connector, SMSCID: md.smscID(want, part)},
		Dest: want.Dest.Addr, Status: message.Delivered, At: time.Now().UnixMilli(),
	}
	done := make(chan error, 1)
	md.m.s.ParkReceipt(r, func(err error) { done <- err })
	if err := <-done; err != nil {
		rt.Fatal(err)
	}
	md.parked[r.Key] = r
}

func (md *model) setHorizon(rt *rapid.T) {
	lane := message.Lane{Connector: 1, Priority: rapid.SampledFrom([]message.Priority{message.Low, message.High}).Draw(rt, "priority")}
	seq := rapid.Uint64Range(0, 5000).Draw(rt, "horizon")
	done := make(chan error, 1)
	md.m.s.RecordHorizon(lane, seq, func(_ uint64, err error) { done <- err })
	if err := <-done; err != nil {
		rt.Fatal(err)
	}
	md.horizon[lane] = seq
}

func (md *model) crash(rt *rapid.T) {
	point := rapid.SampledFrom([]string{"begin", "committed", "released"}).Draw(rt, "point")
	if err := md.m.crashAt(point); err != nil {
		rt.Fatal(err)
	}
	clear(md.handles)
	md.checkAll()
}

// full lets events come while the disk has no room for them, or for some only, and the machine crash now and
// then.
func (md *model) full(rt *rapid.T) {
	room := rapid.Int64Range(0, 8).Draw(rt, "room")
	if rapid.IntRange(0, 3).Draw(rt, "crash") == 0 {
		md.m.room.Store(room)
		if err := md.m.crashAt("no room"); err != nil {
			rt.Fatal(err)
		}
		clear(md.handles)
	} else {
		md.m.whileFull(room, func() {
			for range rapid.IntRange(0, 5).Draw(rt, "events") {
				md.event(rt)
			}
		})
	}
	md.checkAll()
}

func (md *model) reopen(rt *rapid.T) {
	if err := md.m.s.Stop(context.Background()); err != nil {
		rt.Fatal(err)
	}
	if err := md.m.start(); err != nil {
		rt.Fatal(err)
	}
	clear(md.handles)
	md.checkAll()
}

// check compares one message, which is quick.
func (md *model) check(rt *rapid.T) {
	if len(md.msgs) > 0 {
		md.compare(md.any(rt))
	}
}

func (md *model) compare(want *message.Message) {
	if diff := cmp.Diff(want, md.read(want.ID), same); diff != "" {
		md.t.Fatalf("message %s (-model +store):\n%s", want.ID, diff)
	}
}

func (md *model) checkAll() {
	for _, want := range md.msgs {
		md.compare(want)
	}
	md.checkLoads()
	md.checkReceipts()
	if got := md.m.s.Stats().Parked; got != len(md.parked) {
		md.t.Fatalf("%d receipts are parked, want %d", got, len(md.parked))
	}
	for _, la := range md.m.s.Recovery() {
		if want, ok := md.horizon[la.Lane]; ok && la.Horizon != want {
			md.t.Fatalf("horizon of %v is %d, want %d", la.Lane, la.Horizon, want)
		}
	}
	md.checkLedger()
}

func (md *model) checkLedger() {
	want := make(map[uint32]store.Ledger)
	for _, m := range md.msgs {
		l := want[m.Account]
		if m.Status == message.Sent && m.Flags&message.WantReceipt == 0 {
			l[store.SentDone]++
		} else {
			l[m.Status]++
		}
		want[m.Account] = l
	}
	for id, n := range md.m.s.Accepted() {
		if n != want[id].Sum() {
			md.t.Fatalf("account %d: %d accepted, the model has %d", id, n, want[id].Sum())
		}
	}
	if diff := cmp.Diff(want, md.m.s.Ledgers()); diff != "" {
		md.t.Fatalf("ledger (-model +store):\n%s", diff)
	}
}

// ids returns those of the model's messages that f selects, sorted.
func (md *model) ids(f func(*message.Message) bool) (ids []message.ID) {
	for id, m := range md.msgs {
		if f(m) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func sortedIDs(msgs []*message.Message) (ids []message.ID) {
	for _, m := range msgs {
		ids = append(ids, m.ID)
	}
	slices.Sort(ids)
	return ids
}

func (md *model) checkLoads() {
	ctx := context.Background()
	outbox, err := md.m.s.LoadNotify(ctx, 0, 1000)
	md.equal("outbox", sortedIDs(outbox), err, func(m *message.Message) bool { return m.Notify == message.NotifyOpen })
	due, err := md.m.s.LoadDue(ctx, 1<<60, 1000)
	md.equal("scheduled", sortedIDs(due), err, func(m *message.Message) bool { return m.Status == message.Scheduled })
	for _, p := range []message.Priority{message.Low, message.High} {
		var all []*message.Message
		after := uint64(0)
		for {
			msgs, complete, err := md.m.s.LoadLane(ctx, message.Lane{Connector: 1, Priority: p}, after, 2)
			if err != nil {
				md.t.Fatal(err)
			}
			all = append(all, msgs...)
			if len(msgs) == 0 && complete == after {
				break
			}
			after = complete
		}
		if !slices.IsSortedFunc(all, func(a, b *message.Message) int { return int(a.LaneSeq) - int(b.LaneSeq) }) {
			md.t.Fatalf("lane %v is out of order", p)
		}
		md.equal("lane", sortedIDs(all), nil, func(m *message.Message) bool {
			return m.Priority == p && m.LaneSeq != 0 && m.Status != message.Scheduled
		})
	}
}

func (md *model) equal(what string, got []message.ID, err error, f func(*message.Message) bool) {
	if err != nil {
		md.t.Fatalf("%s: %v", what, err)
	}
	if diff := cmp.Diff(md.ids(f), got); diff != "" {
		md.t.Fatalf("%s (-model +store):\n%s", what, diff)
	}
}

// checkReceipts looks every part up by the receipt that may still come for it.
func (md *model) checkReceipts() {
	var keys []message.ReceiptKey
	var dests []string
	var ids []message.ID
	for _, m := range md.msgs {
		for i := range m.Parts {
			if p := &m.Parts[i]; p.SMSCID != "" && !p.Status.Final() && m.Flags&message.WantReceipt != 0 {
				keys = append(keys, message.ReceiptKey{Group: m.Connector, SMSCID: p.SMSCID})
				dests = append(dests, m.Dest.Addr)
				ids = append(ids, m.ID)
			}
		}
	}
	out := make([]store.ReceiptMatch, len(keys))
	if err := md.m.s.LookupReceipts(context.Background(), keys, dests, out); err != nil {
		md.t.Fatal(err)
	}
	for i, r := range out {
		if !r.Found || r.Msg.ID != ids[i] || r.Msg.Parts[r.Part].SMSCID != keys[i].SMSCID {
			md.t.Fatalf("receipt %v of %s was not found: %+v", keys[i], ids[i], r)
		}
	}
}
