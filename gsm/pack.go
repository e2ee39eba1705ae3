package gsm

// Pack appends septets (one an octet) packed as TS 23.038 §6.1.2.1 has it, after fill
// zero bits (0..6), which move text behind a user data header to a septet boundary.
// Bit 7 of each input octet is ignored; the spare bits of the last octet are zero.
func Pack(dst, septets []byte, fill int) []byte {
	acc, bits := uint16(0), fill
	for _, s := range septets {
		acc |= uint16(s&0x7F) << bits
		bits += 7
		if bits >= 8 {
			dst = append(dst, byte(acc))
			acc >>= 8
			bits -= 8
		}
	}
	if bits > 0 && len(septets) > 0 {
		dst = append(dst, byte(acc))
	}
	return dst
}

// Unpack appends n septets, one an octet, read from packed after fill bits (0..6). It
// stops early when packed ends; n says where the text ends, as 7 spare bits look like
// one more '@'.
func Unpack(dst, packed []byte, n, fill int) []byte {
	if len(packed) == 0 {
		return dst
	}
	acc, bits := uint16(packed[0])>>fill, 8-fill
	packed = packed[1:]
	for ; n > 0; n-- {
		if bits < 7 {
			if len(packed) == 0 {
				return dst
			}
			acc |= uint16(packed[0]) << bits
			bits += 8
			packed = packed[1:]
		}
		dst = append(dst, byte(acc&0x7F))
		acc >>= 7
		bits -= 7
	}
	return dst
}

// FillBits returns the fill bits between a user data header of headerOctets, its length
// octet included, and packed text.
func FillBits(headerOctets int) int { return (7 - headerOctets*8%7) % 7 }
