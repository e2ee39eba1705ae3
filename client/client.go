// Package client calls the REST API of Protei_Bulk: it sends messages and follows them, runs
// campaigns, looks after accounts, connectors, routes and all else that an administrator does, and
// checks the signature of webhooks. It uses the standard library only.
//
//	c, err := client.New(client.Options{URL: "https://sms.example.net", APIKey: key})
//	…
//	sent, err := c.SendMessage(ctx, client.NewMessage{From: "SHOP", To: "+4915112345678", Text: "Your code is 1234"})
//
// A Client is for the whole life of a program and for any number of goroutines: they share its
// connections. Every call takes a context, whose end ends it.
//
// # Errors
//
// What the platform refuses is an *Error: the problem document with its code, which is stable,
// the faults by JSON pointer and the id under which the platform's log has the request.
//
//	switch client.Code(err) {
//	case "insufficient_balance": …
//	case "invalid_recipient": …
//	}
//
// Any other error is of the connection, or of an answer that is none of this API.
//
// # Retries
//
// A call is made again after a failed connection, and after 429 and 503, up to Options.Retries
// times, with pauses that double and are spread at random; a Retry-After is obeyed, and when it is
// longer than Options.MaxPause the error comes at once. Calls that send messages carry an
// Idempotency-Key, so that an answer that was lost does not become a second message. A call
// that changes something and may have been carried out, such as the creation of a campaign, is
// repeated only if it was refused with 429 or no connection was made. An upload is never repeated.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	base      = "/api/v1"
	maxAnswer = 64 << 20
)

// Options of a Client. The zero value is a platform as `serve --dev` makes it on this machine.
type Options struct {
	// URL of the platform without /api/v1; "": http://127.0.0.1:8080.
	URL string
	// APIKey of the account; or SystemID and Password, which are sent as Basic.
	APIKey             string
	SystemID, Password string

	// HTTP makes the requests; nil: a client with connections of its own, up to 128 of them idle.
	// Its redirects are not followed: credentials are for the platform only.
	HTTP *http.Client
	// Timeout of one try; 0: 60 s, negative: none. Uploads and streams have none.
	Timeout time.Duration
	// Retries is how often a call may be repeated, at most 20; 0: 4, negative: never.
	Retries int
	// MinPause and MaxPause bound the pauses between tries; 0: 200 ms and 30 s. A
	// Retry-After beyond MaxPause ends the call.
	MinPause, MaxPause time.Duration
	// UserAgent names the program in the platform's log; "": protei-bulk-client.
	UserAgent string
}

// Client calls one platform. Its methods may be called at the same time.
type Client struct {
	url  string
	http *http.Client
	opts Options
}

