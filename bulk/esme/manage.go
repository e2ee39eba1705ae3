package esme

import (
	"context"
	"errors"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
)

// Errors that Messages returns.
var (
	// ErrNoMessage: the account has no such message.
	ErrNoMessage = errors.New("no such message")
	// ErrTooLate: the SMSC has the message, or it is final.
	ErrTooLate = errors.New("the message is no longer waiting")
)

// Messages is what query_sm, cancel_sm and replace_sm ask of the platform. Its methods may
// read the disk.
type Messages interface {
	// Messages returns copies of what a message_id of the account names: one message, those of
	// a submit_multi, or the one that replaced it. ErrNoMessage when there is none.
	Messages(ctx context.Context, account uint32, id message.ID) ([]*message.Message, error)
	// Waiting returns up to limit messages of the account between two addresses that the SMSC
	// does not have.
	Waiting(ctx context.Context, account uint32, source, dest string, limit int) ([]*message.Message, error)
	// Cancel withdraws a message, durably: ErrTooLate.
	Cancel(ctx context.Context, id message.ID) error
	// Replace withdraws a message and takes another in its place, durably: ErrTooLate, or an
	// *intake.Refusal.
	Replace(ctx context.Context, m *message.Message, with *Replacement) error
}

// Replacement is what replace_sm changes of a message.
type Replacement struct {
	Octets           []byte
	ScheduleAt       int64 // Unix ms, 0: as before
	ValidUntil       int64 // Unix ms, 0: as before
	ReceiptRequested uint8 // as intake.Raw has it
}

const (
	managers      = 4   // goroutines that answer query_sm, cancel_sm and replace_sm
	managerQueue  = 256 // requests that wait for each; beyond it ESME_RTHROTTLED
	manageTimeout = 10 * time.Second
	groupCancel   = 1000 // messages that one cancel_sm without a message_id withdraws
)

// job is a request that needs more than the read goroutine may take: a copy of it.
type job struct {
	sess    *smpp.Session
	account uint32
	seq     uint32
	pdu     smpp.PDU
}

// manageLater hands a request to the manager of its session, so that requests of one
// session are answered in their order.
func (s *Server) manageLater(sess *smpp.Session, r *smpp.Request) {
	b := sess.UserData().(*bind)
	pdu, err := smpp.Clone(r.PDU)
	if s.opts.Messages == nil || err != nil {
		_ = sess.Respond(r.Seq, r.ID, failure(r.ID), nil)
		return
	}
	select {
	case s.jobs[b.manager] <- job{sess, b.account, r.Seq, pdu}:
	default:
		_ = sess.Respond(r.Seq, r.ID, smpp.RTHROTTLED, nil)
	}
}

// failure is the status that the standard has for an operation that did not work.
func failure(id smpp.CommandID) smpp.Status {
	switch id {
	case smpp.CmdQuerySM:
		return smpp.RQUERYFAIL
	case smpp.CmdCancelSM:
		return smpp.RCANCELFAIL
	case smpp.CmdReplaceSM:
		return smpp.RREPLACEFAIL
	default:
		return smpp.RSUBMITFAIL
	}
}

