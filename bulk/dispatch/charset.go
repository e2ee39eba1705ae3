package dispatch

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
	"protei-bulk/smpp"
)

// Charset is how an SMSC wants text of the GSM alphabet.
type Charset uint8

// The charsets.
const (
	Unpacked Charset = iota // a septet an octet, data_coding as it is
	Packed                  // eight septets in seven octets, behind a header to a septet boundary
	Latin1                  // ISO 8859-1 with data_coding 0: the SMSC's default alphabet
	UCS2                    // every text in UCS-2 with data_coding 8
)

// ParseCharset reads gsm7, gsm7_packed, latin1 or ucs2; "" is gsm7.
func ParseCharset(s string) (Charset, error) {
	switch s {
	case "", "gsm7":
		return Unpacked, nil
	case "gsm7_packed":
		return Packed, nil
	case "latin1":
		return Latin1, nil
	case "ucs2":
		return UCS2, nil
	}
	return 0, fmt.Errorf("charset %q: one of gsm7, gsm7_packed, latin1, ucs2", s)
}

const (
	udhIndicator = 0x40 // esm_class, SMPP 3.4 §5.2.12
	codingUCS2   = 8    // data_coding, SMPP 3.4 §5.2.19
	maxOctets    = 140  // of one short message, 3GPP TS 23.040 §9.2.3.16
)

var (
	errNoLatin1 = errors.New("the text has a character that is not in Latin-1, and is too long for UCS-2")
	errNoUCS2   = errors.New("the text is too long for UCS-2 beside its user data header")
	errTooLong  = errors.New("the text is too long for message_payload in UCS-2")
)

// wholly reports whether a message goes as one submit_sm although it has parts: in UCS-2 they
// would be longer than a short message, so the SMSC gets all of the text in message_payload
// and cuts it itself. One with more in its headers than what joins the parts does not.
func (c Charset) wholly(m *message.Message) bool {
	if c != UCS2 || len(m.Parts) < 2 {
		return false
	}
	if e := gsm.Encoding(m.Encoding); e != gsm.GSM7 && e != gsm.Latin1 {
		return false
	}
	if m.ESMClass&udhIndicator == 0 {
		return true
	}
	h, _, err := gsm.ParseUDH(m.PartPayload(0))
	if err != nil {
		return false
	}
	for id := range h.All() {
		if id != gsm.IEConcat8 && id != gsm.IEConcat16 {
			return false
		}
	}
	return true
}

// encode returns a part's octets and data_coding as the connector's charset has them, in
// memory that the next call uses again.
func (b *builder) encode(m *message.Message, part int) (octets []byte, coding byte, err error) {
	octets, coding = m.PartPayload(part), m.DataCoding
	if b.charset == UCS2 {
		return b.allUCS2(m, part)
	}
	if b.charset == Unpacked || gsm.Encoding(m.Encoding) != gsm.GSM7 || b.charset == Latin1 && coding != 0 {
		return octets, coding, nil
	}
	header := 0
	if m.ESMClass&udhIndicator != 0 && len(octets) > 0 {
		header = min(int(octets[0])+1, len(octets))
	}
	text := octets[header:]
	b.octets = append(b.octets[:0], octets[:header]...)
	if b.charset == Packed {
		fill := 0
		if header > 0 {
			fill = gsm.FillBits(header)
		}
		b.octets = gsm.Pack(b.octets, text, fill)
		return b.octets, coding, nil
	}
	b.utf8 = gsm.AppendText(b.utf8[:0], gsm.GSM7, text)
	if b.latin1() {
		return b.octets, coding, nil
	}
	b.octets = b.octets[:header]
	b.ucs2()
	if len(b.octets) > maxOctets {
		return nil, 0, errNoLatin1
	}
	return b.octets, codingUCS2, nil
}

