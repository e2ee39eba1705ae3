package smpp

// SubmitSMResp answers submit_sm (SMPP 3.4 §4.4.2). With an error status it has no body.
type SubmitSMResp struct {
	MessageID []byte // 0..64 octets
	TLVs      TLVs   // none in 3.4; some peers send them
}

// CommandID returns CmdSubmitSMResp.
func (*SubmitSMResp) CommandID() CommandID { return CmdSubmitSMResp }

// AppendBody appends the body.
func (p *SubmitSMResp) AppendBody(dst []byte) ([]byte, error) {
	return appendIDResp(dst, CmdSubmitSMResp, p.MessageID, p.TLVs)
}

// DecodeBody reads the body, which may be empty.
func (p *SubmitSMResp) DecodeBody(src []byte) error {
	return decodeIDResp(src, CmdSubmitSMResp, &p.MessageID, &p.TLVs)
}

// DeliverSMResp answers deliver_sm (SMPP 3.4 §4.6.2): its message_id is unused and empty.
type DeliverSMResp struct {
	MessageID []byte
	TLVs      TLVs
}

// CommandID returns CmdDeliverSMResp.
func (*DeliverSMResp) CommandID() CommandID { return CmdDeliverSMResp }

// AppendBody appends the body.
func (p *DeliverSMResp) AppendBody(dst []byte) ([]byte, error) {
	return appendIDResp(dst, CmdDeliverSMResp, p.MessageID, p.TLVs)
}

// DecodeBody reads the body, which may be empty.
func (p *DeliverSMResp) DecodeBody(src []byte) error {
	return decodeIDResp(src, CmdDeliverSMResp, &p.MessageID, &p.TLVs)
}

// DataSMResp answers data_sm (SMPP 3.4 §4.7.2).
type DataSMResp struct {
	MessageID []byte // 0..64 octets
	TLVs      TLVs
}

// CommandID returns CmdDataSMResp.
func (*DataSMResp) CommandID() CommandID { return CmdDataSMResp }

// AppendBody appends the body.
func (p *DataSMResp) AppendBody(dst []byte) ([]byte, error) {
	return appendIDResp(dst, CmdDataSMResp, p.MessageID, p.TLVs)
}

// DecodeBody reads the body, which may be empty.
func (p *DataSMResp) DecodeBody(src []byte) error {
	return decodeIDResp(src, CmdDataSMResp, &p.MessageID, &p.TLVs)
}

func appendIDResp(dst []byte, cmd CommandID, id []byte, t TLVs) ([]byte, error) {
	w := builder{b: dst, cmd: cmd}
	w.str(id, sizeMessageID, "message_id", RINVMSGID)
	w.b = append(w.b, t...)
	return w.done(dst)
}

func decodeIDResp(src []byte, cmd CommandID, id *[]byte, t *TLVs) error {
	*id, *t = nil, nil
	if len(src) == 0 {
		return nil
	}
	c := cursor{b: src, cmd: cmd}
	*id = c.str(sizeMessageID, "message_id", RINVMSGID)
	*t = c.tlvs()
	return c.failed()
}
