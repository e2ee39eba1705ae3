package client

import (
	"context"
	"io"
	"net/http"
	"time"
)

// Live is how the platform is doing. Counts are since the start, for a customer of his own account.
type Live struct {
	At         int64           `json:"at"` // Unix ms
	Ready      bool            `json:"ready"`
	Accepted   int64           `json:"accepted"`
	Submitted  int64           `json:"submitted"`
	Delivered  int64           `json:"delivered"`
	Failed     int64           `json:"failed"`
	InFlight   int64           `json:"in_flight"`
	Queued     int64           `json:"queued"`
	Closes     bool            `json:"closes"`
	Firing     int             `json:"firing"` // alerts
	Alerts     []string        `json:"alerts,omitempty"`
	Connectors []LiveConnector `json:"connectors,omitempty"`
	Queues     []Queue         `json:"queues,omitempty"`
}

// LiveConnector is the state of a connector, in short.
type LiveConnector struct {
	Name      string `json:"name"`
	Mode      string `json:"mode"`
	State     string `json:"state"`
	Binds     int    `json:"binds"`
	Bound     int    `json:"bound"`
	InFlight  int    `json:"in_flight"`
	Queued    int64  `json:"queued"`
	Submitted int64  `json:"submitted"`
	Throttled int64  `json:"throttled"`
	LastError string `json:"last_error,omitempty"`
}

// Live returns the figures of this second. Stream of /api/v1/live has them each second.
func (c *Client) Live(ctx context.Context) (*Live, error) {
	return get[Live](ctx, c, http.MethodGet, base+"/live", queryOf("once", "true"), nil)
}

// LiveHistory is the last hour, oldest first.
type LiveHistory struct {
	EverySeconds int          `json:"every_seconds"`
	Figures      []PastFigure `json:"figures"`
}

// PastFigure is how the platform was doing at a moment, as of Live.
type PastFigure struct {
	At        int64 `json:"at"` // Unix ms
	Accepted  int64 `json:"accepted"`
	Submitted int64 `json:"submitted"`
	Delivered int64 `json:"delivered"`
	Failed    int64 `json:"failed"`
	InFlight  int64 `json:"in_flight"`
	Queued    int64 `json:"queued"`
}

// LiveHistory returns the figures of the last hour.
func (c *Client) LiveHistory(ctx context.Context) (*LiveHistory, error) {
	return get[LiveHistory](ctx, c, http.MethodGet, base+"/live/history", nil, nil)
}

// Queue is a lane and what waits in it.
type Queue struct {
	Connector string `json:"connector"`
	Priority  string `json:"priority"`
	Waiting   int64  `json:"waiting"`
	InMemory  int64  `json:"in_memory"`
	Delayed   int64  `json:"delayed"`
}

// Queues returns all lanes. It is for administrators, as all calls below are.
func (c *Client) Queues(ctx context.Context) ([]Queue, error) {
	all, err := get[struct{ Queues []Queue }](ctx, c, http.MethodGet, base+"/queues", nil, nil)
	if err != nil {
		return nil, err
	}
	return all.Queues, nil
}

// DeadHint is a hint between nodes that was given up.
type DeadHint struct {
	ID         string    `json:"id"`
	Lane       string    `json:"lane"`
	Reason     string    `json:"reason"`
	GivenUpAt  time.Time `json:"given_up_at"`
	MessageIDs []string  `json:"message_ids,omitempty"`
	Raw        string    `json:"raw,omitempty"` // what could not be read
}

// DeadHintPage is a piece of a list, oldest first.
type DeadHintPage struct {
	Dead       []DeadHint `json:"dead"`
	Limit      int        `json:"limit"`
	NextCursor string     `json:"next_cursor"` // "": the end
}

// DeadHintPage returns a piece of the hints that were given up.
func (c *Client) DeadHintPage(ctx context.Context, p Page) (*DeadHintPage, error) {
	return get[DeadHintPage](ctx, c, http.MethodGet, base+"/queues/dead", queryOf("cursor", p.Cursor, "limit", number(p.Limit)), nil)
}

// DeadHintsDone says how many hints were offered again, or forgotten.
type DeadHintsDone struct {
	Replayed int `json:"replayed,omitempty"`
	Purged   int `json:"purged,omitempty"`
}

