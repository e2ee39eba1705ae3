package smsc

import (
	"time"

	"protei-bulk/gsm"
	"protei-bulk/smpp"
)

// TraceTag is the vendor parameter by which a message is recognised when it comes again:
// any octets, such as the platform's message id and part, "0123456789abcdef/1".
const TraceTag smpp.Tag = 0x1501

// incoming is a submit_sm or data_sm.
type incoming struct {
	seq          uint32
	dataSM       bool
	source, dest *smpp.Address
	esmClass     byte
	registered   byte
	dataCoding   byte
	text         []byte
	tlvs         smpp.TLVs
}

// HandleRequest takes the ESME's requests, on the bind's read goroutine.
func (s *Simulator) HandleRequest(sess *smpp.Session, r *smpp.Request) {
	p := sess.UserData().(*peer)
	switch m := r.PDU.(type) {
	case *smpp.SubmitSM:
		s.submit(p, &incoming{
			seq: r.Seq, source: &m.Source, dest: &m.Dest, esmClass: m.ESMClass,
			registered: m.RegisteredDelivery, dataCoding: m.DataCoding, text: m.Payload(), tlvs: m.TLVs,
		})
	case *smpp.DataSM:
		s.submit(p, &incoming{
			seq: r.Seq, dataSM: true, source: &m.Source, dest: &m.Dest, esmClass: m.ESMClass,
			registered: m.RegisteredDelivery, dataCoding: m.DataCoding, text: m.Payload(), tlvs: m.TLVs,
		})
	default:
		_ = sess.Respond(r.Seq, r.ID, unsupported(r.ID), nil)
	}
}

// unsupported is the answer to operations that need the messages to be kept.
func unsupported(cmd smpp.CommandID) smpp.Status {
	switch cmd {
	case smpp.CmdQuerySM:
		return smpp.RQUERYFAIL
	case smpp.CmdCancelSM:
		return smpp.RCANCELFAIL
	case smpp.CmdReplaceSM:
		return smpp.RREPLACEFAIL
	default:
		return smpp.RSYSERR
	}
}

func (s *Simulator) submit(p *peer, m *incoming) {
	now := s.elapsed()
	b := s.behaviour.Load()
	p.tally.submits.Add(1)
	p.tally.octets.Add(uint64(len(m.text)))
	p.came++
	rec := record{seq: m.seq, dataSM: m.dataSM, origin: p.no, system: p.system}
	if st := s.gate(m, now, b); st != smpp.ROK {
		rec.status = uint16(st)
		p.answer(&rec)
		return
	}
	v := s.judge(p, m, b)
	rec.status = uint16(v.status)
	if v.status == smpp.ROK {
		s.fill(&rec, m, &v, now)
	}
	if v.silent {
		p.tally.unanswered.Add(1)
	} else {
		rec.flags |= owesAnswer
	}
	if v.latency == 0 && rec.flags == owesAnswer && !v.lost && !v.extra() {
		p.answer(&rec)
		return
	}
	s.send(p, &rec, &v, now.Milliseconds())
	if v.disconnect {
		p.session.Close()
	}
}

// gate refuses what is not looked at: beyond the rate, beyond the bound, or with an
// address that no receipt could carry.
func (s *Simulator) gate(m *incoming, now time.Duration, b *Behaviour) smpp.Status {
	switch {
	case !s.pace.allow(now, b.TPS):
		return smpp.RTHROTTLED
	case s.spool.used.Load() >= int64(s.opts.MaxPending):
		return smpp.RMSGQFUL
	case len(m.source.Addr) > len(address{}.addr):
		return smpp.RINVSRCADR
	case len(m.dest.Addr) == 0 || len(m.dest.Addr) > len(address{}.addr):
		return smpp.RINVDSTADR
	default:
		return smpp.ROK
	}
}

// judge recognises the message, decides about it and counts it.
func (s *Simulator) judge(p *peer, m *incoming, b *Behaviour) verdict {
	var h uint64
	if trace, ok := m.tlvs.Find(TraceTag); ok {
		h = hashOf(trace)
	} else {
		h = hashPair(m.dest.Addr, m.text)
	}
	sh := s.seen.lock(h)
	defer sh.mu.Unlock()
	w := sh.add(h, s.seen.limit)
	attempt := uint64(p.came) << 8 // no longer counted: still different each time
	if w != nil {
		if n := attemptsOf(*w); n < seenMaxCount {
			attempt = n
		}
		tried(w)
	}
	v := b.decide(h, attempt, m.registered)
	if n := b.DisconnectAfter; n > 0 && p.came >= n {
		v.cut()
	}
	if v.status != smpp.ROK {
		return v
	}
	switch {
	case w == nil:
		p.tally.untracked.Add(1)
	case accepted(w):
		p.tally.unique.Add(1)
	default:
		p.tally.duplicates.Add(1)
	}
	return v
}

