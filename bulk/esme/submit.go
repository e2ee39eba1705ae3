package esme

import (
	"strconv"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
	"protei-bulk/smpp"
)

// submitter holds what the read goroutine of one session uses for every message.
type submitter struct {
	req    intake.Request
	raw    intake.Raw
	source string // last source address: senders rarely change
	octets []byte // short message with the header that stands for sar_*
}

// HandleRequest takes the requests that the session does not answer itself. It runs on
// the session's read goroutine.
func (s *Server) HandleRequest(sess *smpp.Session, r *smpp.Request) {
	switch p := r.PDU.(type) {
	case *smpp.SubmitSM:
		s.submit(sess, r, p)
	case *smpp.DataSM:
		s.data(sess, r, p)
	case *smpp.SubmitMulti:
		s.submitMulti(sess, r, p)
	case *smpp.QuerySM, *smpp.CancelSM, *smpp.ReplaceSM:
		s.manageLater(sess, r)
	default:
		_ = sess.Respond(r.Seq, r.ID, smpp.RINVCMDID, nil)
	}
}

func (s *Server) submit(sess *smpp.Session, r *smpp.Request, p *smpp.SubmitSM) {
	b := sess.UserData().(*bind)
	w := &b.sub
	w.raw = intake.Raw{
		Source: w.sourceAddress(&p.Source), Dest: address(&p.Dest), DataCoding: p.DataCoding, ESMClass: p.ESMClass,
		ProtocolID: p.ProtocolID, Octets: p.Payload(), ReceiptRequested: receiptWish(p.RegisteredDelivery),
	}
	if len(p.ScheduleDeliveryTime)+len(p.ValidityPeriod) != 0 {
		if st := s.times(&w.raw, p.ScheduleDeliveryTime, p.ValidityPeriod); st != smpp.ROK {
			s.refuse(sess, r, st)
			return
		}
	}
	w.req.Priority = priority(p.PriorityFlag)
	s.take(sess, r, b, p.TLVs)
}

func (s *Server) data(sess *smpp.Session, r *smpp.Request, p *smpp.DataSM) {
	b := sess.UserData().(*bind)
	w := &b.sub
	w.raw = intake.Raw{
		Source: w.sourceAddress(&p.Source), Dest: address(&p.Dest), DataCoding: p.DataCoding, ESMClass: p.ESMClass,
		Octets: p.Payload(), ReceiptRequested: receiptWish(p.RegisteredDelivery),
	}
	w.req.Priority = message.Normal
	s.take(sess, r, b, p.TLVs)
}

// take gives the message in b.sub to intake, which answers by a submission.
func (s *Server) take(sess *smpp.Session, r *smpp.Request, b *bind, t smpp.TLVs) {
	s.stats.submits.Add(1)
	w := &b.sub
	w.req.ClientRef = ""
	if len(t) != 0 {
		w.segment(t)
		if ref, ok := t.FindUint16(smpp.TagUserMessageReference); ok {
			w.req.ClientRef = strconv.Itoa(int(ref))
		}
	}
	if w.req.Account = s.opts.Accounts.ByID(b.account); w.req.Account == nil {
		s.refuse(sess, r, smpp.RSUBMITFAIL)
		return
	}
	if most := w.req.Account.Window; most > 0 && int(b.open.Load()) >= most {
		s.stats.overWindow.Add(1)
		s.refuse(sess, r, smpp.RTHROTTLED)
		return
	}
	b.open.Add(1)
	w.req.Raw = &w.raw
	sub := s.subs.Get().(*submission)
	sub.sess, sub.bind, sub.seq, sub.id = sess, b, r.Seq, r.ID
	sub.decimal, sub.congestion = w.req.Account.MessageIDs == account.DecimalIDs, b.congestion
	s.opts.Intake.SubmitAsync(&w.req, sub.done)
}

func (s *Server) refuse(sess *smpp.Session, r *smpp.Request, st smpp.Status) {
	s.stats.refusedSubmits.Add(1)
	_ = sess.Respond(r.Seq, r.ID, st, nil) // a session that has ended needs no answer
}

// times reads schedule and validity, whose form the session has checked.
func (s *Server) times(raw *intake.Raw, schedule, validity []byte) smpp.Status {
	return s.timesOf(&raw.ScheduleAt, &raw.ValidUntil, schedule, validity)
}

