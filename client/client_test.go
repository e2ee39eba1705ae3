package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"protei-bulk/client"
)

// answers is a server without a network: what it says in turn, the last for ever.
type answers struct {
	say  []func(*http.Request) (*http.Response, error)
	made []*http.Request
	at   []time.Duration
	from time.Time
}

func (a *answers) RoundTrip(req *http.Request) (*http.Response, error) {
	if a.from.IsZero() {
		a.from = time.Now()
	}
	a.made, a.at = append(a.made, req), append(a.at, time.Since(a.from))
	return a.say[min(len(a.made), len(a.say))-1](req)
}

func answer(status int, text string, header ...string) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Request: req, Body: io.NopCloser(strings.NewReader(text))}, nil
	}
}

func broken(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

func problem(status int, code string, header ...string) func(*http.Request) (*http.Response, error) {
	return answer(status, `{"code":"`+code+`","detail":"no","status":`+strconv.Itoa(status)+`}`, header...)
}

var (
	accepted = answer(201, `{"message_id":"3441231da9c00000","status":"PENDING","parts":1,"encoding":"GSM7","submitted_at":"2030-01-31T09:00:00Z"}`)
	draft    = answer(201, `{"campaign_id":"3441231da9c00000","status":"DRAFT"}`)
	reset    = broken(&net.OpError{Op: "read", Err: syscall.ECONNRESET})
	away     = broken(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED})
)

func TestRetries(t *testing.T) {
	type say = []func(*http.Request) (*http.Response, error)
	send := func(ctx context.Context, c *client.Client) error {
		_, err := c.SendMessage(ctx, client.NewMessage{})
		return err
	}
	create := func(ctx context.Context, c *client.Client) error {
		_, err := c.CreateCampaign(ctx, client.NewCampaign{})
		return err
	}
	read := func(ctx context.Context, c *client.Client) error {
		_, err := c.Statistics(ctx)
		return err
	}
	for name, tc := range map[string]struct {
		say      say
		call     func(context.Context, *client.Client) error
		tries    int
		fails    bool
		min, max time.Duration // from the first try to the last
	}{
		"a broken connection":                   {say{reset, accepted}, send, 2, false, 100 * time.Millisecond, 200 * time.Millisecond},
		"rate limited, with Retry-After":        {say{problem(429, "rate_limited", "Retry-After", "3"), accepted}, send, 2, false, 3 * time.Second, 3200 * time.Millisecond},
		"busy":                                  {say{problem(503, "queue_full", "Retry-After", "1"), answer(503, "no"), accepted}, send, 3, false, 1200 * time.Millisecond, 1600 * time.Millisecond},
		"busy until it gives up":                {say{answer(503, "no")}, send, 5, true, 1500 * time.Millisecond, 3 * time.Second},
		"the first try is under way":            {say{reset, problem(409, "idempotency_in_progress"), accepted}, send, 3, false, 300 * time.Millisecond, 600 * time.Millisecond},
		"a quota until tomorrow":                {say{problem(429, "quota_exceeded", "Retry-After", "7200")}, send, 1, true, 0, 0},
		"a refusal":                             {say{problem(422, "invalid_text")}, send, 1, true, 0, 0},
		"a fault of the platform":               {say{answer(500, "no")}, send, 1, true, 0, 0},
		"no connection for a campaign":          {say{away, draft}, create, 2, false, 100 * time.Millisecond, 200 * time.Millisecond},
		"rate limited campaign":                 {say{problem(429, "rate_limited"), draft}, create, 2, false, 100 * time.Millisecond, 200 * time.Millisecond},
		"a campaign that may have been created": {say{reset, draft}, create, 1, true, 0, 0},
		"a campaign of a platform that is busy": {say{answer(503, "no"), draft}, create, 1, true, 0, 0},
		"reading":                               {say{reset, answer(503, "no"), answer(200, "{}")}, read, 3, false, 300 * time.Millisecond, 600 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &answers{say: tc.say}
				c, err := client.New(client.Options{HTTP: &http.Client{Transport: a}})
				if err != nil {
					t.Fatal(err)
				}
				err = tc.call(t.Context(), c)
				took := a.at[len(a.at)-1]
				if len(a.made) != tc.tries || (err != nil) != tc.fails || took < tc.min || took > tc.max {
					t.Errorf("%d tries in %v, error %v; want %d in %v to %v, failing %v", len(a.made), took, err, tc.tries, tc.min, tc.max, tc.fails)
				}
				key := a.made[0].Header.Get("Idempotency-Key")
				for _, req := range a.made {
					if req.Header.Get("Idempotency-Key") != key || (req.URL.Path == "/api/v1/messages") != (key != "") {
						t.Errorf("%s has the Idempotency-Key %q, the first try %q", req.URL.Path, req.Header.Get("Idempotency-Key"), key)
					}
				}
			})
		})
	}
}

