package smsc

import (
	"errors"
	"sync"
	"time"

	"protei-bulk/smpp"
)

// peer is one bind.
type peer struct {
	sim      *Simulator
	session  *smpp.Session
	tally    *tally
	no       uint32
	system   uint32 // index in spool.systems
	systemID string
	receives bool
	came     int // submits; read goroutine only

	out  int  // receipts in flight; guarded by spool.mu
	gone bool // nothing more goes out here; guarded by spool.mu

	mu      sync.Mutex // guards the buffers below, which every PDU reuses
	id      []byte
	text    []byte
	resp    smpp.SubmitSMResp
	data    smpp.DataSMResp
	deliver smpp.DeliverSM
	rec     record
	dates   [2]date
	idle    []*delivery
}

// delivery is a receipt in flight.
type delivery struct {
	p    *peer
	slot uint32
}

// Complete takes the answer to a receipt, on the bind's read goroutine or at its end.
func (d *delivery) Complete(res smpp.Result) {
	p, slot := d.p, d.slot
	p.mu.Lock()
	p.idle = append(p.idle, d)
	p.mu.Unlock()
	p.sim.answered(p, slot, &res)
}

// answered decides what becomes of a receipt after its answer.
func (s *Simulator) answered(p *peer, slot uint32, res *smpp.Result) {
	var next job
	switch outcome(res) {
	case taken:
		p.tally.acked.Add(1)
		next = s.spool.finished(slot, p)
	case refused:
		p.tally.refused.Add(1)
		next = s.spool.finished(slot, p)
	default:
		lost := res.Err != nil && !errors.Is(res.Err, smpp.ErrTimeout)
		now := s.elapsed()
		next = s.spool.putOff(slot, p, now.Milliseconds(), s.unix(now), lost)
	}
	s.perform(&next)
}

type receiptOutcome uint8

const (
	again receiptOutcome = iota
	taken
	refused
)

// outcome is SMPP.md item 56: temporary refusals and silence are tried again.
func outcome(res *smpp.Result) receiptOutcome {
	if res.Err != nil {
		return again
	}
	switch res.Status {
	case smpp.ROK:
		return taken
	case smpp.RXTAPPN, smpp.RMSGQFUL, smpp.RTHROTTLED, smpp.RSYSERR:
		return again
	default:
		return refused
	}
}

// perform does a job, and what comes of it when a bind does not take its receipt.
func (s *Simulator) perform(j *job) {
	for {
		if j.answer != nil && !j.thenAnswer {
			j.answer.answer(&j.rec)
		}
		if j.to == nil {
			return
		}
		err := j.to.send(j)
		if err == nil {
			break
		}
		*j = s.unsent(j, err)
	}
	if j.answer != nil && j.thenAnswer {
		j.answer.answer(&j.rec)
	}
}

// unsent decides what becomes of a receipt that the session did not take.
func (s *Simulator) unsent(j *job, err error) job {
	switch {
	case errors.Is(err, smpp.ErrWindowFull):
		s.spool.full(j, s.elapsed().Milliseconds())
		return job{}
	case errors.Is(err, smpp.ErrClosed), errors.Is(err, smpp.ErrUnbinding), errors.Is(err, smpp.ErrNotBound):
		return s.spool.unsent(j)
	default:
		s.log.Error("smsc: receipt cannot be sent", "system_id", j.to.systemID, "error", err)
		j.to.tally.dropped.Add(1)
		return s.spool.finished(j.slot, j.to)
	}
}

// flush sends what waited for a bind to come, as far as there is room.
func (s *Simulator) flush(p *peer) {
	for {
		j := s.spool.next(p)
		if j.to == nil {
			return
		}
		s.perform(&j)
	}
}

// answer sends the response to a submit.
func (p *peer) answer(r *record) {
	st := smpp.Status(r.status)
	cmd := smpp.CmdSubmitSM
	if r.dataSM {
		cmd = smpp.CmdDataSM
	}
	p.tally.answer(st)
	if st != smpp.ROK {
		_ = p.session.Respond(r.seq, cmd, st, nil)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.id = appendID(p.id[:0], r.id, p.sim.behaviour.Load().IDFormat)
	var body smpp.PDU = &p.resp
	p.resp.MessageID = p.id
	if r.dataSM {
		p.data.MessageID = p.id
		body = &p.data
	}
	_ = p.session.Respond(r.seq, cmd, st, body) // an error: the bind is gone, and the answer with it
}

// send hands a receipt to the bind.
func (p *peer) send(j *job) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.compose(&j.rec)
	var d *delivery
	if n := len(p.idle); n > 0 {
		d = p.idle[n-1]
		p.idle = p.idle[:n-1]
	} else {
		d = &delivery{p: p}
	}
	d.slot = j.slot
	err := p.session.TrySend(&p.deliver, d)
	if err != nil {
		p.idle = append(p.idle, d)
		return err
	}
	p.tally.sent.Add(1)
	return nil
}

// turnWheel works off what has waited long enough.
func (s *Simulator) turnWheel() {
	// Shorter sleeps would cost more than they are worth at a message every 40 µs.
	const nap = 2 * time.Millisecond
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var jobs []job
	for {
		var more bool
		var next int64
		jobs, more, next = s.spool.collect(jobs[:0], s.elapsed().Milliseconds())
		for i := range jobs {
			s.perform(&jobs[i])
		}
		if more {
			continue
		}
		wait := time.Duration(min(next, int64(time.Hour/time.Millisecond)+s.elapsed().Milliseconds()))*time.Millisecond - s.elapsed()
		timer.Reset(max(nap, wait))
		select {
		case <-timer.C:
		case <-s.spool.kick:
		case <-s.quit:
			return
		}
	}
}
