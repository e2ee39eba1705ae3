package callback

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Request is a notice in the form of another product. It goes alone, and is neither JSON
// nor signed; guard, retries and breaker are those of webhooks, the breaker one for all
// addresses of a scheme and host.
type Request struct {
	Method string // GET or POST
	URL    string
	Body   []byte // of a POST: application/x-www-form-urlencoded
	// Ack is what the body of the answer, of status 200, must say; empty: any answer 2xx will do.
	Ack string
}

// origin is the part of an address that its breaker goes by.
func origin(address string) string {
	scheme, rest, _ := strings.Cut(address, "://")
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, "?")
	return scheme + "://" + host
}

// place is what a log says of an address: path and query often are a customer's secret.
func place(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an address that cannot be read"
	}
	return u.Scheme + "://" + u.Host
}

// notAcknowledged is an answer 2xx that does not say what it must.
type notAcknowledged struct{ want, got string }

func (e *notAcknowledged) Error() string {
	return fmt.Sprintf("endpoint did not answer %q but %.40q", e.want, e.got)
}

// sendForeign sends a Request once. nil means that the endpoint has it.
func (s *Sender) sendForeign(ctx context.Context, r *Request) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return fmt.Errorf("callback request: %w", err)
	}
	if r.Method == http.MethodPost {
		req.Header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
	}
	req.Header["User-Agent"] = []string{s.opts.UserAgent}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if resp.StatusCode/100 != 2 || r.Ack != "" && resp.StatusCode != http.StatusOK {
		return &refusedError{status: resp.StatusCode, wait: s.retryAfter(resp)}
	}
	if got := strings.TrimSpace(string(body)); r.Ack != "" && got != r.Ack {
		return &notAcknowledged{r.Ack, got}
	}
	return nil
}
