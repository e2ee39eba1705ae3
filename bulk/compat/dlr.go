package compat

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"protei-bulk/bulk/callback"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/route"
	"protei-bulk/smpp"
)

// Report is a state of a message to tell in another product's form.
type Report struct {
	Msg  *message.Message // its state must not change meanwhile
	SMSC string           // name of its connector
	// As says what is told rather than the state of Msg: TellSent of a message that has gone on
	// since, TellBuffered of one that is tried again. 0: the state.
	As message.Tells
}

// Request makes the HTTP request that tells a report, in the form of Msg.Callback.
func (r *Report) Request() *callback.Request {
	switch r.Msg.Callback.Form {
	case message.JasminGET, message.JasminPOST:
		return r.jasmin()
	default:
		return &callback.Request{Method: http.MethodGet, URL: r.kannel()}
	}
}

// event is the bit of Kannel's dlr-mask that the report is about.
func (r *Report) event() message.Tells {
	m := r.Msg
	switch {
	case r.As != 0:
		return r.As
	case m.Status == message.Delivered:
		return message.TellDelivered
	case !m.Status.Final():
		return message.TellSent
	case m.RefusedBySMSC():
		return message.TellRefused
	}
	return message.TellFailed
}

// kannelTemplate makes the URL to store of a dlr-url: what the request alone knows is filled
// in, what is known later becomes a placeholder. A delivery report has no keyword, no words
// and no user data header of its own.
func kannelTemplate(address, user string, p *params) (string, error) {
	if strings.Contains(address, message.Placeholder) {
		return "", kannelFault("DLR-URL")
	}
	var b strings.Builder
	for i := 0; i < len(address); i++ {
		if address[i] != '%' || i+1 == len(address) {
			b.WriteByte(address[i])
			continue
		}
		i++
		switch c := address[i]; c {
		case 'd', 'p', 'P', 'q', 'Q', 't', 'T', 'A', 'a', 'b', 'k', 'r', 's', 'S', 'i', 'I', 'F':
			b.WriteString(message.Placeholder)
			b.WriteByte(c)
		case 'n':
			b.WriteString(url.QueryEscape(user))
		case 'o':
			b.WriteString(url.QueryEscape(p.Get("account")))
		case 'D':
			b.WriteString(url.QueryEscape(p.Get("meta-data")))
		case 'B':
			b.WriteString(url.QueryEscape(p.Get("binfo")))
		case 'c', 'm', 'M':
			b.WriteString("-1")
		case 'C':
			b.WriteString("UTF-8")
		case 'O':
			b.WriteString("00")
		case 'f', 'u', 'R':
		case '%':
			b.WriteString("%25")
		default:
			b.WriteByte('%')
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// kannel fills the placeholders.
func (r *Report) kannel() string {
	var b strings.Builder
	text := ""
	for rest := r.Msg.DLRURL; ; {
		before, after, found := strings.Cut(rest, message.Placeholder)
		b.WriteString(before)
		if !found || after == "" {
			return b.String()
		}
		if text == "" {
			text = r.receipt()
		}
		r.escape(&b, after[0], text)
		rest = after[1:]
	}
}

// escape writes what an escape code of Kannel's stands for in a delivery report, where the
// number that was written to is the sender.
func (r *Report) escape(b *strings.Builder, code byte, text string) {
	m := r.Msg
	switch code {
	case 'd':
		b.WriteString(strconv.Itoa(int(r.event())))
	case 'p', 'q':
		b.WriteString(url.QueryEscape(written(m.Dest)))
	case 'P', 'Q':
		b.WriteString(url.QueryEscape(written(m.Source)))
	case 't':
		b.WriteString(time.UnixMilli(r.at()).UTC().Format("2006-01-02+15:04:05"))
	case 'T':
		b.WriteString(strconv.FormatInt(r.at()/1000, 10))
	case 'A', 'a', 'b':
		b.WriteString(url.QueryEscape(text))
	case 'k', 'r', 's', 'S':
		b.WriteString(url.QueryEscape(words(text, code)))
	case 'i':
		b.WriteString(url.QueryEscape(r.SMSC))
	case 'I':
		b.WriteString(m.ID.String())
	case 'F':
		b.WriteString(url.QueryEscape(smscID(m)))
	}
}

// words are the first word of a text (k), the second (s), or all but the first (r).
func words(text string, code byte) string {
	first, rest, _ := strings.Cut(text, " ")
	switch code {
	case 'k':
		return first
	case 'r':
		return rest
	}
	second, _, _ := strings.Cut(rest, " ")
	return second
}

// written is an address as customers write it: an international number with +.
func written(a message.Address) string {
	if a.TON == 1 && a.Addr != "" && a.Addr[0] != '+' {
		return "+" + a.Addr
	}
	return a.Addr
}

// at is the moment of the state, in Unix ms.
func (r *Report) at() int64 {
	m := r.Msg
	if m.DoneAt != 0 && r.As == 0 {
		return m.DoneAt
	}
	return max(LastSent(m), m.SubmittedAt)
}

// LastSent is the moment at which the SMSC took the last part it has, Unix ms, or 0.
func LastSent(m *message.Message) (at int64) {
	for i := range m.Parts {
		at = max(at, m.Parts[i].SentAt)
	}
	return at
}

// smscID is the id that the SMSC gave the first part that it took.
func smscID(m *message.Message) string {
	for i := range m.Parts {
		if m.Parts[i].SMSCID != "" {
			return m.Parts[i].SMSCID
		}
	}
	return ""
}

func errorOf(m *message.Message) uint32 {
	for i := range m.Parts {
		if p := &m.Parts[i]; p.Error != 0 && (p.Status == m.Status || !m.Status.Final()) {
			return p.Error
		}
	}
	return 0
}

// receipt is the text of the report: ACK/ or NACK/ for the SMSC's answer, as Kannel has it,
// or a receipt as SMPP 3.4 appendix B writes it.
func (r *Report) receipt() string {
	m := r.Msg
	switch r.event() {
	case message.TellSent:
		return "ACK/"
	case message.TellRefused:
		code := errorOf(m)
		return fmt.Sprintf("NACK/0x%08x/%s", code, statusName(code))
	}
	delivered := 0
	for i := range m.Parts {
		if m.Parts[i].Status == message.Delivered {
			delivered++
		}
	}
	return fmt.Sprintf("id:%s sub:%03d dlvrd:%03d submit date:%s done date:%s stat:%s err:%03d text:%s",
		m.ID, len(m.Parts), delivered, stamp(m.SubmittedAt), stamp(r.at()), r.stat(), min(errorOf(m), 999), quoted(m))
}

// statusName is the name of a command_status, such as ESME_RINVDSTADR.
func statusName(code uint32) string {
	name, _, _ := strings.Cut(smpp.Status(code).String(), " ")
	return name
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format("0601021504") }

// quoted are the first 20 characters of the text.
func quoted(m *message.Message) string {
	text := []rune(route.TextOf(m))
	return string(text[:min(20, len(text))])
}

// stat is the receipt's word for the state (SMPP 3.4 appendix B).
func (r *Report) stat() string {
	if r.As == message.TellBuffered {
		return "ENROUTE"
	}
	return r.Msg.Status.Receipt()
}

// jasminAck is what a Jasmin client must answer.
const jasminAck = "ACK/Jasmin"

// jasmin is a report of level 1 (the SMSC's answer) or 2 (the final state).
func (r *Report) jasmin() *callback.Request {
	m := r.Msg
	v := url.Values{"id": {m.ID.String()}, "level": {"1"}, "connector": {r.SMSC}}
	switch event := r.event(); {
	case event == message.TellSent:
		v.Set("message_status", "ESME_ROK")
	case event == message.TellRefused && m.Callback.Tells&message.TellSent != 0:
		v.Set("message_status", statusName(errorOf(m)))
	default:
		delivered := 0
		for i := range m.Parts {
			if m.Parts[i].Status == message.Delivered {
				delivered++
			}
		}
		v.Set("level", "2")
		v.Set("message_status", r.stat())
		v.Set("id_smsc", smscID(m))
		v.Set("sub", fmt.Sprintf("%03d", len(m.Parts)))
		v.Set("dlvrd", fmt.Sprintf("%03d", delivered))
		v.Set("subdate", stamp(m.SubmittedAt))
		v.Set("donedate", stamp(r.at()))
		v.Set("err", fmt.Sprintf("%03d", min(errorOf(m), 999)))
		v.Set("text", quoted(m))
	}
	req := &callback.Request{Method: http.MethodPost, URL: m.DLRURL, Ack: jasminAck}
	if m.Callback.Form == message.JasminPOST {
		req.Body = []byte(v.Encode())
		return req
	}
	req.Method, req.URL = http.MethodGet, withQuery(m.DLRURL, v)
	return req
}

// withQuery adds values to the query of an address.
func withQuery(address string, v url.Values) string {
	address, _, _ = strings.Cut(address, "#")
	if strings.Contains(address, "?") {
		return address + "&" + v.Encode()
	}
	return address + "?" + v.Encode()
}
