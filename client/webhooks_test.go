package client_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"protei-bulk/bulk/callback"
	"protei-bulk/client"
)

const (
	secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	events = `{"events":[{"message_id":"3441231da9c00000","client_ref":"order-17","to":"15550100200","from":"Demo","status":"FAILED",
		"dlr_status":"UNDELIV","error_code":5,"parts":1,"submitted_at":"2026-01-31T09:00:00.000Z","delivered_at":null}]}`
)

func TestVerify(t *testing.T) {
	now := time.Unix(1614265330, 0)
	good := callback.Signature(secret, "evt_1", now.Unix(), []byte(events))
	for name, tc := range map[string]struct {
		id, signature, body string
		at                  time.Time
		secrets             []string
		want                error
	}{
		"good":                         {"evt_1", good, events, now, []string{secret}, nil},
		"one of several signatures":    {"evt_1", "v1a,xyz v1,AAAA " + good, events, now, []string{secret}, nil},
		"the secret before":            {"evt_1", good, events, now, []string{"whsec_AAAA", secret}, nil},
		"at the edge of the tolerance": {"evt_1", good, events, now.Add(-client.DefaultTolerance), []string{secret}, nil},
		"another secret":               {"evt_1", good, events, now, []string{"whsec_AAAA"}, client.ErrBadSignature},
		"another body":                 {"evt_1", good, events + " ", now, []string{secret}, client.ErrBadSignature},
		"another id":                   {"evt_2", good, events, now, []string{secret}, client.ErrBadSignature},
		"another version":              {"evt_1", "v2" + good[2:], events, now, []string{secret}, client.ErrBadSignature},
		"no base64":                    {"evt_1", "v1,?", events, now, []string{secret}, client.ErrBadSignature},
		"too old":                      {"evt_1", good, events, now.Add(client.DefaultTolerance + time.Second), []string{secret}, client.ErrWrongTime},
		"from the future":              {"evt_1", good, events, now.Add(-client.DefaultTolerance - time.Second), []string{secret}, client.ErrWrongTime},
		"no id":                        {"", good, events, now, []string{secret}, client.ErrNotSigned},
		"no signature":                 {"evt_1", "", events, now, []string{secret}, client.ErrNotSigned},
	} {
		v, err := client.NewVerifier(tc.secrets...)
		if err != nil {
			t.Fatal(err)
		}
		v.Now = func() time.Time { return tc.at }
		h := http.Header{}
		h.Set("webhook-id", tc.id)
		h.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
		h.Set("webhook-signature", tc.signature)
		if err := v.Verify(h, []byte(tc.body)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
		r := httptest.NewRequest("POST", "/hook", bytes.NewReader([]byte(tc.body)))
		r.Header = h
		d, err := v.Read(r)
		if !errors.Is(err, tc.want) || (d == nil) != (tc.want != nil) {
			t.Errorf("%s: read %+v, %v", name, d, err)
		}
		if d != nil && (d.ID != "evt_1" || !d.At.Equal(now) || len(d.Events) != 1 || d.Events[0].Status != client.Failed || d.Events[0].ErrorCode != 5 || !d.Events[0].DeliveredAt.IsZero()) {
			t.Errorf("%s: read %+v", name, d)
		}
	}
	v, err := client.NewVerifier(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(http.Header{"Webhook-Id": {"a"}, "Webhook-Signature": {"v1,"}, "Webhook-Timestamp": {"now"}}, nil); !errors.Is(err, client.ErrNotSigned) {
		t.Errorf("a timestamp that is none: %v", err)
	}
	for _, bad := range [][]string{{}, {""}, {"whsec_"}, {secret, ""}} {
		if _, err := client.NewVerifier(bad...); err == nil {
			t.Errorf("secrets %q are taken", bad)
		}
	}
}
