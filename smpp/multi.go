package smpp

import "encoding/binary"

// Values of dest_flag (SMPP 3.4 §5.2.25).
const (
	destSME  = 1
	destList = 2

	// MaxDestinations is the highest number_of_dests of submit_multi (SMPP 3.4 §4.5.1).
	MaxDestinations = 254
)

// Destination is one of submit_multi's: an address, or the name of a distribution list.
type Destination struct {
	Address Address
	List    []byte // distribution list, 1..20 octets; the address is then unused
}

// SubmitMulti hands one message for several destinations to the SMSC (SMPP 3.4 §4.5.1).
type SubmitMulti struct {
	ServiceType          []byte // 0..5 octets
	Source               Address
	Dests                []Destination // 1..254
	ESMClass             byte
	ProtocolID           byte
	PriorityFlag         byte
	ScheduleDeliveryTime []byte // 0 or 16 octets
	ValidityPeriod       []byte // 0 or 16 octets
	RegisteredDelivery   byte
	ReplaceIfPresent     byte
	DataCoding           byte
	SMDefaultMsgID       byte
	ShortMessage         []byte // 0..254 octets
	TLVs                 TLVs
}

// CommandID returns CmdSubmitMulti.
func (*SubmitMulti) CommandID() CommandID { return CmdSubmitMulti }

// AppendBody appends the body.
func (p *SubmitMulti) AppendBody(dst []byte) ([]byte, error) {
	w := builder{b: dst, cmd: CmdSubmitMulti}
	w.str(p.ServiceType, sizeServiceType, "service_type", RINVSERTYP)
	w.address(&p.Source, sizeAddr, "source_addr", RINVSRCADR)
	if n := len(p.Dests); n == 0 || n > MaxDestinations {
		w.fail("number_of_dests", RINVNUMDESTS, "is not 1 to 254")
	} else {
		w.b = append(w.b, byte(n))
	}
	for i := range p.Dests {
		w.destination(&p.Dests[i])
	}
	w.b = append(w.b, p.ESMClass, p.ProtocolID, p.PriorityFlag)
	w.stamp(p.ScheduleDeliveryTime, "schedule_delivery_time", RINVSCHED)
	w.stamp(p.ValidityPeriod, "validity_period", RINVEXPIRY)
	w.b = append(w.b, p.RegisteredDelivery, p.ReplaceIfPresent, p.DataCoding, p.SMDefaultMsgID)
	w.octets(p.ShortMessage)
	w.b = append(w.b, p.TLVs...)
	return w.done(dst)
}

func (w *builder) destination(d *Destination) {
	if len(d.List) != 0 {
		w.b = append(w.b, destList)
		w.str(d.List, sizeDLName, "dl_name", RINVDLNAME)
		return
	}
	w.b = append(w.b, destSME)
	w.address(&d.Address, sizeAddr, "destination_addr", RINVDSTADR)
}

// DecodeBody reads the body; Dests is reused.
func (p *SubmitMulti) DecodeBody(src []byte) error {
	c := cursor{b: src, cmd: CmdSubmitMulti}
	p.ServiceType = c.str(sizeServiceType, "service_type", RINVSERTYP)
	p.Source = c.address(sizeAddr, "source_addr", RINVSRCADR)
	p.Dests = p.Dests[:0]
	n := int(c.byte("number_of_dests"))
	if c.err == nil && (n == 0 || n > MaxDestinations) {
		c.fail("number_of_dests", RINVNUMDESTS, "is not 1 to 254")
	}
	for ; n > 0 && c.err == nil; n-- {
		p.Dests = append(p.Dests, c.destination())
	}
	p.ESMClass = c.byte("esm_class")
	p.ProtocolID = c.byte("protocol_id")
	p.PriorityFlag = c.byte("priority_flag")
	p.ScheduleDeliveryTime = c.stamp("schedule_delivery_time", RINVSCHED)
	p.ValidityPeriod = c.stamp("validity_period", RINVEXPIRY)
	p.RegisteredDelivery = c.byte("registered_delivery")
	p.ReplaceIfPresent = c.byte("replace_if_present_flag")
	p.DataCoding = c.byte("data_coding")
	p.SMDefaultMsgID = c.byte("sm_default_msg_id")
	p.ShortMessage = c.octets()
	p.TLVs = c.tlvs()
	return c.failed()
}

func (c *cursor) destination() Destination {
	switch c.byte("dest_flag") {
	case destSME:
		return Destination{Address: c.address(sizeAddr, "destination_addr", RINVDSTADR)}
	case destList:
		d := Destination{List: c.str(sizeDLName, "dl_name", RINVDLNAME)}
		if c.err == nil && len(d.List) == 0 {
			c.fail("dl_name", RINVDLNAME, "is empty")
		}
		return d
	default:
		c.fail("dest_flag", RINVDESTFLAG, "is neither 1 nor 2")
		return Destination{}
	}
}

// Unsuccess is a destination that submit_multi did not reach.
type Unsuccess struct {
	Address Address
	Status  Status
}

// SubmitMultiResp answers submit_multi (SMPP 3.4 §4.5.2).
type SubmitMultiResp struct {
	MessageID []byte // 0..64 octets
	Unsuccess []Unsuccess
	TLVs      TLVs
}

// CommandID returns CmdSubmitMultiResp.
func (*SubmitMultiResp) CommandID() CommandID { return CmdSubmitMultiResp }

// AppendBody appends the body.
func (p *SubmitMultiResp) AppendBody(dst []byte) ([]byte, error) {
	w := builder{b: dst, cmd: CmdSubmitMultiResp}
	w.str(p.MessageID, sizeMessageID, "message_id", RINVMSGID)
	if len(p.Unsuccess) > 255 {
		w.fail("no_unsuccess", RINVNUMDESTS, "is above 255")
	}
	w.b = append(w.b, byte(len(p.Unsuccess)))
	for i := range p.Unsuccess {
		w.address(&p.Unsuccess[i].Address, sizeAddr, "destination_addr", RINVDSTADR)
		w.b = binary.BigEndian.AppendUint32(w.b, uint32(p.Unsuccess[i].Status))
	}
	w.b = append(w.b, p.TLVs...)
	return w.done(dst)
}

// DecodeBody reads the body; Unsuccess is reused.
func (p *SubmitMultiResp) DecodeBody(src []byte) error {
	c := cursor{b: src, cmd: CmdSubmitMultiResp}
	p.MessageID = c.str(sizeMessageID, "message_id", RINVMSGID)
	p.Unsuccess = p.Unsuccess[:0]
	for n := c.byte("no_unsuccess"); n > 0 && c.err == nil; n-- {
		p.Unsuccess = append(p.Unsuccess, Unsuccess{
			Address: c.address(sizeAddr, "destination_addr", RINVDSTADR),
			Status:  Status(c.uint32("error_status_code")),
		})
	}
	p.TLVs = c.tlvs()
	return c.failed()
}
