package smsc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"protei-bulk/gsm"
	"protei-bulk/smpp"
)

// MO is a message from a mobile, for an ESME.
type MO struct {
	From     string       `json:"from"` // the mobile
	To       string       `json:"to"`   // the ESME's number
	Text     string       `json:"text"`
	Encoding gsm.Encoding `json:"encoding"`  // AUTO by default
	SystemID string       `json:"system_id"` // whose binds may get it; empty: any
}

// MOResult says what became of an MO.
type MOResult struct {
	Parts  int    `json:"parts"`
	Status string `json:"status"` // of the first part that was refused, or ESME_ROK
}

// ErrNoReceiver is returned when no bind can take a deliver_sm.
var ErrNoReceiver = errors.New("no receiver or transceiver is bound")

const moTimeout = 10 * time.Second

// Deliver sends a mobile-originated message, in parts when it is long, on one bind and
// waits for the answers.
func (s *Simulator) Deliver(ctx context.Context, mo MO) (MOResult, error) {
	o := gsm.Options{Encoding: mo.Encoding, Ref: uint16(s.nextID.Add(1))}
	payload, ends, info, err := gsm.Segment(nil, nil, mo.Text, o)
	if err != nil {
		return MOResult{}, &FieldError{"text", err.Error()}
	}
	p := s.spool.receiver(mo.SystemID)
	if p == nil {
		return MOResult{}, ErrNoReceiver
	}
	ctx, cancel := context.WithTimeout(ctx, moTimeout)
	defer cancel()
	m := smpp.DeliverSM{
		Source:     smpp.Address{TON: 1, NPI: 1, Addr: []byte(mo.From)},
		Dest:       smpp.Address{Addr: []byte(mo.To)},
		DataCoding: info.DataCoding,
	}
	if info.UDHI {
		m.ESMClass = smpp.ESMUDHI
	}
	from := uint32(0)
	for _, end := range ends {
		m.ShortMessage = payload[from:end]
		from = end
		p.tally.moSent.Add(1)
		st, _, err := p.session.Do(ctx, &m)
		if err != nil {
			return MOResult{}, fmt.Errorf("deliver to %s: %w", p.systemID, err)
		}
		if st != smpp.ROK {
			return MOResult{Parts: len(ends), Status: "ESME_" + statusName(st)}, nil
		}
		p.tally.moAcked.Add(1)
	}
	return MOResult{Parts: len(ends), Status: "ESME_ROK"}, nil
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
	return errors.Join(errs...)
}
