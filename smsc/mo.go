package smsc

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"protei-bulk/gsm"
	"protei-bulk/smpp"
)

// MO is a message from a mobile, for an ESME: a text, or octets as they shall go out.
type MO struct {
	From     string       `json:"from"` // the mobile
	To       string       `json:"to"`   // the ESME's number
	Text     string       `json:"text"`
	Encoding gsm.Encoding `json:"encoding"`  // AUTO by default
	SystemID string       `json:"system_id"` // whose binds may get it; empty: any

	Hex        Octets `json:"hex"`         // instead of Text: the octets, without UDH; they are not cut
	UDH        Octets `json:"udh"`         // user data header in front of each part, with its length octet
	DataCoding *int   `json:"data_coding"` // instead of the encoding's
	ESMClass   *int   `json:"esm_class"`   // instead of 0, or of 0x40 with a user data header
	ProtocolID int    `json:"protocol_id"`

	Ref     uint16 `json:"ref"`     // reference of the parts; 0: the next one
	Sar     bool   `json:"sar"`     // parts by sar_* instead of user data headers
	Payload bool   `json:"payload"` // octets in message_payload
	Order   []int  `json:"order"`   // parts to send, from 1, in this order; some may be missing or come twice
}

// Octets are written in hexadecimal digits.
type Octets []byte

// UnmarshalText reads hexadecimal digits.
func (o *Octets) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("%.40q are not hexadecimal digits", text)
	}
	*o = b
	return nil
}

// MarshalText writes hexadecimal digits.
func (o Octets) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(o)), nil }

// MOResult says what became of an MO.
type MOResult struct {
	Parts  int    `json:"parts"`
	Status string `json:"status"` // of the first part that was refused, or ESME_ROK
}

// ErrNoReceiver is returned when no bind can take a deliver_sm.
var ErrNoReceiver = errors.New("no receiver or transceiver is bound")

const moTimeout = 10 * time.Second

// Deliver sends a mobile-originated message, in parts when it is long, on one bind and
// waits for the answers: each part when the one before it has been answered.
func (s *Simulator) Deliver(ctx context.Context, mo MO) (MOResult, error) {
	m, parts, err := mo.parts(uint16(s.nextID.Add(1)))
	if err != nil {
		return MOResult{}, err
	}
	p := s.spool.receiver(mo.SystemID)
	if p == nil {
		return MOResult{}, ErrNoReceiver
	}
	ctx, cancel := context.WithTimeout(ctx, moTimeout)
	defer cancel()
	order := mo.Order
	if len(order) == 0 {
		for i := range parts {
			order = append(order, i+1)
		}
	}
	for _, n := range order {
		if n < 1 || n > len(parts) {
			return MOResult{}, &FieldError{"order", fmt.Sprintf("%d is not between 1 and %d, the parts there are", n, len(parts))}
		}
	}
	for _, n := range order {
		part := &parts[n-1]
		m.ShortMessage, m.TLVs = part.octets, part.tlvs
		p.tally.moSent.Add(1)
		st, _, err := p.session.Do(ctx, m)
		if err != nil {
			return MOResult{}, fmt.Errorf("deliver to %s: %w", p.systemID, err)
		}
		if st != smpp.ROK {
			return MOResult{Parts: len(order), Status: "ESME_" + statusName(st)}, nil
		}
		p.tally.moAcked.Add(1)
	}
	return MOResult{Parts: len(order), Status: "ESME_ROK"}, nil
}

// moPart is one deliver_sm.
type moPart struct {
	octets []byte
	tlvs   smpp.TLVs
}

