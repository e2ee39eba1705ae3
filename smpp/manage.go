package smpp

// QuerySM asks for the state of a message (SMPP 3.4 §4.8.1).
type QuerySM struct {
	MessageID []byte  // 0..64 octets
	Source    Address // as in the submit_sm
}

// CommandID returns CmdQuerySM.
func (*QuerySM) CommandID() CommandID { return CmdQuerySM }

// AppendBody appends the body.
func (p *QuerySM) AppendBody(dst []byte) ([]byte, error) {
	w := builder{b: dst, cmd: CmdQuerySM}
	w.str(p.MessageID, sizeMessageID, "message_id", RINVMSGID)
	w.address(&p.Source, sizeAddr, "source_addr", RINVSRCADR)
	return w.done(dst)
}

// DecodeBody reads the body.
func (p *QuerySM) DecodeBody(src []byte) error {
	c := cursor{b: src, cmd: CmdQuerySM}
	p.MessageID = c.str(sizeMessageID, "message_id", RINVMSGID)
	p.Source = c.address(sizeAddr, "source_addr", RINVSRCADR)
	return c.end()
}

// QuerySMResp answers query_sm (SMPP 3.4 §4.8.2).
type QuerySMResp struct {
	MessageID    []byte // 0..64 octets
	FinalDate    []byte // 0 or 16 octets, empty while there is no final state
	MessageState MessageState
	ErrorCode    byte // network error, 0 when there is none
}

// CommandID returns CmdQuerySMResp.
func (*QuerySMResp) CommandID() CommandID { return CmdQuerySMResp }

// AppendBody appends the body.
func (p *QuerySMResp) AppendBody(dst []byte) ([]byte, error) {
	w := builder{b: dst, cmd: CmdQuerySMResp}
	w.str(p.MessageID, sizeMessageID, "message_id", RINVMSGID)
	w.stamp(p.FinalDate, "final_date", RINVEXPIRY)
	w.b = append(w.b, byte(p.MessageState), p.ErrorCode)
	return w.done(dst)
}

// DecodeBody reads the body.
func (p *QuerySMResp) DecodeBody(src []byte) error {
	c := cursor{b: src, cmd: CmdQuerySMResp}
	p.MessageID = c.str(sizeMessageID, "message_id", RINVMSGID)
	p.FinalDate = c.stamp("final_date", RINVEXPIRY)
	p.MessageState = MessageState(c.byte("message_state"))
	p.ErrorCode = c.byte("error_code")
	return c.end()
}

// CancelSM withdraws a message, or with an empty MessageID all that match the
// addresses and service type (SMPP 3.4 §4.9.1).
type CancelSM struct {
	ServiceType  []byte // 0..5 octets
	MessageID    []byte // 0..64 octets
	Source, Dest Address
}

// CommandID returns CmdCancelSM.
func (*CancelSM) CommandID() CommandID { return CmdCancelSM }

// AppendBody appends the body.
func (p *CancelSM) AppendBody(dst []byte) ([]byte, error) {
	w := builder{b: dst, cmd: CmdCancelSM}
	w.str(p.ServiceType, sizeServiceType, "service_type", RINVSERTYP)
	w.str(p.MessageID, sizeMessageID, "message_id", RINVMSGID)
	w.address(&p.Source, sizeAddr, "source_addr", RINVSRCADR)
	w.address(&p.Dest, sizeAddr, "destination_addr", RINVDSTADR)
	return w.done(dst)
}

// DecodeBody reads the body.
func (p *CancelSM) DecodeBody(src []byte) error {
	c := cursor{b: src, cmd: CmdCancelSM}
	p.ServiceType = c.str(sizeServiceType, "service_type", RINVSERTYP)
	p.MessageID = c.str(sizeMessageID, "message_id", RINVMSGID)
	p.Source = c.address(sizeAddr, "source_addr", RINVSRCADR)
	p.Dest = c.address(sizeAddr, "destination_addr", RINVDSTADR)
	return c.end()
}

// CancelSMResp answers cancel_sm.
type CancelSMResp struct{}

// CommandID returns CmdCancelSMResp.
func (*CancelSMResp) CommandID() CommandID { return CmdCancelSMResp }

// AppendBody appends nothing.
func (*CancelSMResp) AppendBody(dst []byte) ([]byte, error) { return dst, nil }

// DecodeBody accepts anything.
func (*CancelSMResp) DecodeBody([]byte) error { return nil }

// ReplaceSM changes a message that is still with the SMSC (SMPP 3.4 §4.10.1).
type ReplaceSM struct {
	MessageID            []byte // 0..64 octets
	Source               Address
	ScheduleDeliveryTime []byte // 0 or 16 octets
	ValidityPeriod       []byte // 0 or 16 octets
	RegisteredDelivery   byte
	SMDefaultMsgID       byte
	ShortMessage         []byte // 0..254 octets
}

// CommandID returns CmdReplaceSM.
func (*ReplaceSM) CommandID() CommandID { return CmdReplaceSM }

// AppendBody appends the body.
func (p *ReplaceSM) AppendBody(dst []byte) ([]byte, error) {
	w := builder{b: dst, cmd: CmdReplaceSM}
	w.str(p.MessageID, sizeMessageID, "message_id", RINVMSGID)
	w.address(&p.Source, sizeAddr, "source_addr", RINVSRCADR)
	w.stamp(p.ScheduleDeliveryTime, "schedule_delivery_time", RINVSCHED)
	w.stamp(p.ValidityPeriod, "validity_period", RINVEXPIRY)
	w.b = append(w.b, p.RegisteredDelivery, p.SMDefaultMsgID)
	w.octets(p.ShortMessage)
	return w.done(dst)
}

// DecodeBody reads the body.
func (p *ReplaceSM) DecodeBody(src []byte) error {
	c := cursor{b: src, cmd: CmdReplaceSM}
	p.MessageID = c.str(sizeMessageID, "message_id", RINVMSGID)
	p.Source = c.address(sizeAddr, "source_addr", RINVSRCADR)
	p.ScheduleDeliveryTime = c.stamp("schedule_delivery_time", RINVSCHED)
	p.ValidityPeriod = c.stamp("validity_period", RINVEXPIRY)
	p.RegisteredDelivery = c.byte("registered_delivery")
	p.SMDefaultMsgID = c.byte("sm_default_msg_id")
	p.ShortMessage = c.octets()
	return c.end()
}

// ReplaceSMResp answers replace_sm.
type ReplaceSMResp struct{}

// CommandID returns CmdReplaceSMResp.
func (*ReplaceSMResp) CommandID() CommandID { return CmdReplaceSMResp }

// AppendBody appends nothing.
func (*ReplaceSMResp) AppendBody(dst []byte) ([]byte, error) { return dst, nil }

// DecodeBody accepts anything.
func (*ReplaceSMResp) DecodeBody([]byte) error { return nil }
