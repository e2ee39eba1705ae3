package route

import (
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
)

// QueryOf returns what routing knows of a message that was accepted. Its tag is not kept.
func QueryOf(m *message.Message, text bool) Query {
	q := Query{
		Account: m.Account, Source: m.Source, Dest: m.Dest, Priority: m.Priority, Encoding: m.Encoding, Parts: len(m.Parts),
		At: time.UnixMilli(m.SubmittedAt),
	}
	if text {
		q.Text = TextOf(m)
	}
	return q
}

// udhIndicator is the bit of esm_class that says that octets begin with a user data
// header (SMPP 3.4 §5.2.12).
const udhIndicator = 0x40

// TextOf returns the text of a message as people read it, hex digits for binary.
func TextOf(m *message.Message) string {
	enc, udhi := gsm.Encoding(m.Encoding), m.ESMClass&udhIndicator != 0
	if len(m.Parts) == 1 && !udhi {
		return gsm.Decode(enc, m.Payload)
	}
	ends := make([]uint32, len(m.Parts))
	for i := range m.Parts {
		ends[i] = m.Parts[i].End
	}
	return gsm.DecodeParts(enc, udhi, m.Payload, ends)
}
