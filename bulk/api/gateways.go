package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"protei-bulk/bulk/connector"
)

// Gateways are the connectors of kind http.
type Gateways interface {
	// Callback stores the receipts of a callback and returns what the aggregator is answered.
	// It returns when they are durable: ErrCallbackSecret, ErrCallback, or why they are not.
	Callback(ctx context.Context, name, secret string, r *http.Request, body []byte) (answer string, err error)
	// Try says what would be sent and how answers would be understood. Nothing is sent.
	Try(c *connector.Connector, t *GatewayTrial) (*GatewayReport, error)
}

// Errors of Gateways.
var (
	ErrCallbackSecret = errors.New("no connector takes receipts under this name and secret")
	ErrCallback       = errors.New("not a receipt")
)

// GatewayTrial is what a dry run is made with.
type GatewayTrial struct {
	From     string         `json:"from"`
	To       string         `json:"to"`
	Text     string         `json:"text"`
	Encoding string         `json:"encoding"`
	Answer   *GatewayAnswer `json:"answer"`  // an answer of the aggregator to be understood
	Receipt  *GatewayInput  `json:"receipt"` // a callback to be understood
}

// GatewayAnswer is an HTTP response.
type GatewayAnswer struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// GatewayInput is the HTTP request of a callback.
type GatewayInput struct {
	Query       string `json:"query"`
	ContentType string `json:"content_type"`
	Body        string `json:"body"`
}

// GatewayReport is what a dry run finds. Secrets are hidden.
type GatewayReport struct {
	Requests []GatewayRequest `json:"requests"`
	Answer   *GatewayVerdict  `json:"answer,omitempty"`
	Receipts []GatewayReceipt `json:"receipts,omitempty"`
}

// GatewayRequest is one request as it would go out.
type GatewayRequest struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// GatewayVerdict is how an answer is understood.
type GatewayVerdict struct {
	Class  string `json:"class"`
	ID     string `json:"id,omitempty"`
	Code   uint32 `json:"code,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// GatewayReceipt is one receipt of a callback.
type GatewayReceipt struct {
	ID     string `json:"id"`
	To     string `json:"to,omitempty"`
	Status string `json:"status"`
	Code   uint32 `json:"code,omitempty"`
}

// maxCallback bounds the body of a callback.
const maxCallback = 1 << 20

// gatewayCallback takes receipts from an aggregator, which shows the secret of the connector
// and no key of an account.
func (c *call) gatewayCallback() error {
	secret := c.r.PathValue("secret")
	if secret == "" {
		secret = c.r.Header.Get("X-Callback-Secret")
	}
	if secret == "" {
		secret, _ = strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	}
	if secret == "" {
		secret = c.r.URL.Query().Get("secret")
	}
	if c.r.ContentLength > maxCallback {
		return tooLarge(maxCallback)
	}
	if err := c.read(maxCallback); err != nil {
		return err
	}
	answer, err := c.api.opts.Gateways.Callback(c.r.Context(), c.r.PathValue("name"), secret, c.r, c.body)
	switch {
	case errors.Is(err, ErrCallbackSecret):
		return wrong("unauthorized", err.Error())
	case errors.Is(err, ErrCallback):
		return wrong("invalid_receipt", err.Error())
	case err != nil:
		return &problem{code: "unavailable", detail: "the receipts are not stored: send them again later", retry: retryBusy}
	}
	c.send(200, typeText, []byte(answer))
	return nil
}

var typeText = []string{"text/plain; charset=utf-8"}

// testConnector renders the requests of a connector of kind http.
func (c *call) testConnector() error {
	conn, err := c.api.opts.Connectors.Find(c.r.PathValue("name"))
	if err != nil {
		return err
	}
	t := GatewayTrial{From: "SHOP", To: "15550001234", Text: "test"}
	if _, err := c.into(&t, nil); err != nil {
		return err
	}
	if conn.Kind != connector.HTTP {
		return wrong("conflict", "connector "+conn.Name+" is of kind smpp: there is no template to try")
	}
	report, err := c.api.opts.Gateways.Try(conn, &t)
	if err != nil {
		return err
	}
	return c.document(200, report)
}
