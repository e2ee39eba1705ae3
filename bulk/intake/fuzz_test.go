package intake_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
)

// FuzzRequest: a request is refused with a code, a field and a short text, or it becomes a
// message whose numbers SMPP can carry, whose parts fit, and whose times lie ahead.
func FuzzRequest(f *testing.F) {
	f.Add("ACME", "+49 151 (123) 45-678", "hello", byte(0), "", "", "", "ref", uint8(0))
	f.Add("12345", "4915112345678", strings.Repeat("ü€", 100), byte(gsm.Auto), "2030-02-01T09:00:00+01:00", "P1DT2H", "https://example.com/x?y=%20", "", uint8(1))
	f.Add("+4915112345678", "015112345", "0001ff", byte(gsm.Binary), "", "3600", "", "", uint8(2))
	f.Add(" [A] ", "0123456", "Привет 😀", byte(gsm.UCS2), "2030-01-31T08:59:00Z", "2030-02-01T00:00:00Z", "http://[::1]:80/", "", uint8(4))
	f.Add("A", "12345", "“quoted” – text", byte(gsm.GSM7), "", "PT999999999S", "", "a b", uint8(8))
	door, sink, who := open(f, intake.Options{}, false)
	f.Fuzz(func(t *testing.T, from, to, text string, encoding byte, schedule, validity, url, ref string, how uint8) {
		req := intake.Request{
			Account: who, From: from, To: to, Text: text, Encoding: gsm.Encoding(encoding % 6), Priority: message.Priority(how & 3), Flash: how&4 != 0,
			ScheduleAt: schedule, ValidityPeriod: validity, DLRURL: url, ClientRef: ref,
		}
		if how&8 != 0 {
			req.Content = &intake.Content{Transliterate: true, DestPort: uint16(how >> 4)}
		}
		out := one(t, door, req)
		kept := sink.Take()
		if r := out.Err; r != nil {
			if len(kept) != 0 || r.Code == "" || r.Field == "" || r.Detail == "" || len(r.Detail) > 300 || !utf8.ValidString(r.Detail) || r.HTTPStatus() != 422 || r.SMPPStatus() == 0 {
				t.Fatalf("%d accepted, refusal %+v", len(kept), r)
			}
			return
		}
		m := out.Msg
		if len(kept) != 1 || kept[0] != m {
			t.Fatalf("%d accepted", len(kept))
		}
		checkNumbers(t, m)
		checkParts(t, m, &req)
		if m.ScheduleAt != 0 && m.ScheduleAt <= now.UnixMilli() || m.ValidUntil != 0 && m.ValidUntil <= max(m.ScheduleAt, now.UnixMilli()) ||
			m.ValidUntil > now.Add(10*365*24*time.Hour).UnixMilli() {
			t.Fatalf("scheduled at %d, valid until %d, now %d", m.ScheduleAt, m.ValidUntil, now.UnixMilli())
		}
		if m.ClientRef != ref || m.DLRURL != url {
			t.Fatalf("reference %q, address %q", m.ClientRef, m.DLRURL)
		}
	})
}

// checkNumbers holds sender and recipient to SMPP 3.4 §4.4.1, and the recipient to be read
// again as the same.
func checkNumbers(t *testing.T, m *message.Message) {
	t.Helper()
	d := m.Dest.Addr
	if len(d) < 5 || len(d) > 15 || strings.Trim(d, "0123456789") != "" {
		t.Fatalf("recipient %+v", m.Dest)
	}
	if m.Dest.TON == 1 {
		d = "+" + d
	}
	if again, detail := intake.CheckRecipient(d); again != d || detail != "" {
		t.Fatalf("recipient %q is read again as %q: %s", d, again, detail)
	}
	s := m.Source
	if s.Addr == "" || len(s.Addr) > 20 || s.TON != 5 && strings.Trim(s.Addr, "0123456789") != "" {
		t.Fatalf("sender %+v", s)
	}
	for _, c := range []byte(s.Addr) {
		if c < ' ' || c > '~' {
			t.Fatalf("sender %+v", s)
		}
	}
}

// checkParts holds the parts to what one short message carries, and the text to what was asked for.
func checkParts(t *testing.T, m *message.Message, req *intake.Request) {
	t.Helper()
	from, ends := 0, make([]uint32, len(m.Parts))
	for i, p := range m.Parts {
		size := int(p.End) - from
		if enc := gsm.Encoding(m.Encoding); size < 0 || size > 160 || enc != gsm.GSM7 && size > 140 {
			t.Fatalf("part %d of %v has %d octets", i+1, enc, size)
		}
		from, ends[i] = int(p.End), p.End
	}
	if len(m.Parts) == 0 || from != len(m.Payload) {
		t.Fatalf("%d octets in %d parts that end at %d", len(m.Payload), len(m.Parts), from)
	}
	if req.Content != nil || req.Encoding == gsm.Binary || len(m.Parts) > 1 {
		return
	}
	if got := gsm.Decode(gsm.Encoding(m.Encoding), m.Payload); got != req.Text {
		t.Fatalf("%q became %q", req.Text, got)
	}
}

// FuzzSubmitSM: a submit_sm's octets pass through as they are, or are refused.
func FuzzSubmitSM(f *testing.F) {
	f.Add("ACME", uint8(5), "4915112345678", uint8(1), uint8(0), uint8(0), []byte("hello"), int64(0), int64(0))
	f.Add("", uint8(0), "", uint8(0), uint8(8), uint8(0x40), []byte{5, 0, 3, 1, 2, 1, 0, 'a'}, int64(1), int64(-1))
	f.Add("123", uint8(3), "0151", uint8(2), uint8(0xF4), uint8(0x43), bytes.Repeat([]byte{0xD8}, 300), int64(1_900_000_000_000), int64(1<<62))
	door, sink, _ := open(f, intake.Options{}, false)
	who := newAccount(f, account.Spec{Name: "smpp", SystemID: "smpp"})
	f.Fuzz(func(t *testing.T, from string, fromTON uint8, to string, toTON, coding, class uint8, octets []byte, schedule, valid int64) {
		req := intake.Request{Account: who, Priority: message.Normal, Raw: &intake.Raw{
			Source: message.Address{TON: fromTON, Addr: from}, Dest: message.Address{TON: toTON, NPI: 1, Addr: to},
			DataCoding: coding, ESMClass: class, Octets: octets, ScheduleAt: schedule, ValidUntil: valid,
		}}
		out := one(t, door, req)
		kept := sink.Take()
		if r := out.Err; r != nil {
			if len(kept) != 0 || r.Code == "" || r.SMPPStatus() == 0 || r.Detail == "" || len(r.Detail) > 300 {
				t.Fatalf("%d accepted, refusal %+v", len(kept), r)
			}
			return
		}
		m := out.Msg
		if len(m.Dest.Addr) > 20 || len(m.Source.Addr) > 20 || strings.ContainsRune(m.Dest.Addr+m.Source.Addr, 0) || m.Dest.Addr == "" {
			t.Fatalf("from %+v to %+v", m.Source, m.Dest)
		}
		if n := len(m.Parts); n == 0 || int(m.Parts[n-1].End) != len(m.Payload) {
			t.Fatalf("%d octets in %d parts", len(m.Payload), n)
		}
		if len(m.Parts) == 1 && !bytes.Equal(m.Payload, octets) || m.DataCoding != coding {
			t.Fatalf("%x of data_coding %d became %x of %d", octets, coding, m.Payload, m.DataCoding)
		}
	})
}