// allUCS2 returns the octets of a part, or of a message that goes wholly, in UCS-2.
func (b *builder) allUCS2(m *message.Message, part int) (octets []byte, coding byte, err error) {
	octets, coding = m.PartPayload(part), m.DataCoding
	enc := gsm.Encoding(m.Encoding)
	if enc != gsm.GSM7 && enc != gsm.Latin1 {
		return octets, coding, nil
	}
	b.octets, b.utf8 = b.octets[:0], b.utf8[:0]
	if b.charset.wholly(m) {
		for i := range m.Parts {
			_, text := headed(m, i)
			b.utf8 = gsm.AppendText(b.utf8, enc, text)
		}
		if b.ucs2(); len(b.octets) > maxPayload {
			return nil, 0, errTooLong
		}
		return b.octets, ucs2Coding(coding), nil
	}
	header, text := headed(m, part)
	b.octets = append(b.octets, header...)
	b.utf8 = gsm.AppendText(b.utf8, enc, text)
	if b.ucs2(); len(header) > 0 && len(b.octets) > maxOctets {
		return nil, 0, errNoUCS2
	}
	return b.octets, ucs2Coding(coding), nil // above 254 octets in message_payload
}

// maxPayload is how many octets message_payload has room for, SMPP 3.4 §5.3.2.32.
const maxPayload = 65535

// ucs2Coding is data_coding 8, or 0x18 for a message of class 0 (3GPP TS 23.038 §4).
func ucs2Coding(coding byte) byte {
	if coding&0xD3 == 0x10 || coding&0xF3 == 0xF0 {
		return 0x18
	}
	return codingUCS2
}

// headed returns user data header and text of a part.
func headed(m *message.Message, part int) (header, text []byte) {
	octets := m.PartPayload(part)
	if m.ESMClass&udhIndicator == 0 || len(octets) == 0 {
		return nil, octets
	}
	n := min(int(octets[0])+1, len(octets))
	return octets[:n], octets[n:]
}

// latin1 appends the text, and reports false at a character that Latin-1 lacks.
func (b *builder) latin1() bool {
	for rest := b.utf8; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r > 0xFF {
			return false
		}
		b.octets = append(b.octets, byte(r))
		rest = rest[size:]
	}
	return true
}

// ucs2 appends the text: all of the GSM alphabet is in the basic plane.
func (b *builder) ucs2() {
	for rest := b.utf8; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		b.octets = append(b.octets, byte(r>>8), byte(r))
		rest = rest[size:]
	}
}

// AddressKind says which addresses a rule is for.
type AddressKind uint8

// The kinds.
const (
	AnyAddress    AddressKind = iota
	Alphanumeric              // with letters
	International             // a number with TON 1
	Short                     // other digits, at most 8
	National                  // other digits, more than 8
)

// maxShort is how many digits a short code has at most.
const maxShort = 8

// AddressRule says how an SMSC wants some addresses. The first one that fits counts.
type AddressRule struct {
	Kind     AddressKind
	Prefix   string // the address begins so
	TON, NPI int    // -1: as they are
	Strip    int    // octets taken off the front
	Prepend  string // put there instead
	Replace  string // the whole address, empty: as it is
}

func (r *AddressRule) fits(a *message.Address, kind AddressKind) bool {
	return (r.Kind == AnyAddress || r.Kind == kind) && len(a.Addr) >= max(len(r.Prefix), r.Strip+1) && a.Addr[:len(r.Prefix)] == r.Prefix
}

func kindOf(a *message.Address) AddressKind {
	for i := 0; i < len(a.Addr); i++ {
		if c := a.Addr[i]; c < '0' || c > '9' {
			return Alphanumeric
		}
	}
	switch {
	case a.TON == 1:
		return International
	case len(a.Addr) <= maxShort:
		return Short
	}
	return National
}

// address appends an address as the rules have it to b.addrs and returns it. It is good
// until the next message.
func (b *builder) address(a *message.Address, rules []AddressRule) smpp.Address {
	out := smpp.Address{TON: a.TON, NPI: a.NPI}
	text := a.Addr
	from := len(b.addrs)
	if len(rules) > 0 {
		kind := kindOf(a)
		for i := range rules {
			r := &rules[i]
			if !r.fits(a, kind) {
				continue
			}
			if r.TON >= 0 {
				out.TON = byte(r.TON)
			}
			if r.NPI >= 0 {
				out.NPI = byte(r.NPI)
			}
			if r.Replace != "" {
				text = r.Replace
				break
			}
			b.addrs = append(b.addrs, r.Prepend...)
			text = text[r.Strip:]
			break
		}
	}
	b.addrs = append(b.addrs, text...)
	out.Addr = b.addrs[from:len(b.addrs):len(b.addrs)]
	return out
}
