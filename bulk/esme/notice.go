package esme

import (
	"cmp"
	"strconv"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
	"protei-bulk/smpp"
)

// Notice is one final state to tell, a delivery receipt; or one inbound message.
type Notice struct {
	MessageID    message.ID
	Call         message.ID // submit_multi that it came with, whose id the receipt names; or 0
	Account      uint32
	Source, Dest message.Address // of the message; the receipt swaps them
	ClientRef    string          // user_message_reference in decimal, echoed
	Text         []byte          // user data as it was submitted; its begin is quoted
	DataCoding   uint8           // of Text
	Status       message.Status
	ErrorCode    uint32 // command_status of the refusal, or the receipt's err
	SubmittedAt  int64  // Unix ms
	DoneAt       int64  // Unix ms of the final state; what the age of a notice counts from
	// Intermediate, when not 0, is the state on the way that the notice tells instead of Status.
	Intermediate smpp.MessageState

	// Msg is carried along untouched, for Outbox.Notified.
	Msg *message.Message

	// Inbound, when set, is the message to deliver, and of the fields above MessageID, Account
	// and DoneAt count only.
	Inbound *message.Inbound
	// Failed is set for Outbox.Notified when the customer did not take it.
	Failed bool
}

// NoticeOfInbound makes the notice of an inbound message.
func NoticeOfInbound(m *message.Inbound) Notice {
	return Notice{MessageID: m.ID, Account: m.Account, DoneAt: m.ReceivedAt, Inbound: m}
}

// NoticeOf makes the notice of a message in a final state. It reads the message's state: call
// it where that cannot change, as in the store's View.
func NoticeOf(m *message.Message) Notice {
	n := Notice{
		MessageID: m.ID, Call: m.Batch, Account: m.Account, Source: m.Source, Dest: m.Dest, ClientRef: m.ClientRef,
		DataCoding: m.DataCoding, Status: m.Status, SubmittedAt: m.SubmittedAt, DoneAt: m.DoneAt, Msg: m,
	}
	if len(m.Parts) > 0 {
		n.Text = userText(m.PartPayload(0), m.ESMClass)
	}
	for i := range m.Parts {
		if m.Parts[i].Status == m.Status && m.Parts[i].Error != 0 {
			n.ErrorCode = m.Parts[i].Error
			break
		}
	}
	return n
}

// userText takes the user data header off.
func userText(octets []byte, esmClass uint8) []byte {
	if esmClass&smpp.ESMUDHI == 0 {
		return octets
	}
	_, text, err := gsm.ParseUDH(octets)
	if err != nil {
		return nil
	}
	return text
}

func (n *Notice) state() smpp.MessageState {
	if n.Intermediate != 0 {
		return n.Intermediate
	}
	return stateOf(n.Status)
}

// stateOf is the message_state of a final status (SMPP 3.4 §5.2.28).
func stateOf(s message.Status) smpp.MessageState {
	switch s {
	case message.Delivered:
		return smpp.StateDelivered
	case message.Expired:
		return smpp.StateExpired
	case message.Cancelled:
		return smpp.StateDeleted
	case message.Failed:
		return smpp.StateUndeliverable
	case message.Rejected:
		return smpp.StateRejected
	default:
		return smpp.StateUnknown
	}
}

const (
	quoted     = 20  // octets of the message that a receipt quotes
	maxErrCode = 999 // err has three digits
	gsmNetwork = 3   // network_error_code: GSM (SMPP 3.4 §5.3.2.31)
)

// receiptWriter builds the deliver_sm of a receipt in buffers that it uses again.
type receiptWriter struct {
	pdu  smpp.DeliverSM
	r    smpp.Receipt
	id   [idDigits]byte
	date [20]byte
	err  [3]byte
	text []byte
	src  []byte
	dst  []byte
	said [quoted]byte
}