// New checks the options; it makes no connection.
func New(opts Options) (*Client, error) {
	setDefault(&opts.URL, "http://127.0.0.1:8080")
	setDefault(&opts.UserAgent, "protei-bulk-client")
	setDefault(&opts.Timeout, 60*time.Second)
	setDefault(&opts.Retries, 4)
	setDefault(&opts.MaxPause, 30*time.Second)
	setDefault(&opts.MinPause, min(200*time.Millisecond, opts.MaxPause))
	u, err := url.Parse(opts.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("client: URL is not an http or https address")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("client: URL has more than a host and a path; credentials have options of their own")
	case opts.APIKey != "" && opts.SystemID != "":
		return nil, errors.New("client: APIKey and SystemID exclude each other")
	case opts.MinPause < 0 || opts.MaxPause < opts.MinPause:
		return nil, errors.New("client: MinPause is negative or above MaxPause")
	case opts.Retries > 20:
		return nil, errors.New("client: Retries is above 20")
	}
	c := &Client{url: strings.TrimRight(opts.URL, "/"), opts: opts}
	own := http.Client{}
	if opts.HTTP != nil {
		own = *opts.HTTP
	} else if plain, ok := http.DefaultTransport.(*http.Transport); ok {
		t := plain.Clone()
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 128, 128
		own.Transport = t
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &own
	return c, nil
}

func setDefault[T comparable](option *T, value T) {
	var zero T
	if *option == zero {
		*option = value
	}
}

// Close closes the connections that are idle, unless they are those of Options.HTTP. The Client
// can be used afterwards.
func (c *Client) Close() {
	if c.opts.HTTP == nil {
		c.http.CloseIdleConnections()
	}
}

// call is one request, which may take several tries.
type call struct {
	method, path string // below base
	query        url.Values
	body, into   any    // JSON; nil: none
	key          string // Idempotency-Key; "": none
	parent       string // traceparent; "": none
	again        bool   // it is safe to repeat for another reason
}

// repeatable reports whether carrying the call out twice is the same as once.
func (q *call) repeatable() bool { return q.method != http.MethodPost || q.key != "" || q.again }

// Do makes any call of the API, also those that have no method here. The path is from the root,
// /api/v1/queues; body is sent and the answer read as JSON, unless they are nil; an into of
// type *[]byte gets the answer's octets, of which it may have 64 MiB. A refusal is an *Error.
func (c *Client) Do(ctx context.Context, method, path string, body, into any) error {
	_, err := c.do(ctx, &call{method: method, path: path, body: body, into: into})
	return err
}

// Stream makes one try of a call, with a body and an answer as they are and as long as they
// take. contentType is that of body, both may be missing. The caller closes the answer's body.
// A refusal is an *Error.
func (c *Client) Stream(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return c.open(req)
}

// retried is get for a POST that may be made again: what it does twice is as if it were done once.
func retried[T any](ctx context.Context, c *Client, path string, query url.Values, body any) (*T, error) {
	into := new(T)
	if _, err := c.do(ctx, &call{method: http.MethodPost, path: path, query: query, body: body, into: into, again: true}); err != nil {
		return nil, err
	}
	return into, nil
}

// run makes a call that answers with nothing.
func (c *Client) run(ctx context.Context, method, path string, query url.Values) error {
	_, err := c.do(ctx, &call{method: method, path: path, query: query})
	return err
}

// read makes one try of a call that answers with a file, which the caller closes.
func (c *Client) read(ctx context.Context, method, path string) (io.ReadCloser, error) {
	resp, err := c.Stream(ctx, method, path, "", nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// open sends a request with the credentials and makes a refusal an *Error.
func (c *Client) open(req *http.Request) (*http.Response, error) {
	req.Header.Set("User-Agent", c.opts.UserAgent)
	switch {
	case c.opts.APIKey != "":
		req.Header.Set("X-API-Key", c.opts.APIKey)
	case c.opts.SystemID != "":
		req.SetBasicAuth(c.opts.SystemID, c.opts.Password)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	text, err := readAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return nil, refused(resp, text)
}

var errTooLong = fmt.Errorf("client: the answer is longer than %d octets", maxAnswer)

func readAll(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("client: the answer broke off: %w", err)
	case len(text) > maxAnswer:
		return nil, errTooLong
	}
	return text, nil
}

// do carries a call out, in as many tries as it takes and is allowed, and returns the answer's header.
func (c *Client) do(ctx context.Context, q *call) (http.Header, error) {
	var body []byte
	if q.body != nil {
		var err error
		if body, err = json.Marshal(q.body); err != nil {
			return nil, fmt.Errorf("client: %s %s: %w", q.method, q.path, err)
		}
	}
	for try := 0; ; try++ {
		header, text, err := c.once(ctx, q, body)
		if err == nil {
			return header, q.decode(text)
		}
		pause, again := c.again(q, try, err)
		if end, ok := ctx.Deadline(); !again || ctx.Err() != nil || ok && time.Until(end) < pause {
			return nil, err
		}
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return nil, fmt.Errorf("%w; the last try: %w", context.Cause(ctx), err)
		}
	}
}

func (q *call) decode(text []byte) error {
	if q.into == nil || len(text) == 0 {
		return nil
	}
	if raw, ok := q.into.(*[]byte); ok {
		*raw = text
		return nil
	}
	if err := json.Unmarshal(text, q.into); err != nil {
		return fmt.Errorf("client: the answer to %s %s is none of this API: %w", q.method, q.path, err)
	}
	return nil
}

// once makes one try.
func (c *Client) once(ctx context.Context, q *call, body []byte) (http.Header, []byte, error) {
	if c.opts.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.opts.Timeout)
		defer cancel()
	}
	target := c.url + q.path
	if len(q.query) > 0 {
		target += "?" + q.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, q.method, target, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("client: %w", err)
	}
	if body != nil {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		req.Header.Set("Content-Type", "application/json")
	}
	if q.key != "" {
		req.Header.Set("Idempotency-Key", q.key)
	}
	if q.parent != "" {
		req.Header.Set("traceparent", q.parent)
	}
	resp, err := c.open(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	text, err := readAll(resp.Body)
	return resp.Header, text, err
}

// again says whether a call that failed is worth another try, and after which pause.
func (c *Client) again(q *call, try int, err error) (time.Duration, bool) {
	if try >= c.opts.Retries || errors.Is(err, errTooLong) {
		return 0, false
	}
	pause := min(c.opts.MinPause<<try, c.opts.MaxPause)
	if pause < c.opts.MinPause { // the shift went over the edge
		pause = c.opts.MaxPause
	}
	var refusal *Error
	if !errors.As(err, &refusal) {
		var certificate *tls.CertificateVerificationError
		return spread(pause), !errors.As(err, &certificate) && (q.repeatable() || notSent(err))
	}
	switch {
	case refusal.Status == http.StatusTooManyRequests:
	case refusal.Status == http.StatusServiceUnavailable, refusal.Code == "idempotency_in_progress":
		if !q.repeatable() {
			return 0, false
		}
	default:
		return 0, false
	}
	if after := refusal.RetryAfter; after > 0 {
		return after + spread(pause) - pause/2, after <= c.opts.MaxPause
	}
	return spread(pause), true
}

// spread returns between half and all of a pause, so that many clients do not come back at once.
func spread(pause time.Duration) time.Duration {
	return pause/2 + time.Duration(rand.Int64N(int64(pause/2)+1))
}

// notSent reports whether err says that no connection was made.
func notSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// queryOf leaves out what is empty.
func queryOf(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

func number[T int | uint32](n T) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(int64(n), 10)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// under is a path with one element of the caller's in it.
func under(path, element string, rest ...string) string {
	return base + path + url.PathEscape(element) + strings.Join(rest, "")
}
