package smpp

// Field sizes in octets, the terminating NUL included (SMPP 3.4 §5.2).
const (
	sizeSystemID     = 16
	sizePassword     = 9
	sizeLongPassword = 65
	sizeSystemType   = 13
	sizeAddressRange = 41
	sizeServiceType  = 6
	sizeAddr         = 21
	sizeLongAddr     = 65
	sizeMessageID    = 65
	sizeDLName       = 21

	maxShortMessage = 254
)

// The versions of interface_version (SMPP 3.4 §5.2.4).
const (
	Version33 byte = 0x33
	Version34 byte = 0x34
	Version50 byte = 0x50
)

// BindType is the direction of a session.
type BindType uint8

// The bind types (SMPP 3.4 §2.2).
const (
	Unbound     BindType = iota
	Transmitter          // the ESME sends submit_sm
	Receiver             // the ESME takes deliver_sm
	Transceiver          // both
)

// String returns "transmitter", "receiver", "transceiver" or "unbound".
func (t BindType) String() string {
	switch t {
	case Transmitter:
		return "transmitter"
	case Receiver:
		return "receiver"
	case Transceiver:
		return "transceiver"
	default:
		return "unbound"
	}
}

// CanTransmit reports whether the ESME may send messages.
func (t BindType) CanTransmit() bool { return t == Transmitter || t == Transceiver }

// CanReceive reports whether the ESME may be given messages.
func (t BindType) CanReceive() bool { return t == Receiver || t == Transceiver }

// Command returns the bind request of t, 0 for Unbound.
func (t BindType) Command() CommandID {
	switch t {
	case Transmitter:
		return CmdBindTransmitter
	case Receiver:
		return CmdBindReceiver
	case Transceiver:
		return CmdBindTransceiver
	default:
		return 0
	}
}

func bindTypeOf(id CommandID) BindType {
	switch id {
	case CmdBindTransmitter:
		return Transmitter
	case CmdBindReceiver:
		return Receiver
	case CmdBindTransceiver:
		return Transceiver
	default:
		return Unbound
	}
}

// BindReq is bind_receiver, bind_transmitter or bind_transceiver (SMPP 3.4 §4.1).
type BindReq struct {
	ID               CommandID // which of the three; 0 encodes as bind_transceiver
	SystemID         []byte    // 0..15 octets
	Password         []byte    // 0..8 octets; 0..64 where long passwords are allowed
	SystemType       []byte    // 0..12 octets
	InterfaceVersion byte
	AddrTON, AddrNPI byte
	AddressRange     []byte // 0..40 octets

	longPassword bool
}

// CommandID returns p.ID.
func (p *BindReq) CommandID() CommandID {
	if p.ID == 0 {
		return CmdBindTransceiver
	}
	return p.ID
}

// AppendBody appends the body. A password of more than 8 octets, which some SMSCs
// issue against the standard, is encoded up to 64.
func (p *BindReq) AppendBody(dst []byte) ([]byte, error) {
	w := builder{b: dst, cmd: p.CommandID()}
	w.str(p.SystemID, sizeSystemID, "system_id", RINVSYSID)
	w.str(p.Password, sizeLongPassword, "password", RINVPASWD)
	w.str(p.SystemType, sizeSystemType, "system_type", RINVSYSTYP)
	w.b = append(w.b, p.InterfaceVersion, p.AddrTON, p.AddrNPI)
	w.str(p.AddressRange, sizeAddressRange, "address_range", RINVCMDLEN)
	return w.done(dst)
}

// DecodeBody reads the body.
func (p *BindReq) DecodeBody(src []byte) error {
	c := cursor{b: src, cmd: p.CommandID()}
	size := sizePassword
	if p.longPassword {
		size = sizeLongPassword
	}
	p.SystemID = c.str(sizeSystemID, "system_id", RINVSYSID)
	p.Password = c.str(size, "password", RINVPASWD)
	p.SystemType = c.str(sizeSystemType, "system_type", RINVSYSTYP)
	p.InterfaceVersion = c.byte("interface_version")
	p.AddrTON = c.byte("addr_ton")
	p.AddrNPI = c.byte("addr_npi")
	p.AddressRange = c.str(sizeAddressRange, "address_range", RINVCMDLEN)
	return c.end()
}

// BindResp answers a bind (SMPP 3.4 §4.1.2): the SMSC's system_id and, for an ESME
// of version 3.4 or later, sc_interface_version.
type BindResp struct {
	ID       CommandID // which of the three responses; 0 encodes as bind_transceiver_resp
	SystemID []byte    // 0..15 octets
	TLVs     TLVs
}

// CommandID returns p.ID.
func (p *BindResp) CommandID() CommandID {
	if p.ID == 0 {
		return CmdBindTransceiverResp
	}
	return p.ID
}

// AppendBody appends the body.
func (p *BindResp) AppendBody(dst []byte) ([]byte, error) {
	w := builder{b: dst, cmd: p.CommandID()}
	w.str(p.SystemID, sizeSystemID, "system_id", RINVSYSID)
	w.b = append(w.b, p.TLVs...)
	return w.done(dst)
}

// DecodeBody reads the body, which may be empty.
func (p *BindResp) DecodeBody(src []byte) error {
	p.SystemID, p.TLVs = nil, nil
	if len(src) == 0 {
		return nil
	}
	c := cursor{b: src, cmd: p.CommandID()}
	p.SystemID = c.str(sizeSystemID, "system_id", RINVSYSID)
	p.TLVs = c.tlvs()
	return c.failed()
}

// Outbind asks an ESME to bind as a receiver (SMPP 3.4 §4.1.7). It has no response.
type Outbind struct {
	SystemID []byte // 0..15 octets
	Password []byte // 0..8 octets
}

// CommandID returns CmdOutbind.
func (p *Outbind) CommandID() CommandID { return CmdOutbind }

// AppendBody appends the body.
func (p *Outbind) AppendBody(dst []byte) ([]byte, error) {
	w := builder{b: dst, cmd: CmdOutbind}
	w.str(p.SystemID, sizeSystemID, "system_id", RINVSYSID)
	w.str(p.Password, sizePassword, "password", RINVPASWD)
	return w.done(dst)
}

// DecodeBody reads the body.
func (p *Outbind) DecodeBody(src []byte) error {
	c := cursor{b: src, cmd: CmdOutbind}
	p.SystemID = c.str(sizeSystemID, "system_id", RINVSYSID)
	p.Password = c.str(sizePassword, "password", RINVPASWD)
	return c.end()
}
