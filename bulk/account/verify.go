package account

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"runtime"
	"sync"
	"time"
)

const (
	maxVerified   = 10_000
	maxVerifying  = 4 // argon2id runs at once: 19 MiB and a core's time each
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

	guesses Tries // by name and address: nobody locks a customer out from elsewhere
	sources Tries // by address
}

type verification struct {
	account uint32
	hash    string // the password hash it was checked against
}

func (v *verifier) start() {
	_, _ = rand.Read(v.secret[:])
	v.slots = make(chan struct{}, min(maxVerifying, max(1, runtime.GOMAXPROCS(0)/2))) // the other half of the cores sends
	v.waiting = make(chan struct{}, maxWaiting)
	v.verified = make(map[[32]byte]verification)
	v.guesses.Burst, v.guesses.Refill = 10, 10*time.Second
	v.sources.Burst, v.sources.Refill = 100, time.Second
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

// source is where tries of a pair come from.
type source struct{ pair, address string }

// wait says how long a source that was wrong too often has to wait.
func (v *verifier) wait(now time.Time, from source) error {
	if wait := max(v.guesses.Wait(now, from.pair), v.sources.Wait(now, from.address)); wait > 0 {
		return &LimitedError{wait}
	}
	return nil
}

// guess is slow for a source, and counts it when it is wrong. Of many at once, those that waited for a slot while others
// were wrong are not looked at any more, and those of a pair that was found right meanwhile (known) are right.
func (v *verifier) guess(now func() time.Time, from source, hash, password string, known func() bool) (right bool, err error) {
	if err := v.wait(now(), from); err != nil {
		return false, err
	}
	right, err = v.slow(hash, password, func() (bool, error) {
		if known() {
			return true, nil
		}
		return false, v.wait(now(), from)
	})
	if err == nil && !right {
		v.guesses.Spend(now(), from.pair)
		v.sources.Spend(now(), from.address)
	}
	return right, err
}

// slow runs argon2id in one of few slots, and gives up when too many wait. When there is a slot it asks last, if that is
// set: whether the pair is known to be right by now, or an error.
func (v *verifier) slow(hash, password string, last func() (known bool, err error)) (bool, error) {
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
	if last != nil {
		if known, err := last(); known || err != nil {
			return known, err
		}
	}
	return checkPassword(hash, password)
}

// Verify checks the password of a system_id, for binds and Basic. An unknown system_id
// (ErrUnknown) and a wrong password (ErrBadPassword) take the same time. ErrDisabled
// comes only with the right password. A pair that was right before costs no argon2id.
//
// from is the address that asks, with or without a port. Of an address so many wrong pairs are looked at: 10 of a
// system_id and then one each 10 s, 100 in all and then one a second. More are a LimitedError, which is never
// that of a pair that was right before.
func (d *Directory) Verify(systemID, password, from string) (*Account, error) {
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
		address := AddressKey(from)
		ok, err := d.check.guess(d.now, source{address + " " + systemID[:min(len(systemID), MaxSystemID+1)], address}, hash, password, func() bool { return d.check.known(k, a) })
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
	right, err := d.check.slow(hash, password, nil)
	return right && hash != d.check.dummy, err
}
