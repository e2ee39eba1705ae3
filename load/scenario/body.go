package scenario

import (
	"math/rand/v2"
	"strconv"
)

// bodyParts are the constant parts of request bodies, rendered once. The settings are
// checked to need no escaping.
type bodyParts struct {
	single, bulk     string // up to the messages' own fields
	dlr              string // ,"dlr_url":"…"
	to, text         string
	campaign, endOfC string
}

func (m *Messaging) newBodyParts() bodyParts {
	s := m.opts.Settings
	p := bodyParts{
		single: `{"from":"` + s.From + `"`,
		bulk:   `{"from":"` + s.From + `"`,
		to:     `"to":"` + s.ToPrefix,
		text:   `","text":"` + s.Text,
	}
	if m.hook != nil {
		p.dlr = `,"dlr_url":"` + m.hook.url + `"`
	}
	p.campaign = `{"name":"Load test campaign `
	p.endOfC = `","sender_id":"` + s.From + `","message_content":"` + s.Text +
		`campaign","recipient_type":"UPLOAD","total_recipients":1000,"schedule_type":"IMMEDIATE","priority":"NORMAL"}`
	return p
}

// appendMessage appends the fields that differ between messages.
func (m *Messaging) appendMessage(b []byte, seq uint64, r *rand.Rand) []byte {
	b = append(b, m.parts.to...)
	b = appendDigits(b, r)
	b = append(b, m.parts.text...)
	b = strconv.AppendUint(b, seq, 10)
	b = append(b, `","client_ref":"`...)
	b = m.opts.Ledger.AppendRef(b, seq)
	return append(b, '"')
}

func (m *Messaging) appendSingle(b []byte, seq uint64, r *rand.Rand) []byte {
	b = append(b, m.parts.single...)
	b = append(b, m.parts.dlr...)
	b = append(b, ',')
	b = m.appendMessage(b, seq, r)
	return append(b, '}')
}

func (m *Messaging) appendBulk(b []byte, first uint64, n int, r *rand.Rand) []byte {
	b = append(b, m.parts.bulk...)
	b = append(b, m.parts.dlr...)
	b = append(b, `,"messages":[`...)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		b = m.appendMessage(b, first+uint64(i), r)
		b = append(b, '}')
	}
	return append(b, ']', '}')
}

func (m *Messaging) appendCampaign(b []byte, r *rand.Rand) []byte {
	b = append(b, m.parts.campaign...)
	b = strconv.AppendUint(b, uint64(r.Uint32()), 10)
	return append(b, m.parts.endOfC...)
}

// appendDigits appends eight random digits.
func appendDigits(b []byte, r *rand.Rand) []byte {
	n := r.Uint32N(100_000_000)
	for div := uint32(10_000_000); div > 0; div /= 10 {
		b = append(b, '0'+byte(n/div%10))
	}
	return b
}
