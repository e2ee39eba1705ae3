package store

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"protei-bulk/bulk/journal"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
)

// payloadOf returns the payload of the only record that add makes.
func payloadOf(add func(*journal.Group)) []byte {
	var g journal.Group
	start := len(g.Begin(1))
	g.Cancel()
	add(&g)
	end := g.Begin(1)
	const header = 8
	return slices.Clone(end[start : len(end)-header])
}

func fullMessage() *message.Message {
	m := &message.Message{
		Callback: message.Callback{Form: message.KannelGET, Tells: 31},
		ID:       1<<62 + 5, Account: 70000, Batch: 1 << 61, Campaign: 1 << 60, Ordinal: 12,
		Source: message.Address{TON: 5, Addr: "Shop"}, Dest: message.Address{TON: 1, NPI: 1, Addr: "491700000001"},
		Encoding: 1, DataCoding: 8, ESMClass: 0x40, ProtocolID: 3, Priority: message.High,
		Flags: message.WantReceipt | message.NotifyFinal, ClientRef: "ref", DLRURL: "https://example.org/",
		SubmittedAt: 1_790_000_000_000, ScheduleAt: 1_790_000_060_000, ValidUntil: 1_790_086_400_000,
		Connector: 300, Route: 70_000, Payload: []byte("one two"), Status: message.Sent, LaneSeq: 99, DueAt: 1_790_000_000_001,
		Tariff: &message.Tariff{Price: 45_000, Payer: 3, Refunds: message.DefaultRefunds}, Refunded: 1,
		PossibleDuplicate: true, Notify: message.NotifyOpen, DoneAt: 1_790_000_009_000,
	}
	m.SetParts(2)
	m.Parts[0] = message.Part{End: 4, Status: message.Delivered, Attempts: 2, SMSCID: "a1", Error: 7, SentAt: 1_789_999_999_999, DoneAt: 5}
	m.Parts[1] = message.Part{End: 7, Status: message.Sent}
	m.Store.Applied = 1234567
	return m
}

var unexported = cmp.Options{cmpopts.IgnoreUnexported(message.Message{})}

