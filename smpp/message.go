package smpp

// Address is type of number, numbering plan and address (SMPP 3.4 §5.2.5–5.2.9).
type Address struct {
	TON, NPI byte
	Addr     []byte // up to 20 octets; 64 in data_sm and alert_notification
}

// Bits of esm_class (SMPP 3.4 §5.2.12).
const (
	ESMModeMask     byte = 0x03 // messaging mode
	ESMTypeMask     byte = 0x3C // message type
	ESMReceipt      byte = 0x04 // deliver_sm: a delivery receipt
	ESMDeliveryAck  byte = 0x08 // SME delivery acknowledgement
	ESMUserAck      byte = 0x10 // SME manual or user acknowledgement
	ESMConversation byte = 0x18 // deliver_sm: conversation abort
	ESMIntermediate byte = 0x20 // deliver_sm: intermediate notification
	ESMUDHI         byte = 0x40 // the short message begins with a user data header
	ESMReplyPath    byte = 0x80
)

// Bits of registered_delivery (SMPP 3.4 §5.2.17).
const (
	RegisteredMask         byte = 0x03
	RegisteredNone         byte = 0x00
	RegisteredFinal        byte = 0x01 // success or failure
	RegisteredFailure      byte = 0x02 // failure only
	RegisteredSuccess      byte = 0x03 // success only; SMPP 5.0
	RegisteredIntermediate byte = 0x10
)

// SubmitSM hands a message to the SMSC (SMPP 3.4 §4.4.1).
type SubmitSM struct {
	ServiceType          []byte // 0..5 octets
	Source, Dest         Address
	ESMClass             byte
	ProtocolID           byte
	PriorityFlag         byte   // 0..3
	ScheduleDeliveryTime []byte // 0 or 16 octets, see ParseTime
	ValidityPeriod       []byte // 0 or 16 octets
	RegisteredDelivery   byte
	ReplaceIfPresent     byte
	DataCoding           byte
	SMDefaultMsgID       byte
	ShortMessage         []byte // 0..254 octets
	TLVs                 TLVs
}

// CommandID returns CmdSubmitSM.
func (*SubmitSM) CommandID() CommandID { return CmdSubmitSM }

// AppendBody appends the body.
func (p *SubmitSM) AppendBody(dst []byte) ([]byte, error) { return p.appendBody(dst, CmdSubmitSM) }

// DecodeBody reads the body.
func (p *SubmitSM) DecodeBody(src []byte) error { return p.decodeBody(src, CmdSubmitSM) }

// Payload returns the user data: short_message, or message_payload when that is there.
func (p *SubmitSM) Payload() []byte { return payload(p.ShortMessage, p.TLVs) }

func (p *SubmitSM) appendBody(dst []byte, cmd CommandID) ([]byte, error) {
	w := builder{b: dst, cmd: cmd}
	w.str(p.ServiceType, sizeServiceType, "service_type", RINVSERTYP)
	w.address(&p.Source, sizeAddr, "source_addr", RINVSRCADR)
	w.address(&p.Dest, sizeAddr, "destination_addr", RINVDSTADR)
	w.b = append(w.b, p.ESMClass, p.ProtocolID, p.PriorityFlag)
	w.stamp(p.ScheduleDeliveryTime, "schedule_delivery_time", RINVSCHED)
	w.stamp(p.ValidityPeriod, "validity_period", RINVEXPIRY)
	w.b = append(w.b, p.RegisteredDelivery, p.ReplaceIfPresent, p.DataCoding, p.SMDefaultMsgID)
	w.octets(p.ShortMessage)
	w.b = append(w.b, p.TLVs...)
	return w.done(dst)
}

func (p *SubmitSM) decodeBody(src []byte, cmd CommandID) error {
	c := cursor{b: src, cmd: cmd}
	p.ServiceType = c.str(sizeServiceType, "service_type", RINVSERTYP)
	p.Source = c.address(sizeAddr, "source_addr", RINVSRCADR)
	p.Dest = c.address(sizeAddr, "destination_addr", RINVDSTADR)
	p.ESMClass = c.byte("esm_class")
	p.ProtocolID = c.byte("protocol_id")
	p.PriorityFlag = c.byte("priority_flag")
	p.ScheduleDeliveryTime = c.stamp("schedule_delivery_time", RINVSCHED)
	p.ValidityPeriod = c.stamp("validity_period", RINVEXPIRY)
	p.RegisteredDelivery = c.byte("registered_delivery")
	p.ReplaceIfPresent = c.byte("replace_if_present_flag")
	p.DataCoding = c.byte("data_coding")
	p.SMDefaultMsgID = c.byte("sm_default_msg_id")
	p.ShortMessage = c.octets()
	p.TLVs = c.tlvs()
	return c.failed()
}

