package client

import (
	"context"
	"net/http"
)

// ConnectorSettings are what CreateConnector sets and UpdateConnector changes; nil or empty
// stays as it is. Durations are written as 30s.
type ConnectorSettings struct {
	Name string `json:"name,omitempty"`
	Kind string `json:"kind,omitempty"` // smpp or http; "": smpp
	Mode string `json:"mode,omitempty"` // running, paused, stopped
	// URL has address, credentials and settings in one: smpp://user:password@host:port?binds=2.
	URL  string        `json:"url,omitempty"`
	HTTP *HTTPSettings `json:"http,omitempty"` // of Kind http
	TPS  *float64      `json:"tps,omitempty"`  // a second over all binds; 0: no limit

	Address       string  `json:"address,omitempty"` // host:port
	SystemID      string  `json:"system_id,omitempty"`
	Password      *string `json:"password,omitempty"`
	SystemType    *string `json:"system_type,omitempty"`
	TLS           *bool   `json:"tls,omitempty"`
	TLSServerName *string `json:"tls_server_name,omitempty"` // "": the host of Address
	TLSInsecure   *bool   `json:"tls_insecure,omitempty"`    // takes any certificate
	TLSCA         *string `json:"tls_ca,omitempty"`          // PEM of the authorities; "": the system's

	Bind            string  `json:"bind,omitempty"`   // trx, txrx, outbind
	Binds           int     `json:"binds,omitempty"`  // 1 to 64
	Window          int     `json:"window,omitempty"` // submit_sm in flight on each bind, 1 to 10,000
	ResponseTimeout string  `json:"response_timeout,omitempty"`
	EnquireLink     string  `json:"enquire_link,omitempty"` // of an idle link
	ReconnectMin    string  `json:"reconnect_min,omitempty"`
	ReconnectMax    string  `json:"reconnect_max,omitempty"`
	OutbindListen   *string `json:"outbind_listen,omitempty"`
	OutbindSystemID *string `json:"outbind_system_id,omitempty"`
	OutbindPassword *string `json:"outbind_password,omitempty"`

	MessageIDs     string             `json:"message_ids,omitempty"`    // auto, raw, hex2dec, dec2hex
	Unknown        string             `json:"unknown,omitempty"`        // when an answer is lost: resend, hold, fail
	ThrottleScope  string             `json:"throttle_scope,omitempty"` // connector or bind
	FailoverAfter  string             `json:"failover_after,omitempty"`
	Charset        string             `json:"charset,omitempty"` // gsm7, gsm7_packed, latin1, ucs2
	TraceTLV       *bool              `json:"trace_tlv,omitempty"`
	SourceRules    *[]AddressRule     `json:"source_rules,omitempty"`
	DestRules      *[]AddressRule     `json:"dest_rules,omitempty"`
	Statuses       *map[string]string `json:"statuses,omitempty"` // what a command_status means
	CallbackSecret *string            `json:"callback_secret,omitempty"`
}

// AddressRule changes addresses on their way to an SMSC.
type AddressRule struct {
	Kind    string `json:"kind,omitempty"`    // any, alphanumeric, international, national, short; "": any
	Prefix  string `json:"prefix,omitempty"`  // the address begins so
	TON     *int   `json:"ton,omitempty"`     // nil: as it is
	NPI     *int   `json:"npi,omitempty"`     // nil: as it is
	Strip   int    `json:"strip,omitempty"`   // characters taken off the front
	Prepend string `json:"prepend,omitempty"` // put in front then
	Replace string `json:"replace,omitempty"` // of a sender: what stands in its place
}

// HTTPSettings are the API of an aggregator by template.
type HTTPSettings struct {
	Method   string            `json:"method,omitempty"`
	URL      string            `json:"url,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`
	Body     string            `json:"body,omitempty"`
	Format   string            `json:"format,omitempty"`
	Auth     string            `json:"auth,omitempty"`
	Split    string            `json:"split,omitempty"`
	ID       string            `json:"id,omitempty"`    // where the answer has the message's id
	Error    string            `json:"error,omitempty"` // where the answer has the reason
	Rules    []HTTPRule        `json:"rules,omitempty"` // the first that fits says what an answer means
	Callback *HTTPCallback     `json:"callback,omitempty"`
}

