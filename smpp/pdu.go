package smpp

import (
	"encoding/binary"
	"fmt"
)

const (
	// HeaderLen is the length of every PDU's header in octets (SMPP 3.4 §3.2).
	HeaderLen = 16
	// DefaultMaxPDU is the longest PDU accepted by default: 64 KiB of payload and some room.
	DefaultMaxPDU = 65<<10 + HeaderLen
	// MaxSequence is the highest sequence_number that a requester uses (SMPP 3.4 §5.1.4).
	MaxSequence = 0x7FFFFFFF
)

// Header is the fixed beginning of a PDU (SMPP 3.4 §3.2): four big-endian integers.
type Header struct {
	Length uint32 // command_length, itself included
	ID     CommandID
	Status Status // 0 in requests
	Seq    uint32 // sequence_number
}

// PDU is the body of one command.
type PDU interface {
	// CommandID returns the command that the body belongs to.
	CommandID() CommandID
	// AppendBody appends the encoded body. A field that breaks its limit is a
	// *FieldError, and dst is then returned as it was.
	AppendBody(dst []byte) ([]byte, error)
	// DecodeBody replaces the fields with those in src, aliasing it. A malformed
	// body is a *FieldError that carries the status to answer with.
	DecodeBody(src []byte) error
}

// AppendHeader appends the 16 octets of h.
func AppendHeader(dst []byte, h Header) []byte {
	dst = binary.BigEndian.AppendUint32(dst, h.Length)
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.ID))
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.Status))
	return binary.BigEndian.AppendUint32(dst, h.Seq)
}

// ParseHeader reads the first HeaderLen octets of b, which must be there.
func ParseHeader(b []byte) Header {
	_ = b[HeaderLen-1]
	return Header{
		Length: binary.BigEndian.Uint32(b),
		ID:     CommandID(binary.BigEndian.Uint32(b[4:])),
		Status: Status(binary.BigEndian.Uint32(b[8:])),
		Seq:    binary.BigEndian.Uint32(b[12:]),
	}
}

// Append appends a whole PDU: header h, whose Length it fills in, and body p. With a nil p
// it is a header only; otherwise an h.ID of 0 stands for p's command. On error dst is
// returned as it was.
func Append(dst []byte, h Header, p PDU) ([]byte, error) {
	start := len(dst)
	if p == nil {
		h.Length = HeaderLen
		return AppendHeader(dst, h), nil
	}
	if h.ID == 0 {
		h.ID = p.CommandID()
	}
	out, err := p.AppendBody(AppendHeader(dst, h))
	if err != nil {
		return dst, err
	}
	binary.BigEndian.PutUint32(out[start:], uint32(len(out)-start))
	return out, nil
}

// Decode reads the whole PDU in b. The body is nil for a header-only response that
// reports an error, and for a command that is not Known.
func Decode(b []byte) (Header, PDU, error) {
	if len(b) < HeaderLen {
		return Header{}, nil, &FieldError{Field: "command_length", Status: RINVCMDLEN, Reason: fmt.Sprintf("of %d octets is below 16", len(b))}
	}
	h := ParseHeader(b)
	if int64(h.Length) != int64(len(b)) {
		return h, nil, &FieldError{Cmd: h.ID, Field: "command_length", Status: RINVCMDLEN, Reason: fmt.Sprintf("is %d for %d octets", h.Length, len(b))}
	}
	if h.ID.IsResponse() && h.Status != ROK && len(b) == HeaderLen {
		return h, nil, nil
	}
	p := NewPDU(h.ID)
	if p == nil {
		return h, nil, nil
	}
	return h, p, p.DecodeBody(b[HeaderLen:])
}

// NewPDU returns an empty body for the command, nil when SMPP 3.4 does not define it.
func NewPDU(id CommandID) PDU {
	switch id {
	case CmdBindReceiver, CmdBindTransmitter, CmdBindTransceiver:
		return &BindReq{ID: id}
	case CmdBindReceiverResp, CmdBindTransmitterResp, CmdBindTransceiverResp:
		return &BindResp{ID: id}
	case CmdOutbind:
		return &Outbind{}
	case CmdUnbind:
		return &Unbind{}
	case CmdUnbindResp:
		return &UnbindResp{}
	case CmdGenericNack:
		return &GenericNack{}
	case CmdEnquireLink:
		return &EnquireLink{}
	case CmdEnquireLinkResp:
		return &EnquireLinkResp{}
	case CmdSubmitSM:
		return &SubmitSM{}
	case CmdSubmitSMResp:
		return &SubmitSMResp{}
	case CmdSubmitMulti:
		return &SubmitMulti{}
	case CmdSubmitMultiResp:
		return &SubmitMultiResp{}
	case CmdDeliverSM:
		return &DeliverSM{}
	case CmdDeliverSMResp:
		return &DeliverSMResp{}
	case CmdDataSM:
		return &DataSM{}
	case CmdDataSMResp:
		return &DataSMResp{}
	case CmdQuerySM:
		return &QuerySM{}
	case CmdQuerySMResp:
		return &QuerySMResp{}
	case CmdCancelSM:
		return &CancelSM{}
	case CmdCancelSMResp:
		return &CancelSMResp{}
	case CmdReplaceSM:
		return &ReplaceSM{}
	case CmdReplaceSMResp:
		return &ReplaceSMResp{}
	case CmdAlertNotification:
		return &AlertNotification{}
	default:
		return nil
	}
}

// Clone returns a copy of p that shares no memory with it.
func Clone(p PDU) (PDU, error) {
	if p == nil {
		return nil, nil
	}
	body, err := p.AppendBody(nil)
	if err != nil {
		return nil, fmt.Errorf("copy %s: %w", p.CommandID(), err)
	}
	c := NewPDU(p.CommandID())
	if err := c.DecodeBody(body); err != nil {
		return nil, fmt.Errorf("copy %s: %w", p.CommandID(), err)
	}
	return c, nil
}
