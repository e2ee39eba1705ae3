package user

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// How long a session lasts.
const (
	MaxSession  = 12 * time.Hour // from the sign-in
	IdleSession = time.Hour      // without a request
	// seenEvery is how exactly requests are noted.
	seenEvery = 5 * time.Minute

	maxSessions     = 20 // of one user: the oldest make room
	tokenOctets     = 32
	rereadSessions  = time.Second // at most, when a token is not known
	sessionStampLen = 16
)

// Stored is a session as the store keeps it.
type Stored struct {
	Key     string    `json:"key"` // SHA-256 of the token
	User    string    `json:"user"`
	Stamp   string    `json:"stamp"` // of the password that it was begun with
	Address string    `json:"address"`
	Created time.Time `json:"created_at"`
	Seen    time.Time `json:"seen_at"`
}

func (s *Stored) ended(now time.Time) bool {
	return !now.Before(s.Created.Add(MaxSession)) || !now.Before(s.Seen.Add(IdleSession))
}

// Session is who a request comes from.
type Session struct {
	User  *User
	Token string // the cookie's value
	// CSRF is what requests that change something bring in a header: another site cannot know it.
	CSRF    string
	Expires time.Time
}

func tokenKey(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func csrfOf(token string) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("protei-bulk console: csrf 1"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func stampOf(u *User) string {
	sum := sha256.Sum256([]byte(u.PasswordHash))
	return hex.EncodeToString(sum[:])[:sessionStampLen]
}

// Session finds the session of a token, and notes that it is in use: ErrSession.
func (d *Directory) Session(ctx context.Context, token string) (*Session, error) {
	if len(token) > 100 {
		return nil, ErrSession
	}
	key := tokenKey(token)
	s, u, err := d.find(ctx, key)
	if err != nil {
		return nil, err
	}
	now := d.now()
	if u == nil || u.Disabled || s.Stamp != stampOf(u) || s.ended(now) {
		return nil, ErrSession
	}
	if now.Sub(s.Seen) >= seenEvery {
		if err := d.seen(ctx, key, now); err != nil {
			return nil, err
		}
	}
	return &Session{User: u, Token: token, CSRF: csrfOf(token), Expires: s.Created.Add(MaxSession).UTC()}, nil
}

// find looks in the store when the session may have begun at another node.
func (d *Directory) find(ctx context.Context, key string) (Stored, *User, error) {
	for again := false; ; again = true {
		d.mu.RLock()
		s := d.sessions[key]
		read := d.read
		if s != nil {
			found, u := *s, d.users[s.User]
			d.mu.RUnlock()
			return found, u, nil
		}
		d.mu.RUnlock()
		if again || d.now().Sub(read) < rereadSessions {
			return Stored{}, nil, ErrSession
		}
		if err := d.reread(ctx); err != nil {
			return Stored{}, nil, err
		}
	}
}

// reread is Reload, once for all who wait for it: anybody can send tokens that are not known.
func (d *Directory) reread(ctx context.Context) error {
	d.change.Lock()
	defer d.change.Unlock()
	d.mu.RLock()
	read := d.read
	d.mu.RUnlock()
	if d.now().Sub(read) < rereadSessions {
		return nil
	}
	return d.reload(ctx)
}

// seen notes a request in memory and in the store, unless the session has ended meanwhile: noted then, it would be back.
func (d *Directory) seen(ctx context.Context, key string, now time.Time) error {
	d.change.Lock()
	defer d.change.Unlock()
	d.mu.Lock()
	s := d.sessions[key]
	if s == nil || now.Sub(s.Seen) < seenEvery {
		d.mu.Unlock()
		return nil
	}
	next := *s
	next.Seen = now.UTC()
	d.sessions[key] = &next
	d.mu.Unlock()
	if err := d.store.SaveSession(ctx, next); err != nil {
		return fmt.Errorf("save the session of %s: %w", next.User, err)
	}
	return nil
}

// begin needs change.
func (d *Directory) begin(ctx context.Context, u *User, address string) (*Session, error) {
	b := make([]byte, tokenOctets)
	_, _ = rand.Read(b)
	token := base64.RawURLEncoding.EncodeToString(b)
	now := d.now().UTC()
	s := Stored{Key: tokenKey(token), User: u.Name, Stamp: stampOf(u), Address: address, Created: now, Seen: now}
	if err := d.forgetEnded(ctx); err != nil {
		return nil, err
	}
	own := d.sessionsOf(u.Name)
	for _, old := range own[:max(0, len(own)-maxSessions+1)] {
		if err := d.drop(ctx, old.Key); err != nil {
			return nil, err
		}
	}
	if err := d.store.SaveSession(ctx, s); err != nil {
		return nil, fmt.Errorf("save the session of %s: %w", u.Name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sessions[s.Key] = &s
	return &Session{User: u, Token: token, CSRF: csrfOf(token), Expires: now.Add(MaxSession)}, nil
}

// sessionsOf returns a user's sessions, the oldest first.
func (d *Directory) sessionsOf(name string) (all []Stored) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, s := range d.sessions {
		if s.User == name {
			all = append(all, *s)
		}
	}
	slices.SortFunc(all, func(a, b Stored) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Key, b.Key)) })
	return all
}

// forgetEnded deletes sessions that have ended or have lost their user. It needs change.
func (d *Directory) forgetEnded(ctx context.Context) error {
	var gone []string
	now := d.now()
	d.mu.RLock()
	for key, s := range d.sessions {
		if u := d.users[s.User]; u == nil || s.ended(now) {
			gone = append(gone, key)
		}
	}
	d.mu.RUnlock()
	for _, key := range gone {
		if err := d.drop(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// endSessions ends all sessions of a user. It needs change.
func (d *Directory) endSessions(ctx context.Context, name string) error {
	for _, s := range d.sessionsOf(name) {
		if err := d.drop(ctx, s.Key); err != nil {
			return err
		}
	}
	return nil
}

func (d *Directory) drop(ctx context.Context, key string) error {
	if err := d.store.DeleteSession(ctx, key); err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sessions, key)
	return nil
}

// SignOut ends the session of a token; an unknown one is no error.
func (d *Directory) SignOut(ctx context.Context, token string) error {
	d.change.Lock()
	defer d.change.Unlock()
	return d.drop(ctx, tokenKey(token))
}
