package smpp

import "bytes"

// cursor walks over a body. The first fault sticks; what is read after it is zero.
type cursor struct {
	b   []byte
	cmd CommandID
	err *FieldError
}

func (c *cursor) fail(field string, st Status, reason string) {
	if c.err == nil {
		c.err = &FieldError{Cmd: c.cmd, Field: field, Status: st, Reason: reason}
	}
	c.b = nil
}

// failed returns the first fault as an error that is nil when there is none.
func (c *cursor) failed() error {
	if c.err != nil {
		return c.err
	}
	return nil
}

// str reads a C-octet string of at most size octets, NUL included, without its NUL.
// Too long a string is st; one that the body cuts short is RINVCMDLEN.
func (c *cursor) str(size int, field string, st Status) []byte {
	b := c.b
	if len(b) > 0 && b[0] == 0 {
		c.b = b[1:]
		return b[:0:0]
	}
	n := bytes.IndexByte(b[:min(size, len(b))], 0)
	if n < 0 {
		c.badStr(size, field, st)
		return nil
	}
	c.b = b[n+1:]
	return b[:n:n]
}

func (c *cursor) badStr(size int, field string, st Status) {
	if len(c.b) < size {
		c.fail(field, RINVCMDLEN, "is cut short")
		return
	}
	c.fail(field, st, "is too long")
}

func (c *cursor) byte(field string) byte {
	if len(c.b) == 0 {
		c.fail(field, RINVCMDLEN, "is missing")
		return 0
	}
	v := c.b[0]
	c.b = c.b[1:]
	return v
}

func (c *cursor) uint32(field string) uint32 {
	if len(c.b) < 4 {
		c.fail(field, RINVCMDLEN, "is cut short")
		return 0
	}
	v := uint32(c.b[0])<<24 | uint32(c.b[1])<<16 | uint32(c.b[2])<<8 | uint32(c.b[3])
	c.b = c.b[4:]
	return v
}

// stamp reads a time: empty or exactly 16 characters (SMPP 3.4 §5.2.15).
func (c *cursor) stamp(field string, st Status) []byte {
	s := c.str(17, field, st)
	if len(s) != 0 && len(s) != 16 {
		c.fail(field, st, "has neither 1 nor 17 octets")
	}
	return s
}

func (c *cursor) address(size int, field string, st Status) Address {
	if len(c.b) < 2 {
		c.fail(field, RINVCMDLEN, "has no TON and NPI")
		return Address{}
	}
	ton, npi := c.b[0], c.b[1]
	c.b = c.b[2:]
	return Address{TON: ton, NPI: npi, Addr: c.str(size, field, st)}
}

// octets reads the short message: its length and as many octets (SMPP 3.4 §5.2.21).
func (c *cursor) octets() []byte {
	n := int(c.byte("sm_length"))
	if n > maxShortMessage {
		c.fail("sm_length", RINVMSGLEN, "is above 254")
		return nil
	}
	if n > len(c.b) {
		c.fail("sm_length", RINVMSGLEN, "is more than the body holds")
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

// tlvs takes the rest of the body as optional parameters.
func (c *cursor) tlvs() TLVs {
	if len(c.b) == 0 {
		return nil
	}
	t := TLVs(c.b)
	if !t.wellFormed() {
		c.fail("optional parameters", RINVOPTPARSTREAM, "run past the end of the body")
		return nil
	}
	c.b = nil
	return t
}

// end refuses octets behind a body that has no optional parameters.
func (c *cursor) end() error {
	if c.err == nil && len(c.b) != 0 {
		c.fail("command_length", RINVCMDLEN, "is longer than the body")
	}
	return c.failed()
}

// builder appends a body; the first fault sticks.
type builder struct {
	b   []byte
	cmd CommandID
	err *FieldError
}

func (w *builder) fail(field string, st Status, reason string) {
	if w.err == nil {
		w.err = &FieldError{Cmd: w.cmd, Field: field, Status: st, Reason: reason}
	}
}

// str appends a C-octet string of at most size octets, NUL included.
func (w *builder) str(s []byte, size int, field string, st Status) {
	if len(s) != 0 {
		if len(s) >= size {
			w.fail(field, st, "is too long")
			return
		}
		if bytes.IndexByte(s, 0) >= 0 {
			w.fail(field, st, "holds a NUL")
			return
		}
		w.b = append(w.b, s...)
	}
	w.b = append(w.b, 0)
}

func (w *builder) stamp(s []byte, field string, st Status) {
	if len(s) != 0 && len(s) != 16 {
		w.fail(field, st, "has neither 1 nor 17 octets")
		return
	}
	w.str(s, 17, field, st)
}

func (w *builder) address(a *Address, size int, field string, st Status) {
	w.b = append(w.b, a.TON, a.NPI)
	w.str(a.Addr, size, field, st)
}

func (w *builder) octets(s []byte) {
	if len(s) > maxShortMessage {
		w.fail("short_message", RINVMSGLEN, "is longer than 254 octets")
		return
	}
	w.b = append(w.b, byte(len(s)))
	w.b = append(w.b, s...)
}

// done returns what was built, or dst as it was when a field was at fault.
func (w *builder) done(dst []byte) ([]byte, error) {
	if w.err != nil {
		return dst, w.err
	}
	return w.b, nil
}
