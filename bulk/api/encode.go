package api

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
	"protei-bulk/gsm"
)

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string. Octets that are not UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf && c != 0x7f {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			dst = append(append(dst, s[start:i]...), "\ufffd"...)
			i++
			start = i
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// appendTime appends Unix ms as an RFC 3339 string in UTC with milliseconds.
func appendTime(dst []byte, ms int64) []byte {
	dst = append(dst, '"')
	dst = time.UnixMilli(ms).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	return append(dst, '"')
}

func appendID(dst []byte, id message.ID) []byte {
	dst = append(dst, '"')
	dst = id.Append(dst)
	return append(dst, '"')
}

// Helpers for members after the first: they append ,"name":value, and the ones called opt
// nothing for a zero value.

func optString(dst []byte, name, v string) []byte {
	if v == "" {
		return dst
	}
	return appendString(append(dst, name...), v)
}

func optTime(dst []byte, name string, ms int64) []byte {
	if ms == 0 {
		return dst
	}
	return appendTime(append(dst, name...), ms)
}

func optID(dst []byte, name string, id message.ID) []byte {
	if id == 0 {
		return dst
	}
	return appendID(append(dst, name...), id)
}

func appendInt(dst []byte, name string, v int64) []byte {
	return strconv.AppendInt(append(dst, name...), v, 10)
}

func optInt(dst []byte, name string, v int64) []byte {
	if v == 0 {
		return dst
	}
	return appendInt(dst, name, v)
}

// appendAddress writes an address as its owner would: with + when it is international.
func appendAddress(dst []byte, a message.Address) []byte {
	if a.TON != 1 || strings.HasPrefix(a.Addr, "+") {
		return appendString(dst, a.Addr)
	}
	at := len(dst)
	dst = appendString(append(dst, '+'), a.Addr)
	dst[at], dst[at+1] = '"', '+' // the quote that appendString wrote changes places with the sign
	return dst
}

// appendMessage appends a message as GET shows it; whole adds its parts one by one.
func (a *API) appendMessage(dst []byte, m *message.Message, whole bool) []byte {
	dst = append(dst, `{"message_id":`...)
	dst = appendID(dst, m.ID)
	dst = append(dst, `,"status":"`...)
	dst = append(dst, m.Status.String()...)
	dst = append(dst, `","from":`...)
	dst = appendAddress(dst, m.Source)
	dst = append(dst, `,"to":`...)
	dst = appendAddress(dst, m.Dest)
	dst = append(dst, `,"text":`...)
	dst = appendString(dst, textOf(m))
	dst = append(dst, `,"encoding":"`...)
	dst = append(dst, gsm.Encoding(m.Encoding).String()...)
	dst = append(dst, `","priority":"`...)
	dst = append(dst, m.Priority.String()...)
	dst = appendInt(dst, `","parts":`, int64(len(m.Parts)))
	dst = optString(dst, `,"client_ref":`, m.ClientRef)
	dst = optString(dst, `,"dlr_url":`, m.WrittenDLRURL())
	dst = optID(dst, `,"batch_id":`, m.Batch)
	dst = optID(dst, `,"campaign_id":`, m.Campaign)
	dst = appendInt(dst, `,"account_id":`, int64(m.Account))
	dst = optString(dst, `,"smsc":`, a.smsc(m.Connector))
	if a.opts.Route != nil {
		dst = optString(dst, `,"route":`, a.opts.Route(m.Route))
	}
	if m.Tariff != nil {
		dst = money.Amount(m.Tariff.Price).Append(append(dst, `,"price":`...))
		dst = money.Amount(m.Charged()).Append(append(dst, `,"charged":`...))
	}
	dst = append(dst, `,"submitted_at":`...)
	dst = appendTime(dst, m.SubmittedAt)
	dst = optTime(dst, `,"schedule_at":`, m.ScheduleAt)
	dst = optTime(dst, `,"valid_until":`, m.ValidUntil)
	dst = appendProgress(dst, m)
	if m.PossibleDuplicate {
		dst = append(dst, `,"possible_duplicate":true`...)
	}
	if whole {
		dst = appendParts(dst, m)
	}
	return append(dst, '}')
}

// appendProgress appends what the SMSC's answers and receipts say of the whole message.
func appendProgress(dst []byte, m *message.Message) []byte {
	var sent int64
	var attempts, errorCode int64
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.SentAt != 0 && (sent == 0 || p.SentAt < sent) {
			sent = p.SentAt
		}
		attempts = max(attempts, int64(p.Attempts))
		if p.Error != 0 {
			errorCode = int64(p.Error)
		}
	}
	dst = optTime(dst, `,"sent_at":`, sent)
	dst = optTime(dst, `,"done_at":`, m.DoneAt)
	if m.Status == message.Delivered {
		dst = optTime(dst, `,"delivered_at":`, m.DoneAt)
	}
	dst = appendInt(dst, `,"attempts":`, attempts)
	return optInt(dst, `,"error_code":`, errorCode)
}

func appendParts(dst []byte, m *message.Message) []byte {
	dst = append(dst, `,"segments":[`...)
	for i := range m.Parts {
		p := &m.Parts[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendInt(dst, `{"part":`, int64(i+1))
		dst = append(dst, `,"status":"`...)
		dst = append(dst, p.Status.String()...)
		dst = append(dst, '"')
		dst = optString(dst, `,"smsc_message_id":`, p.SMSCID)
		dst = appendInt(dst, `,"attempts":`, int64(p.Attempts))
		dst = optInt(dst, `,"error_code":`, int64(p.Error))
		dst = optTime(dst, `,"sent_at":`, p.SentAt)
		dst = optTime(dst, `,"done_at":`, p.DoneAt)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// textOf returns the text of a message as people read it, hex digits for binary.
func textOf(m *message.Message) string {
	enc, udhi := gsm.Encoding(m.Encoding), m.ESMClass&0x40 != 0
	if len(m.Parts) == 1 && !udhi {
		return gsm.Decode(enc, m.Payload)
	}
	var few [10]uint32
	ends := few[:0]
	for i := range m.Parts {
		ends = append(ends, m.Parts[i].End)
	}
	return gsm.DecodeParts(enc, udhi, m.Payload, ends)
}

func (a *API) smsc(connector uint16) string {
	if a.opts.SMSC != nil {
		if name := a.opts.SMSC(connector); name != "" {
			return name
		}
	}
	if connector == 0 {
		return ""
	}
	return strconv.Itoa(int(connector))
}
