package smpp

// decoder holds one body of each frequent command, reused for every PDU of a session.
type decoder struct {
	submit      SubmitSM
	submitResp  SubmitSMResp
	deliver     DeliverSM
	deliverResp DeliverSMResp
	data        DataSM
	dataResp    DataSMResp
	multi       SubmitMulti
	link        EnquireLink
	linkResp    EnquireLinkResp
}

// body returns the struct to decode into, nil for an unknown command.
func (d *decoder) body(id CommandID) PDU {
	switch id {
	case CmdSubmitSM:
		return &d.submit
	case CmdSubmitSMResp:
		return &d.submitResp
	case CmdDeliverSM:
		return &d.deliver
	case CmdDeliverSMResp:
		return &d.deliverResp
	case CmdDataSM:
		return &d.data
	case CmdDataSMResp:
		return &d.dataResp
	case CmdSubmitMulti:
		return &d.multi
	case CmdEnquireLink:
		return &d.link
	case CmdEnquireLinkResp:
		return &d.linkResp
	default:
		return NewPDU(id)
	}
}
