package bulk

import (
	"cmp"
	"fmt"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// tracingOff as tracing.endpoint holds against the environment.
const tracingOff = "off"

// tracesPath is where a collector takes traces (OTLP/HTTP).
const tracesPath = "/v1/traces"

// TracingConfig says where traces go, and of how many messages.
type TracingConfig struct {
	Endpoint string  `yaml:"endpoint" doc:"OpenTelemetry collector that gets traces by OTLP over HTTP, such as http://collector:4318; empty: that of OTEL_EXPORTER_OTLP_ENDPOINT, or none; off: none"`
	Sample   Share   `yaml:"sample" doc:"share of the messages that are traced, 0 to 1"`
	Headers  Headers `yaml:"headers" doc:"headers of each request to the collector, such as authorization=Bearer%20token, separated by commas, values percent-encoded"`
}

// loadEnv takes what OpenTelemetry's own variables say of what is not set.
func (c *TracingConfig) loadEnv(getenv func(string) string) {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		c.Endpoint = tracingOff
	}
	if c.Endpoint == "" {
		if c.Endpoint = getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); c.Endpoint == "" {
			c.Endpoint = getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
		}
	}
	if c.Headers == "" {
		c.Headers = Headers(cmp.Or(getenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS"), getenv("OTEL_EXPORTER_OTLP_HEADERS")))
	}
}

// on reports whether messages are traced.
func (c *TracingConfig) on() bool { return c.Endpoint != "" && c.Endpoint != tracingOff }

func (c *TracingConfig) validate(bad func(key, format string, args ...any)) {
	if c.on() {
		u, err := url.Parse(c.Endpoint)
		switch {
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
			bad("tracing.endpoint", "%q is not a URL such as http://collector:4318", redactURL(c.Endpoint))
		case u.User != nil || u.RawQuery != "" || u.Fragment != "":
			bad("tracing.endpoint", "credentials belong in tracing.headers, and a query is not sent")
		}
	}
	if !(c.Sample >= 0 && c.Sample <= 1) {
		bad("tracing.sample", "%s is outside 0 to 1", c.Sample)
	}
	if _, err := c.Headers.parse(); err != nil {
		bad("tracing.headers", "%v", err)
	}
}

// address is the URL that traces are posted to.
func (c *TracingConfig) address() string {
	base := strings.TrimRight(c.Endpoint, "/")
	if strings.HasSuffix(base, tracesPath) {
		return base
	}
	return base + tracesPath
}

// Share is a part of a whole, 0 to 1.
type Share float64

// String returns the decimal number.
func (s Share) String() string { return strconv.FormatFloat(float64(s), 'g', -1, 64) }

// MarshalText writes what UnmarshalText reads.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a decimal number.
func (s *Share) UnmarshalText(b []byte) error {
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || !(f >= 0 && f <= 1) {
		return fmt.Errorf("%q is not a share from 0 to 1", b)
	}
	*s = Share(f)
	return nil
}

// UnmarshalYAML reads what UnmarshalText reads, and says where it stands when it cannot.
func (s *Share) UnmarshalYAML(node ast.Node) error { return atPlace(node, s.UnmarshalText) }

// Headers are HTTP headers as OpenTelemetry writes them: name=value pairs separated by commas,
// values percent-encoded. Values are secrets.
type Headers string

// parse returns the values by canonical name. An error shows no value.
func (h Headers) parse() (map[string]string, error) {
	all := map[string]string{}
	for pair := range strings.SplitSeq(string(h), ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return nil, fmt.Errorf("pair %d is not name=value", len(all)+1)
		}
		text, err := url.PathUnescape(strings.TrimSpace(value))
		if err != nil || strings.ContainsAny(text, "\r\n\x00") {
			return nil, fmt.Errorf("the value of %s is not percent-encoded", name)
		}
		all[textproto.CanonicalMIMEHeaderKey(name)] = text
	}
	return all, nil
}

// redacted hides the values.
func (h Headers) redacted() Headers {
	var pairs []string
	for pair := range strings.SplitSeq(string(h), ",") {
		switch name, _, ok := strings.Cut(pair, "="); {
		case ok:
			pairs = append(pairs, name+"=xxxxx")
		case pair != "":
			pairs = append(pairs, "xxxxx")
		}
	}
	return Headers(strings.Join(pairs, ","))
}
