package callback

import (
	"time"
	"unicode/utf8"

	"protei-bulk/bulk/message"
)

// Notice is one final state to tell, or one inbound message: an event of the webhook.
type Notice struct {
	MessageID   message.ID
	Account     uint32
	URL         string
	ClientRef   string
	To, From    string
	Status      message.Status
	DLRStatus   string // as SMPP writes it: DELIVRD, UNDELIV …; empty: derived from Status
	ErrorCode   uint32 // command_status of the refusal, or the receipt's err
	Parts       int
	SubmittedAt int64 // Unix ms
	DoneAt      int64 // Unix ms of the final state; what the age of a notice counts from

	// Request, when set, is sent instead of the webhook's body.
	Request *Request

	// Msg is carried along untouched, for Outbox.Notified.
	Msg *message.Message

	// Inbound, when set, is the message to tell, Event its JSON object, and DoneAt the moment it
	// was received; MessageID, Account and URL are set too.
	Inbound *message.Inbound
	Event   []byte
}

// appendBody appends the request body for a batch.
func appendBody(dst []byte, notices []Notice) []byte {
	dst = append(dst, `{"events":[`...)
	for i := range notices {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = notices[i].append(dst)
	}
	return append(dst, "]}"...)
}

// append appends n as a JSON object.
func (n *Notice) append(dst []byte) []byte {
	if n.Event != nil {
		return append(dst, n.Event...)
	}
	dlr := n.DLRStatus
	if dlr == "" {
		dlr = n.Status.Receipt()
	}
	dst = append(dst, `{"message_id":"`...)
	dst = n.MessageID.Append(dst)
	dst = append(dst, `","client_ref":`...)
	dst = appendString(dst, n.ClientRef)
	dst = append(dst, `,"to":`...)
	dst = appendString(dst, n.To)
	dst = append(dst, `,"from":`...)
	dst = appendString(dst, n.From)
	dst = append(dst, `,"status":"`...)
	dst = append(dst, n.Status.String()...)
	dst = append(dst, `","dlr_status":`...)
	dst = appendString(dst, dlr)
	dst = append(dst, `,"error_code":`...)
	dst = appendInt(dst, uint64(n.ErrorCode))
	dst = append(dst, `,"parts":`...)
	dst = appendInt(dst, uint64(max(n.Parts, 0)))
	dst = append(dst, `,"submitted_at":`...)
	dst = appendTime(dst, n.SubmittedAt)
	dst = append(dst, `,"delivered_at":`...)
	if n.Status == message.Delivered {
		dst = appendTime(dst, n.DoneAt)
	} else {
		dst = append(dst, "null"...)
	}
	return append(dst, '}')
}

// appendTime appends Unix milliseconds as RFC 3339 in UTC, or null for 0.
func appendTime(dst []byte, ms int64) []byte {
	if ms == 0 {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = time.UnixMilli(ms).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	return append(dst, '"')
}

func appendInt(dst []byte, n uint64) []byte {
	if n >= 10 {
		dst = appendInt(dst, n/10)
	}
	return append(dst, byte('0'+n%10))
}

// appendString appends s as a JSON string; what is not UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size != 1 {
				i += size
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscaped(dst, c)
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendEscaped(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch {
	case c == '"' || c == '\\':
		return append(dst, '\\', c)
	case c == '\n':
		return append(dst, `\n`...)
	case c == '\r':
		return append(dst, `\r`...)
	case c == '\t':
		return append(dst, `\t`...)
	case c < ' ':
		return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
	default:
		return append(dst, `\ufffd`...)
	}
}
