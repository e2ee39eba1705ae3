package smpp

import (
	"encoding/binary"
	"iter"
)

// Tag names an optional parameter (SMPP 3.4 §5.3.2).
type Tag uint16

// TLVs is a stream of optional parameters as it stands in a PDU: tag, length and value,
// one after the other. Unknown parameters, order and duplicates are kept. The zero
// value is an empty stream.
type TLVs []byte

const tlvHead = 4

// Append returns t with one more parameter. A value of more than 65,535 octets cannot be
// expressed and is a bug of the caller.
func (t TLVs) Append(tag Tag, val []byte) TLVs {
	if len(val) > 0xFFFF {
		panic("smpp: optional parameter of more than 65535 octets")
	}
	t = binary.BigEndian.AppendUint16(t, uint16(tag))
	t = binary.BigEndian.AppendUint16(t, uint16(len(val)))
	return append(t, val...)
}

// AppendByte appends a parameter of one octet.
func (t TLVs) AppendByte(tag Tag, v byte) TLVs {
	return append(t, byte(tag>>8), byte(tag), 0, 1, v)
}

// AppendUint16 appends a parameter of two octets.
func (t TLVs) AppendUint16(tag Tag, v uint16) TLVs {
	return append(t, byte(tag>>8), byte(tag), 0, 2, byte(v>>8), byte(v))
}

// AppendUint32 appends a parameter of four octets.
func (t TLVs) AppendUint32(tag Tag, v uint32) TLVs {
	t = append(t, byte(tag>>8), byte(tag), 0, 4)
	return binary.BigEndian.AppendUint32(t, v)
}

// AppendCString appends a parameter that is a C-octet string: s and a NUL.
func (t TLVs) AppendCString(tag Tag, s []byte) TLVs {
	t = append(t, byte(tag>>8), byte(tag), byte((len(s)+1)>>8), byte(len(s)+1))
	return append(append(t, s...), 0)
}

// Find returns the value of the first parameter with the tag, aliasing t.
func (t TLVs) Find(tag Tag) ([]byte, bool) {
	for len(t) >= tlvHead {
		n := int(t[2])<<8 | int(t[3])
		if n > len(t)-tlvHead {
			break
		}
		if Tag(t[0])<<8|Tag(t[1]) == tag {
			return t[tlvHead : tlvHead+n : tlvHead+n], true
		}
		t = t[tlvHead+n:]
	}
	return nil, false
}

// FindByte returns the value of a parameter of one octet.
func (t TLVs) FindByte(tag Tag) (byte, bool) {
	v, ok := t.Find(tag)
	if !ok || len(v) != 1 {
		return 0, false
	}
	return v[0], true
}

// FindUint16 returns the value of a parameter of two octets.
func (t TLVs) FindUint16(tag Tag) (uint16, bool) {
	v, ok := t.Find(tag)
	if !ok || len(v) != 2 {
		return 0, false
	}
	return binary.BigEndian.Uint16(v), true
}

// FindCString returns a C-octet string without its NUL, which some peers leave out.
func (t TLVs) FindCString(tag Tag) ([]byte, bool) {
	v, ok := t.Find(tag)
	if n := len(v); ok && n > 0 && v[n-1] == 0 {
		v = v[:n-1]
	}
	return v, ok
}

// All iterates over the parameters in order; values alias t. It stops at the first one
// that runs past the end.
func (t TLVs) All() iter.Seq2[Tag, []byte] {
	return func(yield func(Tag, []byte) bool) {
		for len(t) >= tlvHead {
			n := int(t[2])<<8 | int(t[3])
			if n > len(t)-tlvHead {
				return
			}
			if !yield(Tag(t[0])<<8|Tag(t[1]), t[tlvHead:tlvHead+n:tlvHead+n]) {
				return
			}
			t = t[tlvHead+n:]
		}
	}
}

// wellFormed reports whether the parameters fill t exactly.
func (t TLVs) wellFormed() bool {
	for len(t) >= tlvHead {
		n := int(t[2])<<8 | int(t[3])
		if n > len(t)-tlvHead {
			return false
		}
		t = t[tlvHead+n:]
	}
	return len(t) == 0
}

// Validate checks the stream and each parameter that the standard knows. The error is a
// *FieldError: RINVOPTPARSTREAM for a parameter past the end, RINVPARLEN for a wrong
// length, RINVOPTPARAMVAL for a value out of range.
func (t TLVs) Validate() error {
	if fault := t.validate(0); fault != nil {
		return fault
	}
	return nil
}

// validate also refuses parameters that have no place in cmd, unless that is 0.
func (t TLVs) validate(cmd CommandID) *FieldError {
	if !t.wellFormed() {
		return &FieldError{Cmd: cmd, Field: "optional parameters", Status: RINVOPTPARSTREAM, Reason: "run past the end of the body"}
	}
	for tag, v := range t.All() {
		rule, ok := tag.rule()
		if !ok {
			continue
		}
		if fault := rule.check(cmd, v); fault != nil {
			return fault
		}
	}
	return nil
}
