package dispatch

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/queue"
	"protei-bulk/gsm"
	"protei-bulk/smpp"
)

// item is a message with one part.
func item(t *testing.T, text string, o gsm.Options) *queue.Item {
	t.Helper()
	payload, ends, info, err := gsm.Segment(nil, nil, text, o)
	if err != nil {
		t.Fatal(err)
	}
	m := &message.Message{
		Encoding: uint8(info.Encoding), DataCoding: info.DataCoding, Payload: payload,
		Source: message.Address{TON: 5, Addr: "ACME"}, Dest: message.Address{TON: 1, NPI: 1, Addr: "99361234567"},
	}
	if info.UDHI {
		m.ESMClass = udhIndicator
	}
	m.SetParts(len(ends))
	for i, end := range ends {
		m.Parts[i].End = end
	}
	return &queue.Item{Msg: m}
}

func TestCharsets(t *testing.T) {
	long := make([]byte, 200)
	for i := range long {
		long[i] = 'é'&0x7f | 'a'
	}
	for _, c := range []struct {
		name, text string
		charset    Charset
		encoding   gsm.Encoding
		want       string
		coding     byte
		refused    bool
	}{
		{"unpacked", "hi @é", Unpacked, gsm.GSM7, "hi \x00\x05", 0, false},
		{"packed", "hellohello", Packed, gsm.GSM7, "\xe8\x32\x9b\xfd\x46\x97\xd9\xec\x37", 0, false}, // 3GPP TS 23.038's usual example
		{"latin1", "hi @é", Latin1, gsm.GSM7, "hi @\xe9", 0, false},
		{"latin1 has no euro", "1€", Latin1, gsm.GSM7, "\x001\x20\xac", codingUCS2, false},
		{"too long for ucs2", "€ 1234567890123456789012345678901234567890123456789012345678901234567890", Latin1, gsm.GSM7, "", 0, true},
		{"ucs2 stays", "ж", Latin1, gsm.UCS2, "\x04\x36", 8, false},
		{"all ucs2", "hi é", UCS2, gsm.GSM7, "\x00h\x00i\x00 \x00\xe9", 8, false},
		{"all ucs2 from latin1", "é", UCS2, gsm.Latin1, "\x00\xe9", 8, false},
		{"ucs2 as it is", "ж", UCS2, gsm.UCS2, "\x04\x36", 8, false},
		{"latin1 text stays", "é", Packed, gsm.Latin1, "\xe9", 3, false},
	} {
		b := builder{charset: c.charset}
		p, err := b.build(item(t, c.text, gsm.Options{Encoding: c.encoding, MaxParts: 10}), 0)
		if c.refused {
			if err == nil {
				t.Errorf("%s: taken", c.name)
			}
			continue
		}
		if err != nil || string(p.ShortMessage) != c.want || p.DataCoding != c.coding {
			t.Errorf("%s: % x with data_coding %d, %v; want % x with %d", c.name, p.ShortMessage, p.DataCoding, err, c.want, c.coding)
		}
	}
	// Behind a header the text begins at a septet boundary.
	it := item(t, string(long), gsm.Options{Encoding: gsm.GSM7, MaxParts: 10, Ref: 7})
	b := builder{charset: Packed}
	p, err := b.build(it, 0)
	if err != nil || len(p.ShortMessage) > maxOctets {
		t.Fatalf("%d octets, %v: a part has at most 140", len(p.ShortMessage), err)
	}
	header := int(p.ShortMessage[0]) + 1
	septets := it.Msg.PartPayload(0)[header:]
	if got := gsm.Unpack(nil, p.ShortMessage[header:], len(septets), gsm.FillBits(header)); string(got) != string(septets) {
		t.Errorf("unpacked to % x, want % x", got, septets)
	}
}

