package api

import (
	"strconv"
	"time"

	"protei-bulk/bulk/connector"
)

// Connector is the state of one way to SMSCs.
type Connector struct {
	ID        uint16  `json:"id"`
	Name      string  `json:"name"`
	Kind      string  `json:"kind"` // smpp, http
	Address   string  `json:"address"`
	Mode      string  `json:"mode"`  // what is wanted: running, paused, stopped
	State     string  `json:"state"` // what is: up, degraded, down, stopped
	Fixed     bool    `json:"fixed,omitempty"`
	Node      *int    `json:"node,omitempty"` // that sends for it, of several; what follows is what it says
	Binds     int     `json:"binds"`          // wanted
	Bound     int     `json:"bound"`          // up now
	Window    int     `json:"window"`
	InFlight  int     `json:"in_flight"`
	TPS       float64 `json:"tps"`                 // limit, 0: none
	Paced     float64 `json:"paced_tps,omitempty"` // what an SMSC that throttles is sent a second
	Queued    int64   `json:"queued"`
	Submitted int64   `json:"submitted"` // since its links were made
	Throttled int64   `json:"throttled"`
	LastError string  `json:"last_error,omitempty"`
	Links     []Bind  `json:"links,omitempty"`

	Settings *connector.Spec `json:"settings,omitempty"` // without secrets
	Password bool            `json:"password_set"`
	Callback bool            `json:"callback_secret_set,omitempty"`
	Created  *time.Time      `json:"created_at,omitempty"`
	Updated  *time.Time      `json:"updated_at,omitempty"`
	Warnings []string        `json:"warnings,omitempty"`
}

// Bind is the state of one bind.
type Bind struct {
	Index      int       `json:"index"`
	Type       string    `json:"type"`
	State      string    `json:"state"`
	Since      time.Time `json:"since"`
	Error      string    `json:"error,omitempty"`
	Throttled  bool      `json:"throttled"` // it pauses because the SMSC asked for it
	Window     int       `json:"window"`
	InFlight   int       `json:"in_flight"`
	Binds      uint64    `json:"binds"`  // times it was bound
	Pauses     uint64    `json:"pauses"` // times the SMSC throttled it
	Unanswered uint64    `json:"unanswered"`
	Late       uint64    `json:"late"` // answers after the timeout
}

// viewConnectors joins what the administrator decided with what is.
func (c *call) viewConnectors() []Connector {
	all := c.api.opts.Insight.Connectors()
	if c.api.opts.Connectors == nil {
		return all
	}
	known := make(map[uint16]*connector.Connector)
	for _, conn := range c.api.opts.Connectors.All() {
		known[conn.ID] = conn
	}
	for i := range all {
		conn := known[all[i].ID]
		if conn == nil {
			continue
		}
		spec := conn.Spec
		created, updated := time.UnixMilli(conn.CreatedAt).UTC(), time.UnixMilli(conn.UpdatedAt).UTC()
		all[i].Settings, all[i].Password, all[i].Created, all[i].Updated = &spec, conn.Password != "", &created, &updated
		all[i].Callback = conn.CallbackSecret != ""
	}
	return all
}

func (c *call) listConnectors() error {
	return c.document(200, map[string]any{"connectors": emptyNotNull(c.viewConnectors())})
}

// showConnector answers with one connector.
func (c *call) showConnector(status int, id uint16) error {
	for _, view := range c.viewConnectors() {
		if view.ID == id {
			view.Warnings = c.warned()
			return c.document(status, view)
		}
	}
	return connector.ErrUnknown
}

func (c *call) getConnector() error {
	conn, err := c.api.opts.Connectors.Find(c.r.PathValue("name"))
	if err != nil {
		return err
	}
	return c.showConnector(200, conn.ID)
}

// createConnector makes a connector of its fields, or of a URL and fields that go over it.
func (c *call) createConnector() error {
	spec := connector.Defaults()
	var address string
	extra := secretsOf(&spec)
	extra["url"] = &address
	set, err := c.into(&spec, extra)
	if err != nil {
		return err
	}
	if set["url"] {
		from, err := connector.FromURL(spec.Name, address)
		if err != nil {
			return &problem{code: "invalid_url", detail: err.Error(), faults: []fault{{"/url", "invalid_url", err.Error()}}}
		}
		copyUnset(&spec, &from, set)
		if !set["password"] {
			spec.Password = from.Password
		}
	}
	conn, err := c.api.opts.Connectors.Create(c.r.Context(), spec)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/api/v1/connectors/"+conn.Name)
	return c.showConnector(201, conn.ID)
}

// secretsOf are the fields of a connector that are set and never shown.
func secretsOf(s *connector.Spec) map[string]any {
	return map[string]any{"password": &s.Password, "callback_secret": &s.CallbackSecret, "outbind_password": &s.OutbindPassword}
}

func (c *call) updateConnector() error {
	key := c.r.PathValue("name")
	conn, err := c.api.opts.Connectors.Find(key)
	if err != nil {
		return err
	}
	read := conn.Spec
	set, err := c.into(&read, secretsOf(&read))
	if err != nil {
		return err
	}
	updated, err := c.api.opts.Connectors.Update(c.r.Context(), strconv.Itoa(int(conn.ID)), func(s *connector.Spec) {
		next := read
		copyUnset(&next, s, set)
		if !set["password"] {
			next.Password = s.Password
		}
		if !set["callback_secret"] {
			next.CallbackSecret = s.CallbackSecret
		}
		if !set["outbind_password"] {
			next.OutbindPassword = s.OutbindPassword
		}
		*s = next
	})
	if err != nil {
		return err
	}
	return c.showConnector(200, updated.ID)
}

func (c *call) deleteConnector() error {
	if err := c.api.opts.Connectors.Delete(c.r.Context(), c.r.PathValue("name")); err != nil {
		return err
	}
	c.w.WriteHeader(204)
	return nil
}

func connectorMode(mode connector.Mode) func(*call) error {
	return func(c *call) error {
		updated, err := c.api.opts.Connectors.Update(c.r.Context(), c.r.PathValue("name"), func(s *connector.Spec) { s.Mode = mode })
		if err != nil {
			return err
		}
		return c.showConnector(200, updated.ID)
	}
}

// moveConnector gives what waits for a connector to another.
func (c *call) moveConnector() error {
	var body struct {
		To string `json:"to"`
	}
	if _, err := c.into(&body, nil); err != nil {
		return err
	}
	n, err := c.api.opts.Connectors.Move(c.r.Context(), c.r.PathValue("name"), body.To)
	if err != nil {
		return err
	}
	return c.document(200, map[string]any{"moved": n})
}
