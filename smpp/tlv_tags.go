package smpp

import "fmt"

// The optional parameters of SMPP 3.4 §5.3.2, and those of 5.0 that a bulk
// platform meets.
const (
	TagDestAddrSubunit          Tag = 0x0005
	TagDestNetworkType          Tag = 0x0006
	TagDestBearerType           Tag = 0x0007
	TagDestTelematicsID         Tag = 0x0008
	TagSourceAddrSubunit        Tag = 0x000D
	TagSourceNetworkType        Tag = 0x000E
	TagSourceBearerType         Tag = 0x000F
	TagSourceTelematicsID       Tag = 0x0010
	TagQoSTimeToLive            Tag = 0x0017
	TagPayloadType              Tag = 0x0019
	TagAdditionalStatusInfoText Tag = 0x001D
	TagReceiptedMessageID       Tag = 0x001E
	TagMSMsgWaitFacilities      Tag = 0x0030
	TagPrivacyIndicator         Tag = 0x0201
	TagSourceSubaddress         Tag = 0x0202
	TagDestSubaddress           Tag = 0x0203
	TagUserMessageReference     Tag = 0x0204
	TagUserResponseCode         Tag = 0x0205
	TagSourcePort               Tag = 0x020A
	TagDestinationPort          Tag = 0x020B
	TagSarMsgRefNum             Tag = 0x020C
	TagLanguageIndicator        Tag = 0x020D
	TagSarTotalSegments         Tag = 0x020E
	TagSarSegmentSeqnum         Tag = 0x020F
	TagSCInterfaceVersion       Tag = 0x0210
	TagCallbackNumPresInd       Tag = 0x0302
	TagCallbackNumAtag          Tag = 0x0303
	TagNumberOfMessages         Tag = 0x0304
	TagCallbackNum              Tag = 0x0381
	TagDPFResult                Tag = 0x0420
	TagSetDPF                   Tag = 0x0421
	TagMSAvailabilityStatus     Tag = 0x0422
	TagNetworkErrorCode         Tag = 0x0423
	TagMessagePayload           Tag = 0x0424
	TagDeliveryFailureReason    Tag = 0x0425
	TagMoreMessagesToSend       Tag = 0x0426
	TagMessageState             Tag = 0x0427
	TagCongestionState          Tag = 0x0428 // 5.0
	TagUSSDServiceOp            Tag = 0x0501
	TagBillingIdentification    Tag = 0x060B // 5.0
	TagSourceNetworkID          Tag = 0x060D // 5.0
	TagDestNetworkID            Tag = 0x060E // 5.0
	TagSourceNodeID             Tag = 0x060F // 5.0
	TagDestNodeID               Tag = 0x0610 // 5.0
	TagDestAddrNPResolution     Tag = 0x0611 // 5.0
	TagDestAddrNPInformation    Tag = 0x0612 // 5.0
	TagDestAddrNPCountry        Tag = 0x0613 // 5.0
	TagDisplayTime              Tag = 0x1201
	TagSMSSignal                Tag = 0x1203
	TagMSValidity               Tag = 0x1204
	TagAlertOnMessageDelivery   Tag = 0x130C
	TagITSReplyType             Tag = 0x1380
	TagITSSessionInfo           Tag = 0x1383
)

// tlvRule is what the standard says about one parameter.
type tlvRule struct {
	name     string
	min, max int  // length of the value in octets
	limit    byte // highest value of a one-octet parameter, 0xFF: any
	response bool // belongs in responses or receipts: refused in submit_sm and submit_multi
}

func (r *tlvRule) check(cmd CommandID, v []byte) *FieldError {
	switch {
	case r.response && (cmd == CmdSubmitSM || cmd == CmdSubmitMulti):
		return &FieldError{Cmd: cmd, Field: r.name, Status: ROPTPARNOTALLWD, Reason: "has no place here"}
	case len(v) < r.min || len(v) > r.max:
		return &FieldError{Cmd: cmd, Field: r.name, Status: RINVPARLEN, Reason: fmt.Sprintf("has %d octets", len(v))}
	case r.min == 1 && r.max == 1 && v[0] > r.limit:
		return &FieldError{Cmd: cmd, Field: r.name, Status: RINVOPTPARAMVAL, Reason: fmt.Sprintf("is %d", v[0])}
	default:
		return nil
	}
}

// String returns the standard's name, or the number of a tag that it does not define.
func (t Tag) String() string {
	if r, ok := t.rule(); ok {
		return r.name
	}
	return fmt.Sprintf("tag 0x%04X", uint16(t))
}

func fixed(name string, n int) (tlvRule, bool) {
	return tlvRule{name: name, min: n, max: n, limit: 0xFF}, true
}

func upTo(name string, low, high int) (tlvRule, bool) {
	return tlvRule{name: name, min: low, max: high, limit: 0xFF}, true
}

func enum(name string, limit byte) (tlvRule, bool) {
	return tlvRule{name: name, min: 1, max: 1, limit: limit}, true
}