// TestEndOfTheContext: a call ends with its context, and does not begin to wait for what comes after it.
func TestEndOfTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := &answers{say: []func(*http.Request) (*http.Response, error){problem(503, "queue_full", "Retry-After", "20")}}
		c, err := client.New(client.Options{HTTP: &http.Client{Transport: busy}})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := c.Statistics(ctx); client.Code(err) != "queue_full" || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, stop)
		if _, err := c.Statistics(ctx); !errors.Is(err, context.Canceled) || client.Code(err) != "queue_full" || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// TestTimeoutOfATry: a platform that does not answer is asked again.
func TestTimeoutOfATry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}
		a := &answers{say: []func(*http.Request) (*http.Response, error){silent, accepted}}
		c, err := client.New(client.Options{HTTP: &http.Client{Transport: a}, Timeout: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.SendMessage(t.Context(), client.NewMessage{}); err != nil || len(a.made) != 2 || a.at[1] < 2*time.Second {
			t.Errorf("%d tries, %v, %v", len(a.made), a.at, err)
		}
	})
}

func TestAnswersThatAreNoneOfThisAPI(t *testing.T) {
	for text, say := range map[string]func(*http.Request) (*http.Response, error){
		"the server answered 502 Bad Gateway":                                                      answer(502, "<html>"),
		"the server answered 301 Moved Permanently, that it is at https://elsewhere.example/":      answer(301, "", "Location", "https://elsewhere.example/"),
		"client: the answer to GET /api/v1/statistics is none of this API: invalid character '<' ": answer(200, "<html>"),
	} {
		a := &answers{say: []func(*http.Request) (*http.Response, error){say}}
		c, err := client.New(client.Options{HTTP: &http.Client{Transport: a}, APIKey: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Statistics(t.Context()); err == nil || !strings.Contains(err.Error(), text) || client.Code(err) != "" {
			t.Errorf("%v, want %s", err, text)
		}
		if len(a.made) != 1 {
			t.Errorf("%d requests: the key went on to another address", len(a.made))
		}
	}
}

func TestConnectionsAreKept(t *testing.T) {
	connections := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connections[r.RemoteAddr] = true
		if r.URL.Path == "/api/v1/messages" {
			w.WriteHeader(422)
		}
		_, _ = w.Write([]byte(`{"code":"invalid_text","detail":"no"}`))
	}))
	defer server.Close()
	c, err := client.New(client.Options{URL: server.URL + "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 10 {
		if _, err := c.SendMessage(t.Context(), client.NewMessage{}); client.Code(err) != "invalid_text" {
			t.Error(err)
		}
		if _, err := c.Health(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if len(connections) != 1 {
		t.Errorf("20 calls in turn took %d connections, want 1", len(connections))
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]client.Options{
		"no host":         {URL: "sms.example.net"},
		"another scheme":  {URL: "ftp://sms.example.net"},
		"a password":      {URL: "http://me:secret@sms.example.net"},
		"a query":         {URL: "http://sms.example.net/?a=b"},
		"two credentials": {APIKey: "a", SystemID: "b"},
		"pauses":          {MinPause: time.Second, MaxPause: time.Millisecond},
		"retries":         {Retries: 21},
	} {
		if _, err := client.New(o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
