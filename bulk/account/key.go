package account

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"strings"
)

// KeyHash is the SHA-256 of an API key, by which it is stored and looked up. A fast
// hash is enough, because a key has 160 random bits.
type KeyHash [sha256.Size]byte

// HashKey returns the hash of an API key.
func HashKey(key string) KeyHash {
	var buf [64]byte
	return sha256.Sum256(append(buf[:0], key...))
}

// KeyRow is an API key as the store keeps it.
type KeyRow struct {
	Hash      KeyHash
	Account   uint32
	Prefix    string // first characters, to tell keys apart
	Label     string
	CreatedAt int64 // Unix ms
}

const (
	keyHeader    = "pb_"
	keyBytes     = 20
	prefixLength = 9 // of the key: 30 of its 160 bits are shown
)

// newKey returns a new API key of 160 random bits.
func newKey() string {
	var b [keyBytes]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails: it ends the process instead
	return keyHeader + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// newPassword returns a random password that fits in a bind: 8 characters of 5 bits.
func newPassword() string {
	var b [5]byte
	_, _ = rand.Read(b[:])
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

func newWebhookSecret() string {
	var b [24]byte
	_, _ = rand.Read(b[:])
	return "whsec_" + base64.StdEncoding.EncodeToString(b[:])
}

func prefixOf(key string) string { return key[:min(prefixLength, len(key))] }