// ReplayDeadHints offers what was given up once more.
func (c *Client) ReplayDeadHints(ctx context.Context) (*DeadHintsDone, error) {
	return get[DeadHintsDone](ctx, c, http.MethodPost, base+"/queues/dead/replay", nil, nil)
}

// PurgeDeadHints forgets what was given up.
func (c *Client) PurgeDeadHints(ctx context.Context) (*DeadHintsDone, error) {
	return get[DeadHintsDone](ctx, c, http.MethodDelete, base+"/queues/dead", nil, nil)
}

// Node is one of those that share a store.
type Node struct {
	Node      int       `json:"node"`
	Name      string    `json:"name"`
	This      bool      `json:"this,omitempty"` // it answers
	State     string    `json:"state"`
	Ready     bool      `json:"ready"`
	Reason    string    `json:"reason,omitempty"` // why it is not ready
	Roles     []string  `json:"roles"`
	Leases    []string  `json:"leases,omitempty"`
	HTTP      string    `json:"http"`
	SMPP      string    `json:"smpp,omitempty"`
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at,omitzero"`
	SeenAt    time.Time `json:"seen_at,omitzero"`
}

// Nodes returns all nodes.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	all, err := get[struct{ Nodes []Node }](ctx, c, http.MethodGet, base+"/nodes", nil, nil)
	if err != nil {
		return nil, err
	}
	return all.Nodes, nil
}

// System is the node that answers.
type System struct {
	Version   string    `json:"version"`
	Go        string    `json:"go"`
	Platform  string    `json:"platform"` // linux/amd64
	Node      int       `json:"node"`
	PID       int       `json:"pid"`
	Dev       bool      `json:"dev"`
	StartedAt time.Time `json:"started_at"`
	LogLevel  string    `json:"log_level"`
	Disk      Disk      `json:"disk"`
	Settings  []Setting `json:"settings"`
}

// Disk is where the data folder is. Sizes are octets.
type Disk struct {
	Folder  string `json:"folder"`
	Total   int64  `json:"total"`
	Free    int64  `json:"free"`
	MinFree int64  `json:"min_free"` // below it nothing is accepted
}

// Setting is a setting as it holds, without secrets.
type Setting struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Meaning string `json:"meaning"`
}

// System returns the node that answers, and its settings.
func (c *Client) System(ctx context.Context) (*System, error) {
	return get[System](ctx, c, http.MethodGet, base+"/system", nil, nil)
}

// LogLevel is the level of a process's log.
type LogLevel struct {
	Level string `json:"log_level"`
}

// SetLogLevel sets the log level, debug, info, warn or error, until the process ends.
func (c *Client) SetLogLevel(ctx context.Context, level string) (*LogLevel, error) {
	body := struct {
		Level string `json:"level"`
	}{level}
	return get[LogLevel](ctx, c, http.MethodPut, base+"/system/log-level", nil, body)
}

// Backup returns a copy of the store (tar, gzip), made while the platform works. The caller
// closes it. It holds secrets.
func (c *Client) Backup(ctx context.Context) (io.ReadCloser, error) {
	return c.read(ctx, http.MethodPost, base+"/backup")
}

// CDRFile is a file of call detail records.
type CDRFile struct {
	Name     string    `json:"name"`
	State    string    `json:"state"` // open or complete
	Bytes    int64     `json:"bytes"`
	ClosedAt time.Time `json:"closed_at,omitzero"` // zero: it is being written
}

// CDRPage is a piece of the list of CDR files, newest first.
type CDRPage struct {
	Files      []CDRFile `json:"files"`
	Limit      int       `json:"limit"`
	NextCursor string    `json:"next_cursor"` // "": the end
}

// CDRPage returns a piece of the CDR files of the node that answers.
func (c *Client) CDRPage(ctx context.Context, p Page) (*CDRPage, error) {
	return get[CDRPage](ctx, c, http.MethodGet, base+"/cdr", queryOf("cursor", p.Cursor, "limit", number(p.Limit)), nil)
}

// CDR returns a complete file, as CSV. The caller closes it.
func (c *Client) CDR(ctx context.Context, name string) (io.ReadCloser, error) {
	return c.read(ctx, http.MethodGet, under("/cdr/", name))
}
