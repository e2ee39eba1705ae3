package smsc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"

	"protei-bulk/smpp"
)

// Outbind asks a listening ESME to bind as a receiver, over the connection that is opened to it
// for that (SMPP 3.4 §2.2.1).
type Outbind struct {
	Address  string `json:"address"`   // host:port where the ESME listens
	SystemID string `json:"system_id"` // of the SMSC, smsc by default
	Password string `json:"password"`
}

// Outbind returns when the request is written; the bind that comes back is served like others.
func (s *Simulator) Outbind(ctx context.Context, o Outbind) error {
	if o.SystemID == "" {
		o.SystemID = "smsc"
	}
	return s.server.Outbind(ctx, o.Address, smpp.Outbind{SystemID: []byte(o.SystemID), Password: []byte(o.Password)})
}

func (s *Simulator) serveOutbind(w http.ResponseWriter, r *http.Request) {
	text, ok := body(w, r, maxBehaviourBytes)
	if !ok {
		return
	}
	var o Outbind
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(&o); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf(`body is not an outbind such as {"address":"127.0.0.1:2780","system_id":"smsc"}: %w`, err))
		return
	}
	if _, _, err := net.SplitHostPort(o.Address); err != nil {
		refuse(w, http.StatusBadRequest, &FieldError{"address", fmt.Sprintf("%.80q is not host:port", o.Address)})
		return
	}
	if err := s.Outbind(r.Context(), o); err != nil {
		status := http.StatusBadGateway
		var field *smpp.FieldError
		if errors.As(err, &field) {
			status = http.StatusBadRequest
		}
		refuse(w, status, err)
		return
	}
	reply(w, http.StatusOK, map[string]string{"status": "sent"})
}
