package account

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

const (
	maxVerified   = 10_000
	maxVerifying  = 2 // argon2id runs at once: 19 MiB and a core's time each
	maxWaiting    = 64
	verifyTimeout = 5 * time.Second
)

// verifier checks passwords, and remembers the ones that were right under a keyed hash,
// so that Basic costs argon2id once and not at every request.
type verifier struct {
	secret  [32]byte // keys the hash; lives as long as the process
	dummy   string   // checked for unknown users, so that they take as long
	slots   chan struct{}
	waiting chan struct{}

	mu       sync.Mutex
	verified map[[32]byte]verification // guarded by mu; at most maxVerified
}

type verification struct {
	account uint32
	hash    string // the password hash it was checked against
}

func (v *verifier) start() {
	_, _ = rand.Read(v.secret[:])
	v.slots = make(chan struct{}, maxVerifying)
	v.waiting = make(chan struct{}, maxWaiting)
	v.verified = make(map[[32]byte]verification)
	// The zero salt and key: nothing hashes to it.
	v.dummy = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
}

func (v *verifier) key(user, password string) (k [32]byte) {
	mac := hmac.New(sha256.New, v.secret[:])
	mac.Write([]byte(user))
	mac.Write([]byte{0})
	mac.Write([]byte(password))
	mac.Sum(k[:0])
	return k
}

func (v *verifier) known(k [32]byte, a *Account) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return a != nil && v.verified[k] == verification{a.ID, a.PasswordHash}
}

func (v *verifier) remember(k [32]byte, a *Account) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.verified) >= maxVerified {
		for old := range v.verified { // any one: the map's order is random
			delete(v.verified, old)
			break
		}
	}
	v.verified[k] = verification{a.ID, a.PasswordHash}
}

// slow runs argon2id in one of few slots, and gives up when too many wait.
func (v *verifier) slow(hash, password string) (bool, error) {
	select {
	case v.waiting <- struct{}{}:
		defer func() { <-v.waiting }()
	default:
		return false, ErrBusyVerifying
	}
	timer := time.NewTimer(verifyTimeout)
	defer timer.Stop()
	select {
	case v.slots <- struct{}{}:
		defer func() { <-v.slots }()
	case <-timer.C:
		return false, ErrBusyVerifying
	}
	return checkPassword(hash, password)
}

// Verify checks the password of a system_id, for binds and Basic. An unknown system_id
// (ErrUnknown) and a wrong password (ErrBadPassword) take the same time. ErrDisabled
// comes only with the right password. A pair that was right before costs no argon2id.
func (d *Directory) Verify(systemID, password string) (*Account, error) {
	a := d.BySystemID(systemID)
	if len(password) > MaxPassword {
		password = "" // no stored password is that long: take the usual time and refuse
	}
	k := d.check.key(systemID, password)
	if !d.check.known(k, a) {
		hash := d.check.dummy
		if a != nil && a.PasswordHash != "" {
			hash = a.PasswordHash
		}
		ok, err := d.check.slow(hash, password)
		switch {
		case err != nil:
			return nil, err
		case a == nil:
			return nil, ErrUnknown
		case !ok || password == "":
			return nil, ErrBadPassword
		}
		d.check.remember(k, a)
	}
	if a.Disabled {
		return nil, ErrDisabled
	}
	return a, nil
}

// CheckHash reports whether a password has this hash, with the bounds that Verify has: ErrBusyVerifying. No hash
// is as slow as one, and never right.
func (d *Directory) CheckHash(hash, password string) (bool, error) {
	if hash == "" {
		hash = d.check.dummy
	}
	right, err := d.check.slow(hash, password)
	return right && hash != d.check.dummy, err
}