// parts makes the deliver_sm that all parts have in common, and what differs.
func (mo *MO) parts(next uint16) (*smpp.DeliverSM, []moPart, error) {
	m := &smpp.DeliverSM{
		Source:     smpp.Address{TON: 1, NPI: 1, Addr: []byte(mo.From)},
		Dest:       smpp.Address{Addr: []byte(mo.To)},
		ProtocolID: byte(mo.ProtocolID),
	}
	if len(mo.UDH) > 0 {
		m.ESMClass = smpp.ESMUDHI
	}
	bodies := [][]byte{append(bytes.Clone(mo.UDH), mo.Hex...)}
	if len(mo.Hex) == 0 {
		o := gsm.Options{Encoding: mo.Encoding, Ref: cmp.Or(mo.Ref, next)}
		if len(mo.UDH) > 0 {
			o.Elements = mo.UDH[1:]
		}
		payload, ends, info, err := gsm.Segment(nil, nil, mo.Text, o)
		if err != nil {
			return nil, nil, &FieldError{"text", err.Error()}
		}
		if m.DataCoding = info.DataCoding; info.UDHI {
			m.ESMClass = smpp.ESMUDHI
		}
		bodies = bodies[:0]
		from := uint32(0)
		for _, end := range ends {
			bodies = append(bodies, payload[from:end])
			from = end
		}
	}
	parts := make([]moPart, len(bodies))
	for i, body := range bodies {
		parts[i] = moPart{octets: body}
		if mo.Sar && len(bodies) > 1 {
			parts[i].sar(cmp.Or(mo.Ref, next), len(bodies), i+1)
			m.ESMClass &^= smpp.ESMUDHI
		}
		if mo.Payload {
			parts[i].tlvs = parts[i].tlvs.Append(smpp.TagMessagePayload, parts[i].octets)
			parts[i].octets = nil
		}
	}
	if mo.DataCoding != nil {
		m.DataCoding = byte(*mo.DataCoding)
	}
	if mo.ESMClass != nil {
		m.ESMClass = byte(*mo.ESMClass)
	}
	return m, parts, nil
}

// sar says by optional parameters what the user data header said (SMPP 3.4 §5.3.2.22).
func (p *moPart) sar(ref uint16, total, n int) {
	if _, text, err := gsm.ParseUDH(p.octets); err == nil {
		p.octets = text
	}
	p.tlvs = p.tlvs.AppendUint16(smpp.TagSarMsgRefNum, ref)
	p.tlvs = p.tlvs.AppendByte(smpp.TagSarTotalSegments, byte(total))
	p.tlvs = p.tlvs.AppendByte(smpp.TagSarSegmentSeqnum, byte(n))
}

// receiver returns a bind of the system_id, or of anybody, that can take a message.
func (sp *spool) receiver(systemID string) *peer {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	for _, sys := range sp.systems {
		if systemID != "" && sys.id != systemID {
			continue
		}
		for _, p := range sys.peers {
			if p.receives && !p.gone {
				return p
			}
		}
	}
	return nil
}

func (s *Simulator) serveMO(w http.ResponseWriter, r *http.Request) {
	text, ok := body(w, r, maxBehaviourBytes)
	if !ok {
		return
	}
	var mo MO
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(&mo); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf(`body is not a message such as {"from":"79161234567","to":"1000","text":"hi"}: %w`, err))
		return
	}
	if err := mo.check(); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	result, err := s.Deliver(r.Context(), mo)
	var field *FieldError
	switch {
	case err == nil:
		reply(w, http.StatusOK, result)
	case errors.As(err, &field):
		refuse(w, http.StatusBadRequest, err)
	case errors.Is(err, ErrNoReceiver):
		refuse(w, http.StatusServiceUnavailable, err)
	default:
		refuse(w, http.StatusBadGateway, err)
	}
}

func (mo *MO) check() error {
	var errs []error
	for name, addr := range map[string]string{"from": mo.From, "to": mo.To} {
		if addr == "" || len(addr) > 20 {
			errs = append(errs, &FieldError{name, fmt.Sprintf("%q is not an address of 1 to 20 characters", addr)})
		}
	}
	for name, n := range map[string]*int{"data_coding": mo.DataCoding, "esm_class": mo.ESMClass, "protocol_id": &mo.ProtocolID} {
		if n != nil && (*n < 0 || *n > 255) {
			errs = append(errs, &FieldError{name, fmt.Sprintf("%d is not between 0 and 255", *n)})
		}
	}
	if len(mo.Hex) > 0 && mo.Text != "" {
		errs = append(errs, &FieldError{"hex", "stands instead of text"})
	}
	if _, rest, err := gsm.ParseUDH(mo.UDH); len(mo.UDH) > 0 && (err != nil || len(rest) > 0) {
		errs = append(errs, &FieldError{"udh", "is no user data header with its length octet"})
	}
	if n := len(mo.UDH) + len(mo.Hex); n > 254 && !mo.Payload {
		errs = append(errs, &FieldError{"hex", fmt.Sprintf("%d octets are more than short_message holds: set payload", n)})
	}
	return errors.Join(errs...)
}
