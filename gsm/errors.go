package gsm

import (
	"errors"
	"fmt"
)

// ErrNoFlash is returned for a flash message in an encoding that has no message class.
var ErrNoFlash = errors.New("a flash message needs GSM7, UCS2 or BINARY")

// ErrBinaryText is returned when text is to be sent as Binary: use SegmentBinary.
var ErrBinaryText = errors.New("text has no binary form")

// UnmappableError says that a character does not exist in the encoding asked for.
type UnmappableError struct {
	Rune     rune
	Index    int // octet offset of the character in the text
	Encoding Encoding
}

func (e *UnmappableError) Error() string {
	return fmt.Sprintf("character %q (%U) at offset %d does not exist in %s", e.Rune, e.Rune, e.Index, e.Encoding)
}

// InvalidUTF8Error says that the text is not UTF-8.
type InvalidUTF8Error struct {
	Index int // octet offset of the first wrong octet
}

func (e *InvalidUTF8Error) Error() string {
	return fmt.Sprintf("text is not UTF-8 at offset %d", e.Index)
}

// TooManyPartsError says that a text is longer than the parts allowed.
type TooManyPartsError struct {
	Parts, Max int
}

func (e *TooManyPartsError) Error() string {
	return fmt.Sprintf("text needs %d parts, at most %d are allowed", e.Parts, e.Max)
}

// UDHError says that a user data header is broken.
type UDHError struct {
	Offset int // octet in the short message
	Reason string
}

func (e *UDHError) Error() string {
	return fmt.Sprintf("user data header: %s at octet %d", e.Reason, e.Offset)
}
