package callback

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxAnswerBytes is what is read of an answer; a longer one costs its connection.
const maxAnswerBytes = 16 << 10

// maxRetryAfter bounds what an endpoint may ask for.
const maxRetryAfter = time.Hour

// goneFor is how long an endpoint that answered 410 is left alone.
const goneFor = time.Hour

// refusedError is an answer other than 2xx.
type refusedError struct {
	status int
	wait   time.Duration // the endpoint's own wish, 0: none
}

func (e *refusedError) Error() string { return "endpoint answered " + strconv.Itoa(e.status) }

// newClient returns a client that follows no redirect, uses no proxy and dials through
// the guard.
func newClient(o *Options) *http.Client {
	guard := &Guard{Allow: o.Allow}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // a proxy would dial for us, past the guard
			DialContext:            guard.Dialer(o.Timeout).DialContext,
			TLSHandshakeTimeout:    o.Timeout,
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           512,
			MaxIdleConnsPerHost:    o.Concurrency,
			IdleConnTimeout:        90 * time.Second,
			ResponseHeaderTimeout:  o.Timeout,
			MaxResponseHeaderBytes: 32 << 10,
			DisableCompression:     true,
			WriteBufferSize:        32 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// post sends one batch once. nil means that the endpoint has it.
func (s *Sender) post(ctx context.Context, e *endpoint, b *batch) error {
	if r := b.notices[0].Request; r != nil {
		return s.sendForeign(ctx, r)
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(b.body))
	if err != nil {
		return fmt.Errorf("webhook request: %w", err)
	}
	now := s.opts.now().Unix()
	req.Header["Content-Type"] = []string{"application/json"}
	req.Header["User-Agent"] = []string{s.opts.UserAgent}
	req.Header["Webhook-Id"] = []string{b.id}
	req.Header["Webhook-Timestamp"] = []string{strconv.FormatInt(now, 10)}
	if secret := s.opts.Secret(e.account); secret != "" {
		req.Header["Webhook-Signature"] = []string{Signature(secret, b.id, now, b.body)}
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	// What it says does not matter; reading it lets the connection be used again.
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswerBytes)
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return &refusedError{status: resp.StatusCode, wait: s.retryAfter(resp)}
}

func (s *Sender) retryAfter(resp *http.Response) time.Duration {
	if resp.StatusCode == http.StatusGone {
		return goneFor
	}
	text := resp.Header.Get("Retry-After")
	if text == "" {
		return 0
	}
	wait := time.Duration(0)
	if n, err := strconv.Atoi(text); err == nil {
		wait = time.Duration(min(n, int(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(s.opts.now())
	}
	return min(max(wait, 0), maxRetryAfter)
}