// manage is the goroutine of one manager.
func (s *Server) manage(ctx context.Context, jobs <-chan job) {
	for {
		select {
		case j := <-jobs:
			s.answerJob(ctx, &j)
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) answerJob(ctx context.Context, j *job) {
	ctx, cancel := context.WithTimeout(ctx, manageTimeout)
	defer cancel()
	var st smpp.Status
	var body smpp.PDU
	switch p := j.pdu.(type) {
	case *smpp.QuerySM:
		st, body = s.query(ctx, j.account, p)
	case *smpp.CancelSM:
		st = s.cancelSM(ctx, j.account, p)
	case *smpp.ReplaceSM:
		st = s.replace(ctx, j.account, p)
	}
	_ = j.sess.Respond(j.seq, j.pdu.CommandID(), st, body) // a session that has ended needs no answer
}

// named returns the messages that a request names, with the address that it must have.
func (s *Server) named(ctx context.Context, account uint32, id []byte, source *smpp.Address) ([]*message.Message, smpp.Status) {
	n, ok := s.parseID(account, id)
	if !ok {
		return nil, smpp.RINVMSGID
	}
	msgs, err := s.opts.Messages.Messages(ctx, account, n)
	switch {
	case errors.Is(err, ErrNoMessage):
		return nil, smpp.RINVMSGID
	case err != nil:
		s.log.Error("esme: look a message up", "message", n, "error", err)
		return nil, smpp.RSYSERR
	}
	if len(source.Addr) != 0 && string(source.Addr) != msgs[0].Source.Addr {
		return nil, smpp.RINVSRCADR
	}
	return msgs, smpp.ROK
}

func (s *Server) query(ctx context.Context, account uint32, p *smpp.QuerySM) (smpp.Status, smpp.PDU) {
	msgs, st := s.named(ctx, account, p.MessageID, &p.Source)
	if st != smpp.ROK {
		return st, nil
	}
	m := least(msgs)
	resp := &smpp.QuerySMResp{MessageID: p.MessageID, MessageState: smpp.StateEnroute, ErrorCode: errorOctet(m)}
	if m.Status.Final() {
		resp.MessageState = stateOf(m.Status)
		resp.FinalDate = smpp.AppendTime(nil, time.UnixMilli(m.DoneAt))
	}
	return smpp.ROK, resp
}

// least is the message that says most of how far a submit_multi is: one that is not final,
// else one that was not delivered.
func least(msgs []*message.Message) *message.Message {
	worst := msgs[0]
	for _, m := range msgs[1:] {
		switch {
		case !worst.Status.Final():
			return worst
		case !m.Status.Final(), worst.Status == message.Delivered && m.Status != message.Delivered:
			worst = m
		}
	}
	return worst
}

// errorOctet is the last error of a message as query_sm_resp has room for it.
func errorOctet(m *message.Message) byte {
	for i := range m.Parts {
		if e := m.Parts[i].Error; e != 0 {
			return byte(min(e, 255))
		}
	}
	return 0
}

func (s *Server) cancelSM(ctx context.Context, account uint32, p *smpp.CancelSM) smpp.Status {
	var msgs []*message.Message
	if len(p.MessageID) == 0 {
		var err error
		if len(p.Dest.Addr) == 0 {
			return smpp.RINVDSTADR
		}
		msgs, err = s.opts.Messages.Waiting(ctx, account, string(p.Source.Addr), string(p.Dest.Addr), groupCancel)
		if err != nil {
			s.log.Error("esme: look waiting messages up", "account", account, "error", err)
			return smpp.RSYSERR
		}
	} else {
		var st smpp.Status
		if msgs, st = s.named(ctx, account, p.MessageID, &p.Source); st != smpp.ROK {
			return st
		}
		if len(p.Dest.Addr) != 0 && len(msgs) == 1 && string(p.Dest.Addr) != msgs[0].Dest.Addr {
			return smpp.RINVDSTADR
		}
	}
	withdrawn := 0
	for _, m := range msgs {
		if !m.Status.Waiting() {
			continue
		}
		if err := s.opts.Messages.Cancel(ctx, m.ID); err == nil {
			withdrawn++
		} else if !errors.Is(err, ErrTooLate) {
			s.log.Error("esme: cancel a message", "message", m.ID, "error", err)
		}
	}
	if withdrawn == 0 {
		return smpp.RCANCELFAIL
	}
	return smpp.ROK
}

func (s *Server) replace(ctx context.Context, account uint32, p *smpp.ReplaceSM) smpp.Status {
	msgs, st := s.named(ctx, account, p.MessageID, &p.Source)
	switch {
	case st != smpp.ROK:
		return st
	case len(msgs) != 1 || !msgs[0].Status.Waiting() || msgs[0].Status == message.Held:
		return smpp.RREPLACEFAIL
	}
	with := Replacement{Octets: p.ShortMessage, ReceiptRequested: receiptWish(p.RegisteredDelivery)}
	if st := s.timesOf(&with.ScheduleAt, &with.ValidUntil, p.ScheduleDeliveryTime, p.ValidityPeriod); st != smpp.ROK {
		return st
	}
	err := s.opts.Messages.Replace(ctx, msgs[0], &with)
	if status, ok := refusalStatus(err); ok {
		return status
	}
	if err != nil {
		if !errors.Is(err, ErrTooLate) {
			s.log.Error("esme: replace a message", "message", msgs[0].ID, "error", err)
		}
		return smpp.RREPLACEFAIL
	}
	return smpp.ROK
}