// fill completes the record of a message that was accepted.
func (s *Simulator) fill(rec *record, m *incoming, v *verdict, now time.Duration) {
	rec.id = s.nextID.Add(1)
	rec.submitted = s.unix(now)
	rec.state = v.state
	rec.flags |= v.flags
	rec.delay = uint32(v.receiptDelay.Milliseconds())
	if v.flags&wantsReceipt == 0 && !v.extra() {
		return
	}
	rec.source.set(m.source)
	rec.dest.set(m.dest)
	if ref, ok := m.tlvs.FindUint16(smpp.TagUserMessageReference); ok {
		rec.userRef, rec.flags = ref, rec.flags|hasUserRef
	}
	text := m.text
	if m.esmClass&smpp.ESMUDHI != 0 {
		if _, rest, err := gsm.ParseUDH(text); err == nil {
			text = rest
		}
	}
	if enc := gsm.OfDataCoding(m.dataCoding); enc == gsm.GSM7 || enc == gsm.Latin1 {
		rec.textLen = uint8(copy(rec.text[:], text))
	}
}

// send enters the record, and those of the additional receipts, and does what is due.
func (s *Simulator) send(p *peer, rec *record, v *verdict, now int64) {
	if v.flags&wantsReceipt != 0 || v.lost {
		p.tally.wanted.Add(1)
	}
	if v.lost {
		p.tally.lost.Add(1)
	}
	wait := v.latency.Milliseconds()
	if v.intermediate { // takes the answer with it, so that the final state comes later
		p.tally.noted.Add(1)
		note := *rec
		note.state, note.delay, note.flags = smpp.StateEnroute, 0, note.flags|intermediate|wantsReceipt
		s.enter(&note, wait, now)
		rec.flags &^= owesAnswer | receiptFirst
	}
	if rec.flags&(owesAnswer|wantsReceipt) != 0 {
		s.enter(rec, wait, now)
	}
	rec.flags = rec.flags&^(owesAnswer|receiptFirst) | wantsReceipt
	if v.doubled {
		p.tally.doubled.Add(1)
		s.enter(rec, wait, now)
	}
	if v.unknown {
		p.tally.unknown.Add(1)
		rec.id |= 1 << 62 // never given
		s.enter(rec, wait, now)
	}
}

// enter takes a record in that is due after wait, or after the receipt's delay on top
// when no answer comes before it.
func (s *Simulator) enter(rec *record, wait, now int64) {
	if rec.flags&owesAnswer == 0 || rec.flags&receiptFirst != 0 {
		wait += int64(rec.delay)
	}
	j := s.spool.enter(rec, wait, now)
	s.perform(&j)
}

// unix returns the Unix seconds of a moment of the simulator's clock.
func (s *Simulator) unix(now time.Duration) int64 { return s.began.Add(now).Unix() }

// verdict is what is decided about one submit.
type verdict struct {
	status       smpp.Status
	latency      time.Duration
	receiptDelay time.Duration
	state        smpp.MessageState
	flags        recordFlags // wantsReceipt, receiptFirst, otherBind
	silent       bool        // no answer
	disconnect   bool
	lost         bool // the receipt is
	doubled      bool
	unknown      bool
	intermediate bool
}

func (v *verdict) extra() bool { return v.doubled || v.unknown || v.intermediate }

// cut makes the verdict: accepted, not answered, link lost.
func (v *verdict) cut() { v.status, v.silent, v.disconnect = smpp.ROK, true, true }

// The draws of a decision; each has its own, so that one setting does not change the others.
const (
	drawStatus = iota + 1
	drawLatency
	drawSilence
	drawDisconnect
	drawState
	drawReceiptDelay
	drawLoss
	drawDouble
	drawFirst
	drawOther
	drawUnknown
)

// decide draws everything about an attempt of the message with hash h. Most behaviours
// leave most shares zero and draw nothing.
func (b *Behaviour) decide(h, attempt uint64, registered byte) verdict {
	state := fold(h+b.Seed*mix3, mix2^attempt*mix0)
	draw := func(i uint64) uint64 { return fold(state+i*mix0, mix1) }
	hit := func(share Share, i uint64) bool { return share > 0 && share.hit(draw(i)) }

	var v verdict
	v.latency = b.Latency.draw(draw(drawLatency))
	if len(b.Errors) > 0 {
		v.status = b.Errors.draw(draw(drawStatus))
	}
	if hit(b.DisconnectShare, drawDisconnect) {
		v.cut()
	}
	if v.status != smpp.ROK {
		return v
	}
	v.silent = v.silent || hit(b.ResponseLoss, drawSilence)
	v.unknown = hit(b.ReceiptsUnknownID, drawUnknown)
	v.state = smpp.StateDelivered
	if len(b.Receipts) > 0 {
		v.state = b.Receipts.draw(draw(drawState))
	}
	v.intermediate = registered&smpp.RegisteredIntermediate != 0
	v.receiptDelay = b.ReceiptDelay.draw(draw(drawReceiptDelay))
	if hit(b.ReceiptsOtherBind, drawOther) {
		v.flags |= otherBind
	}
	if !asked(registered, v.state) {
		return v
	}
	if hit(b.ReceiptLoss, drawLoss) {
		v.lost = true
		return v
	}
	v.flags |= wantsReceipt
	if hit(b.ReceiptsBeforeResponse, drawFirst) {
		v.flags |= receiptFirst
	}
	v.doubled = hit(b.ReceiptDuplicates, drawDouble)
	return v
}

// asked is SMPP.md item 54.
func asked(registered byte, state smpp.MessageState) bool {
	delivered := state == smpp.StateDelivered
	switch registered & smpp.RegisteredMask {
	case smpp.RegisteredFinal:
		return true
	case smpp.RegisteredFailure:
		return !delivered
	case smpp.RegisteredSuccess:
		return delivered
	default:
		return false
	}
}