// DeliverSM hands a message or a delivery receipt to the ESME (SMPP 3.4 §4.6.1). It has
// the shape of submit_sm.
type DeliverSM struct {
	ServiceType          []byte // 0..5 octets
	Source, Dest         Address
	ESMClass             byte // see IsReceipt
	ProtocolID           byte
	PriorityFlag         byte
	ScheduleDeliveryTime []byte // empty
	ValidityPeriod       []byte // empty
	RegisteredDelivery   byte
	ReplaceIfPresent     byte
	DataCoding           byte
	SMDefaultMsgID       byte
	ShortMessage         []byte // 0..254 octets
	TLVs                 TLVs
}

// CommandID returns CmdDeliverSM.
func (*DeliverSM) CommandID() CommandID { return CmdDeliverSM }

// AppendBody appends the body.
func (p *DeliverSM) AppendBody(dst []byte) ([]byte, error) {
	return (*SubmitSM)(p).appendBody(dst, CmdDeliverSM)
}

// DecodeBody reads the body.
func (p *DeliverSM) DecodeBody(src []byte) error {
	return (*SubmitSM)(p).decodeBody(src, CmdDeliverSM)
}

// Payload returns the user data: short_message, or message_payload when that is there.
func (p *DeliverSM) Payload() []byte { return payload(p.ShortMessage, p.TLVs) }

// IsReceipt reports whether the message type in esm_class is a delivery receipt or an
// intermediate notification.
func (p *DeliverSM) IsReceipt() bool { return isReceipt(p.ESMClass) }

func isReceipt(esmClass byte) bool {
	t := esmClass & ESMTypeMask
	return t == ESMReceipt || t == ESMIntermediate
}

func payload(shortMessage []byte, t TLVs) []byte {
	if len(shortMessage) == 0 && len(t) != 0 {
		if v, ok := t.Find(TagMessagePayload); ok {
			return v
		}
	}
	return shortMessage
}

// DataSM is the message with its data in message_payload, in both directions (SMPP 3.4 §4.7.1).
type DataSM struct {
	ServiceType        []byte  // 0..5 octets
	Source, Dest       Address // up to 64 octets
	ESMClass           byte
	RegisteredDelivery byte
	DataCoding         byte
	TLVs               TLVs
}

// CommandID returns CmdDataSM.
func (*DataSM) CommandID() CommandID { return CmdDataSM }

// AppendBody appends the body.
func (p *DataSM) AppendBody(dst []byte) ([]byte, error) {
	w := builder{b: dst, cmd: CmdDataSM}
	w.str(p.ServiceType, sizeServiceType, "service_type", RINVSERTYP)
	w.address(&p.Source, sizeLongAddr, "source_addr", RINVSRCADR)
	w.address(&p.Dest, sizeLongAddr, "destination_addr", RINVDSTADR)
	w.b = append(w.b, p.ESMClass, p.RegisteredDelivery, p.DataCoding)
	w.b = append(w.b, p.TLVs...)
	return w.done(dst)
}

// DecodeBody reads the body.
func (p *DataSM) DecodeBody(src []byte) error {
	c := cursor{b: src, cmd: CmdDataSM}
	p.ServiceType = c.str(sizeServiceType, "service_type", RINVSERTYP)
	p.Source = c.address(sizeLongAddr, "source_addr", RINVSRCADR)
	p.Dest = c.address(sizeLongAddr, "destination_addr", RINVDSTADR)
	p.ESMClass = c.byte("esm_class")
	p.RegisteredDelivery = c.byte("registered_delivery")
	p.DataCoding = c.byte("data_coding")
	p.TLVs = c.tlvs()
	return c.failed()
}

// Payload returns message_payload.
func (p *DataSM) Payload() []byte { return payload(nil, p.TLVs) }

// IsReceipt reports whether the message type in esm_class is a delivery receipt or an
// intermediate notification.
func (p *DataSM) IsReceipt() bool { return isReceipt(p.ESMClass) }
