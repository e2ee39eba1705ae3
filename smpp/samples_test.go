package smpp_test

import (
	"bytes"
	"errors"
	"testing"

	"protei-bulk/smpp"
)

const validTime = "261123150000000+"

// samples has one PDU of every command, with every field set.
func samples() []smpp.PDU {
	src := smpp.Address{TON: 5, NPI: 0, Addr: []byte("PROTEI")}
	dst := smpp.Address{TON: 1, NPI: 1, Addr: []byte("79161234567")}
	when := []byte("991231235959900+")
	tlvs := smpp.TLVs{}.AppendUint16(smpp.TagUserMessageReference, 77).Append(0x1F00, []byte("vendor")).AppendByte(0x1F01, 1).AppendByte(0x1F01, 2)
	return []smpp.PDU{
		&smpp.BindReq{ID: smpp.CmdBindReceiver, SystemID: []byte("esme"), Password: []byte("secret"), SystemType: []byte("SMPP"), InterfaceVersion: 0x34, AddrTON: 1, AddrNPI: 1, AddressRange: []byte("^79.*")},
		&smpp.BindReq{ID: smpp.CmdBindTransmitter, SystemID: []byte("esme"), Password: []byte("secret"), InterfaceVersion: 0x33},
		&smpp.BindReq{ID: smpp.CmdBindTransceiver, SystemID: []byte("esme"), Password: []byte("secret"), InterfaceVersion: 0x50},
		&smpp.BindResp{ID: smpp.CmdBindReceiverResp, SystemID: []byte("smsc"), TLVs: smpp.TLVs{}.AppendByte(smpp.TagSCInterfaceVersion, 0x34)},
		&smpp.BindResp{ID: smpp.CmdBindTransmitterResp, SystemID: []byte("smsc")},
		&smpp.BindResp{ID: smpp.CmdBindTransceiverResp, SystemID: []byte("smsc")},
		&smpp.Outbind{SystemID: []byte("smsc"), Password: []byte("secret")},
		&smpp.Unbind{}, &smpp.UnbindResp{}, &smpp.EnquireLink{}, &smpp.EnquireLinkResp{}, &smpp.GenericNack{},
		&smpp.SubmitSM{
			ServiceType: []byte("CMT"), Source: src, Dest: dst, ESMClass: 3, ProtocolID: 1, PriorityFlag: 2, ScheduleDeliveryTime: when, ValidityPeriod: []byte("000002000000000R"),
			RegisteredDelivery: 1, ReplaceIfPresent: 1, DataCoding: 8, SMDefaultMsgID: 0, ShortMessage: []byte{0, 'h', 0, 'i'}, TLVs: tlvs,
		},
		&smpp.SubmitSMResp{MessageID: []byte("3f2a9c0b11223344")},
		&smpp.SubmitMulti{
			ServiceType: []byte("CMT"), Source: src, Dests: []smpp.Destination{{Address: dst}, {List: []byte("friends")}}, PriorityFlag: 1, ScheduleDeliveryTime: when, ValidityPeriod: when,
			RegisteredDelivery: 1, DataCoding: 3, ShortMessage: []byte("hello"), TLVs: tlvs,
		},
		&smpp.SubmitMultiResp{MessageID: []byte("1"), Unsuccess: []smpp.Unsuccess{{Address: dst, Status: smpp.RINVDSTADR}}},
		&smpp.DeliverSM{ServiceType: []byte("CMT"), Source: dst, Dest: src, ESMClass: smpp.ESMReceipt, ShortMessage: []byte("id:1 sub:001 dlvrd:001 submit date:2611231500 done date:2611231501 stat:DELIVRD err:000 text:hello"), TLVs: tlvs},
		&smpp.DeliverSMResp{},
		&smpp.DataSM{ServiceType: []byte("CMT"), Source: src, Dest: dst, RegisteredDelivery: 1, TLVs: smpp.TLVs{}.Append(smpp.TagMessagePayload, bytes.Repeat([]byte("long "), 300))},
		&smpp.DataSMResp{MessageID: []byte("abc-1"), TLVs: smpp.TLVs{}.AppendByte(smpp.TagDeliveryFailureReason, 0)},
		&smpp.QuerySM{MessageID: []byte("1f"), Source: src},
		&smpp.QuerySMResp{MessageID: []byte("1f"), FinalDate: when, MessageState: smpp.StateDelivered, ErrorCode: 9},
		&smpp.CancelSM{ServiceType: []byte("CMT"), MessageID: []byte("1f"), Source: src, Dest: dst}, &smpp.CancelSMResp{},
		&smpp.ReplaceSM{MessageID: []byte("1f"), Source: src, ScheduleDeliveryTime: when, ValidityPeriod: when, RegisteredDelivery: 1, ShortMessage: []byte("new")}, &smpp.ReplaceSMResp{},
		&smpp.AlertNotification{Source: dst, ESME: src, TLVs: smpp.TLVs{}.AppendByte(smpp.TagMSAvailabilityStatus, 0)},
	}
}

func encode(t testing.TB, p smpp.PDU) []byte {
	t.Helper()
	b, err := smpp.Append(nil, smpp.Header{Seq: 1}, p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func encodeBody(t testing.TB, p smpp.PDU) []byte { return encode(t, p)[smpp.HeaderLen:] }

// wantStatus requires err to carry st.
func wantStatus(t testing.TB, err error, st smpp.Status) {
	t.Helper()
	var fe *smpp.FieldError
	if st == smpp.ROK {
		if err != nil {
			t.Fatalf("got %v, want no error", err)
		}
		return
	}
	if !errors.As(err, &fe) {
		t.Fatalf("got %v, want a FieldError with %s", err, st)
	}
	if fe.Status != st {
		t.Fatalf("got %v, want %s", err, st)
	}
}
