package cdr

import (
	"strconv"
	"unicode/utf8"
)

// jsonLine appends r as a JSON object on a line: the names of Header, numbers as numbers,
// null for a moment or an id that is none.
func (e *encoder) jsonLine(dst []byte, r *Record) []byte {
	dst = e.jsonTime(append(dst, `{"time":`...), r.Time)
	dst = append(dst, `,"message_id":"`...)
	dst = r.Message.Append(dst)
	dst = jsonNumber(dst, `","part":`, uint64(r.Part))
	dst = jsonNumber(dst, `,"parts":`, uint64(r.Parts))
	dst = jsonNumber(dst, `,"account":`, uint64(r.Account))
	dst = jsonText(append(dst, `,"from":`...), r.From)
	dst = jsonText(append(dst, `,"to":`...), r.To)
	dst = jsonNumber(dst, `,"connector":`, uint64(r.Connector))
	dst = jsonText(append(dst, `,"smsc_id":`...), r.SMSCID)
	dst = append(dst, `,"status":"`...)
	dst = append(dst, r.Status.String()...)
	dst = jsonNumber(dst, `","error":`, uint64(r.Error))
	dst = e.jsonTime(append(dst, `,"submitted_at":`...), r.SubmittedAt)
	dst = e.jsonTime(append(dst, `,"sent_at":`...), r.SentAt)
	dst = e.jsonTime(append(dst, `,"done_at":`...), r.DoneAt)
	dst = jsonNumber(dst, `,"attempts":`, uint64(r.Attempts))
	dst = append(dst, `,"priority":"`...)
	dst = append(dst, r.Priority.String()...)
	if r.ViaSMPP {
		dst = append(dst, `","via":"SMPP","client_ref":`...)
	} else {
		dst = append(dst, `","via":"HTTP","client_ref":`...)
	}
	dst = jsonText(dst, r.ClientRef)
	dst = append(dst, `,"batch_id":`...)
	if r.Batch != 0 {
		dst = append(r.Batch.Append(append(dst, '"')), '"')
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"campaign_id":`...)
	if r.Campaign != 0 {
		dst = append(r.Campaign.Append(append(dst, '"')), '"')
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"possible_duplicate":`...)
	return append(strconv.AppendBool(dst, r.PossibleDuplicate), "}\n"...)
}

func jsonNumber(dst []byte, key string, n uint64) []byte {
	return strconv.AppendUint(append(dst, key...), n, 10)
}

func (e *encoder) jsonTime(dst []byte, ms int64) []byte {
	if ms <= 0 {
		return append(dst, "null"...)
	}
	return append(e.time(append(dst, '"'), ms), '"')
}

// jsonText appends a JSON string; what is not UTF-8 becomes U+FFFD.
func jsonText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] >= ' ' && s[i] < utf8.RuneSelf && s[i] != '"' && s[i] != '\\'
	}
	if plain {
		return append(append(dst, s...), '"')
	}
	const hex = "0123456789abcdef"
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&0xf])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
