package aggregator

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/upstream"
	"protei-bulk/gsm"
)

// Values are what the fields of a template stand for.
type Values struct {
	sub   *upstream.Submission
	auth  *Auth
	udh   []byte // information elements with their length octet
	data  []byte // octets behind the header, in the message's coding
	whole bool
	now   time.Time
}

// Field is one field of a template.
type Field struct {
	Name, Doc string
	value     func(*Values) string
}

// Fields lists what may stand between double braces.
func Fields() []Field { return fields[:] }

var fields = [...]Field{
	{"id", "our message id, 16 hex digits", func(v *Values) string { return v.sub.Msg.ID.String() }},
	{"ref", "id and part, id/1: the same when it is sent again", func(v *Values) string {
		return v.sub.Msg.ID.String() + "/" + strconv.Itoa(v.part()+1)
	}},
	{"to", "recipient, as dest_rules have it", func(v *Values) string { return v.sub.Dest.Addr }},
	{"from", "sender, as source_rules have it", func(v *Values) string { return v.sub.Source.Addr }},
	{"to_ton", "its type of number", func(v *Values) string { return decimal(int(v.sub.Dest.TON)) }},
	{"to_npi", "its numbering plan", func(v *Values) string { return decimal(int(v.sub.Dest.NPI)) }},
	{"from_ton", "the sender's type of number", func(v *Values) string { return decimal(int(v.sub.Source.TON)) }},
	{"from_npi", "its numbering plan", func(v *Values) string { return decimal(int(v.sub.Source.NPI)) }},
	{"text", "the text", (*Values).text},
	{"encoding", "GSM7, UCS2, LATIN1 or BINARY", func(v *Values) string { return gsm.Encoding(v.sub.Msg.Encoding).String() }},
	{"data_coding", "of GSM 03.38, a number", func(v *Values) string { return decimal(int(v.sub.Msg.DataCoding)) }},
	{"unicode", "true for UCS2", func(v *Values) string { return yes(gsm.Encoding(v.sub.Msg.Encoding) == gsm.UCS2) }},
	{"binary", "true for BINARY", func(v *Values) string { return yes(gsm.Encoding(v.sub.Msg.Encoding) == gsm.Binary) }},
	{"flash", "true for a message of class 0", func(v *Values) string { return yes(v.flash()) }},
	{"hex", "the octets without user data header, in hex", func(v *Values) string { return hex.EncodeToString(v.data) }},
	{"base64", "the same in base64", func(v *Values) string { return base64.StdEncoding.EncodeToString(v.data) }},
	{"ucs2_hex", "the text as UTF-16 in hex", (*Values).ucs2},
	{"udh", "user data header with its length octet, in hex; empty without one", func(v *Values) string { return hex.EncodeToString(v.udh) }},
	{"parts", "parts of the message", func(v *Values) string { return decimal(len(v.sub.Msg.Parts)) }},
	{"part", "which part this is, from 1", func(v *Values) string { return decimal(v.part() + 1) }},
	{"client_ref", "the customer's reference", func(v *Values) string { return v.sub.Msg.ClientRef }},
	{"account", "number of the customer's account", func(v *Values) string { return decimal(int(v.sub.Msg.Account)) }},
	{"priority", "LOW, NORMAL, HIGH or CRITICAL", func(v *Values) string { return v.sub.Msg.Priority.String() }},
	{"validity", "seconds until the validity ends", (*Values).validity},
	{"valid_until", "its end, 2026-01-31T12:00:00Z; empty without one", (*Values).validUntil},
	{"receipt", "true when a receipt is wanted", func(v *Values) string { return yes(v.sub.Msg.Flags&message.WantReceipt != 0) }},
	{"duplicate", "true when they may have it already", func(v *Values) string { return yes(v.sub.Dup) }},
	{"dlr_url", "our URL for receipts, with the secret", func(v *Values) string { return v.auth.DLRURL }},
	{"username", "the connector's system_id", func(v *Values) string { return v.auth.Username }},
	{"password", "its password", func(v *Values) string { return v.auth.Password }},
}

func fieldNamed(name string) (Field, bool) {
	i := slices.IndexFunc(fields[:], func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{value: func(*Values) string { return "" }}, false
	}
	return fields[i], true
}

func fieldNames() string {
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fields[i].Name
	}
	return "there are " + strings.Join(names, ", ")
}

func decimal(n int) string { return strconv.Itoa(n) }

func yes(b bool) string { return strconv.FormatBool(b) }

func (v *Values) part() int {
	if v.whole {
		return 0
	}
	return v.sub.Part
}

func (v *Values) text() string {
	if gsm.Encoding(v.sub.Msg.Encoding) == gsm.Binary {
		return ""
	}
	return gsm.Decode(gsm.Encoding(v.sub.Msg.Encoding), v.data)
}

func (v *Values) ucs2() string {
	if gsm.Encoding(v.sub.Msg.Encoding) == gsm.UCS2 {
		return hex.EncodeToString(v.data)
	}
	octets, _, _, err := gsm.Segment(nil, nil, v.text(), gsm.Options{Encoding: gsm.UCS2, MaxParts: 255})
	if err != nil {
		return ""
	}
	return hex.EncodeToString(octets)
}

// flash reports class 0 of the general data coding group (3GPP TS 23.038 §4).
func (v *Values) flash() bool {
	dcs := v.sub.Msg.DataCoding
	return dcs&0xD3 == 0x10 || dcs&0xF3 == 0xF0
}

func (v *Values) validity() string {
	if v.sub.Msg.ValidUntil == 0 {
		return "0"
	}
	return decimal(max(0, int(time.UnixMilli(v.sub.Msg.ValidUntil).Sub(v.now)/time.Second)))
}

func (v *Values) validUntil() string {
	if v.sub.Msg.ValidUntil == 0 {
		return ""
	}
	return time.UnixMilli(v.sub.Msg.ValidUntil).UTC().Format(time.RFC3339)
}

// valuesOf takes a message apart: whole without the headers that only join its parts, or one
// part as it is.
func valuesOf(sub *upstream.Submission, auth *Auth, whole bool, now time.Time) *Values {
	v := &Values{sub: sub, auth: auth, whole: whole, now: now}
	m := sub.Msg
	if !whole {
		v.udh, v.data = headed(m, sub.Part)
		return v
	}
	for i := range m.Parts {
		udh, data := headed(m, i)
		if v.data = append(v.data, data...); i == 0 {
			v.udh = withoutConcat(udh)
		}
	}
	return v
}

// headed returns header and octets of a part.
func headed(m *message.Message, part int) (udh, data []byte) {
	data = m.PartPayload(part)
	if m.ESMClass&udhIndicator == 0 {
		return nil, data
	}
	if h, rest, err := gsm.ParseUDH(data); err == nil {
		return data[:1+len(h)], rest
	}
	return nil, data
}

const udhIndicator = 0x40 // esm_class, SMPP 3.4 §5.2.12

func withoutConcat(udh []byte) []byte {
	if len(udh) == 0 {
		return nil
	}
	out := []byte{0}
	for id, data := range gsm.UDH(udh[1:]).All() {
		if id != gsm.IEConcat8 && id != gsm.IEConcat16 {
			out = append(append(out, id, byte(len(data))), data...)
		}
	}
	if out[0] = byte(len(out) - 1); out[0] == 0 {
		return nil
	}
	return out
}
