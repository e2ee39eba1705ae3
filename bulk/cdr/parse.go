package cdr

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"protei-bulk/bulk/message"
)

// columns is the number of fields of a CSV line.
const columns = 21

// parseFields reads the fields of a CSV line. The apostrophe that keeps a spreadsheet from
// computing a text stays: it cannot be told from one of the customer's.
func parseFields(f []string, r *Record) error {
	if len(f) != columns {
		return fmt.Errorf("has %d fields, %d are needed", len(f), columns)
	}
	p := parser{}
	*r = Record{
		Time: p.moment("time", f[0]), Message: p.id("message_id", f[1]),
		Part: int(p.number("part", f[2], 16)), Parts: int(p.number("parts", f[3], 16)), Account: uint32(p.number("account", f[4], 32)),
		From: f[5], To: f[6], Connector: uint16(p.number("connector", f[7], 16)), SMSCID: f[8], Status: p.status(f[9]),
		Error:       uint32(p.number("error", f[10], 32)),
		SubmittedAt: p.moment("submitted_at", f[11]), SentAt: p.moment("sent_at", f[12]), DoneAt: p.moment("done_at", f[13]),
		Attempts: int(p.number("attempts", f[14], 16)), Priority: p.priority(f[15]), ViaSMPP: p.flag("via", f[16], "SMPP", "HTTP"),
		ClientRef: f[17], Batch: p.id("batch_id", f[18]), Campaign: p.id("campaign_id", f[19]),
		PossibleDuplicate: p.flag("possible_duplicate", f[20], "1", "0"),
	}
	return p.complete(r)
}

// jsonRecord is a JSON line.
type jsonRecord struct {
	Time              string  `json:"time"`
	MessageID         string  `json:"message_id"`
	Part              uint16  `json:"part"`
	Parts             uint16  `json:"parts"`
	Account           uint32  `json:"account"`
	From              string  `json:"from"`
	To                string  `json:"to"`
	Connector         uint16  `json:"connector"`
	SMSCID            string  `json:"smsc_id"`
	Status            string  `json:"status"`
	Error             uint32  `json:"error"`
	SubmittedAt       string  `json:"submitted_at"`
	SentAt            string  `json:"sent_at"`
	DoneAt            string  `json:"done_at"`
	Attempts          uint16  `json:"attempts"`
	Priority          string  `json:"priority"`
	Via               string  `json:"via"`
	ClientRef         string  `json:"client_ref"`
	BatchID           *string `json:"batch_id"`
	CampaignID        *string `json:"campaign_id"`
	PossibleDuplicate bool    `json:"possible_duplicate"`
}

func parseJSON(line []byte, r *Record) error {
	var j jsonRecord
	if err := json.Unmarshal(line, &j); err != nil {
		return err
	}
	p := parser{}
	*r = Record{
		Time: p.moment("time", j.Time), Message: p.id("message_id", j.MessageID),
		Part: int(j.Part), Parts: int(j.Parts), Account: j.Account, From: j.From, To: j.To,
		Connector: j.Connector, SMSCID: j.SMSCID, Status: p.status(j.Status), Error: j.Error,
		SubmittedAt: p.moment("submitted_at", j.SubmittedAt), SentAt: p.moment("sent_at", j.SentAt), DoneAt: p.moment("done_at", j.DoneAt),
		Attempts: int(j.Attempts), Priority: p.priority(j.Priority), ViaSMPP: p.flag("via", j.Via, "SMPP", "HTTP"),
		ClientRef: j.ClientRef, PossibleDuplicate: j.PossibleDuplicate,
	}
	if j.BatchID != nil {
		r.Batch = p.id("batch_id", *j.BatchID)
	}
	if j.CampaignID != nil {
		r.Campaign = p.id("campaign_id", *j.CampaignID)
	}
	return p.complete(r)
}

// parser keeps the first fault.
type parser struct{ err error }

func (p *parser) fault(err error) {
	if p.err == nil {
		p.err = err
	}
}

// complete says what is missing of a record.
func (p *parser) complete(r *Record) error {
	switch {
	case p.err != nil:
		return p.err
	case r.Message == 0:
		return errors.New("message_id is missing")
	case r.Part < 1 || r.Part > r.Parts:
		return fmt.Errorf("part %d of %d does not exist", r.Part, r.Parts)
	}
	return nil
}

func (p *parser) number(column, s string, bits int) uint64 {
	n, err := parseNumber(column, s, bits)
	if err != nil {
		p.fault(err)
	}
	return n
}

func (p *parser) moment(column, s string) int64 {
	if s == "" {
		return 0
	}
	t, err := time.Parse("2006-01-02T15:04:05.000Z", s)
	if err != nil {
		p.fault(fmt.Errorf("%s: %q is not a moment such as 2026-01-31T12:00:00.000Z", column, s))
	}
	return t.UnixMilli()
}

func (p *parser) id(column, s string) message.ID {
	if s == "" {
		return 0
	}
	id, err := message.ParseID(s)
	if err != nil {
		p.fault(fmt.Errorf("%s: %w", column, err))
	}
	return id
}

func (p *parser) status(s string) message.Status {
	status, err := message.ParseStatus(s)
	if err != nil {
		p.fault(fmt.Errorf("status: %w", err))
	}
	return status
}

func (p *parser) priority(s string) message.Priority {
	priority, err := message.ParsePriority(s)
	if err != nil {
		p.fault(fmt.Errorf("priority: %w", err))
	}
	return priority
}

func (p *parser) flag(column, s, yes, no string) bool {
	if s != yes && s != no {
		p.fault(fmt.Errorf("%s: %q is neither %s nor %s", column, s, yes, no))
	}
	return s == yes
}
