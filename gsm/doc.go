// Package gsm turns text into the octets of short messages and back, as 3GPP TS 23.038
// (alphabets) and TS 23.040 (user data header, concatenation) define them, in the form
// that SMPP carries: GSM 7-bit text unpacked, one septet an octet.
//
// Segment is the way in: it chooses the encoding, counts, cuts a long text into parts
// with their user data headers and appends everything to the caller's buffer. Decode
// and DecodeParts are the way back, ParseUDH reads the header of a received part, and
// an Assembler joins received parts.
//
// Everything but Refs and Assembler is a pure function; nothing here starts a
// goroutine. Nothing is ever replaced by "?": text that does not fit is an error that
// names the character.
package gsm