func (s *Server) timesOf(scheduleAt, validUntil *int64, schedule, validity []byte) smpp.Status {
	now := s.opts.Now()
	if len(schedule) != 0 {
		t, err := smpp.ParseTime(schedule, now)
		if err != nil {
			return smpp.RINVSCHED
		}
		*scheduleAt = t.UnixMilli()
	}
	if len(validity) != 0 {
		t, err := smpp.ParseTime(validity, now)
		if err != nil {
			return smpp.RINVEXPIRY
		}
		*validUntil = t.UnixMilli()
	}
	return smpp.ROK
}

// segment turns sar_* into a user data header, which is how the parts go on. The 8-bit
// reference leaves the room that customers count on.
func (w *submitter) segment(t smpp.TLVs) {
	ref, ok := t.FindUint16(smpp.TagSarMsgRefNum)
	if !ok {
		return
	}
	total, _ := t.FindByte(smpp.TagSarTotalSegments)
	seq, _ := t.FindByte(smpp.TagSarSegmentSeqnum)
	w.octets = gsm.AppendConcat8(w.octets[:0], byte(ref), total, seq)
	w.octets = append(w.octets, w.raw.Octets...)
	w.raw.Octets = w.octets
	w.raw.ESMClass |= smpp.ESMUDHI
}

func (w *submitter) sourceAddress(a *smpp.Address) message.Address {
	if w.source != string(a.Addr) {
		w.source = string(a.Addr)
	}
	return message.Address{TON: a.TON, NPI: a.NPI, Addr: w.source}
}

func address(a *smpp.Address) message.Address {
	return message.Address{TON: a.TON, NPI: a.NPI, Addr: string(a.Addr)}
}

// receiptWish is registered_delivery as intake takes it: bits 1-0 and intermediate
// notifications.
func receiptWish(registered byte) uint8 {
	return registered & (smpp.RegisteredMask | smpp.RegisteredIntermediate)
}

// priority maps priority_flag (SMPP 3.4 §5.2.14). 0 is what nearly everybody sends, so it
// is the platform's NORMAL.
func priority(flag byte) message.Priority {
	switch {
	case flag <= 1:
		return message.Normal
	case flag == 2:
		return message.High
	default:
		return message.Critical
	}
}

// submission waits for intake's verdict on one message and answers it.
type submission struct {
	srv  *Server
	sess *smpp.Session
	bind *bind
	seq  uint32
	id   smpp.CommandID
	// How the answer is written: read once, on the session's goroutine.
	decimal, congestion bool

	text [idDigits]byte
	resp smpp.SubmitSMResp
	data smpp.DataSMResp
	tlvs [congestionLen]byte
	done func(intake.Outcome, error) // answer, bound once
}

func newSubmission(s *Server) *submission {
	sub := &submission{srv: s}
	sub.done = sub.answer
	return sub
}

// answer runs on the store's goroutine, or on the session's when intake refuses.
func (sub *submission) answer(out intake.Outcome, err error) {
	st, body := sub.verdict(out, err)
	sub.bind.open.Add(-1)                           // before the ESME knows that it may send the next one
	_ = sub.sess.Respond(sub.seq, sub.id, st, body) // the ESME may have left: it submits again
	sub.sess, sub.bind = nil, nil
	sub.srv.subs.Put(sub)
}

func (sub *submission) verdict(out intake.Outcome, err error) (smpp.Status, smpp.PDU) {
	refusal := out.Err
	if err != nil {
		refusal = intake.AsRefusal(err)
	}
	if refusal != nil {
		sub.srv.stats.refusedSubmits.Add(1)
		return smpp.Status(refusal.SMPPStatus()), nil
	}
	id := appendID(sub.text[:0], out.Msg.ID, sub.decimal)
	var tlvs smpp.TLVs
	if sub.congestion {
		tlvs = smpp.TLVs(sub.tlvs[:0]).AppendByte(smpp.TagCongestionState, sub.srv.opts.Congestion())
	}
	if sub.id == smpp.CmdDataSM {
		sub.data.MessageID, sub.data.TLVs = id, tlvs
		return smpp.ROK, &sub.data
	}
	sub.resp.MessageID, sub.resp.TLVs = id, tlvs
	return smpp.ROK, &sub.resp
}

// congestionLen is the length of congestion_state (SMPP 5.0 §4.8.4.18: 0 idle to 99 congested)
// with its head.
const congestionLen = 5
