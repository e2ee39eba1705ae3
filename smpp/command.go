package smpp

import "fmt"

// CommandID names a PDU (SMPP 3.4 §5.1.2). Responses have the top bit set.
type CommandID uint32

// The commands of SMPP 3.4.
const (
	CmdBindReceiver        CommandID = 0x00000001
	CmdBindTransmitter     CommandID = 0x00000002
	CmdQuerySM             CommandID = 0x00000003
	CmdSubmitSM            CommandID = 0x00000004
	CmdDeliverSM           CommandID = 0x00000005
	CmdUnbind              CommandID = 0x00000006
	CmdReplaceSM           CommandID = 0x00000007
	CmdCancelSM            CommandID = 0x00000008
	CmdBindTransceiver     CommandID = 0x00000009
	CmdOutbind             CommandID = 0x0000000B
	CmdEnquireLink         CommandID = 0x00000015
	CmdSubmitMulti         CommandID = 0x00000021
	CmdAlertNotification   CommandID = 0x00000102
	CmdDataSM              CommandID = 0x00000103
	CmdGenericNack         CommandID = 0x80000000
	CmdBindReceiverResp    CommandID = 0x80000001
	CmdBindTransmitterResp CommandID = 0x80000002
	CmdQuerySMResp         CommandID = 0x80000003
	CmdSubmitSMResp        CommandID = 0x80000004
	CmdDeliverSMResp       CommandID = 0x80000005
	CmdUnbindResp          CommandID = 0x80000006
	CmdReplaceSMResp       CommandID = 0x80000007
	CmdCancelSMResp        CommandID = 0x80000008
	CmdBindTransceiverResp CommandID = 0x80000009
	CmdEnquireLinkResp     CommandID = 0x80000015
	CmdSubmitMultiResp     CommandID = 0x80000021
	CmdDataSMResp          CommandID = 0x80000103
)

const respBit CommandID = 0x80000000

// IsResponse reports whether c answers a request; generic_nack does.
func (c CommandID) IsResponse() bool { return c&respBit != 0 }

// Response returns the command that answers c: its own _resp, or generic_nack for a
// command that is unknown or has none (outbind, alert_notification).
func (c CommandID) Response() CommandID {
	switch c {
	case CmdBindReceiver, CmdBindTransmitter, CmdBindTransceiver, CmdQuerySM, CmdSubmitSM, CmdDeliverSM,
		CmdUnbind, CmdReplaceSM, CmdCancelSM, CmdEnquireLink, CmdSubmitMulti, CmdDataSM:
		return c | respBit
	default:
		return CmdGenericNack
	}
}

// Known reports whether SMPP 3.4 defines c.
func (c CommandID) Known() bool { return c.name() != "" }

// String returns the name that the standard uses, such as "submit_sm".
func (c CommandID) String() string {
	if n := c.name(); n != "" {
		return n
	}
	return fmt.Sprintf("command 0x%08X", uint32(c))
}

func (c CommandID) name() string {
	switch c {
	case CmdBindReceiver:
		return "bind_receiver"
	case CmdBindTransmitter:
		return "bind_transmitter"
	case CmdBindTransceiver:
		return "bind_transceiver"
	case CmdQuerySM:
		return "query_sm"
	case CmdSubmitSM:
		return "submit_sm"
	case CmdDeliverSM:
		return "deliver_sm"
	case CmdUnbind:
		return "unbind"
	case CmdReplaceSM:
		return "replace_sm"
	case CmdCancelSM:
		return "cancel_sm"
	case CmdOutbind:
		return "outbind"
	case CmdEnquireLink:
		return "enquire_link"
	case CmdSubmitMulti:
		return "submit_multi"
	case CmdAlertNotification:
		return "alert_notification"
	case CmdDataSM:
		return "data_sm"
	case CmdGenericNack:
		return "generic_nack"
	case CmdBindReceiverResp:
		return "bind_receiver_resp"
	case CmdBindTransmitterResp:
		return "bind_transmitter_resp"
	case CmdBindTransceiverResp:
		return "bind_transceiver_resp"
	case CmdQuerySMResp:
		return "query_sm_resp"
	case CmdSubmitSMResp:
		return "submit_sm_resp"
	case CmdDeliverSMResp:
		return "deliver_sm_resp"
	case CmdUnbindResp:
		return "unbind_resp"
	case CmdReplaceSMResp:
		return "replace_sm_resp"
	case CmdCancelSMResp:
		return "cancel_sm_resp"
	case CmdEnquireLinkResp:
		return "enquire_link_resp"
	case CmdSubmitMultiResp:
		return "submit_multi_resp"
	case CmdDataSMResp:
		return "data_sm_resp"
	default:
		return ""
	}
}
