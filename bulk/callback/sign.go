package callback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
)

// Signature returns the webhook-signature of Standard Webhooks: HMAC-SHA-256 over
// "id.timestamp.body", with the secret's bytes behind whsec_.
func Signature(secret, id string, timestamp int64, body []byte) string {
	mac := hmac.New(sha256.New, secretKey(secret))
	mac.Write([]byte(id))
	mac.Write([]byte{'.'})
	mac.Write(strconv.AppendInt(nil, timestamp, 10))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// secretKey decodes whsec_<base64>; a secret that is not in that form is taken as it is.
func secretKey(secret string) []byte {
	text := strings.TrimPrefix(secret, "whsec_")
	if key, err := base64.StdEncoding.DecodeString(text); err == nil && text != secret {
		return key
	}
	return []byte(secret)
}

// batchID names a batch by what it says, so that the same batch has the same
// webhook-id in every try, also after a restart.
func batchID(body []byte) string {
	sum := sha256.Sum256(body)
	return "evt_" + hex.EncodeToString(sum[:16])
}
