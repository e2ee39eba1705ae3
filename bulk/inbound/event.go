package inbound

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
)

// Text returns the text of a message as people read it, hex digits for binary, without its
// user data header.
func Text(m *message.Inbound) string {
	_, octets := split(m)
	return gsm.Decode(gsm.OfDataCoding(m.DataCoding), octets)
}

// Event is an inbound message as webhooks and REST show it.
type Event struct {
	Event      string     `json:"event,omitempty"` // "inbound" in webhooks
	ID         string     `json:"message_id"`
	Status     string     `json:"status,omitempty"` // not in webhooks
	From       string     `json:"from"`
	To         string     `json:"to"`
	Text       string     `json:"text"`
	Encoding   string     `json:"encoding"`
	DataCoding uint8      `json:"data_coding"`
	UDH        string     `json:"udh,omitempty"` // hex digits, length octet included
	Parts      int        `json:"parts"`
	Part       int        `json:"part,omitempty"` // of one that is not complete
	Account    uint32     `json:"account_id,omitempty"`
	Route      string     `json:"route_id,omitempty"`
	URL        string     `json:"url,omitempty"`
	SMSC       string     `json:"smsc,omitempty"`
	ReceivedAt time.Time  `json:"received_at"`
	DoneAt     *time.Time `json:"done_at,omitempty"`
}

// EventOf shows a message with all that is known of it.
func EventOf(m *message.Inbound) Event {
	header, _ := split(m)
	e := Event{
		ID: m.ID.String(), Status: m.Status.String(), From: shown(m.Source), To: shown(m.Dest), Text: Text(m),
		Encoding: gsm.OfDataCoding(m.DataCoding).String(), DataCoding: m.DataCoding, Parts: max(int(m.Parts), 1),
		Account: m.Account, URL: m.URL, ReceivedAt: time.UnixMilli(m.ReceivedAt).UTC(),
	}
	if m.Seq != 0 {
		e.Part, e.Parts = int(m.Seq), int(m.Total)
	}
	if len(header) > 0 {
		e.UDH = hex.EncodeToString(append([]byte{byte(len(header))}, header...))
	}
	if m.Route != 0 {
		e.Route = m.Route.String()
	}
	if m.DoneAt != 0 {
		at := time.UnixMilli(m.DoneAt).UTC()
		e.DoneAt = &at
	}
	return e
}

// WebhookEvent returns the message as one event of a webhook's body.
func WebhookEvent(m *message.Inbound, smsc string) []byte {
	e := EventOf(m)
	e.Event, e.SMSC = "inbound", smsc
	e.Status, e.Account, e.Route, e.URL, e.DoneAt = "", 0, "", "", nil
	b, err := json.Marshal(e)
	if err != nil {
		panic("inbound: an event is not JSON: " + err.Error()) // it has strings and numbers only
	}
	return b
}

// shown is an address as its owner would write it: with + when it is international.
func shown(a message.Address) string {
	if a.TON == 1 && len(a.Addr) > 0 && a.Addr[0] != '+' {
		return "+" + a.Addr
	}
	return a.Addr
}
