package smpp_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/smpp"
)

func TestReceiptText(t *testing.T) {
	at := time.Date(2026, 11, 23, 15, 7, 9, 0, time.UTC)
	r := &smpp.Receipt{
		ID: []byte("3f2a9c0b11223344"), State: smpp.StateDelivered, Text: []byte("Your code\nis 123456 and more"),
		SubmitDate: smpp.AppendReceiptDate(nil, at), DoneDate: smpp.AppendReceiptDate(nil, at.Add(time.Minute)),
	}
	t.Run("item 50: text", func(t *testing.T) {
		want := "id:3f2a9c0b11223344 sub:001 dlvrd:001 submit date:2611231507 done date:2611231508 stat:DELIVRD err:000 text:Your code is 123456 "
		if got := string(smpp.AppendReceipt(nil, r)); got != want {
			t.Fatalf("\n got %s\nwant %s", got, want)
		}
	})
	t.Run("item 50: as Kannel reads it", func(t *testing.T) {
		long := *r
		long.ID, long.Err = bytes.Repeat([]byte("a"), 64), []byte("12345")
		long.SubmitDate, long.DoneDate = []byte("261123150709"), []byte("261123150809")
		var id, sub, dlvrd, sdate, ddate, stat, code string
		n, err := fmt.Sscanf(string(smpp.AppendReceipt(nil, &long)), "id:%s sub:%s dlvrd:%s submit date:%s done date:%s stat:%s err:%s text:", &id, &sub, &dlvrd, &sdate, &ddate, &stat, &code)
		if err != nil || n != 7 {
			t.Fatalf("%d fields, %v", n, err)
		}
		if len(id) != 64 || len(code) != 3 || sdate != "261123150709" || stat != "DELIVRD" {
			t.Fatalf("id %s, date %s, stat %s, err %s", id, sdate, stat, code)
		}
	})
	t.Run("item 51: optional parameters", func(t *testing.T) {
		with := *r
		with.Network = [3]byte{3, 0, 27}
		want := smpp.TLVs{}.Append(smpp.TagReceiptedMessageID, append(bytes.Clone(r.ID), 0)).AppendByte(smpp.TagMessageState, 2).Append(smpp.TagNetworkErrorCode, []byte{3, 0, 27})
		if got := smpp.AppendReceiptTLVs(nil, &with); !bytes.Equal(got, want) {
			t.Fatalf("got % x, want % x", got, want)
		}
		if err := smpp.AppendReceiptTLVs(nil, r).Validate(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("item 50: failure", func(t *testing.T) {
		failed := &smpp.Receipt{ID: []byte("1"), State: smpp.StateUndeliverable, Err: []byte("27")}
		if got, want := string(smpp.AppendReceipt(nil, failed)), "id:1 sub:001 dlvrd:000 submit date: done date: stat:UNDELIV err:27 text:"; got != want {
			t.Fatalf("\n got %s\nwant %s", got, want)
		}
	})
}

func TestParseReceipt(t *testing.T) {
	for _, c := range []struct {
		name, text string
		tlvs       smpp.TLVs
		id         string
		state      smpp.MessageState
		code       uint32
	}{
		{"item 53: as the standard has it", "id:1234567890 sub:001 dlvrd:001 submit date:2611231500 done date:2611231501 stat:DELIVRD err:000 text:id:no stat:no", nil, "1234567890", smpp.StateDelivered, 0},
		{"item 53: Text and no err", "id:ab-1 sub:001 dlvrd:000 submit date:2611231500 done date:2611231501 stat:UNDELIV Text:hello", nil, "ab-1", smpp.StateUndeliverable, 0},
		{"item 53: no dlvrd", "id:7 sub:001 submit date:261123150000 done date:261123150001 stat:EXPIRED err:034 text:", nil, "7", smpp.StateExpired, 34},
		{"item 53: capitals", "ID:7 SUB:1 DLVRD:0 SUBMIT DATE:2611231500 DONE DATE:2611231500 STAT:REJECTED ERR:8 TEXT:", nil, "7", smpp.StateRejected, 8},
		{"item 53: FAILED", "id:7 stat:FAILED err:1", nil, "7", smpp.StateUndeliverable, 1},
		{"item 53: BUFFRED", "id:7 stat:BUFFRED", nil, "7", smpp.StateEnroute, 0},
		{"item 53: ACKED", "id:7 stat:ACKED", nil, "7", smpp.StateAccepted, 0},
		{"item 53: optional parameters only", "", smpp.TLVs{}.AppendCString(smpp.TagReceiptedMessageID, []byte("ab")).AppendByte(smpp.TagMessageState, 5).Append(smpp.TagNetworkErrorCode, []byte{3, 1, 2}), "ab", smpp.StateUndeliverable, 258},
		{"item 53: id in the parameter only", "sub:001 dlvrd:001 stat:DELIVRD err:000", smpp.TLVs{}.Append(smpp.TagReceiptedMessageID, []byte("ab")), "ab", smpp.StateDelivered, 0},
		{"item 53: unknown stat with state", "id:7 stat:WHATEVER", smpp.TLVs{}.AppendByte(smpp.TagMessageState, 4), "7", smpp.StateDeleted, 0},
		{"item 53: line breaks", "id:7\nsub:001\nstat:DELETED\nerr:000", nil, "7", smpp.StateDeleted, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := smpp.ParseReceipt([]byte(c.text), c.tlvs)
			if err != nil {
				t.Fatal(err)
			}
			if string(r.ID) != c.id || r.State != c.state || r.ErrCode() != c.code {
				t.Fatalf("id %q, %s, code %d; want %q, %s, %d", r.ID, r.State, r.ErrCode(), c.id, c.state, c.code)
			}
		})
	}
	for _, text := range []string{"", "hello world", "id:7", "stat:DELIVRD", "id: stat:DELIVRD", "id:7 stat:NONSENSE"} {
		if r, err := smpp.ParseReceipt([]byte(text), nil); err == nil {
			t.Errorf("%q is taken as %+v", text, r)
		}
	}
}

func TestStates(t *testing.T) {
	want := map[smpp.MessageState]string{1: "ENROUTE", 2: "DELIVRD", 3: "EXPIRED", 4: "DELETED", 5: "UNDELIV", 6: "ACCEPTD", 7: "UNKNOWN", 8: "REJECTD"}
	for st, stat := range want {
		t.Run("item 53: "+stat, func(t *testing.T) {
			if st.Stat() != stat {
				t.Fatalf("state %d is %s", st, st.Stat())
			}
			if got, ok := smpp.ParseStat([]byte(stat)); !ok || got != st {
				t.Fatalf("%s is state %d", stat, got)
			}
			if final := st != smpp.StateEnroute && st != smpp.StateAccepted; st.Final() != final {
				t.Fatalf("final: %t", st.Final())
			}
		})
	}
}

func TestReceiptMessageType(t *testing.T) {
	for class, want := range map[byte]bool{0x04: true, 0x20: true, 0x00: false, 0x08: false, 0x44: true, 0x03: false, 0x07: true} {
		t.Run(fmt.Sprintf("item 49: esm_class 0x%02x", class), func(t *testing.T) {
			if got := (&smpp.DeliverSM{ESMClass: class}).IsReceipt(); got != want {
				t.Fatalf("got %t", got)
			}
		})
	}
}

func TestMessageIDs(t *testing.T) {
	for _, c := range []struct {
		f    smpp.IDFormat
		text string
	}{{smpp.IDHex, "3f2a9c0b11223344"}, {smpp.IDDecimal, "4551621944757334852"}} {
		t.Run("item 62: "+c.text, func(t *testing.T) {
			id, ok := smpp.ParseMessageID([]byte(c.text), c.f)
			if !ok || id != 0x3f2a9c0b11223344 {
				t.Fatalf("read as %x, %t", id, ok)
			}
			if got := string(smpp.AppendMessageID(nil, id, c.f)); got != c.text {
				t.Fatalf("written as %s", got)
			}
			if !smpp.ValidMessageID([]byte(c.text)) {
				t.Fatal("not valid")
			}
		})
	}
	t.Run("item 62: no leading zeros", func(t *testing.T) {
		if got := string(smpp.AppendMessageID(nil, 0xab, smpp.IDHex)); got != "ab" {
			t.Fatal(got)
		}
	})
	for _, bad := range []string{"", "a b", "a_b", "1\x00", string(bytes.Repeat([]byte("a"), 65))} {
		if smpp.ValidMessageID([]byte(bad)) {
			t.Errorf("%q is valid", bad)
		}
	}
}

func FuzzReceipt(f *testing.F) {
	f.Add([]byte("id:1 sub:001 dlvrd:001 submit date:2611231500 done date:2611231501 stat:DELIVRD err:000 text:hello"), []byte{})
	f.Add([]byte("ID:1 Stat:FAILED Text:x"), []byte(smpp.TLVs{}.AppendByte(smpp.TagMessageState, 2)))
	f.Fuzz(func(t *testing.T, text, tlvs []byte) {
		r, err := smpp.ParseReceipt(text, tlvs)
		if err != nil {
			return
		}
		r.Text = nil
		again := smpp.AppendReceipt(nil, &r)
		if len(again) > 300 {
			t.Fatalf("text of %d octets", len(again))
		}
		if len(r.ID) > 64 || bytes.ContainsAny(r.ID, " \t\r\n\x00:") {
			return // no message_id that we would write
		}
		if _, known := smpp.ParseStat(r.Stat); !known {
			return
		}
		q, err := smpp.ParseReceipt(again, smpp.AppendReceiptTLVs(nil, &r))
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if diff := cmp.Diff(string(r.ID), string(q.ID)); diff != "" || q.State != r.State {
			t.Fatalf("%s: %s, %s", again, diff, q.State)
		}
	})
}
