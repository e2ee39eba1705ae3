package cdr

import (
	"strconv"
	"time"
	"unicode/utf8"
)

const msPerDay = 24 * 60 * 60 * 1000

// encoder appends lines. It remembers the last day's date, since formatting one is what
// a line would cost most of.
type encoder struct {
	day  int64 // days since 1970, of date
	date [11]byte
}

func newEncoder() *encoder { return &encoder{day: -1} }

func (e *encoder) line(dst []byte, r *Record) []byte {
	dst = e.time(dst, r.Time)
	dst = append(dst, ',')
	dst = r.Message.Append(dst)
	dst = number(dst, uint64(r.Part))
	dst = number(dst, uint64(r.Parts))
	dst = number(dst, uint64(r.Account))
	dst = text(dst, r.From)
	dst = text(dst, r.To)
	dst = number(dst, uint64(r.Connector))
	dst = text(dst, r.SMSCID)
	dst = append(dst, ',')
	dst = append(dst, r.Status.String()...)
	dst = number(dst, uint64(r.Error))
	dst = e.time(append(dst, ','), r.SubmittedAt)
	dst = e.time(append(dst, ','), r.SentAt)
	dst = e.time(append(dst, ','), r.DoneAt)
	dst = number(dst, uint64(r.Attempts))
	dst = append(dst, ',')
	dst = append(dst, r.Priority.String()...)
	if r.ViaSMPP {
		dst = append(dst, ",SMPP"...)
	} else {
		dst = append(dst, ",HTTP"...)
	}
	dst = text(dst, r.ClientRef)
	dst = append(dst, ',')
	if r.Batch != 0 {
		dst = r.Batch.Append(dst)
	}
	dst = append(dst, ',')
	if r.Campaign != 0 {
		dst = r.Campaign.Append(dst)
	}
	if r.PossibleDuplicate {
		return append(dst, ",1\n"...)
	}
	return append(dst, ",0\n"...)
}

// number appends a comma and n.
func number(dst []byte, n uint64) []byte {
	return strconv.AppendUint(append(dst, ','), n, 10)
}

// time appends Unix milliseconds as 2006-01-02T15:04:05.000Z, and nothing for 0.
func (e *encoder) time(dst []byte, ms int64) []byte {
	if ms <= 0 {
		return dst
	}
	day, rest := ms/msPerDay, ms%msPerDay
	if day != e.day {
		time.UnixMilli(ms).UTC().AppendFormat(e.date[:0], "2006-01-02T")
		e.day = day
	}
	dst = append(dst, e.date[:]...)
	s := rest / 1000
	h, m := s/3600, s/60%60
	s, rest = s%60, rest%1000
	return append(dst, digit(h/10), digit(h%10), ':', digit(m/10), digit(m%10), ':', digit(s/10), digit(s%10),
		'.', digit(rest/100), digit(rest/10%10), digit(rest%10), 'Z')
}

func digit(n int64) byte { return byte('0' + n) }

// text appends a comma and a text field. A line is always one record and a spreadsheet
// never computes one: control characters become spaces, a comma or quote quotes the
// field (RFC 4180), and what a spreadsheet would take for a formula gets an apostrophe.
func text(dst []byte, s string) []byte {
	dst = append(dst, ',')
	plain := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == ',' || c == '"' || c >= 0x7f {
			plain = false
			break
		}
	}
	if plain && !formula(s) {
		return append(dst, s...)
	}
	return hostile(dst, s)
}

// formula reports whether a spreadsheet may compute s. A telephone number may begin
// with a plus sign.
func formula(s string) bool {
	if s == "" {
		return false
	}
	switch s[0] {
	case '=', '@', '\t', '\r', '\n':
		return true
	case '+', '-':
		for i := 1; i < len(s); i++ {
			if s[i] < '0' || s[i] > '9' {
				return true
			}
		}
		return len(s) == 1
	}
	return false
}

func hostile(dst []byte, s string) []byte {
	dst = append(dst, '"')
	if formula(s) {
		dst = append(dst, '\'')
	}
	for _, r := range s { // what is not UTF-8 becomes U+FFFD
		switch {
		case r == '"':
			dst = append(dst, `""`...)
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029':
			dst = append(dst, ' ')
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
