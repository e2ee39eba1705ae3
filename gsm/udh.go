package gsm

import "iter"

// The information elements of TS 23.040 §9.2.3.24 that this package reads.
const (
	IEConcat8    = 0x00 // reference, total, number
	IEPorts16    = 0x05 // destination and originator port
	IEConcat16   = 0x08 // 16-bit reference, total, number
	IESingleNL   = 0x24 // national language single shift table
	IELockingNL  = 0x25 // national language locking shift table
	minIEOctets  = 2
	concat8Data  = 3
	concat16Data = 4
	ports16Data  = 4
)

// UDH is the information elements of a user data header, without the length octet in
// front. It aliases the octets it was parsed from and holds only whole elements.
type UDH []byte

// ParseUDH reads the user data header at the start of a short message whose esm_class
// says that there is one, and returns it and the text behind it, both aliasing octets.
// The elements may come in any order; the error is a *UDHError.
func ParseUDH(octets []byte) (h UDH, text []byte, err error) {
	if len(octets) == 0 {
		return nil, nil, &UDHError{Reason: "no length octet"}
	}
	end := 1 + int(octets[0])
	if end > len(octets) {
		return nil, nil, &UDHError{Reason: "length beyond the short message"}
	}
	for at := 1; at < end; {
		if at+minIEOctets > end {
			return nil, nil, &UDHError{Offset: at, Reason: "cut information element"}
		}
		next := at + minIEOctets + int(octets[at+1])
		if next > end {
			return nil, nil, &UDHError{Offset: at, Reason: "information element beyond the header"}
		}
		at = next
	}
	return UDH(octets[1:end]), octets[end:], nil
}

// All yields identifier and data of every information element in order.
func (h UDH) All() iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		for len(h) >= minIEOctets {
			end := minIEOctets + int(h[1])
			if end > len(h) || !yield(h[0], h[minIEOctets:end]) {
				return
			}
			h = h[end:]
		}
	}
}

// Concat is what says that a short message is a part of a longer one.
type Concat struct {
	Ref        uint16
	Ref16      bool
	Total, Seq byte // 1..255, Seq ≤ Total
}

// Concat returns the concatenation of the header. As TS 23.040 asks, an element with a
// zero or a number above the total is ignored and of several the last one holds.
func (h UDH) Concat() (c Concat, ok bool) {
	for id, data := range h.All() {
		var found Concat
		switch {
		case id == IEConcat8 && len(data) == concat8Data:
			found = Concat{Ref: uint16(data[0]), Total: data[1], Seq: data[2]}
		case id == IEConcat16 && len(data) == concat16Data:
			found = Concat{Ref: uint16(data[0])<<8 | uint16(data[1]), Ref16: true, Total: data[2], Seq: data[3]}
		default:
			continue
		}
		if found.Seq >= 1 && found.Seq <= found.Total {
			c, ok = found, true
		}
	}
	return c, ok
}

// Ports returns the application ports of the header.
func (h UDH) Ports() (dst, src uint16, ok bool) {
	for id, data := range h.All() {
		if id == IEPorts16 && len(data) == ports16Data {
			dst = uint16(data[0])<<8 | uint16(data[1])
			src = uint16(data[2])<<8 | uint16(data[3])
			ok = true
		}
	}
	return dst, src, ok
}

// AppendPorts appends the element that addresses applications by 16-bit ports, such as
// 2948 and 9200 for WAP push.
func AppendPorts(dst []byte, destination, source uint16) []byte {
	return append(dst, IEPorts16, ports16Data, byte(destination>>8), byte(destination), byte(source>>8), byte(source))
}

// Append appends a whole user data header with this concatenation: 6 octets, or 7 with
// a 16-bit reference.
func (c Concat) Append(dst []byte) []byte {
	if c.Ref16 {
		return append(dst, concat16Len-1, IEConcat16, concat16Data, byte(c.Ref>>8), byte(c.Ref), c.Total, c.Seq)
	}
	return append(dst, concat8Len-1, IEConcat8, concat8Data, byte(c.Ref), c.Total, c.Seq)
}

// AppendConcat8 appends a header with an 8-bit reference, 6 octets.
func AppendConcat8(dst []byte, ref, total, seq byte) []byte {
	return Concat{Ref: uint16(ref), Total: total, Seq: seq}.Append(dst)
}

// AppendConcat16 appends a header with a 16-bit reference, 7 octets.
func AppendConcat16(dst []byte, ref uint16, total, seq byte) []byte {
	return Concat{Ref: ref, Ref16: true, Total: total, Seq: seq}.Append(dst)
}
