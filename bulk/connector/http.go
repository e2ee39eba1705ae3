package connector

import (
	"errors"
	"log/slog"
	"net/url"
	"strings"

	"protei-bulk/bulk/aggregator"
)

// Bounds of what an HTTP connector is known by.
const (
	maxUsername = 256
	maxToken    = 4096
	minSecret   = 16
	maxSecret   = 128
)

func (v *checker) http(s *Spec) {
	if s.HTTP == nil {
		v.bad("http", "is needed with kind http: {\"url\":…,\"body\":…}")
		return
	}
	if s.Address != "" {
		v.bad("address", "belongs to kind smpp: http/url says where")
	}
	if len(s.SystemID) > maxUsername {
		v.bad("system_id", "has at most %d octets", maxUsername)
	}
	if len(s.Password) > maxToken || strings.ContainsAny(s.Password, "\r\n\x00") {
		v.bad("password", "has at most %d octets, and no line breaks", maxToken)
	}
	if n := len(s.CallbackSecret); n > 0 && (n < minSecret || n > maxSecret || url.PathEscape(s.CallbackSecret) != s.CallbackSecret) {
		v.bad("callback_secret", "has %d to %d letters, digits and -_.~", minSecret, maxSecret)
	}
	if len(s.Statuses) > 0 {
		v.bad("statuses", "belongs to kind smpp: http/rules says what answers mean")
	}
	v.tls(s, strings.HasPrefix(s.HTTP.URL, "https://"))
	if _, err := s.Gateway(); err != nil {
		v.gateway(err)
	}
}

// gateway takes over the faults of the HTTP settings.
func (v *checker) gateway(err error) {
	var field *aggregator.FieldError
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			v.gateway(e)
		}
	} else if errors.As(err, &field) {
		v.bad("http/"+field.Field, "%s", field.Detail)
	}
}

// Gateway returns the HTTP settings made ready.
func (s *Spec) Gateway() (*aggregator.Gateway, error) {
	return aggregator.Compile(*s.HTTP, aggregator.Auth{Username: s.SystemID, Password: s.Password, DLRURL: s.dlrURL()})
}

// dlrURL is where the aggregator sends receipts, with the secret.
func (s *Spec) dlrURL() string {
	if s.HTTP.Callback == nil || s.HTTP.Callback.Base == "" || s.CallbackSecret == "" {
		return ""
	}
	return strings.TrimRight(s.HTTP.Callback.Base, "/") + "/api/v1/connectors/" + url.PathEscape(s.Name) + "/dlr/" + s.CallbackSecret
}

// Endpoint returns where the connector leads, to be shown.
func (s *Spec) Endpoint() string {
	if s.Kind == HTTP && s.HTTP != nil {
		return s.HTTP.Endpoint()
	}
	return s.Address
}

// Aggregator returns the options of the links of kind http.
func (s *Spec) Aggregator(log *slog.Logger) (aggregator.Options, error) {
	g, err := s.Gateway()
	if err != nil {
		return aggregator.Options{}, err
	}
	o := s.Upstream(log)
	o.TLS = nil
	if strings.HasPrefix(s.HTTP.URL, "https://") {
		o.TLS = s.tlsConfig()
		o.TLS.ServerName = s.TLSServerName // empty: that of the URL
	}
	return aggregator.Options{Gateway: g, Upstream: o}, nil
}
