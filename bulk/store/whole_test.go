package store_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
	"protei-bulk/bulk/store/storetest"
)

// course is the life of messages from accept to their last receipt, in random order, with what the
// platform has shown of it.
type course struct {
	t  *rapid.T
	w  *whole
	is map[message.ID][]message.Status // last seen of each part

	serial int
	ids    []message.ID // accepted, in this order
}

// TestWholeCourseOfAMessage plays random histories of accept, send, answer, crash, sending again, receipts early,
// late, twice and for nobody, cancel, expiry, hold and release, and jumps of the clock, against journal, store,
// lanes, dispatch and CDR files as they are. Whatever happens: what was accepted is there; a final state stays,
// except UNKNOWN; the SMSC has one unmarked copy of a part at most; the ledger closes; an acknowledged receipt
// counts; in the end all have ended, and each part has one CDR of each final state.
func TestWholeCourseOfAMessage(t *testing.T) {
	checks(t, storetest.Histories(t, 4))
	rapid.Check(t, func(rt *rapid.T) {
		c := &course{t: rt, is: map[message.ID][]message.Status{}}
		c.w = newWhole(t, rapid.SampledFrom([]string{"resend", "hold"}).Draw(rt, "unknown outcome"),
			rapid.SampledFrom([]time.Duration{quick, 30 * time.Millisecond}).Draw(rt, "settle"))
		defer c.w.end()
		rt.Repeat(map[string]func(*rapid.T){
			"accept": c.accept, "accept 2": c.accept, "manner": c.manner, "answer": c.answer, "receipt": c.receipt, "receipt 2": c.receipt,
			"for nobody": c.forNobody, "cut": func(*rapid.T) { c.w.smsc.cut() }, "cancel": c.cancel, "release": c.release,
			"jump": c.jump, "flow": c.flow, "crash": c.crash, "reopen": c.reopen, "": c.check,
		})
		c.heal()
		c.judge()
	})
}

// checks sets how many histories rapid plays in this test.
func checks(t *testing.T, n int) {
	f := flag.Lookup("rapid.checks")
	was := f.Value.String()
	if was != modelChecks { // by -rapid.checks
		return
	}
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(was) })
}

func (c *course) accept(rt *rapid.T) {
	var msgs []*message.Message
	for range rapid.IntRange(1, 5).Draw(rt, "messages") {
		c.serial++
		msgs = append(msgs, newMessage(c.w.m.s, c.serial, func(m *message.Message) {
			m.SubmittedAt = c.w.now().UnixMilli()
			m.ValidUntil = m.SubmittedAt + rapid.SampledFrom([]int64{3_600_000, 36_000_000}).Draw(rt, "validity")
			if rapid.IntRange(0, 5).Draw(rt, "receipt") == 0 {
				m.Flags &^= message.WantReceipt
			}
			if rapid.Bool().Draw(rt, "long") {
				m.SetParts(2)
				m.Parts[0].End, m.Parts[1].End = 5, uint32(len(m.Payload))
			}
			if rapid.IntRange(0, 5).Draw(rt, "scheduled") == 0 {
				m.Status, m.ScheduleAt = message.Scheduled, m.SubmittedAt+1_800_000
				m.DueAt = m.ScheduleAt
				for i := range m.Parts {
					m.Parts[i].Status = message.Scheduled
				}
			}
		}))
	}
	if err := c.w.m.s.Accept(context.Background(), msgs, store.AcceptExtra{}); err != nil {
		rt.Fatal(err)
	}
	for _, m := range msgs {
		c.ids = append(c.ids, m.ID)
		c.is[m.ID] = make([]message.Status, len(m.Parts))
	}
}

func (c *course) manner(rt *rapid.T) {
	c.w.smsc.manner.Store(int32(rapid.SampledFrom([]manner{answers, answers, answers, hesitates, hesitates, early, tired, throttles, refuses, hangsUp}).Draw(rt, "manner")))
}

// any draws a copy that the SMSC has.
func (c *course) any(rt *rapid.T) *copied {
	copies := c.w.smsc.all()
	if len(copies) == 0 {
		rt.Skip("the SMSC has nothing")
	}
	return copies[rapid.IntRange(0, len(copies)-1).Draw(rt, "copy")]
}

