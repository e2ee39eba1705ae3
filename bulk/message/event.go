package message

// Kind says what an Event does.
type Kind uint8

// The kinds of event. The numbers are stored in the journal: never renumber them.
const (
	// Accept: a new message; Event.Msg carries all of it.
	Accept Kind = iota + 1
	// Submitted: the SMSC answered ESME_ROK for a part and gave SMSCID.
	Submitted
	// Settle: a part reached a final state (receipt, rejection, expiry, cancel, unknown).
	Settle
	// Requeue: a part, or all waiting parts (AllParts), tries again at Due with a new LaneSeq.
	Requeue
	// Hold: the outcome is unclear and the connector's policy is hold. Of all parts it
	// takes those that wait. A Requeue lets them go.
	Hold
	// Notified: the customer confirmed the final state, or it was given up. With Part Reopen the
	// customer is to be told again; with ToldSent it was that the SMSC has the message.
	Notified
)

// Reopen as Event.Part of Notified opens the outbox entry of a message in a final state again.
const Reopen = 1

// ToldSent as Event.Part of Notified ends the outbox entry of a message that is SENT; it does
// not end that of a final state which came meanwhile.
const ToldSent = 2

// AllParts as Event.Part means every part that is not final.
const AllParts = 0xFFFF

// FarDue is how far ahead, in milliseconds, a retry may be due and stay PENDING: lanes
// keep those in memory. A later one is SCHEDULED and comes back by its due time, unless a part
// of its message is SENT.
const FarDue = 60_000

// Event is one change of one message: the unit of the journal, of apply and of the
// hooks. It is a value; Msg is the live message that it belongs to.
type Event struct {
	Kind Kind
	// Took is how long the SMSC took to answer, in µs, of an event that its answer made; 0: not
	// known. It is for those who watch: the journal does not keep it.
	Took   uint32
	Msg    *Message
	Part   uint16
	Status Status // Settle: the final state; Notified: FAILED when it was given up, which is not kept
	Error  uint32 // Submitted, Settle, Requeue: command_status or receipt error
	SMSCID string // Submitted
	At     int64  // Unix ms
	Due    int64  // Requeue: Unix ms, 0: at once
	Seq    uint64 // Accept, Requeue: lane sequence, given by the store at commit
	Dup    bool   // Requeue, Submitted: set PossibleDuplicate
	// Requeue: the connector that the message moves to, 0: it stays. A message of which a
	// part is SENT does not move: its receipt comes by its connector.
	Connector uint16

	// Set by Apply for the hooks that run after it.
	Changed bool   // the event did something (a second final state does not)
	Was     Status // the message's status before
	Now     Status // the message's status after
}

// Lane returns the lane in which e gives the message a place.
func (e *Event) Lane() Lane {
	lane := e.Msg.Lane()
	if e.Connector != 0 {
		lane.Connector = e.Connector
	}
	return lane
}

// Apply changes e.Msg as e says and fills Changed, Was and Now. It is the only code
// that writes a message's state, and runs the same way live and at replay: an event
// that was applied already, or comes too late, changes nothing.
func (e *Event) Apply() {
	m := e.Msg
	e.Was = m.Status
	switch e.Kind {
	case Accept:
		e.Changed = true
		m.LaneSeq = e.Seq
	case Submitted:
		e.Changed = m.submitted(e)
	case Settle:
		e.Changed = m.settle(e)
	case Requeue:
		e.Changed = m.requeue(e)
	case Hold:
		e.Changed = m.each(e.Part, func(p *Part) bool {
			return (e.Part != AllParts || p.Status.Waiting()) && move(p, Held)
		})
		if e.Changed {
			m.LaneSeq = 0
		}
	case Notified:
		switch {
		case e.Part == ToldSent:
			if e.Changed = m.Status == Sent && m.Notify == NotifyOpen; e.Changed {
				m.Notify = NotifyDone
			}
		case e.Part == Reopen:
			if e.Changed = m.Status.Final() && m.Notify != NotifyOpen; e.Changed {
				m.Notify = NotifyOpen
			}
		case m.Notify == NotifyOpen:
			e.Changed = true
			m.Notify = NotifyDone
		}
	}
	if e.Changed && e.Kind != Accept && e.Kind != Notified {
		m.Status = m.overall()
		m.finish(e.At)
		if m.Callback.Tells&TellSent != 0 && e.Kind == Submitted && m.Status == Sent && !m.anyWaiting() && m.Flags&NotifyFinal != 0 {
			m.Notify = NotifyOpen
		}
	}
	e.Now = m.Status
}

