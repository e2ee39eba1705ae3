package bulk

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"protei-bulk/bulk/aggregator"
	"protei-bulk/bulk/api"
	"protei-bulk/bulk/connector"
	"protei-bulk/bulk/dispatch"
	"protei-bulk/bulk/upstream"
	"protei-bulk/gsm"
)

// gateways are the connectors of kind http as package api wants them.
type gateways struct{ p *Platform }

var errNotRunning = errors.New("the connector is stopped")

// Callback implements api.Gateways.
func (g gateways) Callback(ctx context.Context, name, secret string, r *http.Request, body []byte) (string, error) {
	c := g.p.connector.Named(name)
	if c == nil || c.Kind != connector.HTTP || c.CallbackSecret == "" || subtle.ConstantTimeCompare([]byte(c.CallbackSecret), []byte(secret)) != 1 {
		return "", api.ErrCallbackSecret
	}
	l := g.p.fleet.link(c.ID)
	if l == nil || l.dispatcher == nil {
		return "", errNotRunning
	}
	links, ok := l.group.(*aggregator.Links)
	if !ok {
		return "", errNotRunning
	}
	reports, answer, err := links.Gateway().Receipts(r, body)
	switch {
	case errors.Is(err, aggregator.ErrNoCallback):
		return "", api.ErrCallbackSecret
	case err != nil:
		g.p.log.Warn("a callback that is no receipt", "connector", c.Name, "error", err)
		return "", fmt.Errorf("%w: %s", api.ErrCallback, strings.TrimPrefix(err.Error(), aggregator.ErrCallback.Error()+": "))
	}
	return answer, take(ctx, l.dispatcher, reports)
}

// take returns when all receipts are durable, or one is not.
func take(ctx context.Context, d *dispatch.Dispatcher, reports []aggregator.Report) error {
	done := make(chan error, len(reports))
	for _, rep := range reports {
		d.Take(dispatch.Report(rep), func(err error) { done <- err })
	}
	var first error
	for range reports {
		select {
		case err := <-done:
			if err != nil && first == nil {
				first = err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return first
}

// hidden stands for secrets in what is shown.
const hidden = "********"

// Try implements api.Gateways.
func (g gateways) Try(c *connector.Connector, t *api.GatewayTrial) (*api.GatewayReport, error) {
	spec := c.Spec
	if spec.Password != "" {
		spec.Password = hidden
	}
	if spec.CallbackSecret != "" {
		spec.CallbackSecret = hidden
	}
	gateway, err := spec.Gateway()
	if err != nil {
		return nil, err
	}
	enc, err := gsm.ParseEncoding(t.Encoding)
	if err != nil && t.Encoding != "" {
		return nil, &connector.FieldError{Field: "encoding", Detail: "is none of AUTO, GSM7, UCS2, LATIN1, BINARY"}
	}
	m, err := aggregator.Sample(t.From, strings.TrimPrefix(t.To, "+"), t.Text, enc)
	if err != nil {
		return nil, &connector.FieldError{Field: "text", Detail: err.Error()}
	}
	report := &api.GatewayReport{}
	sub := upstream.Submission{
		Msg:    m,
		Source: dispatch.Rewrite(m.Source, addressRules(c.SourceRules)), Dest: dispatch.Rewrite(m.Dest, addressRules(c.DestRules)),
	}
	for sub.Part = range m.Parts {
		r, err := gateway.Render(&sub, time.Now())
		if err != nil {
			return nil, &connector.FieldError{Field: "text", Detail: err.Error()}
		}
		report.Requests = append(report.Requests, shown(r))
		if gateway.Whole() {
			break
		}
	}
	if a := t.Answer; a != nil {
		header := make(http.Header)
		for name, value := range a.Headers {
			header.Set(name, value)
		}
		out := gateway.Read(&aggregator.Answer{Status: a.Status, Header: header, Body: []byte(a.Body)}, time.Now())
		report.Answer = &api.GatewayVerdict{Class: aggregator.ClassName(out.Class), ID: out.ID, Code: out.Code, Detail: out.Detail}
	}
	if in := t.Receipt; in != nil {
		if report.Receipts, err = tried(gateway, in); err != nil {
			return nil, &connector.FieldError{Field: "receipt", Detail: err.Error()}
		}
	}
	return report, nil
}

func shown(r *aggregator.Rendered) api.GatewayRequest {
	headers := make(map[string]string, len(r.Header))
	for name := range r.Header {
		headers[name] = r.Header.Get(name)
	}
	if kind, _, ok := strings.Cut(headers["Authorization"], " "); ok {
		headers["Authorization"] = kind + " " + hidden
	}
	return api.GatewayRequest{Method: r.Method, URL: r.URL, Headers: headers, Body: string(r.Body)}
}

func tried(g *aggregator.Gateway, in *api.GatewayInput) ([]api.GatewayReceipt, error) {
	r := &http.Request{URL: &url.URL{RawQuery: in.Query}, Header: http.Header{"Content-Type": {in.ContentType}}}
	reports, _, err := g.Receipts(r, []byte(in.Body))
	if err != nil {
		return nil, err
	}
	all := make([]api.GatewayReceipt, len(reports))
	for i, rep := range reports {
		all[i] = api.GatewayReceipt{ID: rep.ID, To: rep.Dest, Status: rep.State.String(), Code: rep.Error}
	}
	return all, nil
}
