package esme

import (
	"strconv"
	"sync"

	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
)

// multi is one submit_multi under way: a message for each destination, all with the id of
// the call as their batch, which stands for them in message_id and receipts.
type multi struct {
	srv  *Server
	sess *smpp.Session
	seq  uint32
	id   message.ID

	mu     sync.Mutex // guards below
	left   int        // destinations without a verdict
	taken  int
	failed []smpp.Unsuccess
}

func (s *Server) submitMulti(sess *smpp.Session, r *smpp.Request, p *smpp.SubmitMulti) {
	b := sess.UserData().(*bind)
	w := &b.sub
	for i := range p.Dests {
		if len(p.Dests[i].List) != 0 {
			s.refuse(sess, r, smpp.RINVDLNAME) // there are no distribution lists
			return
		}
	}
	if s.opts.IDs == nil {
		s.refuse(sess, r, smpp.RSUBMITFAIL)
		return
	}
	w.raw = intake.Raw{
		Source: w.sourceAddress(&p.Source), DataCoding: p.DataCoding, ESMClass: p.ESMClass, ProtocolID: p.ProtocolID,
		Octets: multiPayload(p), ReceiptRequested: receiptWish(p.RegisteredDelivery),
	}
	if len(p.ScheduleDeliveryTime)+len(p.ValidityPeriod) != 0 {
		if st := s.times(&w.raw, p.ScheduleDeliveryTime, p.ValidityPeriod); st != smpp.ROK {
			s.refuse(sess, r, st)
			return
		}
	}
	w.req = intake.Request{Priority: priority(p.PriorityFlag), Account: s.opts.Accounts.ByID(b.account), Raw: &w.raw}
	if w.req.Account == nil {
		s.refuse(sess, r, smpp.RSUBMITFAIL)
		return
	}
	if len(p.TLVs) != 0 {
		w.segment(p.TLVs)
		if ref, ok := p.TLVs.FindUint16(smpp.TagUserMessageReference); ok {
			w.req.ClientRef = strconv.Itoa(int(ref))
		}
	}
	if most := w.req.Account.Window; most > 0 && int(b.open.Load()) >= most {
		s.stats.overWindow.Add(1)
		s.refuse(sess, r, smpp.RTHROTTLED)
		return
	}
	b.open.Add(1)
	m := &multi{srv: s, sess: sess, seq: r.Seq, id: s.opts.IDs.Next(), left: len(p.Dests)}
	w.req.Batch = m.id
	for i := range p.Dests {
		s.stats.submits.Add(1)
		w.raw.Dest = address(&p.Dests[i].Address)
		dest := w.raw.Dest
		s.opts.Intake.SubmitAsync(&w.req, func(out intake.Outcome, err error) { m.verdict(dest, out, err) })
	}
	w.req.Batch = 0
}

func multiPayload(p *smpp.SubmitMulti) []byte {
	if len(p.ShortMessage) == 0 {
		if v, ok := p.TLVs.Find(smpp.TagMessagePayload); ok {
			return v
		}
	}
	return p.ShortMessage
}

// verdict notes what became of one destination, and answers after the last.
func (m *multi) verdict(dest message.Address, out intake.Outcome, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	refusal := out.Err
	if err != nil {
		refusal = intake.AsRefusal(err)
	}
	if refusal == nil {
		m.taken++
	} else {
		m.srv.stats.refusedSubmits.Add(1)
		m.failed = append(m.failed, smpp.Unsuccess{
			Address: smpp.Address{TON: dest.TON, NPI: dest.NPI, Addr: []byte(dest.Addr)}, Status: smpp.Status(refusal.SMPPStatus()),
		})
	}
	if m.left--; m.left > 0 {
		return
	}
	b := m.sess.UserData().(*bind)
	b.open.Add(-1)
	if m.taken == 0 {
		_ = m.sess.Respond(m.seq, smpp.CmdSubmitMulti, m.failed[0].Status, nil)
		return
	}
	resp := &smpp.SubmitMultiResp{MessageID: m.srv.appendID(nil, b.account, m.id), Unsuccess: m.failed}
	_ = m.sess.Respond(m.seq, smpp.CmdSubmitMulti, smpp.ROK, resp)
}