func (m *Message) submitted(e *Event) bool {
	if int(e.Part) >= len(m.Parts) {
		return false
	}
	p := &m.Parts[e.Part]
	if p.Status.Final() && p.SMSCID != "" {
		return false
	}
	p.SMSCID, p.SentAt, p.Error = e.SMSCID, e.At, 0
	p.Attempts++
	m.PossibleDuplicate = m.PossibleDuplicate || e.Dup
	if !p.Status.Final() {
		p.Status = Sent
	}
	if !m.anyWaiting() {
		m.LaneSeq = 0
	}
	return true
}

func (m *Message) settle(e *Event) bool {
	changed := m.each(e.Part, func(p *Part) bool {
		tried := p.Status == Pending && p.SentAt == 0 && e.Error != 0 // it ends by the answer to a try, not by a receipt
		if !move(p, e.Status) {
			return false
		}
		if tried {
			p.Attempts++
		}
		p.DoneAt = e.At
		if e.Error != 0 || e.Status != Expired { // what expired in a lane says why its last try failed
			p.Error = e.Error
		}
		if m.Tariff != nil && m.Tariff.Refunds.gives(e.Status, p.SentAt != 0) {
			m.Refunded++
		}
		return true
	})
	if changed && !m.anyWaiting() {
		m.LaneSeq = 0
	}
	return changed
}

func (m *Message) requeue(e *Event) bool {
	sent := m.anySent()
	if e.Connector != 0 && sent {
		return false
	}
	changed := m.each(e.Part, func(p *Part) bool {
		if p.Status.Final() || e.Part == AllParts && !p.Status.Waiting() {
			return false
		}
		if e.Error != 0 {
			p.Attempts++
			p.Error = e.Error
		}
		p.Status = Pending
		// A message of which a part is SENT stays in its lane however late its retry is: it would
		// become SCHEDULED by the receipt of that part, and be both there and in the lane.
		if e.Due-e.At > FarDue && !sent {
			p.Status = Scheduled
		}
		return true
	})
	if changed {
		m.LaneSeq, m.DueAt = e.Seq, e.Due
		if e.Connector != 0 {
			m.Connector = e.Connector
		}
		m.PossibleDuplicate = m.PossibleDuplicate || e.Dup
	}
	return changed
}

func (m *Message) anySent() bool {
	for i := range m.Parts {
		if m.Parts[i].Status == Sent {
			return true
		}
	}
	return false
}

// each runs f on the parts that part names and reports whether any call did.
func (m *Message) each(part uint16, f func(*Part) bool) bool {
	if part != AllParts {
		return int(part) < len(m.Parts) && f(&m.Parts[part])
	}
	changed := false
	for i := range m.Parts {
		if f(&m.Parts[i]) {
			changed = true
		}
	}
	return changed
}

func move(p *Part, to Status) bool {
	if !p.Status.CanBecome(to) {
		return false
	}
	p.Status = to
	return true
}

func (m *Message) anyWaiting() bool {
	for i := range m.Parts {
		if m.Parts[i].Status.Waiting() {
			return true
		}
	}
	return false
}

// Waits reports whether m is to be sent, and its time has come: whether it has a place in a
// lane. It reads m's state.
func (m *Message) Waits() bool { return m.Status != Scheduled && m.anyWaiting() }

// finish notes the end of the message and opens its outbox entry.
func (m *Message) finish(at int64) {
	if !m.Status.Final() {
		return
	}
	m.DoneAt = at
	if m.Flags&NotifyFinal == 0 || m.Status == Delivered && m.Flags&NotifyFailureOnly != 0 ||
		m.Status != Delivered && m.Flags&NotifySuccessOnly != 0 {
		return
	}
	if !m.Callback.wants(m) {
		if m.Notify == NotifyOpen { // that it is SENT, which it is no more
			m.Notify = NotifyNone
		}
		return
	}
	m.Notify = NotifyOpen
}

// Place is how far somebody came who looks at the store's open messages, page by page. The
// zero Place is the beginning.
type Place struct {
	Table   int64
	Account uint32
	ID      ID
}

// ReceiptKey is how an SMSC names a part: the connector group it belongs to and the
// message_id it gave.
type ReceiptKey struct {
	Group  uint16
	SMSCID string
}

// Receipt is a delivery receipt as it came from an SMSC (SMPP 3.4 appendix B), before
// or without its message. The store journals one that has no message yet.
type Receipt struct {
	Key    ReceiptKey
	Dest   string // the recipient, as the receipt names it (source_addr of deliver_sm)
	Status Status // final state it reports
	Error  uint32
	At     int64 // Unix ms of arrival
}
