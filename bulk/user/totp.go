package user

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6238 codes are HMAC-SHA-1 in every authenticator
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Codes as all authenticators make them: RFC 6238 with HMAC-SHA-1, six digits, 30 seconds.
const (
	totpPeriod = 30
	totpDigits = 1_000_000
	totpSkew   = 1  // steps that a clock may be off, either way
	totpSecret = 20 // octets: RFC 4226 §4 R6
	totpLeast  = 16
)

var base32Plain = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewTOTPSecret returns a random secret in base32.
func NewTOTPSecret() string {
	b := make([]byte, totpSecret)
	_, _ = rand.Read(b)
	return base32Plain.EncodeToString(b)
}

// TOTPURL is what an authenticator reads as a QR code or a link.
func TOTPURL(issuer, name, secret string) string {
	q := url.Values{"secret": {secret}, "issuer": {issuer}}
	return "otpauth://totp/" + url.PathEscape(issuer+":"+name) + "?" + q.Encode()
}

func decodeTOTP(secret string) ([]byte, error) {
	key, err := base32Plain.DecodeString(strings.ToUpper(strings.NewReplacer(" ", "", "-", "", "=", "").Replace(secret)))
	if err != nil || len(key) < totpLeast {
		return nil, &FieldError{"secret", fmt.Sprintf("is not base32 of at least %d octets", totpLeast)}
	}
	return key, nil
}

// totpCode is the code of a time step: RFC 4226 §5.3 and §5.4.
func totpCode(key []byte, step int64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	mac := hmac.New(sha1.New, key)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	n := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	return fmt.Sprintf("%06d", n%totpDigits)
}

// TOTPCode is the code that an authenticator shows at a moment.
func TOTPCode(secret string, at time.Time) (string, error) {
	key, err := decodeTOTP(secret)
	if err != nil {
		return "", err
	}
	return totpCode(key, at.Unix()/totpPeriod), nil
}

// checkTOTP returns the step whose code it is, later than used; 0: it is none.
func checkTOTP(secret, code string, at time.Time, used int64) int64 {
	key, err := decodeTOTP(secret)
	if err != nil {
		return 0
	}
	code = strings.ReplaceAll(strings.TrimSpace(code), " ", "")
	now, found := at.Unix()/totpPeriod, int64(0)
	for step := now - totpSkew; step <= now+totpSkew; step++ {
		if subtle.ConstantTimeCompare([]byte(totpCode(key, step)), []byte(code)) == 1 && step > used {
			found = step
		}
	}
	return found
}
