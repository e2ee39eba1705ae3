package postgres

import (
	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
)

// awaiting are the rows of receipts that a transaction makes and ends, as arrays. A message that awaits a
// receipt is found by them: SENT is in no index of messages, as it would change with each message
// twice.
type awaiting struct {
	id, account []int64
	connector   []int16
	smscID      []string
	part        []int16
	came, never messages
}

// messages are ids with their accounts, as arrays: the order of an index of receipts.
type messages struct{ account, id []int64 }

func (l *messages) add(m *message.Message) {
	l.account, l.id = append(l.account, int64(m.Account)), append(l.id, int64(m.ID))
}

func (l *messages) reset() { l.account, l.id = l.account[:0], l.id[:0] }

func (a *awaiting) reset() {
	clear(a.smscID)
	a.id, a.account, a.connector, a.smscID, a.part = a.id[:0], a.account[:0], a.connector[:0], a.smscID[:0], a.part[:0]
	a.came.reset()
	a.never.reset()
}

// await notes which rows of receipts a message gets, and whether it has some then. Its shard must be locked.
func (g *settling) await(t *touch) {
	m := t.e.m
	t.awaits = t.e.awaits
	for _, ev := range t.evs {
		if ev.Kind != message.Submitted || !ev.Changed || m.Flags&message.WantReceipt == 0 || m.Parts[ev.Part].Status != message.Sent {
			continue
		}
		t.awaits = true
		a := &g.awaits
		a.id, a.account, a.connector = append(a.id, int64(m.ID)), append(a.account, int64(m.Account)), append(a.connector, int16(m.Connector))
		a.smscID, a.part = append(a.smscID, ev.SMSCID), append(a.part, int16(ev.Part))
	}
	if !t.awaits || awaitsReceipt(m) {
		return
	}
	t.awaits = false
	if m.Status == message.Unknown {
		g.awaits.never.add(m)
	} else {
		g.awaits.came.add(m)
	}
}

// awaitsReceipt reports whether a part of the message was given to an SMSC and has no receipt yet.
func awaitsReceipt(m *message.Message) bool {
	if m.Flags&message.WantReceipt != 0 {
		for i := range m.Parts {
			if m.Parts[i].Status == message.Sent {
				return true
			}
		}
	}
	return false
}

const (
	insertAwaits = "INSERT INTO receipts (id, account, connector, smsc_id, part, open) SELECT *, true FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::smallint[])"
	ofMessages   = "unnest($1::bigint[], $2::bigint[]) AS u(account, id) WHERE r.account = u.account AND r.id = u.id AND r.open"
	deleteAwaits = "DELETE FROM receipts r USING " + ofMessages
	// Receipts that come too late find their message all the same.
	closeAwaits = "UPDATE receipts r SET open = false FROM " + ofMessages
)

// queue runs the statements.
func (a *awaiting) queue(b *pgx.Batch) {
	if len(a.id) > 0 {
		b.Queue(insertAwaits, a.id, a.account, a.connector, a.smscID, a.part)
	}
	if len(a.came.id) > 0 {
		b.Queue(deleteAwaits, a.came.account, a.came.id)
	}
	if len(a.never.id) > 0 {
		b.Queue(closeAwaits, a.never.account, a.never.id)
	}
}