func TestAllUCS2(t *testing.T) {
	b := builder{charset: UCS2}
	text := strings.Repeat("0123456789", 15) + "€"
	payload := func(p *smpp.SubmitSM) string {
		octets, _ := p.TLVs.Find(smpp.TagMessagePayload)
		if len(p.ShortMessage) > 0 {
			t.Errorf("%d octets of short_message beside message_payload", len(p.ShortMessage))
		}
		return gsm.Decode(gsm.UCS2, octets)
	}
	// One part in the GSM alphabet, and more than a short message holds in UCS-2.
	p, err := b.build(item(t, text, gsm.Options{Encoding: gsm.GSM7, MaxParts: 1}), 0)
	if err != nil || payload(p) != text || p.DataCoding != codingUCS2 || p.ESMClass != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	// A long one goes as a whole, without the headers of its parts.
	long := strings.Repeat(text, 4)
	it := item(t, long, gsm.Options{Encoding: gsm.GSM7, MaxParts: 10, Ref: 7})
	p, err = b.build(it, 0)
	if _, more := p.TLVs.Find(smpp.TagMoreMessagesToSend); err != nil || payload(p) != long || p.ESMClass != 0 || more || !UCS2.wholly(it.Msg) {
		t.Errorf("%+v, %v", p, err)
	}
	// Ports cannot go into message_payload of a whole text: nothing is cut.
	it.Msg.Payload = append([]byte{0x0B, 5, 4, 0x0B, 0x84, 0x23, 0xF0, 0, 3, 7, 2, 1}, bytes.Repeat([]byte("x"), 140)...)
	it.Msg.Parts[0].End = uint32(len(it.Msg.Payload))
	if _, err = b.build(it, 0); !errors.Is(err, errNoUCS2) {
		t.Errorf("with ports: %v", err)
	}
	flash := item(t, "x", gsm.Options{Encoding: gsm.GSM7, MaxParts: 1})
	flash.Msg.DataCoding = 0x10
	if p, err = b.build(flash, 0); err != nil || p.DataCoding != 0x18 {
		t.Errorf("flash has data_coding %#x, %v", p.DataCoding, err)
	}
}

func TestAddressRules(t *testing.T) {
	rules := []AddressRule{
		{Prefix: "SHOP", TON: 3, NPI: 0, Replace: "7788"},
		{Kind: Alphanumeric, TON: 5, NPI: 0},
		{Kind: Short, TON: 6, NPI: -1},
		{Prefix: "993", TON: 2, NPI: 1, Strip: 3, Prepend: "0"},
		{Kind: International, TON: 0, NPI: -1, Prepend: "00"},
	}
	for _, c := range []struct {
		in       message.Address
		ton, npi byte
		want     string
	}{
		{message.Address{TON: 0, NPI: 1, Addr: "ACME"}, 5, 0, "ACME"},
		{message.Address{TON: 5, NPI: 1, Addr: "SHOPPING"}, 3, 0, "7788"},
		{message.Address{TON: 3, NPI: 9, Addr: "1234"}, 6, 9, "1234"},
		{message.Address{TON: 1, NPI: 1, Addr: "99361234567"}, 2, 1, "061234567"},
		{message.Address{TON: 1, NPI: 1, Addr: "4915112345678"}, 0, 1, "004915112345678"},
		{message.Address{TON: 0, NPI: 1, Addr: "4915112345678"}, 0, 1, "4915112345678"},
		{message.Address{TON: 1, NPI: 4, Addr: ""}, 0, 4, ""},
	} {
		var b builder
		got := b.address(&c.in, rules)
		if c.in.Addr == "" {
			continue // whatever the rules, it must not fail
		}
		if got.TON != c.ton || got.NPI != c.npi || string(got.Addr) != c.want {
			t.Errorf("%+v became %d %d %s, want %d %d %s", c.in, got.TON, got.NPI, got.Addr, c.ton, c.npi, c.want)
		}
	}
	b := builder{source: rules, dest: rules}
	p, err := b.build(item(t, "x", gsm.Options{Encoding: gsm.GSM7, MaxParts: 1}), 0)
	if err != nil || string(p.Source.Addr) != "ACME" || string(p.Dest.Addr) != "061234567" {
		t.Errorf("from %s to %s, %v", p.Source.Addr, p.Dest.Addr, err)
	}
}
