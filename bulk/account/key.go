package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
)

// KeyHash is the SHA-256 of an API key, by which it is stored and looked up. A fast
// hash is enough, because a key has 160 random bits.
type KeyHash [sha256.Size]byte

// HashKey returns the hash of an API key.
func HashKey(key string) KeyHash {
	var buf [64]byte
	return sha256.Sum256(append(buf[:0], key...))
}

// KeySpec is what whoever makes a key decides about it.
type KeySpec struct {
	Name      string
	Scopes    Scopes   // what it may do; 0: everything that its account may
	Allow     []string // addresses and networks that it may be used from; none: any
	ExpiresAt int64    // Unix ms; 0: never
}

// KeyRow is an API key as the store keeps it.
type KeyRow struct {
	KeySpec
	Hash      KeyHash
	Account   uint32
	Prefix    string // first characters, to tell keys apart
	CreatedAt int64  // Unix ms
	LastUsed  int64  // Unix ms; 0: never, see Directory.SaveUse
}

// Key is an API key in a Snapshot: read-only, except for the moment of its last use,
// which all snapshots share.
type Key struct {
	KeyRow
	account  *Account
	networks []netip.Prefix
	*use
}

// use is when a key was used last, and which moment of that the store has: Unix ms.
type use struct{ used, saved atomic.Int64 }

func newKeyOf(row KeyRow, u *use, a *Account) *Key {
	k := &Key{KeyRow: row, account: a, use: u}
	if u == nil {
		k.use = new(use)
		k.used.Store(row.LastUsed)
		k.saved.Store(row.LastUsed)
	}
	if a != nil && a.Role == Admin && !k.May(AdminScope) {
		customer := *a // shares limits with a
		customer.Role = Customer
		k.account = &customer
	}
	if len(row.Allow) > 0 {
		k.networks = make([]netip.Prefix, 0, len(row.Allow)) // not nil, which is any
	}
	for _, text := range row.Allow {
		if network, err := parseNetwork(text); err == nil { // checked when the key was made
			k.networks = append(k.networks, network)
		}
	}
	return k
}

// Owner returns the account that the key acts as. A key of an admin account that lacks
// AdminScope acts as a customer: Owner's Role is Customer then.
func (k *Key) Owner() *Account { return k.account }

// May reports whether the key's scopes hold s. Admin is also a matter of the account's role.
func (k *Key) May(s Scopes) bool { return k.Scopes.hold(s) }

// UsedAt returns the moment of the last use in Unix ms, 0 when there was none.
func (k *Key) UsedAt() int64 { return k.used.Load() }

// maxKeyAllow bounds the addresses of a key.
const maxKeyAllow = 100

// Validate names every fault at once, joined; each one is a *FieldError.
func (s *KeySpec) Validate(now int64) error {
	var faults []error
	if len(s.Name) > MaxName || !printable(s.Name) {
		faults = append(faults, &FieldError{"name", fmt.Sprintf("has at most %d printable characters", MaxName)})
	}
	if s.Scopes&^allScopes != 0 {
		faults = append(faults, &FieldError{"scopes", "has one that does not exist"})
	}
	if len(s.Allow) > maxKeyAllow {
		faults = append(faults, &FieldError{"allow", fmt.Sprintf("has %d entries, at most %d are allowed", len(s.Allow), maxKeyAllow)})
	}
	for _, text := range s.Allow {
		if _, err := parseNetwork(text); err != nil {
			faults = append(faults, &FieldError{"allow", fmt.Sprintf("%.60q is neither an address nor a network such as 192.0.2.0/24", text)})
			break
		}
	}
	if s.ExpiresAt != 0 && s.ExpiresAt <= now {
		faults = append(faults, &FieldError{"expires_at", "has passed"})
	}
	return errors.Join(faults...)
}

// Errors of ByKey besides ErrUnknownKey and ErrDisabled.
var (
	ErrKeyExpired = errors.New("the API key has expired")
	ErrKeyAddress = errors.New("the API key may not be used from this address")
)

// ByKey returns an API key that may be used now from remote, an address with port:
// ErrUnknownKey, ErrDisabled (its account is), ErrKeyExpired, ErrKeyAddress. It takes no lock
// and allocates nothing. Keys are found by their SHA-256, so that the time it takes tells
// nothing of the keys that exist.
func (d *Directory) ByKey(key, remote string) (*Key, error) {
	k := d.snap.Load().byKey[HashKey(key)]
	if k == nil {
		return nil, ErrUnknownKey
	}
	now := d.now().UnixMilli()
	switch {
	case k.account.Disabled:
		return nil, ErrDisabled
	case k.ExpiresAt != 0 && now >= k.ExpiresAt:
		return nil, ErrKeyExpired
	case k.networks != nil && !contains(k.networks, remote):
		return nil, ErrKeyAddress
	}
	if now-k.used.Load() >= usePrecision {
		k.used.Store(now)
	}
	return k, nil
}

// usePrecision is how exact the moment of the last use is, in ms: a key that is used all the
// time is not written to all the time.
const usePrecision = 1000

// SaveUse makes the moments of the last uses durable, of those keys whose moment has changed.
func (d *Directory) SaveUse(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, k := range d.Snapshot().keys {
		used := k.used.Load()
		if used == k.saved.Load() {
			continue
		}
		row := k.KeyRow
		row.LastUsed = used
		if err := d.store.SaveKey(ctx, row); err != nil {
			errs = append(errs, fmt.Errorf("save the use of API key %s: %w", k.Prefix, err))
			continue
		}
		k.saved.Store(used)
	}
	return errors.Join(errs...)
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