// write returns the deliver_sm of n, valid until the next call (items 50 to 52 of SMPP.md).
func (w *receiptWriter) write(s *Server, n *Notice) *smpp.DeliverSM {
	if n.Inbound != nil {
		return w.inbound(n.Inbound)
	}
	w.pdu.DataCoding, w.pdu.ProtocolID = 0, 0
	w.r = smpp.Receipt{
		ID: s.appendID(w.id[:0], n.Account, cmp.Or(n.Call, n.MessageID)), State: n.state(), Text: w.quote(n),
		SubmitDate: smpp.AppendReceiptDate(w.date[:0:10], time.UnixMilli(n.SubmittedAt).UTC()),
		DoneDate:   smpp.AppendReceiptDate(w.date[10:10], time.UnixMilli(n.DoneAt).UTC()),
	}
	if n.ErrorCode != 0 {
		code := min(n.ErrorCode, maxErrCode)
		w.err = [3]byte{byte('0' + code/100), byte('0' + code/10%10), byte('0' + code%10)}
		w.r.Err = w.err[:]
		if n.ErrorCode <= 0xFFFF {
			w.r.Network = [3]byte{gsmNetwork, byte(n.ErrorCode >> 8), byte(n.ErrorCode)}
		}
	}
	w.text = smpp.AppendReceipt(w.text[:0], &w.r)
	w.src = append(w.src[:0], n.Dest.Addr...)
	w.dst = append(w.dst[:0], n.Source.Addr...)
	w.pdu.ESMClass = smpp.ESMReceipt
	if !w.r.State.Final() {
		w.pdu.ESMClass = smpp.ESMIntermediate
	}
	w.pdu.Source = smpp.Address{TON: n.Dest.TON, NPI: n.Dest.NPI, Addr: w.src}
	w.pdu.Dest = smpp.Address{TON: n.Source.TON, NPI: n.Source.NPI, Addr: w.dst}
	w.pdu.ShortMessage = w.text
	w.pdu.TLVs = smpp.AppendReceiptTLVs(w.pdu.TLVs[:0], &w.r)
	if ref, ok := reference(n.ClientRef); ok {
		w.pdu.TLVs = w.pdu.TLVs.AppendUint16(smpp.TagUserMessageReference, ref)
	}
	return &w.pdu
}

// passedBits are what goes on of an inbound message's esm_class: UDHI and reply path.
const passedBits = smpp.ESMUDHI | smpp.ESMReplyPath

// maxShort is the most that short_message holds (SMPP 3.4 §5.2.21).
const maxShort = 254

// inbound returns the deliver_sm of an inbound message: its octets as the SMSC brought them,
// in message_payload when they are too many for short_message.
func (w *receiptWriter) inbound(m *message.Inbound) *smpp.DeliverSM {
	w.src, w.dst = append(w.src[:0], m.Source.Addr...), append(w.dst[:0], m.Dest.Addr...)
	w.pdu.ESMClass, w.pdu.DataCoding, w.pdu.ProtocolID = m.ESMClass&passedBits, m.DataCoding, m.ProtocolID
	w.pdu.Source = smpp.Address{TON: m.Source.TON, NPI: m.Source.NPI, Addr: w.src}
	w.pdu.Dest = smpp.Address{TON: m.Dest.TON, NPI: m.Dest.NPI, Addr: w.dst}
	w.pdu.ShortMessage, w.pdu.TLVs = m.Octets, w.pdu.TLVs[:0]
	if len(m.Octets) > maxShort {
		w.pdu.ShortMessage = nil
		w.pdu.TLVs = w.pdu.TLVs.Append(smpp.TagMessagePayload, m.Octets)
	}
	return &w.pdu
}

// reference is the user_message_reference that came with the submit_sm (item 27 of SMPP.md).
func reference(clientRef string) (uint16, bool) {
	if clientRef == "" {
		return 0, false
	}
	ref, err := strconv.ParseUint(clientRef, 10, 16)
	return uint16(ref), err == nil
}

// quote returns the begin of the text in the characters that data_coding 0 shares with
// ASCII; what has no such character is a question mark, and binary data is not quoted.
func (w *receiptWriter) quote(n *Notice) []byte {
	out := w.said[:0]
	switch gsm.OfDataCoding(n.DataCoding) {
	case gsm.UCS2:
		for t := n.Text; len(t) >= 2 && len(out) < quoted; t = t[2:] {
			out = append(out, printable(t[1], t[0] == 0))
		}
	case gsm.Binary:
	case gsm.GSM7:
		return append(out, n.Text[:min(len(n.Text), quoted)]...)
	default:
		for _, c := range n.Text[:min(len(n.Text), quoted)] {
			out = append(out, printable(c, true))
		}
	}
	return out
}

func printable(c byte, ok bool) byte {
	if !ok || c < ' ' || c > '~' {
		return '?'
	}
	return c
}
