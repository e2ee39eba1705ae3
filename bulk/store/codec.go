package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"protei-bulk/bulk/message"
)

// errCodec is wrapped by every complaint about bytes that do not decode.
var errCodec = errors.New("damaged record")

// decoder reads the varint formats of journal records and rows. The first fault
// sticks; what is read after it is zero.
type decoder struct {
	src string // strings that are read alias it
	bad bool
}

func (d *decoder) fail() {
	d.bad, d.src = true, ""
}

func (d *decoder) byte() byte {
	if len(d.src) == 0 {
		d.fail()
		return 0
	}
	b := d.src[0]
	d.src = d.src[1:]
	return b
}

func (d *decoder) uvarint() uint64 {
	var x uint64
	for i := 0; i < len(d.src) && i < binary.MaxVarintLen64; i++ {
		b := d.src[i]
		x |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			d.src = d.src[i+1:]
			return x
		}
	}
	d.fail()
	return 0
}

// limited reads a number that must not be above most.
func (d *decoder) limited(most uint64) uint64 {
	x := d.uvarint()
	if x > most {
		d.fail()
		return 0
	}
	return x
}

func (d *decoder) varint() int64 {
	x := d.uvarint()
	return int64(x>>1) ^ -int64(x&1)
}

func (d *decoder) u16() uint16 { return uint16(d.limited(math.MaxUint16)) }
func (d *decoder) u32() uint32 { return uint32(d.limited(math.MaxUint32)) }

func (d *decoder) string() string {
	n := d.uvarint()
	if n > uint64(len(d.src)) {
		d.fail()
		return ""
	}
	s := d.src[:n]
	d.src = d.src[n:]
	return s
}

func (d *decoder) id() message.ID {
	if len(d.src) < 8 {
		d.fail()
		return 0
	}
	var id uint64
	for i := range 8 {
		id = id<<8 | uint64(d.src[i])
	}
	d.src = d.src[8:]
	return message.ID(id)
}

// end reports a fault, or bytes left over.
func (d *decoder) end() error {
	if d.bad {
		return fmt.Errorf("%w: cut short or out of range", errCodec)
	}
	if len(d.src) != 0 {
		return fmt.Errorf("%w: %d bytes too many", errCodec, len(d.src))
	}
	return nil
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendID(dst []byte, id message.ID) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(id))
}

// appendMoment writes a time as its distance from base; 0 stays 0.
func appendMoment(dst []byte, at, base int64) []byte {
	if at == 0 {
		return append(dst, 0)
	}
	d := at - base
	return binary.AppendUvarint(dst, (uint64(d)<<1^uint64(d>>63))+1)
}

func (d *decoder) moment(base int64) int64 {
	x := d.uvarint()
	if x == 0 {
		return 0
	}
	x--
	return base + (int64(x>>1) ^ -int64(x&1))
}