func TestMessageCodec(t *testing.T) {
	plain := &message.Message{ID: 3, Status: message.Pending}
	plain.SetParts(1)
	for _, want := range []*message.Message{fullMessage(), plain} {
		got, err := DecodeMessage(want.ID, string(AppendMessage(nil, want)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, unexported); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// records are the payloads of one record of every kind.
func records() map[byte][]byte {
	m := fullMessage()
	all := make(map[byte][]byte)
	for _, ev := range []message.Event{
		{Kind: message.Accept, Seq: 77},
		{Kind: message.Submitted, Part: 1, Error: 9, SMSCID: "x-1", At: 1_790_000_000_005},
		{Kind: message.Settle, Part: message.AllParts, Status: message.Rejected, Error: 0x45, At: -1},
		{Kind: message.Requeue, Part: 1, Error: 0x58, At: 6, Due: 7, Seq: 1 << 40, Dup: true},
		{Kind: message.Hold, Part: 1, At: 6},
		{Kind: message.Notified, At: 8},
	} {
		ev.Msg = m
		all[byte(ev.Kind)] = payloadOf(func(g *journal.Group) { addEvent(g, &ev) })
	}
	r := message.Receipt{Key: message.ReceiptKey{Group: 9, SMSCID: "7f"}, Dest: "49170", Status: message.Failed, Error: 3, At: 4}
	all[recordParked] = payloadOf(func(g *journal.Group) { addReceipt(g, &r) })
	all[recordHorizon] = payloadOf(func(g *journal.Group) {
		addHorizon(g, horizon{message.Lane{Connector: 3, Priority: message.Low}, 1000})
	})
	st := stamp{n: 3, first: 77, batch: 1 << 60, answer: &message.Answer{
		Account: 9, Key: [32]byte{1, 2}, Body: [32]byte{3}, At: 1_790_000_000_000, Status: 201, Location: "/x", Text: []byte("{}"),
	}}
	all[recordIdempotency] = payloadOf(func(g *journal.Group) { addAnswer(g, &st) })
	mv := money.Movement{ID: 8, Account: 7, Kind: money.Transfer, Amount: -5, Peer: 70_000, By: 1, At: 9, Reference: "r", Note: "n"}
	all[recordMoney] = payloadOf(func(g *journal.Group) { addMove(g, &mv) })
	in := inboundRecord{msg: fullInbound()}
	all[recordInbound] = payloadOf(func(g *journal.Group) { addInbound(g, &in) })
	return all
}

func fullInbound() *message.Inbound {
	return &message.Inbound{
		ID: 77, Connector: 3, Source: message.Address{TON: 1, NPI: 1, Addr: "79161234567"}, Dest: message.Address{Addr: "1000"},
		DataCoding: 8, ESMClass: 0x40, ProtocolID: 1, Octets: []byte{0, 65, 0, 0}, ReceivedAt: 1_790_000_000_000,
		Ref: 0xBEEF, Wide: true, Total: 3, Seq: 2, Parts: 1, Consumed: []message.ID{5, 6},
		InboundState: message.InboundState{Status: message.InboundOpen, Account: 9, Route: 4, URL: "https://example.com/mo", DoneAt: 7},
	}
}

// encode is the inverse of decodeRecord.
func encode(r record) []byte {
	return payloadOf(func(g *journal.Group) {
		switch r.kind {
		case recordParked:
			addReceipt(g, &r.receipt)
		case recordHorizon:
			addHorizon(g, r.horizon)
		case recordInbound:
			addInbound(g, &r.inbound)
		case recordMoney:
			addMove(g, &r.move)
		case recordIdempotency:
			addAnswer(g, &r.stamp)
		default:
			if r.event.Msg == nil {
				r.event.Msg = &message.Message{ID: r.id}
			}
			addEvent(g, &r.event)
		}
	})
}

func TestRequeueThatMovesCodec(t *testing.T) {
	ev := message.Event{Kind: message.Requeue, Msg: fullMessage(), Part: message.AllParts, Error: 1, At: 6, Due: 2, Seq: 9, Dup: true, Connector: 700}
	payload := payloadOf(func(g *journal.Group) { addEvent(g, &ev) })
	r, err := decodeRecord(recordRequeue, payload)
	if err != nil {
		t.Fatal(err)
	}
	if again := encode(r); !slices.Equal(again, payload) || r.event.Connector != 700 || r.event.Seq != 9 {
		t.Errorf("% x became %+v", payload, r.event)
	}
	if _, err := decodeRecord(recordRequeue, payload[:len(payload)-2]); err == nil {
		t.Error("a record without its connector was taken")
	}
}

func TestRecordCodec(t *testing.T) {
	for kind, payload := range records() {
		r, err := decodeRecord(kind, payload)
		if err != nil {
			t.Fatalf("kind %d: %v", kind, err)
		}
		if again := encode(r); !slices.Equal(again, payload) {
			t.Errorf("kind %d: % x became % x", kind, payload, again)
		}
		for n := range payload {
			if _, err := decodeRecord(kind, payload[:n]); err == nil {
				t.Errorf("kind %d: %d of %d bytes were taken for a record", kind, n, len(payload))
			}
		}
	}
	if _, err := decodeRecord(recordMoney, nil); err == nil {
		t.Error("a record of a later version was taken")
	}
}

// TestSubmittedRecordKeepsTheMark reads a record as it was written before there was a mark,
// and writes one with it.
func TestSubmittedRecordKeepsTheMark(t *testing.T) {
	plain := "\x01\x00\x00\x00\x00\x00\x00\x00\x05\x01\x0c\x09\x03x-1" // version, id, part, at, error, SMSC id
	want := message.Event{Kind: message.Submitted, Part: 1, At: 6, Error: 9, SMSCID: "x-1"}
	old, err := decodeRecord(recordSubmitted, []byte(plain))
	if diff := cmp.Diff(want, old.event, unexported); err != nil || old.id != 5 || diff != "" {
		t.Fatalf("id %d, %v (-want +got):\n%s", old.id, err, diff)
	}
	if again := encode(old); string(again) != plain {
		t.Errorf("without the mark it is % x now, was % x", again, plain)
	}
	want.Dup = true
	marked := encode(record{kind: recordSubmitted, id: 5, event: want})
	got, err := decodeRecord(recordSubmitted, marked)
	if err != nil || !got.event.Dup || got.event.SMSCID != "x-1" {
		t.Errorf("%+v, %v", got.event, err)
	}
	for n := range marked {
		if _, err := decodeRecord(recordSubmitted, marked[:n]); err == nil {
			t.Errorf("%d of %d bytes were taken for a record", n, len(marked))
		}
	}
}

func TestReopenedRecordIsMarked(t *testing.T) {
	m := &message.Message{ID: 5}
	again := message.Event{Kind: message.Notified, Msg: m, Part: message.Reopen, At: 8}
	payload := payloadOf(func(g *journal.Group) { addEvent(g, &again) })
	r, err := decodeRecord(recordNotified, payload)
	if err != nil || payload[0] != recordMarked || r.event.Part != message.Reopen {
		t.Errorf("% x: %+v, %v", payload, r.event, err)
	}
	payload[0] = recordVersion
	if _, err := decodeRecord(recordNotified, payload); err == nil {
		t.Error("an older program would take it for the end of the entry")
	}
}

// A record that is not read back stops the next start: whatever a caller puts into an event,
// what is written is read.
func TestEveryEventThatIsWrittenIsRead(t *testing.T) {
	m := &message.Message{ID: 5}
	for kind := message.Submitted; kind <= message.Notified; kind++ {
		for _, part := range []uint16{0, message.Reopen, 2, 254, message.AllParts} {
			ev := message.Event{Kind: kind, Msg: m, Part: part, At: 8, Status: message.Delivered, Connector: part, Dup: part == 2}
			if _, err := decodeRecord(byte(kind), payloadOf(func(g *journal.Group) { addEvent(g, &ev) })); err != nil {
				t.Errorf("event %d with part %d: %v", kind, part, err)
			}
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	for kind, payload := range records() {
		f.Add(kind, payload)
	}
	f.Add(byte(recordInbound), encode(record{kind: recordInbound, inbound: inboundRecord{change: message.InboundChange{ID: 5, InboundState: fullInbound().InboundState}}}))
	f.Add(byte(recordSubmitted), encode(record{kind: recordSubmitted, id: 5, event: message.Event{Kind: message.Submitted, SMSCID: "x", Dup: true}}))
	f.Fuzz(func(t *testing.T, kind byte, payload []byte) {
		r, err := decodeRecord(kind, payload)
		if err != nil {
			return
		}
		second, err := decodeRecord(kind, encode(r))
		if err != nil {
			t.Fatalf("what was decoded does not decode again: %v", err)
		}
		if diff := cmp.Diff(r, second, unexported, cmp.AllowUnexported(record{}, stamp{}, horizon{}, inboundRecord{})); diff != "" {
			t.Errorf("(-first +second):\n%s", diff)
		}
	})
}

func FuzzDecodeBlock(f *testing.F) {
	block := []entry{{5, 1}, {9, 1}, {2, 3}, {1 << 62, 1<<32 - 1}}
	f.Add(uint32(1), uint64(5), appendBlock(nil, block))
	f.Fuzz(func(t *testing.T, key uint32, id uint64, data []byte) {
		first := entry{message.ID(id), key}
		all, err := decodeBlock(nil, first, data)
		if len(all) > len(data)+1 {
			t.Fatalf("%d entries from %d bytes", len(all), len(data))
		}
		if err != nil {
			return
		}
		last := all[len(all)-1].key
		ids, err := idsOf(nil, last, first, data)
		if err != nil {
			t.Fatal(err)
		}
		var want []message.ID
		for _, e := range all {
			if e.key == last {
				want = append(want, e.id)
			}
		}
		if !slices.Equal(ids, want) {
			t.Errorf("ids %v, want %v", ids, want)
		}
	})
}

func TestBlockCodec(t *testing.T) {
	want := []entry{{5, 1}, {9, 1}, {2, 3}, {7, 3}, {1 << 62, 1<<32 - 1}}
	got, err := decodeBlock(nil, want[0], appendBlock(nil, want))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

// The radix sort must agree with the plain one, also where ids are not in order.
func TestRunSort(t *testing.T) {
	var w runWriter
	var entries []entry
	for i := range 5000 {
		entries = append(entries, entry{message.ID(i * 7 % 1000), uint32(i * 2654435761 % 97 << 25)})
	}
	want := slices.Clone(entries)
	slices.SortFunc(want, func(a, b entry) int {
		if a.key != b.key {
			return int(int64(a.key) - int64(b.key))
		}
		return int(a.id) - int(b.id)
	})
	if got := w.sort(entries); !slices.Equal(got, slices.Compact(want)) {
		t.Error("radix sort and plain sort differ")
	}
}

func BenchmarkAppendMessage(b *testing.B) {
	m := fullMessage()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendMessage(buf[:0], m)
	}
}

func TestAppendMessageAllocatesNothing(t *testing.T) {
	m := fullMessage()
	buf := AppendMessage(nil, m)
	if n := testing.AllocsPerRun(100, func() { buf = AppendMessage(buf[:0], m) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