func (c *course) answer(rt *rapid.T) { c.w.smsc.answer(c.any(rt)) }

func (c *course) receipt(rt *rapid.T) {
	if cp := c.any(rt); cp.wants {
		c.w.smsc.receipt(cp, rapid.SampledFrom([]string{"DELIVRD", "DELIVRD", "UNDELIV", "EXPIRED"}).Draw(rt, "state"))
	}
}

func (c *course) forNobody(rt *rapid.T) {
	c.w.smsc.receipt(&copied{id: fmt.Sprint(1_000_000 + rapid.IntRange(0, 5).Draw(rt, "id")), dest: "4917"}, "DELIVRD")
}

// drawn draws one of the messages, as it is.
func (c *course) drawn(rt *rapid.T) *message.Message {
	if len(c.ids) == 0 {
		rt.Skip("no messages")
	}
	return c.read(rapid.SampledFrom(c.ids).Draw(rt, "message"))
}

func (c *course) read(id message.ID) *message.Message {
	m, err := c.w.m.s.Message(context.Background(), id)
	if err != nil {
		c.t.Fatalf("message %s was accepted: %v", id, err)
	}
	return m
}

func (c *course) record(id message.ID, evs ...message.Event) {
	m, err := c.w.m.s.Load(context.Background(), id)
	if err != nil {
		c.t.Fatal(err)
	}
	for i := range evs {
		evs[i].Msg, evs[i].At = m, c.w.now().UnixMilli()
	}
	record(c.w.t, c.w.m.s, evs...)
}

// cancel withdraws what waits or is held, as the API does.
func (c *course) cancel(rt *rapid.T) {
	switch m := c.drawn(rt); {
	case m.Status == message.Held:
		for i := range m.Parts {
			if m.Parts[i].Status == message.Held {
				c.record(m.ID, message.Event{Kind: message.Settle, Part: uint16(i), Status: message.Cancelled})
			}
		}
	case m.Status == message.Pending && c.w.lanes.Load().Cancel(m.Lane(), m.ID, m.LaneSeq, m.Status):
		c.record(m.ID, message.Event{Kind: message.Settle, Part: message.AllParts, Status: message.Cancelled})
	}
}

func (c *course) release(rt *rapid.T) { c.let(c.drawn(rt)) }

// let gives a held message a new place in its lane.
func (c *course) let(m *message.Message) {
	if m.Status == message.Held {
		c.record(m.ID, message.Event{Kind: message.Requeue, Part: message.AllParts, Dup: true})
	}
}

// jump sets the clock, mostly ahead.
func (c *course) jump(rt *rapid.T) {
	c.w.ahead.Add(int64(rapid.SampledFrom([]time.Duration{-20 * time.Minute, -time.Second, 10 * time.Minute, 40 * time.Minute, 2 * time.Hour, 40 * time.Hour}).Draw(rt, "by")))
}

// flow gives what waits some time to be sent.
func (c *course) flow(*rapid.T) {
	for end := time.Now().Add(60 * time.Millisecond); time.Now().Before(end) && c.count(message.Pending) > 0; {
		time.Sleep(2 * time.Millisecond)
	}
}

func (c *course) count(s message.Status) (n int64) {
	for _, l := range c.w.m.s.Ledgers() {
		n += l[s]
	}
	return n
}

func (c *course) crash(rt *rapid.T) {
	if err := c.w.crash(rapid.SampledFrom([]string{"begin", "copied", "committed", "released"}).Draw(rt, "point")); err != nil {
		rt.Fatal(err)
	}
	c.checkAll()
}

func (c *course) reopen(rt *rapid.T) {
	if err := c.w.reopen(); err != nil {
		rt.Fatal(err)
	}
	c.checkAll()
}

// check looks at one message, which is quick.
func (c *course) check(rt *rapid.T) {
	if len(c.ids) > 0 {
		c.look(rapid.SampledFrom(c.ids).Draw(rt, "looked at"))
	}
}

// look wants a message to be there, and its parts to stay what they finally became.
func (c *course) look(id message.ID) *message.Message {
	m := c.read(id)
	for i := range m.Parts {
		was, is := c.is[id][i], m.Parts[i].Status
		if was.Final() && is != was && (was != message.Unknown || !is.Final()) {
			c.t.Fatalf("part %d of message %s was %v and is %v", i+1, id, was, is)
		}
		c.is[id][i] = is
	}
	return m
}