// HTTPRule says what an answer means.
type HTTPRule struct {
	Status string `json:"status,omitempty"` // of HTTP: 200, 4xx
	Value  string `json:"value,omitempty"`  // where to look in the answer
	Is     string `json:"is,omitempty"`     // what stands there
	Like   string `json:"like,omitempty"`   // or a regular expression
	Class  string `json:"class,omitempty"`
}

// HTTPCallback says how receipts of an aggregator are read.
type HTTPCallback struct {
	Items  string            `json:"items,omitempty"`
	ID     string            `json:"id,omitempty"`
	Status string            `json:"status,omitempty"`
	Error  string            `json:"error,omitempty"`
	To     string            `json:"to,omitempty"`
	Base   string            `json:"base,omitempty"` // address of the platform, for the aggregator
	Answer string            `json:"answer,omitempty"`
	States map[string]string `json:"states,omitempty"` // what a status means
}

// CreateConnector makes a connector.
func (c *Client) CreateConnector(ctx context.Context, s ConnectorSettings) (*Connector, error) {
	return get[Connector](ctx, c, http.MethodPost, base+"/connectors", nil, s)
}

// UpdateConnector changes what s has, while messages flow.
func (c *Client) UpdateConnector(ctx context.Context, name string, s ConnectorSettings) (*Connector, error) {
	return get[Connector](ctx, c, http.MethodPatch, under("/connectors/", name), nil, s)
}

// DeleteConnector deletes a connector for which nothing waits; conflict otherwise.
func (c *Client) DeleteConnector(ctx context.Context, name string) error {
	return c.run(ctx, http.MethodDelete, under("/connectors/", name), nil)
}

// MoveConnector gives what waits for a connector to another and returns how many messages that were.
func (c *Client) MoveConnector(ctx context.Context, name, to string) (*Moved, error) {
	body := struct {
		To string `json:"to"`
	}{to}
	return get[Moved](ctx, c, http.MethodPost, under("/connectors/", name, "/move"), nil, body)
}

// Moved says how many messages another connector has now.
type Moved struct {
	Moved int64 `json:"moved"`
}

// ConnectorTrial is a message, and what an aggregator might answer, for TestConnector.
type ConnectorTrial struct {
	From     string        `json:"from,omitempty"`
	To       string        `json:"to,omitempty"`
	Text     string        `json:"text,omitempty"`
	Encoding string        `json:"encoding,omitempty"`
	Answer   *HTTPAnswer   `json:"answer,omitempty"`  // nil: none is looked at
	Receipt  *HTTPReceipts `json:"receipt,omitempty"` // nil: none is looked at
}

// HTTPAnswer is an answer of an aggregator.
type HTTPAnswer struct {
	Status  int               `json:"status,omitempty"` // of HTTP
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
}

// HTTPReceipts is a request of an aggregator.
type HTTPReceipts struct {
	Query       string `json:"query,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	Body        string `json:"body,omitempty"`
}

// ConnectorReport is what would be sent, and how the answers would be understood.
type ConnectorReport struct {
	Requests []HTTPRequest `json:"requests"`
	Answer   *HTTPVerdict  `json:"answer,omitempty"`
	Receipts []HTTPReceipt `json:"receipts,omitempty"`
}

// HTTPRequest is a request to an aggregator, without secrets.
type HTTPRequest struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// HTTPVerdict is what an answer means.
type HTTPVerdict struct {
	Class  string `json:"class"`
	Code   int    `json:"code,omitempty"`
	ID     string `json:"id,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// HTTPReceipt is a receipt as it was understood.
type HTTPReceipt struct {
	ID     string `json:"id"`
	To     string `json:"to,omitempty"`
	Status string `json:"status"`
	Code   int    `json:"code,omitempty"`
}

// TestConnector is a dry run of a connector of kind http: nothing is sent.
func (c *Client) TestConnector(ctx context.Context, name string, t ConnectorTrial) (*ConnectorReport, error) {
	return retried[ConnectorReport](ctx, c, under("/connectors/", name, "/test"), nil, t)
}
