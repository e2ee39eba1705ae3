package cdr

import "protei-bulk/bulk/message"

// Header is the first line of every file: the names of the columns. Times are RFC 3339
// in UTC with milliseconds, empty when the moment never came.
const Header = "time,message_id,part,parts,account,from,to,connector,smsc_id,status,error," +
	"submitted_at,sent_at,done_at,attempts,priority,via,client_ref,batch_id,campaign_id,possible_duplicate\n"

// Record is one line: a part of a message and the final state that it reached. Strings
// are only read during Append.
type Record struct {
	Time              int64      // Unix ms of the state
	Message           message.ID // message_id
	Part, Parts       int        // 1-based
	Account           uint32     // account id
	From, To          string
	Connector         uint16
	SMSCID            string // message_id of the SMSC, "" if it was never sent
	Status            message.Status
	Error             uint32 // command_status of the refusal, or the receipt's err
	SubmittedAt       int64  // Unix ms of acceptance
	SentAt            int64  // Unix ms of submit_sm_resp, or 0
	DoneAt            int64  // Unix ms of the final state, or 0
	Attempts          int
	Priority          message.Priority
	ViaSMPP           bool
	ClientRef         string
	Batch, Campaign   message.ID
	PossibleDuplicate bool
}

// FromEvent appends the records that an applied event gives: a part that became final,
// and a part that was sent without a receipt being wanted, which ends its work too. It
// must be called where the message's state may be read.
func FromEvent(dst []Record, ev *message.Event) []Record {
	if !ev.Changed {
		return dst
	}
	m := ev.Msg
	switch ev.Kind {
	case message.Submitted:
		if m.Flags&message.WantReceipt == 0 {
			dst = append(dst, partRecord(m, int(ev.Part), message.Sent, ev.At))
		}
	case message.Settle:
		if ev.Part != message.AllParts {
			return append(dst, partRecord(m, int(ev.Part), ev.Status, ev.At))
		}
		for i := range m.Parts {
			if p := &m.Parts[i]; p.Status == ev.Status && p.DoneAt == ev.At {
				dst = append(dst, partRecord(m, i, ev.Status, ev.At))
			}
		}
	}
	return dst
}

func partRecord(m *message.Message, i int, status message.Status, at int64) Record {
	p := &m.Parts[i]
	return Record{
		Time: at, Message: m.ID, Part: i + 1, Parts: len(m.Parts), Account: m.Account,
		From: m.Source.Addr, To: m.Dest.Addr, Connector: m.Connector, SMSCID: p.SMSCID,
		Status: status, Error: p.Error, SubmittedAt: m.SubmittedAt, SentAt: p.SentAt, DoneAt: p.DoneAt,
		Attempts: int(p.Attempts), Priority: m.Priority, ViaSMPP: m.Flags&message.ViaSMPP != 0,
		ClientRef: m.ClientRef, Batch: m.Batch, Campaign: m.Campaign, PossibleDuplicate: m.PossibleDuplicate,
	}
}