func (c *course) checkAll() {
	for _, id := range c.ids {
		c.look(id)
	}
	c.closes()
}

// closes waits until the ledger closes: events are being applied while it is read.
func (c *course) closes() {
	var accepted, sum int64
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		accepted, sum = 0, 0
		for _, n := range c.w.m.s.Accepted() {
			accepted += n
		}
		for _, l := range c.w.m.s.Ledgers() {
			sum += l.Sum()
		}
		if accepted == sum && accepted == int64(len(c.ids)) {
			return
		}
	}
	c.t.Fatalf("the ledger does not close: %d accepted, %d counted, %d promised", accepted, sum, len(c.ids))
}

// heal lets everything come to its end: the SMSC answers and tells what became of each copy, people release what
// is held, and time goes on.
func (c *course) heal() {
	c.w.smsc.manner.Store(int32(answers))
	end := time.Now().Add(30 * time.Second)
	for round := 0; ; round++ {
		open := 0
		for _, id := range c.ids {
			m := c.look(id)
			c.let(m)
			if !m.Status.Final() && (m.Status != message.Sent || m.Flags&message.WantReceipt != 0) {
				open++
			}
		}
		if open == 0 {
			return
		}
		if time.Now().After(end) {
			c.t.Fatalf("%d messages do not end after %d rounds, the clock is %v ahead: %s", open, round, time.Duration(c.w.ahead.Load()), c.open())
		}
		for _, cp := range c.w.smsc.all() {
			c.w.smsc.answer(cp)
			if _, acked := c.w.smsc.of(cp); cp.wants && len(acked) == 0 {
				c.w.smsc.receipt(cp, "DELIVRD")
			}
		}
		if round%20 == 19 {
			c.w.ahead.Add(int64(2 * time.Minute)) // what has its time later: retries, and schedules
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// open says what has not ended.
func (c *course) open() (text string) {
	now := c.w.now().UnixMilli()
	for _, id := range c.ids {
		if m := c.read(id); !m.Status.Final() {
			text += fmt.Sprintf("\n%s %v, due in %d ms, valid for %d ms, place %d, parts %+v", id, m.Status, m.DueAt-now, m.ValidUntil-now, m.LaneSeq, m.Parts)
		}
	}
	return text
}

// judge wants all promises to be kept when everything has ended.
func (c *course) judge() {
	c.checkAll()
	unmarked := map[string]int{}
	acked := map[string][]string{} // by SMSC id
	for _, cp := range c.w.smsc.all() {
		if !cp.marked {
			unmarked[cp.trace]++
		}
		_, acked[cp.id] = c.w.smsc.of(cp)
	}
	for trace, n := range unmarked {
		if n > 1 {
			c.t.Errorf("%d copies of %s are not marked as possible duplicates", n, trace)
		}
	}
	if err := c.w.files.Sync(context.Background()); err != nil {
		c.t.Fatal(err)
	}
	records := c.w.records()
	for r, n := range records {
		if n != 1 {
			c.t.Errorf("%d records of %+v", n, r)
		}
	}
	for _, id := range c.ids {
		m := c.read(id)
		for i := range m.Parts {
			p := &m.Parts[i]
			if told := acked[p.SMSCID]; p.SMSCID != "" && len(told) > 0 && p.Status == message.Unknown {
				c.t.Errorf("part %d of %s is UNKNOWN, and the receipts %v were acknowledged", i+1, id, told)
			}
			if p.Status == message.Delivered && !slices.ContainsFunc(slices.Collect(maps.Values(acked)), func(told []string) bool { return slices.Contains(told, "DELIVRD") }) {
				c.t.Errorf("part %d of %s is DELIVERED, and nobody said so", i+1, id)
			}
			if r := (cdrLine{id.String(), fmt.Sprint(i + 1), p.Status.String()}); records[r] == 0 {
				c.t.Errorf("no record of %+v; there are %s", r, strings.Join(statesOf(records, id, i), ", "))
			}
		}
	}
}

func statesOf(records map[cdrLine]int, id message.ID, part int) (states []string) {
	for r := range records {
		if r.id == id.String() && r.part == fmt.Sprint(part+1) {
			states = append(states, r.status)
		}
	}
	return states
}