func answer(name string, low, high int, limit byte) (tlvRule, bool) {
	return tlvRule{name: name, min: low, max: high, limit: limit, response: true}, true
}

// rule returns what is known about t.
func (t Tag) rule() (tlvRule, bool) {
	switch t {
	case TagDestAddrSubunit:
		return fixed("dest_addr_subunit", 1)
	case TagDestNetworkType:
		return fixed("dest_network_type", 1)
	case TagDestBearerType:
		return fixed("dest_bearer_type", 1)
	case TagDestTelematicsID:
		return fixed("dest_telematics_id", 2)
	case TagSourceAddrSubunit:
		return fixed("source_addr_subunit", 1)
	case TagSourceNetworkType:
		return fixed("source_network_type", 1)
	case TagSourceBearerType:
		return fixed("source_bearer_type", 1)
	case TagSourceTelematicsID:
		return fixed("source_telematics_id", 1)
	case TagQoSTimeToLive:
		return fixed("qos_time_to_live", 4)
	case TagPayloadType:
		return fixed("payload_type", 1)
	case TagAdditionalStatusInfoText:
		return answer("additional_status_info_text", 1, 256, 0xFF)
	case TagReceiptedMessageID:
		return answer("receipted_message_id", 1, 65, 0xFF)
	case TagMSMsgWaitFacilities:
		return fixed("ms_msg_wait_facilities", 1)
	case TagPrivacyIndicator:
		return enum("privacy_indicator", 3)
	case TagSourceSubaddress:
		return upTo("source_subaddress", 2, 23)
	case TagDestSubaddress:
		return upTo("dest_subaddress", 2, 23)
	case TagUserMessageReference:
		return fixed("user_message_reference", 2)
	case TagUserResponseCode:
		return fixed("user_response_code", 1)
	case TagSourcePort:
		return fixed("source_port", 2)
	case TagDestinationPort:
		return fixed("destination_port", 2)
	case TagSarMsgRefNum:
		return fixed("sar_msg_ref_num", 2)
	case TagLanguageIndicator:
		return fixed("language_indicator", 1)
	case TagSarTotalSegments:
		return fixed("sar_total_segments", 1)
	case TagSarSegmentSeqnum:
		return fixed("sar_segment_seqnum", 1)
	case TagSCInterfaceVersion:
		return answer("sc_interface_version", 1, 1, 0xFF)
	case TagCallbackNumPresInd:
		return fixed("callback_num_pres_ind", 1)
	case TagCallbackNumAtag:
		return upTo("callback_num_atag", 0, 65)
	case TagNumberOfMessages:
		return enum("number_of_messages", 99)
	case TagCallbackNum:
		return upTo("callback_num", 4, 19)
	case TagDPFResult:
		return answer("dpf_result", 1, 1, 1)
	case TagSetDPF:
		return enum("set_dpf", 1)
	case TagMSAvailabilityStatus:
		return answer("ms_availability_status", 1, 1, 2)
	case TagNetworkErrorCode:
		return answer("network_error_code", 3, 3, 0xFF)
	case TagMessagePayload:
		return upTo("message_payload", 0, 0xFFFF)
	case TagDeliveryFailureReason:
		return answer("delivery_failure_reason", 1, 1, 0xFF)
	case TagMoreMessagesToSend:
		return enum("more_messages_to_send", 1)
	case TagMessageState:
		return answer("message_state", 1, 1, 0xFF)
	default:
		return t.rareRule()
	}
}

func (t Tag) rareRule() (tlvRule, bool) {
	switch t {
	case TagCongestionState:
		return answer("congestion_state", 1, 1, 99)
	case TagUSSDServiceOp:
		return fixed("ussd_service_op", 1)
	case TagBillingIdentification:
		return upTo("billing_identification", 1, 1024)
	case TagSourceNetworkID:
		return upTo("source_network_id", 7, 65)
	case TagDestNetworkID:
		return upTo("dest_network_id", 7, 65)
	case TagSourceNodeID:
		return fixed("source_node_id", 6)
	case TagDestNodeID:
		return fixed("dest_node_id", 6)
	case TagDestAddrNPResolution:
		return fixed("dest_addr_np_resolution", 1)
	case TagDestAddrNPInformation:
		return fixed("dest_addr_np_information", 10)
	case TagDestAddrNPCountry:
		return upTo("dest_addr_np_country", 1, 5)
	case TagDisplayTime:
		return enum("display_time", 2)
	case TagSMSSignal:
		return fixed("sms_signal", 2)
	case TagMSValidity:
		return enum("ms_validity", 3)
	case TagAlertOnMessageDelivery:
		return upTo("alert_on_message_delivery", 0, 1)
	case TagITSReplyType:
		return enum("its_reply_type", 8)
	case TagITSSessionInfo:
		return fixed("its_session_info", 2)
	default:
		return tlvRule{}, false
	}
}
