package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Connector is a way to SMSCs and its state.
type Connector struct {
	ID        uint16  `json:"id"`
	Name      string  `json:"name"`
	Kind      string  `json:"kind"` // smpp, http
	Address   string  `json:"address"`
	Mode      string  `json:"mode"`                // what is wanted: running, paused, stopped
	State     string  `json:"state"`               // what is: up, degraded, down, stopped
	Fixed     bool    `json:"fixed,omitempty"`     // it cannot be changed
	Node      *int    `json:"node,omitempty"`      // that sends for it, of several
	Binds     int     `json:"binds"`               // wanted
	Bound     int     `json:"bound"`               // up now
	Window    int     `json:"window"`              // submit_sm in flight on each bind, at most
	InFlight  int     `json:"in_flight"`           // over all binds
	TPS       float64 `json:"tps"`                 // submit_sm a second; 0: no limit
	PacedTPS  float64 `json:"paced_tps,omitempty"` // what an SMSC that throttles is sent a second
	Queued    int64   `json:"queued"`
	Submitted int64   `json:"submitted"` // since its links were made
	Throttled int64   `json:"throttled"`
	LastError string  `json:"last_error,omitempty"`
	Links     []Bind  `json:"links,omitempty"`

	Settings          json.RawMessage `json:"settings,omitempty"` // an object without secrets
	PasswordSet       bool            `json:"password_set"`
	CallbackSecretSet bool            `json:"callback_secret_set,omitempty"`
	CreatedAt         time.Time       `json:"created_at,omitzero"`
	UpdatedAt         time.Time       `json:"updated_at,omitzero"`
	Warnings          []string        `json:"warnings,omitempty"`
}

// Bind is the state of one bind of a connector.
type Bind struct {
	Index      int       `json:"index"`
	Type       string    `json:"type"`
	State      string    `json:"state"`
	Since      time.Time `json:"since"`
	Error      string    `json:"error,omitempty"`
	Throttled  bool      `json:"throttled"` // it pauses because the SMSC asked for it
	Window     int       `json:"window"`
	InFlight   int       `json:"in_flight"`
	Binds      uint64    `json:"binds"`      // times it was bound
	Pauses     uint64    `json:"pauses"`     // times the SMSC throttled it
	Unanswered uint64    `json:"unanswered"` // submit_sm
	Late       uint64    `json:"late"`       // answers after the timeout
}

// Connectors returns all connectors with their binds. It is for administrators, as all calls of
// connectors are: others get forbidden.
func (c *Client) Connectors(ctx context.Context) ([]Connector, error) {
	all, err := get[struct{ Connectors []Connector }](ctx, c, http.MethodGet, base+"/connectors", nil, nil)
	if err != nil {
		return nil, err
	}
	return all.Connectors, nil
}

// Connector returns one, by name or number; not_found.
func (c *Client) Connector(ctx context.Context, name string) (*Connector, error) {
	return get[Connector](ctx, c, http.MethodGet, under("/connectors/", name), nil, nil)
}

// StartConnector binds and sends again.
func (c *Client) StartConnector(ctx context.Context, name string) (*Connector, error) {
	return get[Connector](ctx, c, http.MethodPost, under("/connectors/", name, "/start"), nil, nil)
}

// PauseConnector stays bound for receipts and sends nothing.
func (c *Client) PauseConnector(ctx context.Context, name string) (*Connector, error) {
	return get[Connector](ctx, c, http.MethodPost, under("/connectors/", name, "/pause"), nil, nil)
}

// StopConnector unbinds; what is queued waits.
func (c *Client) StopConnector(ctx context.Context, name string) (*Connector, error) {
	return get[Connector](ctx, c, http.MethodPost, under("/connectors/", name, "/stop"), nil, nil)
}

// Health is what a process says of itself.
type Health struct {
	Status        string    `json:"status"`
	Version       string    `json:"version"`
	Time          time.Time `json:"time"`
	Uptime        string    `json:"uptime"`
	UptimeSeconds int64     `json:"uptime_seconds"`
}

// Health asks whether the process answers. It needs no credentials.
func (c *Client) Health(ctx context.Context) (*Health, error) {
	return get[Health](ctx, c, http.MethodGet, base+"/health", nil, nil)
}

// Ready returns nil when messages can be accepted, and not_ready with the reason otherwise. It
// asks once, without retries, and needs no credentials.
func (c *Client) Ready(ctx context.Context) error {
	_, _, err := c.once(ctx, &call{method: http.MethodGet, path: base + "/health/ready"}, nil)
	return err
}
