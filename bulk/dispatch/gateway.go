package dispatch

import (
	"errors"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/upstream"
	"protei-bulk/smpp"
)

// Rewrite returns an address as rules have it; the first that fits counts.
func Rewrite(a message.Address, rules []AddressRule) message.Address {
	b := builder{}
	out := b.address(&a, rules)
	return message.Address{TON: out.TON, NPI: out.NPI, Addr: string(out.Addr)}
}

// wholly reports whether a message goes to the SMSC in one piece, whatever its parts.
func (d *Dispatcher) wholly(m *message.Message) bool {
	if d.o.Gateway != nil {
		return d.o.Gateway.Whole()
	}
	return d.o.Charset.wholly(m)
}

// lead lets one part stand for all that go, and returns it: it is submitted once for all of
// them.
func (f *flight) lead() (leader *part) {
	for i := range f.parts {
		p := &f.parts[i]
		switch {
		case p.outcome != open:
		case leader == nil:
			leader = p
		default:
			p.outcome = follows
		}
	}
	f.whole = true
	return leader
}

// follow gives the outcome of the leading part to those that went with it.
func (f *flight) follow() {
	var leader *part
	for i := range f.parts {
		p := &f.parts[i]
		switch {
		case p.outcome == follows && leader != nil:
			p.outcome, p.status = leader.outcome, leader.status
		case p.outcome != skipped && leader == nil:
			leader = p
		}
	}
}

// going calls fn with the part and those that go with it.
func (p *part) going(fn func(*part)) {
	fn(p)
	if p.f.whole {
		for i := range p.f.parts {
			if q := &p.f.parts[i]; q.outcome == follows {
				fn(q)
			}
		}
	}
}

// hand gives a part, or the message that it leads, to the gateway. It reports false when
// there is no room.
func (d *Dispatcher) hand(p *part) bool {
	it := &p.f.item
	p.handed = d.o.Now()
	err := d.o.Gateway.Submit(upstream.Submission{
		Msg: it.Msg, Part: int(p.index), Dup: it.Dup,
		Source: Rewrite(it.Msg.Source, d.o.SourceRules), Dest: Rewrite(it.Msg.Dest, d.o.DestRules),
	}, p.gone)
	if errors.Is(err, upstream.ErrBusy) {
		return false
	}
	d.pacer.spend(1)
	return true
}

// gone takes the outcome of a part that a Gateway carried.
func (p *part) gone(out upstream.Outcome) {
	d := p.f.d
	p.status = smpp.Status(out.Code)
	p.took = between(p.handed, out.Done)
	at := out.Done.UnixMilli()
	switch out.Class {
	case upstream.Accepted:
		p.taken(out.ID, at)
	case upstream.Slow:
		d.counters.throttled.Add(1)
		d.sendAgain(p)
		return
	case upstream.Temporary:
		d.counters.temporary.Add(1)
		p.outcome = retry
		d.refused(p, &out)
	case upstream.Failed:
		d.refused(p, &out)
		p.going(func(q *part) { q.ended(message.Failed, p.status, at) })
	case upstream.NoRoute:
		p.outcome = noRoute
	case upstream.Unavailable:
		p.outcome = unsent
	case upstream.Unknown:
		d.counters.lost.Add(1)
		p.outcome, p.status = lost, smpp.RUNKNOWNERR
		d.refused(p, &out)
	default:
		d.refused(p, &out)
		p.going(func(q *part) { q.ended(message.Rejected, p.status, at) })
	}
	p.f.partDone()
}

func (d *Dispatcher) refused(p *part, out *upstream.Outcome) {
	d.log.Debug("not accepted", "message", p.f.item.Msg.ID, "part", p.index, "code", out.Code, "detail", out.Detail)
}

// taken records that the SMSC has the part and those that go with it. All of them get
// the id, in one group: a receipt that was parked under it settles each.
func (p *part) taken(id string, at int64) {
	f := p.f
	d, m := f.d, f.item.Msg
	if id == "" {
		d.noID()
	} else if m.Flags&message.WantReceipt != 0 {
		d.o.Store.NoteSubmitted(message.ReceiptKey{Group: d.o.Connector, SMSCID: id}, m, int(p.index))
	}
	evs := make([]message.Event, 0, len(f.parts))
	p.going(func(q *part) {
		q.outcome = done
		evs = append(evs, message.Event{Kind: message.Submitted, Msg: m, Part: q.index, SMSCID: id, At: at, Dup: f.item.Dup, Took: p.took})
	})
	d.counters.submitted.Add(uint64(len(evs)))
	d.unsynced.Add(1)
	d.o.Store.RecordMany(evs, d.onSynced)
}

// Report is a delivery receipt that came another way than by deliver_sm.
type Report struct {
	ID    string // as the SMSC calls the message
	Dest  string // the recipient, empty: it does not say
	State smpp.MessageState
	Error uint32
}

// Take stores a receipt. done is called once, when that is durable or failed. It does not block.
func (d *Dispatcher) Take(rep Report, done func(error)) {
	r := d.newReceipt(nil, &smpp.Request{})
	r.done = done
	r.id, r.dest = append(r.id[:0], rep.ID...), append(r.dest[:0], rep.Dest...)
	if !rep.State.Final() {
		d.counters.intermediate.Add(1)
		d.passOn(r, rep.State)
		return
	}
	d.counters.receipts.Add(1)
	r.info.Status, r.info.Error = statusOf(rep.State), rep.Error
	d.match(r)
}

// match settles a receipt that is found in memory, or leaves it to the resolver.
func (d *Dispatcher) match(r *receipt) {
	r.arrived = d.o.Now()
	r.info.At = r.arrived.UnixMilli()
	if d.find(r) {
		d.settleReceipt(r)
		return
	}
	select {
	case d.missed <- r:
	default:
		d.counters.refused.Add(1)
		r.answer(errResolverFull)
	}
}

// passOn tells a state that is not final to whoever wants it, and acknowledges it: it is
// not kept.
func (d *Dispatcher) passOn(r *receipt, state smpp.MessageState) {
	if d.o.Intermediate != nil && d.find(r) && r.match[0].Msg.Flags&message.NotifyIntermediate != 0 {
		d.o.Intermediate(r.match[0].Msg, state)
	}
	r.answer(nil)
}
