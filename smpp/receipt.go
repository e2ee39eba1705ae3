package smpp

import (
	"bytes"
	"errors"
	"strconv"
	"time"
)

// Receipt is a delivery receipt (SMPP 3.4 appendix B). From ParseReceipt the fields alias the
// text and the optional parameters.
type Receipt struct {
	ID         []byte // message_id as submit_sm_resp gave it, ≤ 64 octets
	Sub, Dlvrd []byte // "001" and, when delivered, "001" by default
	SubmitDate []byte // YYMMDDhhmm or YYMMDDhhmmss, see AppendReceiptDate
	DoneDate   []byte
	Stat       []byte // as it stood in the text; AppendReceipt takes State's letters when empty
	Err        []byte // ≤ 3 characters, "000" by default
	Text       []byte // first 20 octets of the message
	State      MessageState
	// Network is network_error_code (SMPP 3.4 §5.3.2.31): the type and a two-octet code. The
	// zero value is none.
	Network [3]byte
}

// ErrNoReceipt: the text and the optional parameters name no message, or no state.
var ErrNoReceipt = errors.New("smpp: not a delivery receipt")

const maxReceiptText = 20

// AppendReceipt appends the text of r: one line with all fields, as Kannel's and everybody's
// parsers expect it. Control characters in Text become blanks.
func AppendReceipt(dst []byte, r *Receipt) []byte {
	dst = appendField(dst, "id:", r.ID, 64, "")
	dst = appendField(dst, " sub:", r.Sub, 3, "001")
	dlvrd := "000"
	if r.State == StateDelivered {
		dlvrd = "001"
	}
	dst = appendField(dst, " dlvrd:", r.Dlvrd, 3, dlvrd)
	dst = appendField(dst, " submit date:", r.SubmitDate, 14, "")
	dst = appendField(dst, " done date:", r.DoneDate, 14, "")
	dst = appendField(dst, " stat:", r.Stat, 15, r.State.Stat())
	dst = appendField(dst, " err:", r.Err, 3, "000")
	dst = append(dst, " text:"...)
	for _, c := range r.Text[:min(len(r.Text), maxReceiptText)] {
		dst = append(dst, max(c, ' '))
	}
	return dst
}

func appendField(dst []byte, name string, v []byte, size int, otherwise string) []byte {
	dst = append(dst, name...)
	if len(v) == 0 {
		return append(dst, otherwise...)
	}
	return append(dst, v[:min(len(v), size)]...)
}

// AppendReceiptDate appends t as the ten digits YYMMDDhhmm.
func AppendReceiptDate(dst []byte, t time.Time) []byte { return appendStamp(dst, t) }

// AppendReceiptTLVs appends the optional parameters of r: receipted_message_id, message_state and,
// when there is one, network_error_code.
func AppendReceiptTLVs(dst TLVs, r *Receipt) TLVs {
	dst = dst.AppendCString(TagReceiptedMessageID, r.ID)
	dst = dst.AppendByte(TagMessageState, byte(r.State))
	if r.Network != [3]byte{} {
		dst = dst.Append(TagNetworkErrorCode, r.Network[:])
	}
	return dst
}

// ParseReceipt reads a receipt from its text and its optional parameters, either of
// which may be empty or incomplete. Field names are matched in any case; fields may be
// missing. Where both say it, receipted_message_id and message_state count.
func ParseReceipt(text []byte, tlvs TLVs) (Receipt, error) {
	var r Receipt
	r.parseText(text)
	if st, ok := ParseStat(r.Stat); ok {
		r.State = st
	}
	if id, ok := tlvs.FindCString(TagReceiptedMessageID); ok && len(id) != 0 {
		r.ID = id
	}
	if st, ok := tlvs.FindByte(TagMessageState); ok && st >= 1 && MessageState(st) <= StateRejected {
		r.State = MessageState(st)
	}
	if v, ok := tlvs.Find(TagNetworkErrorCode); ok && len(v) == 3 {
		r.Network = [3]byte(v)
	}
	if len(r.ID) == 0 || r.State == 0 {
		return r, ErrNoReceipt
	}
	return r, nil
}

func (r *Receipt) parseText(text []byte) {
	for len(text) > 0 {
		text = bytes.TrimLeft(text, " \t\r\n\x00")
		colon := bytes.IndexByte(text, ':')
		if colon < 0 {
			return
		}
		dst := r.field(text[:colon])
		rest := text[colon+1:]
		if dst == &r.Text {
			r.Text = rest
			return
		}
		end := bytes.IndexAny(rest, " \t\r\n\x00")
		if end < 0 {
			end = len(rest)
		}
		if dst != nil && *dst == nil {
			*dst = rest[:end:end]
		}
		text = rest[end:]
	}
}

// field returns where the value of the named field goes, nil for a name that means nothing
// here. Words before the name do not count: "ok id" is id.
func (r *Receipt) field(name []byte) *[]byte {
	switch {
	case endsFold(name, "submit date"), endsFold(name, "submitdate"), endsFold(name, "submit_date"):
		return &r.SubmitDate
	case endsFold(name, "done date"), endsFold(name, "donedate"), endsFold(name, "done_date"):
		return &r.DoneDate
	case endsFold(name, "id"):
		return &r.ID
	case endsFold(name, "sub"):
		return &r.Sub
	case endsFold(name, "dlvrd"):
		return &r.Dlvrd
	case endsFold(name, "stat"), endsFold(name, "status"):
		return &r.Stat
	case endsFold(name, "err"), endsFold(name, "error"):
		return &r.Err
	case endsFold(name, "text"):
		return &r.Text
	default:
		return nil
	}
}

// endsFold reports whether name ends with the word in any case.
func endsFold(name []byte, word string) bool {
	at := len(name) - len(word)
	if at < 0 || at > 0 && name[at-1] != ' ' {
		return false
	}
	for i := range len(word) {
		if name[at+i]|0x20 != word[i]|0x20 {
			return false
		}
	}
	return true
}

// ErrCode returns the number in Err, or the code of Network when Err says none.
func (r *Receipt) ErrCode() uint32 {
	n, err := strconv.ParseUint(string(r.Err), 10, 16)
	if err != nil || n == 0 {
		return uint32(r.Network[1])<<8 | uint32(r.Network[2])
	}
	return uint32(n)
}
