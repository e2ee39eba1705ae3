package client_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/callback"
	"protei-bulk/client"
)

// FuzzWebhook: a webhook is taken with the signature of its secret, and with no other.
func FuzzWebhook(f *testing.F) {
	f.Add("evt_1", int64(0), []byte(events), "v1,AAAA", "whsec_AAAA")
	f.Add("a.b", int64(301), []byte(`{}`), "", "plain")
	f.Add("", int64(-1<<62), []byte(nil), "v1, v1,", "whsec_?")
	now := time.Unix(1614265330, 0)
	f.Fuzz(func(t *testing.T, id string, late int64, body []byte, forged, key string) {
		v, err := client.NewVerifier(key)
		if err != nil || id != strings.TrimSpace(id) || strings.ContainsAny(id, "\r\n\x00") {
			return
		}
		v.Now = func() time.Time { return now }
		stamp := now.Unix() - late
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {strconv.FormatInt(stamp, 10)}}
		good := callback.Signature(key, id, stamp, body)
		for _, signature := range []string{good, forged + " " + good, forged} {
			h.Set("webhook-signature", signature)
			want := id != "" && late >= -300 && late <= 300 && strings.Contains(" "+signature+" ", " "+good+" ")
			if err := v.Verify(h, body); (err == nil) != want {
				t.Fatalf("id %q, %d s late, signature %q: %v", id, late, signature, err)
			}
			r := httptest.NewRequest("POST", "/hook", bytes.NewReader(body))
			r.Header = h
			if d, err := v.Read(r); err == nil && (!want || d.ID != id || d.At.Unix() != stamp) {
				t.Fatalf("read %+v of id %q at %d", d, id, stamp)
			}
		}
		if len(body) > 0 {
			h.Set("webhook-signature", good)
			body = bytes.Clone(body)
			body[len(body)/2] ^= 1
			if v.Verify(h, body) == nil {
				t.Fatalf("a changed body was taken: %q", body)
			}
		}
	})
}
