package dispatch

import (
	"time"
	"unsafe"

	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
)

// receipt is one delivery receipt on its way into the store. Receipts are used again.
type receipt struct {
	d    *Dispatcher
	s    *smpp.Session
	seq  uint32
	cmd  smpp.CommandID
	id   []byte // as the SMSC wrote it
	dest []byte
	info message.Receipt // Key and Dest are set only for the resolver

	arrived time.Time
	applied func(error) // answer, bound once
	done    func(error) // of a receipt that came another way than by deliver_sm

	// Arguments of one lookup; keys[0] and dests[0] point into buf and dest.
	buf   []byte
	keys  [1]message.ReceiptKey
	dests [1]string
	match [1]message.ReceiptMatch
}

// handle takes the SMSC's requests. It runs on the sessions' read goroutines.
func (d *Dispatcher) handle(s *smpp.Session, r *smpp.Request) {
	switch p := r.PDU.(type) {
	case *smpp.DeliverSM:
		if p.IsReceipt() {
			d.receipt(s, r, p.Payload(), p.TLVs, p.Source.Addr)
			return
		}
		d.inbound(s, r)
	case *smpp.DataSM:
		if p.IsReceipt() {
			d.receipt(s, r, p.Payload(), p.TLVs, p.Source.Addr)
			return
		}
		d.inbound(s, r)
	case *smpp.AlertNotification:
		if d.o.Alert != nil {
			d.o.Alert(p)
		}
	default:
		respond(s, r.Seq, r.ID, smpp.RINVCMDID)
	}
}

// respond answers a request of the SMSC. An answer that cannot be written is no loss: the
// link is gone then, and the SMSC brings what was not answered again.
func respond(s *smpp.Session, seq uint32, cmd smpp.CommandID, st smpp.Status) {
	_ = s.Respond(seq, cmd, st, nil)
}

// receipt matches a delivery receipt in memory, or leaves it to the resolver.
func (d *Dispatcher) receipt(s *smpp.Session, req *smpp.Request, text []byte, tlvs smpp.TLVs, from []byte) {
	rc, err := smpp.ParseReceipt(text, tlvs)
	if err != nil {
		d.counters.malformed.Add(1)
		d.log.Debug("not a receipt", "text", string(text), "err", err)
		respond(s, req.Seq, req.ID, smpp.RXPAPPN)
		return
	}
	if !rc.State.Final() {
		d.counters.intermediate.Add(1)
		r := d.newReceipt(s, req)
		r.id, r.dest = append(r.id[:0], rc.ID...), append(r.dest[:0], from...)
		d.passOn(r, rc.State)
		return
	}
	d.counters.receipts.Add(1)
	r := d.newReceipt(s, req)
	r.id = append(r.id[:0], rc.ID...)
	r.dest = append(r.dest[:0], from...)
	r.info.Status, r.info.Error = statusOf(rc.State), rc.ErrCode()
	d.match(r)
}

// statusOf maps the SMSC's final states. DELETED is FAILED: CANCELLED means that the
// customer withdrew it.
func statusOf(st smpp.MessageState) message.Status {
	switch st {
	case smpp.StateDelivered:
		return message.Delivered
	case smpp.StateExpired:
		return message.Expired
	case smpp.StateRejected:
		return message.Rejected
	case smpp.StateUnknown:
		return message.Unknown
	default:
		return message.Failed
	}
}

func (d *Dispatcher) newReceipt(s *smpp.Session, req *smpp.Request) *receipt {
	r, _ := d.receipts.Get().(*receipt)
	if r == nil {
		r = &receipt{d: d}
		r.applied = r.answer
	}
	r.s, r.seq, r.cmd = s, req.Seq, req.ID
	return r
}

// find looks r up in memory, in every spelling that its id may have. It remembers the
// spelling that matched.
func (d *Dispatcher) find(r *receipt) bool {
	var buf [numSpellings]spelling
	for _, sp := range d.spellings(buf[:0]) {
		if !r.spell(sp) {
			continue
		}
		if d.o.Store.FindReceipts(r.keys[:], r.dests[:], r.match[:]) == 1 {
			d.learn(sp)
			return true
		}
	}
	return false
}

func (d *Dispatcher) learn(sp spelling) {
	if d.ids == idAuto && d.learned.Load() != int32(sp) {
		d.learned.Store(int32(sp))
	}
}

// spell sets r's key to its id in a spelling. The key lives until the next call.
func (r *receipt) spell(sp spelling) bool {
	var ok bool
	if r.buf, ok = sp.spell(r.buf[:0], r.id); !ok {
		return false
	}
	r.keys[0] = message.ReceiptKey{Group: r.d.o.Connector, SMSCID: view(r.buf)}
	r.dests[0] = view(r.dest)
	return true
}

// view is b as a string without a copy, for lookups that do not keep it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// settleReceipt records the final state; the receipt is acknowledged when that is durable.
func (d *Dispatcher) settleReceipt(r *receipt) {
	m := r.match[0]
	part := uint16(m.Part)
	if d.wholly(m.Msg) {
		part = message.AllParts
	}
	d.o.Store.Record(message.Event{
		Kind: message.Settle, Msg: m.Msg, Part: part, Status: r.info.Status, Error: r.info.Error, At: r.info.At,
	}, r.applied)
}

// answer acknowledges the deliver_sm. When the store did not take the receipt, the SMSC
// is asked to bring it again. It does not block.
func (r *receipt) answer(err error) {
	st := smpp.ROK
	if err != nil {
		st = smpp.RXTAPPN
		r.d.counters.notStored.Add(1)
	}
	if r.done != nil {
		r.done(err)
	} else {
		respond(r.s, r.seq, r.cmd, st)
	}
	d := r.d
	r.s, r.done = nil, nil
	r.match[0] = message.ReceiptMatch{}
	r.info = message.Receipt{}
	d.receipts.Put(r)
}
