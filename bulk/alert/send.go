package alert

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"protei-bulk/bulk/callback"
)

const (
	sendTimeout = 10 * time.Second
	maxAnswer   = 16 << 10
)

// sender posts alerts over HTTP.
type sender struct{ client *http.Client }

func newSender(guard *callback.Guard) sender {
	return sender{&http.Client{
		// No proxy: it would dial for us, past the guard. A redirect is not followed either.
		Transport:     &http.Transport{DialContext: guard.Dialer(sendTimeout).DialContext, DisableKeepAlives: true, MaxResponseHeaderBytes: 32 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (s sender) send(ctx context.Context, c *Channel, a Alert) error {
	target := c.URL
	var body []byte
	var err error
	if c.Kind == HTTP {
		target, body, err = c.render(a)
	} else {
		body, err = json.Marshal(map[string]any{"alerts": []Alert{a}})
	}
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL cannot be used") // the error has it, and it may hold the secret
	}
	req.Header.Set("Content-Type", "application/json")
	if c.Kind == Webhook {
		id, now := "alert_"+rand.Text(), time.Now().Unix()
		req.Header.Set("Webhook-Id", id)
		req.Header.Set("Webhook-Timestamp", strconv.FormatInt(now, 10))
		if c.Secret != "" {
			req.Header.Set("Webhook-Signature", callback.Signature(c.Secret, id, now, body))
		}
	}
	resp, err := s.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL
		}
		return err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the endpoint answered %d", resp.StatusCode)
	}
	return nil
}
