package smpp_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/smpp"
)

func TestTLVs(t *testing.T) {
	t.Run("item 22: unknown ones, order and duplicates are kept", func(t *testing.T) {
		in := smpp.TLVs{}.Append(0x1500, []byte("a")).AppendByte(smpp.TagMoreMessagesToSend, 1).Append(0x1400, nil).Append(0x1500, []byte("b"))
		var p smpp.SubmitSM
		if err := p.DecodeBody(encodeBody(t, &smpp.SubmitSM{TLVs: in})); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p.TLVs, in) {
			t.Fatalf("got % x, want % x", p.TLVs, in)
		}
		var got []string
		for tag, v := range p.TLVs.All() {
			got = append(got, fmt.Sprintf("%04x=%s", uint16(tag), v))
		}
		if diff := cmp.Diff([]string{"1500=a", "0426=\x01", "1400=", "1500=b"}, got); diff != "" {
			t.Fatal(diff)
		}
		if v, ok := p.TLVs.Find(0x1500); !ok || string(v) != "a" {
			t.Fatalf("found %q, %t", v, ok)
		}
		if _, ok := p.TLVs.Find(0x1501); ok {
			t.Fatal("found what is not there")
		}
	})
	for _, raw := range []string{"\x02", "\x02\x04", "\x02\x04\x00", "\x02\x04\x00\x02", "\x02\x04\x00\x02\x01", "\x02\x04\x00\x01\x01\x00"} {
		t.Run(fmt.Sprintf("item 23: stream % x", raw), func(t *testing.T) {
			wantStatus(t, smpp.TLVs(raw).Validate(), smpp.RINVOPTPARSTREAM)
			wantStatus(t, new(smpp.SubmitSM).DecodeBody(append(encodeBody(t, &smpp.SubmitSM{}), raw...)), smpp.RINVOPTPARSTREAM)
		})
	}
	for _, c := range []struct {
		name string
		tlvs smpp.TLVs
		st   smpp.Status
	}{
		{"item 23: user_message_reference of 1 octet", smpp.TLVs{}.AppendByte(smpp.TagUserMessageReference, 1), smpp.RINVPARLEN},
		{"item 23: more_messages_to_send 2", smpp.TLVs{}.AppendByte(smpp.TagMoreMessagesToSend, 2), smpp.RINVOPTPARAMVAL},
		{"item 27: source_port of 3 octets", smpp.TLVs{}.Append(smpp.TagSourcePort, []byte("abc")), smpp.RINVPARLEN},
		{"item 27: destination_port", smpp.TLVs{}.AppendUint16(smpp.TagDestinationPort, 16000), smpp.ROK},
		{"item 27: callback_num of 3", smpp.TLVs{}.Append(smpp.TagCallbackNum, make([]byte, 3)), smpp.RINVPARLEN},
		{"item 27: callback_num of 4", smpp.TLVs{}.Append(smpp.TagCallbackNum, make([]byte, 4)), smpp.ROK},
		{"item 27: callback_num of 19", smpp.TLVs{}.Append(smpp.TagCallbackNum, make([]byte, 19)), smpp.ROK},
		{"item 27: callback_num of 20", smpp.TLVs{}.Append(smpp.TagCallbackNum, make([]byte, 20)), smpp.RINVPARLEN},
		{"item 27: network_error_code of 2", smpp.TLVs{}.Append(smpp.TagNetworkErrorCode, make([]byte, 2)), smpp.RINVPARLEN},
		{"item 27: network_error_code of 3", smpp.TLVs{}.Append(smpp.TagNetworkErrorCode, make([]byte, 3)), smpp.ROK},
		{"item 17: receipted_message_id of 65", smpp.TLVs{}.AppendCString(smpp.TagReceiptedMessageID, make([]byte, 64)), smpp.ROK},
		{"item 17: receipted_message_id of 66", smpp.TLVs{}.AppendCString(smpp.TagReceiptedMessageID, make([]byte, 65)), smpp.RINVPARLEN},
	} {
		t.Run(c.name, func(t *testing.T) { wantStatus(t, c.tlvs.Validate(), c.st) })
	}
}

// Item 63: every tag of the standard, and one unknown, with every length.
func TestTLVLengths(t *testing.T) {
	val := make([]byte, 0xFFFF)
	buf := make(smpp.TLVs, 0, len(val)+4)
	for _, tag := range []smpp.Tag{smpp.TagMessagePayload, smpp.TagUserMessageReference, smpp.TagSarTotalSegments, smpp.TagCallbackNum, smpp.TagAlertOnMessageDelivery, 0x1555} {
		for n := 0; n <= len(val); n += 1 + n/64 {
			one := buf.Append(tag, val[:n])
			if v, ok := one.Find(tag); !ok || len(v) != n {
				t.Fatalf("%s of %d octets came back as %d, %t", tag, n, len(v), ok)
			}
			if err := one.Validate(); smpp.StatusOf(err) != smpp.ROK && smpp.StatusOf(err) != smpp.RINVPARLEN {
				t.Fatalf("%s of %d octets: %v", tag, n, err)
			}
			if n > 0 {
				wantStatus(t, one[:len(one)-1].Validate(), smpp.RINVOPTPARSTREAM)
			}
		}
	}
}

func FuzzTLVs(f *testing.F) {
	f.Add([]byte(smpp.TLVs{}.AppendUint16(smpp.TagUserMessageReference, 7).AppendByte(smpp.TagMessageState, 2)))
	f.Add([]byte("\x04\x24\xff\xffshort"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		in := smpp.TLVs(b)
		var out smpp.TLVs
		for tag, v := range in.All() {
			out = out.Append(tag, v)
			if got, ok := in.Find(tag); !ok || len(got) > len(b) {
				t.Fatalf("%s is in the stream and not found", tag)
			}
		}
		err := in.Validate()
		if smpp.StatusOf(err) == smpp.RINVOPTPARSTREAM {
			if len(out) >= len(in) {
				t.Fatal("a broken stream came back whole")
			}
			return
		}
		if !bytes.Equal(in, out) {
			t.Fatalf("% x came back as % x", in, out)
		}
	})
}
