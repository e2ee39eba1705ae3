package smpp

// The PDUs without a body. Octets behind the header are a fault in a request and are
// ignored in a response.

// EnquireLink asks whether the peer is alive (SMPP 3.4 §4.11).
type EnquireLink struct{}

// CommandID returns CmdEnquireLink.
func (*EnquireLink) CommandID() CommandID { return CmdEnquireLink }

// AppendBody appends nothing.
func (*EnquireLink) AppendBody(dst []byte) ([]byte, error) { return dst, nil }

// DecodeBody accepts an empty body only.
func (*EnquireLink) DecodeBody(src []byte) error { return emptyBody(CmdEnquireLink, src) }

// EnquireLinkResp answers enquire_link.
type EnquireLinkResp struct{}

// CommandID returns CmdEnquireLinkResp.
func (*EnquireLinkResp) CommandID() CommandID { return CmdEnquireLinkResp }

// AppendBody appends nothing.
func (*EnquireLinkResp) AppendBody(dst []byte) ([]byte, error) { return dst, nil }

// DecodeBody accepts anything.
func (*EnquireLinkResp) DecodeBody([]byte) error { return nil }

// Unbind ends a session (SMPP 3.4 §4.2).
type Unbind struct{}

// CommandID returns CmdUnbind.
func (*Unbind) CommandID() CommandID { return CmdUnbind }

// AppendBody appends nothing.
func (*Unbind) AppendBody(dst []byte) ([]byte, error) { return dst, nil }

// DecodeBody accepts an empty body only.
func (*Unbind) DecodeBody(src []byte) error { return emptyBody(CmdUnbind, src) }

// UnbindResp answers unbind.
type UnbindResp struct{}

// CommandID returns CmdUnbindResp.
func (*UnbindResp) CommandID() CommandID { return CmdUnbindResp }

// AppendBody appends nothing.
func (*UnbindResp) AppendBody(dst []byte) ([]byte, error) { return dst, nil }

// DecodeBody accepts anything.
func (*UnbindResp) DecodeBody([]byte) error { return nil }

// GenericNack answers what cannot be answered otherwise (SMPP 3.4 §4.3); the header's
// status says why.
type GenericNack struct{}

// CommandID returns CmdGenericNack.
func (*GenericNack) CommandID() CommandID { return CmdGenericNack }

// AppendBody appends nothing.
func (*GenericNack) AppendBody(dst []byte) ([]byte, error) { return dst, nil }

// DecodeBody accepts anything.
func (*GenericNack) DecodeBody([]byte) error { return nil }

// AlertNotification says that a subscriber can be reached again (SMPP 3.4 §4.12). It has
// no response.
type AlertNotification struct {
	Source Address // up to 64 octets
	ESME   Address // up to 64 octets
	TLVs   TLVs
}

// CommandID returns CmdAlertNotification.
func (*AlertNotification) CommandID() CommandID { return CmdAlertNotification }

// AppendBody appends the body.
func (p *AlertNotification) AppendBody(dst []byte) ([]byte, error) {
	w := builder{b: dst, cmd: CmdAlertNotification}
	w.address(&p.Source, sizeLongAddr, "source_addr", RINVSRCADR)
	w.address(&p.ESME, sizeLongAddr, "esme_addr", RINVDSTADR)
	w.b = append(w.b, p.TLVs...)
	return w.done(dst)
}

// DecodeBody reads the body.
func (p *AlertNotification) DecodeBody(src []byte) error {
	c := cursor{b: src, cmd: CmdAlertNotification}
	p.Source = c.address(sizeLongAddr, "source_addr", RINVSRCADR)
	p.ESME = c.address(sizeLongAddr, "esme_addr", RINVDSTADR)
	p.TLVs = c.tlvs()
	return c.failed()
}

func emptyBody(cmd CommandID, src []byte) error {
	if len(src) == 0 {
		return nil
	}
	return &FieldError{Cmd: cmd, Field: "command_length", Status: RINVCMDLEN, Reason: "is longer than the body"}
}
